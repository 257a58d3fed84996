// One accepted connection, from its first request to its end. Private to this module: the only header with Asio.
//
// Everything here runs in the network loop (one thread at a time, see crew.hpp), except handlers and BodyStream::next()
// with the stream's end (the stream thread).
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <memory>
#include <span>
#include <string>

#include "http/crew.hpp"
#include "http/request_parser.hpp"
#include "http/server.hpp"

namespace loco::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using SteadyClock = std::chrono::steady_clock;

// Bytes that have arrived and are not yet taken.
class ReadBuffer {
  public:
    [[nodiscard]] std::string_view view() const { return {data_.get() + begin_, end_ - begin_}; }
    [[nodiscard]] bool empty() const { return begin_ == end_; }
    void consume(std::size_t count);
    // Room for at least `least` more bytes behind those that are there.
    [[nodiscard]] asio::mutable_buffer prepare(std::size_t least);
    void commit(std::size_t count) { end_ += count; }
    // Gives the memory back when there is nothing in it.
    void release();

  private:
    std::unique_ptr<char[]> data_;
    std::size_t capacity_ = 0;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

class Connection;
class StreamWaker;
using Connections = std::list<std::shared_ptr<Connection>>;

// What all connections of a server share.
struct ServerContext {
    ServerOptions options;
    Server::Handler handler;
    asio::io_context network;
    asio::io_context streams{1};
    std::unique_ptr<Crew> crew;

    // Of the network loop only.
    Connections
        idle;  // waiting for a request, the longest first: these may be dropped when there are too many
    Connections active;
    bool draining = false;
    std::size_t buffered_bytes = 0;

    std::atomic<std::uint64_t> open = 0;
    std::atomic<std::uint64_t> total = 0;
    std::atomic<std::uint64_t> requests = 0;
    std::atomic<std::uint64_t> rejected = 0;

    [[nodiscard]] Response call_handler(Request request) const;
    [[nodiscard]] Response refuse(int status, std::string_view code, std::string_view detail);
    [[nodiscard]] std::string_view date();

  private:
    std::int64_t date_second_ = 0;
    std::string date_;
};

class Connection : public std::enable_shared_from_this<Connection> {
  public:
    Connection(ServerContext& context, tcp::socket socket, std::string peer);

    // Serves requests until the connection ends; then takes itself out of the context's list.
    [[nodiscard]] asio::awaitable<void> serve(Connections::iterator self);

    // By the sweep: gives up what has taken too long, and memory that is not needed.
    void check_deadline(SteadyClock::time_point now);
    void close();
    // No further request; a stream ends now.
    void drain();

  private:
    enum class Phase : std::uint8_t { idle, receiving, handling, writing, streaming };
    enum class Read : std::uint8_t { more, closed, timed_out };

    void enter(Phase phase, std::chrono::milliseconds limit);
    void extend(std::chrono::milliseconds limit);

    [[nodiscard]] asio::awaitable<bool> serve_one();
    [[nodiscard]] asio::awaitable<bool> wait_for_request();
    [[nodiscard]] asio::awaitable<Read> read_some(std::size_t least);
    // The head's size; 0 when the connection has ended or `refusal` says why not.
    [[nodiscard]] asio::awaitable<std::size_t> read_head(std::optional<Refusal>& refusal);
    [[nodiscard]] asio::awaitable<bool> read_body(RequestParser& parser,
                                                  std::optional<Refusal>& refusal);
    [[nodiscard]] asio::awaitable<Response> run_handler(Request request);
    [[nodiscard]] asio::awaitable<Response> run_on_crew(Request request);
    [[nodiscard]] asio::awaitable<bool> write(std::span<asio::const_buffer> buffers);
    [[nodiscard]] asio::awaitable<bool> write_text(std::string_view text);
    [[nodiscard]] asio::awaitable<bool> write_response(Response response, bool head_only,
                                                       bool http_1_0, bool keep_alive);
    [[nodiscard]] asio::awaitable<void> refuse(Refusal refusal);
    [[nodiscard]] asio::awaitable<void> linger();
    [[nodiscard]] asio::awaitable<void> serve_stream(Response response, bool chunked);
    [[nodiscard]] asio::awaitable<void> pump(BodyStream& stream, StreamWaker& waker, bool chunked);
    [[nodiscard]] asio::awaitable<bool> write_chunk(std::string_view data, bool chunked);
    [[nodiscard]] asio::awaitable<void> watch_for_end();

    ServerContext& context_;
    tcp::socket socket_;
    std::string peer_;
    ReadBuffer buffer_;
    Connections::iterator self_;
    Phase phase_ = Phase::receiving;
    SteadyClock::time_point deadline_ = SteadyClock::time_point::max();
    SteadyClock::time_point entered_;
    bool timed_out_ = false;
    bool closed_ = false;
    std::unique_ptr<asio::steady_timer> stream_timer_;  // wakes pump(); only while streaming
};

}  // namespace loco::http
