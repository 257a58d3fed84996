#include "http/curl_exchange.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <mutex>

namespace loco::http {
namespace {

constexpr std::size_t kMaxHeaderBytes = 256U << 10;
constexpr long kConnectionLifeSeconds = 60;
constexpr long kProbeSeconds = 30;

bool has_control(std::string_view text) {
    return std::ranges::any_of(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

}  // namespace

void init_curl_once() {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_ALL); });
}

Result<> Exchange::prepare(CURL* easy) {
    if (has_control(request_.url) || has_control(request_.unix_socket)) {
        return fail(ErrorKind::invalid, "a URL with a control character cannot be asked for");
    }
    curl_easy_setopt(easy, CURLOPT_URL, request_.url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    // Not HTTP/2, which TLS would choose: Debian 12's libcurl (7.88) writes beyond its buffers where many streams share a
    // connection (seen with some 800 followed logs beside the watches). A stream has a connection of its own.
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");  // also none from the environment
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, kConnectionLifeSeconds);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_.data());
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(request_.connect_timeout.count()));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request_.timeout.count()));
    if (!request_.unix_socket.empty()) {
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request_.unix_socket.c_str());
    }
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &header_callback);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &write_callback);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, &before_request_callback);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, this);
    if (request_.keep_alive_probes) {
        curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
        curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, kProbeSeconds);
        curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, kProbeSeconds / 3);
    }
    if (request_.tls) set_tls(easy);
    set_method_and_body(easy);
    if (!set_headers(easy)) {
        return fail(ErrorKind::invalid, "a header with a line break cannot be sent");
    }
    return {};
}

// From memory, so that no key is written to a file. curl compares these when it looks for a kept
// connection: one that was made with another certificate is not used.
void Exchange::set_tls(CURL* easy) const {
    const auto set = [easy](CURLoption option, const std::string& pem) {
        if (pem.empty()) return;
        // Not written to: the member is of the type that curl also uses for what it gives back.
        curl_blob blob{
            .data = const_cast<char*>(pem.data()), .len = pem.size(), .flags = CURL_BLOB_COPY};
        curl_easy_setopt(easy, option, &blob);
    };
    const auto& tls = *request_.tls;
    set(CURLOPT_CAINFO_BLOB, tls.ca_pem);
    set(CURLOPT_SSLCERT_BLOB, tls.certificate_pem);
    set(CURLOPT_SSLKEY_BLOB, tls.key_pem.reveal());
    if (!tls.verify) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

void Exchange::set_method_and_body(CURL* easy) {
    const auto method = request_.method;
    if (request_.body_source) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_READFUNCTION, &read_callback);
        curl_easy_setopt(easy, CURLOPT_READDATA, this);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t{-1});
    } else if (!request_.body.empty() || method == Method::post || method == Method::put ||
               method == Method::patch) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                         static_cast<curl_off_t>(request_.body.size()));
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request_.body.data());
    } else if (method == Method::head) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    if (method != Method::head) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, std::string(to_string(method)).c_str());
    }
}

bool Exchange::set_headers(CURL* easy) {
    const auto append = [this](const std::string& line) {
        auto* list = curl_slist_append(header_list_.get(), line.c_str());
        [[maybe_unused]] auto* before = header_list_.release();
        header_list_.reset(list);
    };
    for (const auto& [name, value] : request_.headers) {
        if (name.empty() || has_control(name) || has_control(value)) return false;
        append(value.empty() ? name + ";"
                             : name + ": " + value);  // curl's way to send an empty value
    }
    // What curl would add by itself and nobody asked for.
    for (const std::string name : {"Content-Type", "Expect", "Accept"}) {
        if (!request_.headers.has(name)) append(name + ":");
    }
    if (request_.body_source) append("Transfer-Encoding: chunked");
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, header_list_.get());
    return true;
}

std::size_t Exchange::header_callback(char* data, std::size_t size, std::size_t count, void* self) {
    const auto bytes = size * count;
    return static_cast<Exchange*>(self)->take_header({data, bytes}) ? bytes : 0;
}

bool Exchange::take_header(std::string_view line) {
    header_bytes_ += line.size();
    if (header_bytes_ > kMaxHeaderBytes) {
        failure_ =
            Error{.kind = ErrorKind::too_large, .message = "the answer's headers are too large"};
        return false;
    }
    while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("HTTP/")) {  // also after an interim answer: only the last one counts
        response_ = {};
        const auto space = line.find(' ');
        if (space != std::string_view::npos) {
            std::from_chars(line.data() + space + 1, line.data() + line.size(), response_.status);
        }
        return true;
    }
    if (line.empty()) {
        if (response_.status >= 200 && !status_told_) {
            status_told_ = true;
            if (on_status) on_status(response_.status);
        }
        return !cancelled_;
    }
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return true;
    auto value = line.substr(colon + 1);
    while (value.starts_with(' ') || value.starts_with('\t')) value.remove_prefix(1);
    while (value.ends_with(' ') || value.ends_with('\t')) value.remove_suffix(1);
    response_.headers.add(std::string(line.substr(0, colon)), std::string(value));
    return true;
}

std::size_t Exchange::write_callback(char* data, std::size_t size, std::size_t count, void* self) {
    const auto bytes = size * count;
    // Anything but the number of bytes stops curl; with no bytes the callback is not called.
    return static_cast<Exchange*>(self)->take_body({data, bytes}) ? bytes : 0;
}

bool Exchange::take_body(std::string_view data) {
    if (cancelled_) return false;
    if (on_data && response_.ok()) {
        if (on_data(data)) return true;
        cancelled_ = true;
        return false;
    }
    if (response_.body.size() + data.size() > request_.max_response_bytes) {
        failure_ = Error{.kind = ErrorKind::too_large,
                         .message = "the answer is larger than " +
                                    std::to_string(request_.max_response_bytes) + " bytes"};
        return false;
    }
    response_.body += data;
    return true;
}

std::size_t Exchange::read_callback(char* out, std::size_t size, std::size_t count, void* self) {
    auto& exchange = *static_cast<Exchange*>(self);
    if (exchange.sent_ == exchange.pending_.size()) {
        auto chunk = exchange.request_.body_source();
        if (!chunk) {
            exchange.failure_ = std::move(chunk).error();
            return CURL_READFUNC_ABORT;
        }
        exchange.pending_ = std::move(*chunk);
        exchange.sent_ = 0;
    }
    const auto n = std::min(size * count, exchange.pending_.size() - exchange.sent_);
    std::memcpy(out, exchange.pending_.data() + exchange.sent_, n);
    exchange.sent_ += n;
    return n;
}

// curl silently sends a request again when a kept connection breaks before the first byte of the
// answer. What the first one did is unknown then: only requests that may be repeated (RFC 9110
// section 9.2.2) are.
int Exchange::before_request_callback(void* self, char*, char*, int, int) {
    auto& exchange = *static_cast<Exchange*>(self);
    if (++exchange.times_sent_ == 1 || exchange.may_be_sent_twice()) return CURL_PREREQFUNC_OK;
    exchange.failure_ = Error{.kind = ErrorKind::unavailable,
                              .message = "the connection was lost before the answer came",
                              .code = "connection_lost"};
    return CURL_PREREQFUNC_ABORT;
}

bool Exchange::may_be_sent_twice() const {
    return !request_.body_source && request_.method != Method::post &&
           request_.method != Method::patch;
}

// Without the query, which is not for logs.
std::string Exchange::describe() const {
    std::string text(to_string(request_.method));
    text += ' ';
    text += std::string_view(request_.url).substr(0, request_.url.find('?'));
    if (!request_.unix_socket.empty()) text += " over " + request_.unix_socket;
    return text;
}

Result<ClientResponse> Exchange::finish(CURLcode result) {
    if (failure_) return std::unexpected(std::move(*failure_).while_(describe()));
    if (cancelled_) return fail(ErrorKind::interrupted, describe() + ": stopped");
    if (result == CURLE_OK) return std::move(response_);
    const std::string reason = error_[0] != '\0' ? error_.data() : curl_easy_strerror(result);
    auto kind = ErrorKind::unavailable;
    std::string code = "no_answer";
    if (result == CURLE_OPERATION_TIMEDOUT) code = "timed_out";
    if (result == CURLE_COULDNT_CONNECT) code = "connection_refused";
    if (result == CURLE_PEER_FAILED_VERIFICATION || result == CURLE_SSL_CERTPROBLEM ||
        result == CURLE_SSL_CONNECT_ERROR || result == CURLE_SSL_CACERT_BADFILE) {
        code = "tls_failed";
    }
    if (result == CURLE_URL_MALFORMAT || result == CURLE_UNSUPPORTED_PROTOCOL) {
        kind = ErrorKind::invalid;
        code = "invalid_url";
    }
    return fail(kind, describe() + ": " + reason, {}, code);
}

}  // namespace loco::http
