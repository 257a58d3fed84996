#include "runtime/health/probe.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <mutex>

namespace loco::runtime {
namespace {

constexpr std::size_t kMaxBody = 64U << 10;
constexpr std::size_t kBeginning = 512;
constexpr std::size_t kMaxHeaders = 64U << 10;

void init_curl_once() {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_ALL); });
}

// A TLS alert or handshake record where HTTP was expected (RFC 8446 section 5.1).
bool is_tls_record(std::string_view bytes) {
    return bytes.size() >= 3 && (bytes[0] == 0x15 || bytes[0] == 0x16) && bytes[1] == 0x03;
}

bool is_http1(std::string_view bytes) { return bytes.starts_with("HTTP/1."); }

}  // namespace

std::string in_words(std::chrono::milliseconds duration) {
    const auto ms = duration.count();
    if (ms < 1000) return std::to_string(ms) + "ms";
    std::string text = std::to_string(ms / 1000);
    if (ms % 1000 != 0) {
        std::string fraction = std::to_string(1000 + ms % 1000).substr(1);
        while (fraction.ends_with('0')) fraction.pop_back();
        text += "." + fraction;
    }
    return text + "s";
}

bool Probe::connects_only() const {
    return target_.protocol == Protocol::h2c && target_.spec.path.empty();
}

std::string Probe::path() const { return target_.spec.path.empty() ? "/" : target_.spec.path; }

Probe::Probe(const HealthTarget& target, std::chrono::milliseconds connect_timeout)
    : target_(target) {
    init_curl_once();
    easy_.reset(curl_easy_init());
    LOCO_CHECK(easy_ != nullptr);
    CURL* easy = easy_.get();
    const std::string url = "http://" + target.address + ":" + std::to_string(target.port) + path();
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    // What is no HTTP at all is looked at rather than thrown away.
    curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 1L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                     static_cast<long>(std::min(connect_timeout, target.spec.timeout).count()));
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(target.spec.timeout.count()));
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 8192L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "loco-health/1");
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
    if (connects_only()) {
        curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    } else if (target.protocol == Protocol::h2c) {
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                         static_cast<long>(CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE));
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
        headers_.reset(curl_slist_append(nullptr, "Connection: close"));
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers_.get());
    }
}

std::size_t Probe::on_header(char* data, std::size_t size, std::size_t count, void* self) {
    auto& probe = *static_cast<Probe*>(self);
    const std::size_t bytes = size * count;
    probe.received_ += bytes;
    if (probe.received_ > kMaxHeaders) return 0;
    probe.take_header({data, bytes});
    return bytes;
}

void Probe::take_header(std::string_view line) {
    if (line.starts_with("HTTP/")) {
        status_ = 0;
        if (const auto space = line.find(' '); space != std::string_view::npos) {
            std::from_chars(line.data() + space + 1, line.data() + line.size(), status_);
        }
    }
    const auto value_of = [&](std::string_view name) -> std::optional<std::string_view> {
        const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; };
        if (line.size() <= name.size() ||
            !std::ranges::equal(line.substr(0, name.size()), name, same))
            return std::nullopt;
        auto value = line.substr(name.size());
        const auto begin = value.find_first_not_of(" \t");
        value = begin == std::string_view::npos ? std::string_view() : value.substr(begin);
        return value.substr(0, value.find_last_not_of(" \t\r\n") + 1);
    };
    if (const auto location = value_of("location:")) location_ = *location;
    if (value_of("set-cookie:")) sets_cookie_ = true;
    // With 400 the body may say that TLS was expected.
    const bool end = line == "\r\n" || line == "\n";
    if (end && status_ >= 200 && status_ != 400) decided_ = true;
}

std::size_t Probe::on_body(char* data, std::size_t size, std::size_t count, void* self) {
    auto& probe = *static_cast<Probe*>(self);
    const std::size_t bytes = size * count;
    probe.received_ += bytes;
    if (probe.beginning_.size() < kBeginning) {
        probe.beginning_.append(data, std::min(bytes, kBeginning - probe.beginning_.size()));
    }
    if (probe.status_ != 0) probe.decided_ = true;
    return probe.received_ > kMaxBody ? 0 : bytes;
}

// A redirect to where it was asked is never an answer, unless a cookie makes the next try another.
bool Probe::leads_to_itself() const {
    if (target_.spec.path.empty() || status_ < 300 || status_ >= 400 || sets_cookie_) return false;
    const auto here = target_.address + ":" + std::to_string(target_.port) + path();
    return location_ == path() || location_ == "//" + here || location_ == "http://" + here;
}

HealthCheck Probe::result(CURLcode code) const {
    using enum HealthCheck::Saw;
    const HealthCheck well{.saw = healthy, .status = status_, .words = {}};
    if (connects_only() && code == CURLE_OK) return well;
    // A status that came counts, whatever became of the rest: an endless body is an answer too.
    if (status_ < 200) return failure(code);
    if (status_ == 400 && beginning_.find("HTTPS") != std::string::npos) return in_tls();
    const auto answered = "GET " + path() + " answered " + std::to_string(status_);
    if (leads_to_itself()) {
        return {.saw = circle, .status = status_, .words = answered + ", a redirect to itself"};
    }
    if (target_.spec.path.empty() ? status_ < 500 : status_ < 400) return well;
    return {.saw = status, .status = status_, .words = answered};
}

HealthCheck Probe::in_tls() const {
    return {
        .saw = HealthCheck::Saw::tls,
        .words = port() + " answers in TLS; Loco speaks plain HTTP to the app and does TLS itself"};
}

// Without an answer in HTTP.
HealthCheck Probe::failure(CURLcode code) const {
    using enum HealthCheck::Saw;
    const auto seen = [](HealthCheck::Saw what, std::string words) {
        return HealthCheck{.saw = what, .words = std::move(words)};
    };
    if (is_tls_record(beginning_)) return in_tls();
    if (target_.protocol == Protocol::h2c && is_http1(beginning_)) {
        return seen(not_http2, port() + " does not speak HTTP/2 without TLS (protocol = \"h2c\")");
    }
    if (!beginning_.empty()) return seen(not_http, port() + " answers, but not in HTTP");
    long os_error = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &os_error);
    switch (code) {
        case CURLE_COULDNT_CONNECT: {
            if (os_error == ECONNREFUSED) {
                return seen(refused, "nothing listens on " + port() + " (connection refused)");
            }
            const char* reason =
                os_error == 0 ? nullptr : strerrordesc_np(static_cast<int>(os_error));
            return seen(unreachable,
                        port() + " cannot be reached" +
                            (reason == nullptr ? std::string() : std::string(" (") + reason + ")"));
        }
        case CURLE_OPERATION_TIMEDOUT: {
            curl_off_t connected = 0;
            curl_easy_getinfo(easy_.get(), CURLINFO_CONNECT_TIME_T, &connected);
            if (connected == 0) {
                return seen(unreachable,
                            port() + " cannot be reached (no answer to the connection)");
            }
            return seen(no_answer, "no answer within " + in_words(target_.spec.timeout));
        }
        case CURLE_HTTP2:
        case CURLE_HTTP2_STREAM:
            return seen(not_http2,
                        port() + " does not speak HTTP/2 without TLS (protocol = \"h2c\")");
        case CURLE_GOT_NOTHING:
        case CURLE_RECV_ERROR:
        case CURLE_SEND_ERROR:
            return seen(closed, port() + " closed the connection without an answer");
        case CURLE_OK: return seen(closed, port() + " answered with nothing");
        default:
            return seen(not_http, port() + " gave no answer that can be read (" +
                                      curl_easy_strerror(code) + ")");
    }
}

}  // namespace loco::runtime
