// The bytes of an answer's head (RFC 9112 section 4). Private to this module.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "http/server.hpp"

namespace loco::http {

struct Framing {
    std::optional<std::size_t> length = {};  // Content-Length
    bool chunked = false;
    bool close = false;           // the connection ends with this answer
    bool say_keep_alive = false;  // to a client of HTTP/1.0
};

// `date` as RFC 9110 section 5.6.7 wants it. Framing headers set by the handler are left out.
[[nodiscard]] std::string make_head(const Response& response, const Framing& framing,
                                    std::string_view date);

// True when no header of it can split the answer in two, and its status is a final one.
[[nodiscard]] bool is_sendable(const Response& response);

// 204 and 304 have no body by definition.
[[nodiscard]] inline bool may_have_body(int status) { return status != 204 && status != 304; }

// "Mon, 23 Nov 2026 16:00:00 GMT"
[[nodiscard]] std::string http_date(std::int64_t unix_seconds);

// problem+json (RFC 9457).
[[nodiscard]] Response plain_problem(int status, std::string_view code, std::string_view detail);

// The length line of a chunk.
[[nodiscard]] std::string chunk_line(std::size_t size);

}  // namespace loco::http
