// A request that is taken has a path and a query that are safe to use, whatever its bytes were.
#include <cstdint>
#include <cstdlib>

#include "http/message.hpp"
#include "http/request_parser.hpp"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void check(const loco::http::Request& request) {
    const std::string_view path = request.path;
    require(path.starts_with('/') && loco::http::is_utf8(path));
    require(path.find('\0') == std::string_view::npos && path.find('\n') == std::string_view::npos);
    require((std::string(path) + "/").find("/../") == std::string::npos);
    require((std::string(path) + "/").find("/./") == std::string::npos);
    require(request.headers.count("Content-Length") + request.headers.count("Transfer-Encoding") <=
            1);
    for (const auto& [name, value] : request.headers) {
        require(!name.empty() && value.find('\n') == std::string::npos);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t kMaxBody = 1000;
    std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto end = bytes.find("\r\n\r\n");
    if (end == std::string_view::npos) return 0;
    loco::http::RequestParser parser(kMaxBody);
    if (parser.put_head(bytes.substr(0, end + 4))) return 0;
    check(parser.request());
    bytes.remove_prefix(end + 4);
    for (std::size_t shown = 1; !parser.is_complete() && shown <= bytes.size(); ++shown) {
        const auto progress = parser.put_body(bytes.substr(0, shown));
        if (progress.refusal) return 0;
        require(progress.taken <= shown);
        bytes.remove_prefix(progress.taken);
        if (progress.taken > 0) shown = 0;
    }
    require(parser.request().body.size() <= kMaxBody);
    check(parser.request());
    return 0;
}
