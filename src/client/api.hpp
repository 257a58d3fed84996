// The API as a client sees it: JSON in, JSON or Error out. Problem documents become Errors with the server's code, hint and
// next steps; a server that can't be reached becomes unavailable with what to do.
#pragma once

#include <boost/json/value.hpp>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/secret.hpp"
#include "http/client.hpp"

namespace loco::client {

struct Endpoint {
    std::string url = "http://127.0.0.1:8081";  // scheme, host and port, without a path
    Secret<> token;
};

struct PostOptions {
    std::string idempotency_key = {};
    std::chrono::milliseconds timeout{30'000};
    // While the server can't be reached it is tried again, for so long. Only with a key, or for what may be done twice.
    std::chrono::milliseconds patience{0};
};

// A random one. The server answers a POST that comes again with the same key as it answered the first.
[[nodiscard]] std::string new_idempotency_key();

class Api {
  public:
    explicit Api(Endpoint endpoint) : endpoint_(std::move(endpoint)) {}

    // `path` begins behind /api/v1, e.g. "/me"; its parts must be percent-encoded already.
    [[nodiscard]] Result<boost::json::value> get(const std::string& path);
    [[nodiscard]] Result<boost::json::value> post(const std::string& path,
                                                  const boost::json::value& body,
                                                  const PostOptions& options = {});
    [[nodiscard]] Result<boost::json::value> patch(const std::string& path,
                                                   const boost::json::value& body);
    [[nodiscard]] Result<boost::json::value> remove(const std::string& path);
    [[nodiscard]] Result<> post_text(const std::string& path, std::string text);
    // All items of a list, page by page; at most max.
    [[nodiscard]] Result<boost::json::array> list(const std::string& path,
                                                  std::size_t max = 10'000);

    struct StreamEvent {
        std::string id;
        std::string event;
        boost::json::value data;
    };
    // Follows server-sent events, reconnecting with Last-Event-ID where the connection or the server goes away (for at most
    // `patience` without any answer), until on_event gives false. `cancelled` is asked often; true: interrupted.
    [[nodiscard]] Result<> follow_events(
        const std::string& path, const std::function<bool(const StreamEvent&)>& on_event,
        const std::function<bool()>& cancelled,
        std::chrono::milliseconds patience = std::chrono::seconds(60));
    // Reads NDJSON; with follow it reconnects likewise, going on after the last line's seq.
    [[nodiscard]] Result<> read_lines(
        const std::string& path, bool follow,
        const std::function<bool(const boost::json::object&)>& on_line,
        const std::function<bool()>& cancelled,
        std::chrono::milliseconds patience = std::chrono::seconds(60));

    [[nodiscard]] const std::string& url() const { return endpoint_.url; }

  private:
    [[nodiscard]] http::ClientRequest request(http::Method method, const std::string& path) const;
    [[nodiscard]] Result<boost::json::value> exchange(const http::ClientRequest& request);
    [[nodiscard]] Error unreachable(Error error) const;

    Endpoint endpoint_;
    http::Client http_;
};

// The Error that a problem+json answer tells of.
[[nodiscard]] Error to_error(int status, std::string_view body);

// "a/b" → "a%2Fb": for parts of paths.
[[nodiscard]] std::string part(std::string_view text);

}  // namespace loco::client
