// Outbound HTTP over TCP or a Unix socket (libcurl). Redirects are not followed, proxies of the
// environment not used.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/secret.hpp"
#include "http/message.hpp"

namespace loco::http {

// How an https server is verified, and how this side shows who it is. Without one: the system's
// authorities, no certificate of ours. A connection is used again only with the same.
struct TlsOptions {
    std::string ca_pem = {};           // instead of the system's authorities
    std::string certificate_pem = {};  // ours, with its chain; needs the key
    Secret<std::string> key_pem{};
    bool verify = true;  // false: anybody may answer
};

struct ClientRequest {
    Method method = Method::get;
    std::string url;  // "http://host:port/path?query"; with unix_socket the host is only a name
    std::shared_ptr<const TlsOptions> tls = {};
    std::string unix_socket = {};
    Headers headers = {};
    std::string body = {};
    // Instead of body: called until it gives an empty chunk; sent with Transfer-Encoding: chunked.
    std::function<Result<std::string>()> body_source = {};
    std::chrono::milliseconds connect_timeout{3'000};
    std::chrono::milliseconds timeout{30'000};  // of the whole exchange; 0: none
    // Probes a silent TCP connection, so that a peer that vanished without a word is noticed within
    // two minutes: for long answers.
    bool keep_alive_probes = false;
    std::size_t max_response_bytes = 16U << 20;  // too_large beyond it; does not bound on_data
    // When set, a 2xx body goes here as it comes and not into ClientResponse::body. False stops the
    // exchange (then the result is an interrupted error). Bodies of other statuses are kept in
    // ClientResponse::body.
    std::function<bool(std::string_view)> on_data = {};
    // Asked at least every 200 ms; true stops the exchange with an interrupted error.
    std::function<bool()> cancelled = {};
};

struct ClientResponse {
    int status = 0;
    Headers headers;
    std::string body;
    [[nodiscard]] bool ok() const { return status >= 200 && status < 300; }
};

// Connections are kept and used again. May be called from any thread; each call blocks its caller.
class Client {
  public:
    Client();
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // Any status is a response; unavailable when there was none (refused, reset, timed out): the
    // message says which address and why.
    [[nodiscard]] Result<ClientResponse> send(const ClientRequest& request);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// Many long responses at once (followed logs, event streams, health probes) on one thread of its
// own.
class StreamClient {
  public:
    using Id = std::uint64_t;
    struct Handler {
        // All are called on the hub's thread and must not block.
        std::function<void(int status)> on_status = {};
        std::function<bool(std::string_view)> on_data = {};  // false ends the stream
        // Exactly once per opened stream that was not closed: the end, or why it broke (interrupted
        // when on_data said so).
        std::function<void(Result<ClientResponse>)> on_end = {};
    };

    StreamClient();
    ~StreamClient();  // closes all streams; no handler runs afterwards

    // Returns at once. body_source, on_data and cancelled of the request are not used here. Without
    // Handler::on_data a 2xx body is kept (at most max_response_bytes) and given to on_end.
    Id open(ClientRequest request, Handler handler);
    // No handler of that stream runs after close returns, unless it is called from a handler.
    void close(Id id);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace loco::http
