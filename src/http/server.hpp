// Inbound HTTP/1.1 (Beast). Handlers are plain synchronous functions on a bounded pool of threads; coroutines stay
// inside this module. Bounds: sizes of request line, headers and body, number of connections, time for a request to
// arrive and for an answer to be taken, so that slow or hostile clients can't hold the server.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "http/message.hpp"

namespace loco::http {

struct Request {
    Method method = Method::get;
    std::string target;  // as received: path and query
    std::string path;    // decoded, without query; no "." or ".." segments, no NUL
    std::map<std::string, std::string> query;  // decoded; the first of a name counts
    Headers headers;
    std::string body;
    std::string peer;  // "127.0.0.1:54321"
};

// A body that comes in pieces over time (server-sent events, followed logs). All streams are served by one thread:
// next() must not block. Destroyed when the client has gone or the stream has ended.
class BodyStream {
  public:
    virtual ~BodyStream() = default;
    struct Chunk {
        std::string data = {};  // empty with ended = false: nothing now, wait for the waker
        bool ended = false;
    };
    // Called on the stream thread whenever the last chunk was taken or the waker was called. At most about 64 KiB.
    [[nodiscard]] virtual Chunk next() = 0;
    // Given once before the first next(); may be called from any thread, any number of times, also after the end.
    virtual void set_waker(std::function<void()> waker) = 0;
    // Sent when nothing else was for 15 s, e.g. ": keep-alive\n\n"; empty: nothing is.
    [[nodiscard]] virtual std::string keep_alive() const { return {}; }
};

struct Response {
    int status = 200;
    Headers headers = {};
    std::string body = {};
    std::shared_ptr<BodyStream> stream = {};  // instead of body
};

struct ServerOptions {
    std::string address = "127.0.0.1";
    std::uint16_t port = 0;  // 0: any free one, see Server::port()
    std::size_t handler_threads =
        4;  // handlers at once; a GET may run in the network loop, see crew.hpp
    std::size_t max_queued = 256;  // requests waiting for a thread; beyond it 503 with Retry-After
    std::size_t max_connections = 4096;
    std::size_t max_header_bytes = 16U << 10;
    std::size_t max_body_bytes = 4U << 20;  // 413 beyond it
    std::chrono::milliseconds header_timeout{
        10'000};  // first byte of a request to the end of its headers
    std::chrono::milliseconds body_timeout{30'000};
    std::chrono::milliseconds write_timeout{30'000};  // an answer that is not taken for so long
    std::chrono::milliseconds idle_timeout{75'000};   // keep-alive
    std::chrono::milliseconds stream_keep_alive{
        15'000};                                 // between BodyStream::keep_alive() in silence
    std::size_t max_buffered_bytes = 64U << 20;  // of all request bodies at once; beyond it 503
    // Makes the answers that the server gives by itself (400, 408, 413, 431, 503, …), so that they look like those
    // of the handler. Called in the network loop: must not block. Unset: problem+json with status, title, detail, code.
    std::function<Response(int status, std::string_view code, std::string_view detail)> on_refusal =
        {};
};

class Server {
  public:
    using Handler = std::function<Response(Request&&)>;  // may throw nothing

    // Binds and serves until stop(). unavailable with the address when it is taken.
    [[nodiscard]] static Result<std::unique_ptr<Server>> start(const ServerOptions& options,
                                                               Handler handler);
    ~Server();

    [[nodiscard]] std::uint16_t port() const;
    // Takes no new connections, lets running requests finish (at most `grace`), ends streams, closes.
    void stop(std::chrono::milliseconds grace);

    struct Stats {
        std::uint64_t connections_open, connections_total, requests_total, rejected_total;
    };
    [[nodiscard]] Stats stats() const;

  private:
    struct Impl;
    explicit Server(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace loco::http
