#include "http/request_parser.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace loco::http {
namespace {

namespace beast = boost::beast;
using beast::error_code;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

std::optional<Method> method_of(beast::http::verb verb) {
    using beast::http::verb;
    switch (verb) {
        case verb::get: return Method::get;
        case verb::head: return Method::head;
        case verb::post: return Method::post;
        case verb::put: return Method::put;
        case verb::patch: return Method::patch;
        case verb::delete_: return Method::delete_;
        default: return std::nullopt;
    }
}

Refusal refusal_of(const error_code& ec) {
    using beast::http::error;
    if (ec == error::body_limit) {
        return {.status = 413,
                .code = "payload_too_large",
                .detail = "the request's body is larger than this server takes"};
    }
    if (ec == error::header_limit) {
        return {.status = 431,
                .code = "headers_too_large",
                .detail = "the request's headers are larger than this server takes"};
    }
    if (ec == error::bad_version)
        return {.status = 505,
                .code = "http_version_unsupported",
                .detail = "this server speaks HTTP/1.1 and HTTP/1.0"};
    return {.status = 400, .code = "bad_request", .detail = "the request is not valid HTTP"};
}

// Continuation lines (RFC 9112 section 5.2) are read as one field by some and as two by others.
bool has_folded_line(std::string_view head) {
    return head.find("\n ") != std::string_view::npos ||
           head.find("\n\t") != std::string_view::npos;
}

// The absolute form that a server must take (RFC 9112 section 3.2.2), without scheme and authority.
std::string_view without_authority(std::string_view target) {
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (target.size() > scheme.size() &&
            equal_ignoring_case(target.substr(0, scheme.size()), scheme)) {
            const auto path = target.find('/', scheme.size());
            return path == std::string_view::npos ? "/" : target.substr(path);
        }
    }
    return target;
}

}  // namespace

class RequestParser::Impl final : public beast::http::basic_parser<true> {
  public:
    Request request;
    std::optional<Refusal> refusal;
    bool expects_continue = false;
    bool is_http_1_0 = false;

    // What follows from all of the fields together.
    void check_head() {
        const auto& headers = request.headers;
        if (headers.count("Host") > 1 || (!is_http_1_0 && !headers.has("Host"))) {
            return refuse({.status = 400,
                           .code = "bad_request",
                           .detail = "a request needs exactly one Host header"});
        }
        const auto lengths = headers.count("Content-Length");
        const auto encodings = headers.count("Transfer-Encoding");
        if (lengths > 1 || encodings > 1 || (lengths > 0 && encodings > 0) ||
            (encodings > 0 && is_http_1_0) ||
            headers.get("Content-Length").find(',') != std::string_view::npos) {
            return refuse({.status = 400,
                           .code = "bad_request",
                           .detail = "the length of the request's body is ambiguous"});
        }
        if (encodings > 0 && !equal_ignoring_case(headers.get("Transfer-Encoding"), "chunked")) {
            return refuse({.status = 501,
                           .code = "not_implemented",
                           .detail = "only the transfer coding chunked is understood"});
        }
        if (!headers.has("Expect")) return;
        if (!equal_ignoring_case(headers.get("Expect"), "100-continue")) {
            return refuse({.status = 417,
                           .code = "bad_request",
                           .detail = "only 100-continue can be expected"});
        }
        expects_continue = !is_http_1_0;
    }

  private:
    void refuse(Refusal why) {
        if (!refusal) refusal = why;
    }

    void on_request_impl(beast::http::verb verb, beast::string_view, beast::string_view target,
                         int version, error_code&) override {
        is_http_1_0 = version < 11;
        if (const auto method = method_of(verb)) {
            request.method = *method;
        } else if (verb == beast::http::verb::unknown) {
            return refuse(
                {.status = 501, .code = "not_implemented", .detail = "this method is not known"});
        } else {
            return refuse({.status = 405,
                           .code = "method_not_allowed",
                           .detail = "this method is not served here"});
        }
        request.target = without_authority(view(target));
        const std::string_view whole = request.target;
        const bool odd = std::ranges::any_of(
            whole, [](char c) { return c == '#' || static_cast<unsigned char>(c) >= 0x7f; });
        const auto question = whole.find('?');
        auto path = parse_path(whole.substr(0, question));
        if (odd || !path || !is_utf8(*path)) {
            return refuse(
                {.status = 400, .code = "bad_request", .detail = "the path is not valid"});
        }
        request.path = std::move(*path);
        if (question == std::string_view::npos) return;
        auto query = parse_query(whole.substr(question + 1));
        if (!query || std::ranges::any_of(*query, [](const auto& p) {
                return !is_utf8(p.first) || !is_utf8(p.second);
            })) {
            return refuse(
                {.status = 400, .code = "bad_request", .detail = "the query is not valid"});
        }
        request.query = std::move(*query);
    }
    void on_field_impl(beast::http::field, beast::string_view name, beast::string_view value,
                       error_code&) override {
        if (!head_done_) request.headers.add(std::string(view(name)), std::string(view(value)));
        // Else a trailer: nothing may be set once the head was judged.
    }
    void on_header_impl(error_code&) override { head_done_ = true; }
    void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code&) override {
        constexpr std::uint64_t kReserveAtMost = 1U << 20;  // more only as it really comes
        if (length)
            request.body.reserve(static_cast<std::size_t>(std::min(*length, kReserveAtMost)));
    }
    std::size_t on_body_impl(beast::string_view body, error_code&) override {
        request.body.append(body.data(), body.size());
        return body.size();
    }
    void on_chunk_header_impl(std::uint64_t, beast::string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, beast::string_view body, error_code&) override {
        request.body.append(body.data(), body.size());
        return body.size();
    }
    void on_finish_impl(error_code&) override {}
    void on_response_impl(int, beast::string_view, int, error_code&) override {}

    bool head_done_ = false;
};

RequestParser::RequestParser(std::size_t max_body_bytes) : impl_(std::make_unique<Impl>()) {
    impl_->header_limit(1U << 30);  // the reader has bounded it already
    impl_->body_limit(static_cast<std::uint64_t>(max_body_bytes));
    impl_->eager(true);
}
RequestParser::~RequestParser() = default;

std::optional<Refusal> RequestParser::put_head(std::string_view head) {
    if (has_folded_line(head))
        return Refusal{
            .status = 400, .code = "bad_request", .detail = "a header goes on in a second line"};
    error_code ec;
    impl_->put(boost::asio::buffer(head.data(), head.size()), ec);
    if (ec && ec != beast::http::error::need_more) return refusal_of(ec);
    if (!impl_->is_header_done()) return refusal_of(beast::http::error::bad_field);
    if (!impl_->refusal) impl_->check_head();
    return impl_->refusal;
}

RequestParser::Progress RequestParser::put_body(std::string_view bytes) {
    Progress progress;
    error_code ec;
    // The parser asserts that it has as much as a last chunk when it looks at one again ("0\r\n", then one byte more);
    // so many bytes always are still to come before a chunked body is complete.
    constexpr std::size_t kLastChunk = 5;
    const std::size_t least = impl_->chunked() ? kLastChunk : 1;
    while (!impl_->is_done() && bytes.size() - progress.taken >= least) {
        const auto rest = bytes.substr(progress.taken);
        const auto n = impl_->put(boost::asio::buffer(rest.data(), rest.size()), ec);
        progress.taken += n;
        if (ec == beast::http::error::need_more || (!ec && n == 0)) break;
        if (ec) {
            progress.refusal = refusal_of(ec);
            break;
        }
    }
    return progress;
}

bool RequestParser::is_complete() const { return impl_->is_done(); }
bool RequestParser::keep_alive() const { return impl_->keep_alive(); }
bool RequestParser::is_http_1_0() const { return impl_->is_http_1_0; }
bool RequestParser::expects_continue() const { return impl_->expects_continue; }
Request& RequestParser::request() { return impl_->request; }

}  // namespace loco::http
