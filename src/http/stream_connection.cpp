// The part of a connection that serves a BodyStream.
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <mutex>

#include "http/connection.hpp"
#include "http/response_writer.hpp"

namespace loco::http {
namespace {

constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);
// A client that keeps sending although its answer is a stream has this much ignored, then it is cut off.
constexpr std::size_t kMaxIgnoredBytes = 64U << 10;

asio::awaitable<void> go_to(asio::io_context& context) {
    co_await asio::post(asio::bind_executor(context, asio::use_awaitable));
}

}  // namespace

// What a stream's producer holds. It may outlive the connection and the server.
class StreamWaker : public std::enable_shared_from_this<StreamWaker> {
  public:
    StreamWaker(asio::io_context& network, asio::steady_timer& timer)
        : network_(&network), timer_(&timer) {}

    // From any thread.
    void wake() {
        if (pending_.exchange(true)) return;
        const std::lock_guard lock(mutex_);
        if (network_ == nullptr) return;
        asio::post(*network_, [self = shared_from_this()] {
            if (self->timer_ != nullptr) self->timer_->cancel();
        });
    }
    // True when there was a wake since the last call.
    bool take() { return pending_.exchange(false); }
    // From the network loop.
    void detach() {
        const std::lock_guard lock(mutex_);
        network_ = nullptr;
        timer_ = nullptr;
    }

  private:
    std::atomic<bool> pending_ = false;
    std::mutex mutex_;
    asio::io_context* network_;  // null once detached
    asio::steady_timer* timer_;  // touched on the network loop only
};

asio::awaitable<void> Connection::serve_stream(Response response, bool chunked) {
    auto stream = std::move(response.stream);
    stream_timer_ = std::make_unique<asio::steady_timer>(context_.network);
    const auto waker = std::make_shared<StreamWaker>(context_.network, *stream_timer_);
    const auto head = make_head(response, {.chunked = chunked, .close = true}, context_.date());
    if (co_await write_text(head)) {
        enter(Phase::streaming, {});
        asio::co_spawn(context_.network, watch_for_end(), asio::detached);
        co_await pump(*stream, *waker, chunked);
    }
    waker->detach();
    stream_timer_.reset();
    // On the thread where it was read, so that a stream needs no lock for its own sake.
    asio::post(context_.streams, [last = std::move(stream)]() mutable { last.reset(); });
}

asio::awaitable<void> Connection::pump(BodyStream& stream, StreamWaker& waker, bool chunked) {
    const auto pause = context_.options.stream_keep_alive;
    bool started = false;
    while (true) {
        (void)waker.take();  // before next(): a wake during it must not be lost
        co_await go_to(context_.streams);
        if (!std::exchange(started, true)) {
            stream.set_waker([shared = waker.shared_from_this()] { shared->wake(); });
        }
        auto chunk = stream.next();
        co_await go_to(context_.network);
        // Cut off without a last chunk: the client sees that there would have been more.
        if (closed_ || context_.draining) co_return;
        if (!chunk.data.empty() && !co_await write_chunk(chunk.data, chunked)) co_return;
        if (chunk.ended) {
            if (chunked) (void)co_await write_text("0\r\n\r\n");
            co_return;
        }
        if (!chunk.data.empty() || waker.take()) continue;
        stream_timer_->expires_after(pause);
        const auto [woken] = co_await stream_timer_->async_wait(kNoThrow);
        if (closed_ || context_.draining) co_return;
        if (woken) continue;
        const auto comment = stream.keep_alive();
        if (!comment.empty() && !co_await write_chunk(comment, chunked)) co_return;
    }
}

asio::awaitable<bool> Connection::write_chunk(std::string_view data, bool chunked) {
    const auto line = chunked ? chunk_line(data.size()) : std::string();
    const std::string_view end = chunked ? "\r\n" : "";
    std::array buffers{asio::const_buffer(line.data(), line.size()),
                       asio::const_buffer(data.data(), data.size()),
                       asio::const_buffer(end.data(), end.size())};
    const bool written = co_await write(buffers);
    enter(Phase::streaming, {});
    co_return written && !closed_;
}

// A client that goes away while nothing is being sent is seen only by reading.
asio::awaitable<void> Connection::watch_for_end() {
    const auto keep = shared_from_this();
    std::array<char, 4096> ignored;
    std::size_t seen = 0;
    while (stream_timer_ && seen < kMaxIgnoredBytes) {
        const auto [ec, n] = co_await socket_.async_read_some(asio::buffer(ignored), kNoThrow);
        if (ec == asio::error::operation_aborted && !closed_)
            co_return;  // the stream has ended or timed out
        if (ec) break;
        seen += n;
    }
    close();
}

}  // namespace loco::http
