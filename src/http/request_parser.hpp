// Parses one request of HTTP/1.1 (RFC 9112), strictly: what two parties could read differently is refused.
// Private to this module.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "http/server.hpp"

namespace loco::http {

// Why the server itself answers a request with an error.
struct Refusal {
    int status = 400;
    std::string_view code = "bad_request";
    std::string_view detail;
};

class RequestParser {
  public:
    explicit RequestParser(std::size_t max_body_bytes);
    ~RequestParser();
    RequestParser(const RequestParser&) = delete;
    RequestParser& operator=(const RequestParser&) = delete;

    // The whole head, its empty line included.
    [[nodiscard]] std::optional<Refusal> put_head(std::string_view head);

    // Gives how many bytes of the body it took; the rest has to be shown again with more behind it.
    struct Progress {
        std::size_t taken = 0;
        std::optional<Refusal> refusal = {};
    };
    [[nodiscard]] Progress put_body(std::string_view bytes);

    [[nodiscard]] bool is_complete() const;
    [[nodiscard]] bool keep_alive() const;
    [[nodiscard]] bool is_http_1_0() const;
    [[nodiscard]] bool expects_continue() const;
    [[nodiscard]] Request& request();

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace loco::http
