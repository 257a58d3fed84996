#include "http/connection.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>

#include "base/log.hpp"
#include "http/response_writer.hpp"

namespace loco::http {
namespace {

constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kFirstRead = 2U << 10;
constexpr std::size_t kBodyRead = 16U << 10;
constexpr std::size_t kCopyBodyBelow = 16U << 10;
constexpr std::chrono::milliseconds kLinger{2'000};
constexpr std::size_t kLingerBytes = 8U << 20;
constexpr std::chrono::milliseconds kKeepBufferFor{1'000};

// Counts a request's body in the sum of all of them while it is held.
class BodyBudget {
  public:
    explicit BodyBudget(std::size_t& sum) : sum_(sum) {}
    ~BodyBudget() { sum_ -= held_; }
    BodyBudget(const BodyBudget&) = delete;
    BodyBudget& operator=(const BodyBudget&) = delete;
    void hold(std::size_t bytes) {
        sum_ += bytes - held_;
        held_ = bytes;
    }

  private:
    std::size_t& sum_;
    std::size_t held_ = 0;
};

}  // namespace

void ReadBuffer::consume(std::size_t count) {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
}

asio::mutable_buffer ReadBuffer::prepare(std::size_t least) {
    if (capacity_ - end_ < least) {
        const auto used = end_ - begin_;
        if (capacity_ - used >= least) {
            std::memmove(data_.get(), data_.get() + begin_, used);
        } else {
            capacity_ = std::max(used + least, capacity_ * 2);
            auto grown = std::make_unique_for_overwrite<char[]>(capacity_);
            if (used > 0) std::memcpy(grown.get(), data_.get() + begin_, used);
            data_ = std::move(grown);
        }
        begin_ = 0;
        end_ = used;
    }
    return {data_.get() + end_, capacity_ - end_};
}

void ReadBuffer::release() {
    if (!empty()) return;
    data_.reset();
    capacity_ = begin_ = end_ = 0;
}

Response ServerContext::call_handler(Request request) const {
    try {
        return handler(std::move(request));
    } catch (const std::exception& e) {
        log::error("a request's handler threw", {{"what", e.what()}});
        return plain_problem(500, "internal", "an unexpected error");
    }
}

Response ServerContext::refuse(int status, std::string_view code, std::string_view detail) {
    rejected.fetch_add(1, std::memory_order_relaxed);
    auto response = options.on_refusal ? options.on_refusal(status, code, detail)
                                       : plain_problem(status, code, detail);
    if (status == 503) response.headers.set("Retry-After", "1");
    if (status == 405) response.headers.set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE");
    return response;
}

std::string_view ServerContext::date() {
    const auto time = std::chrono::system_clock::now();  // lint: allow (Date is the machine's own)
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
    if (now != date_second_) {
        date_second_ = now;
        date_ = http_date(now);
    }
    return date_;
}

Connection::Connection(ServerContext& context, tcp::socket socket, std::string peer)
    : context_(context), socket_(std::move(socket)), peer_(std::move(peer)) {}

asio::awaitable<void> Connection::serve(Connections::iterator self) {
    const auto keep = shared_from_this();
    self_ = self;
    while (co_await serve_one()) {
    }
    boost::system::error_code ignored;
    closed_ = true;
    socket_.close(ignored);
    auto& list = phase_ == Phase::idle ? context_.idle : context_.active;
    list.erase(self_);
    context_.open.fetch_sub(1);
}

void Connection::enter(Phase phase, std::chrono::milliseconds limit) {
    const bool was_idle = phase_ == Phase::idle;
    phase_ = phase;
    if (phase == Phase::idle && !was_idle) {
        context_.idle.splice(context_.idle.end(), context_.active, self_);
    } else if (phase != Phase::idle && was_idle) {
        context_.active.splice(context_.active.end(), context_.idle, self_);
    }
    entered_ = SteadyClock::now();
    timed_out_ = false;
    deadline_ = limit.count() > 0 ? entered_ + limit : SteadyClock::time_point::max();
}

void Connection::extend(std::chrono::milliseconds limit) {
    timed_out_ = false;
    deadline_ = SteadyClock::now() + limit;
}

void Connection::check_deadline(SteadyClock::time_point now) {
    if (phase_ == Phase::idle && now - entered_ > kKeepBufferFor) buffer_.release();
    if (now < deadline_) return;
    timed_out_ = true;
    boost::system::error_code ignored;
    socket_.cancel(ignored);
}

void Connection::close() {
    closed_ = true;
    boost::system::error_code ignored;
    socket_.close(ignored);
    if (stream_timer_) stream_timer_->cancel();
}

void Connection::drain() {
    if (phase_ == Phase::idle) return close();
    if (stream_timer_) stream_timer_->cancel();
}

asio::awaitable<bool> Connection::wait_for_request() {
    if (context_.draining) co_return false;
    if (!buffer_.empty()) co_return true;
    enter(Phase::idle, context_.options.idle_timeout);
    // Waiting needs no buffer: ten thousand idle connections cost a few MiB.
    const auto [ec] = co_await socket_.async_wait(tcp::socket::wait_read, kNoThrow);
    co_return !ec;
}

asio::awaitable<Connection::Read> Connection::read_some(std::size_t least) {
    const auto [ec, n] = co_await socket_.async_read_some(buffer_.prepare(least), kNoThrow);
    buffer_.commit(n);
    if (!ec) co_return Read::more;
    co_return timed_out_ ? Read::timed_out : Read::closed;
}

asio::awaitable<std::size_t> Connection::read_head(std::optional<Refusal>& refusal) {
    const auto limit = context_.options.max_header_bytes;
    std::size_t scanned = 0;
    bool skipped_line = false;
    while (true) {
        // One empty line before a request is ignored (RFC 9112 section 2.2).
        if (!skipped_line && buffer_.view().starts_with("\r\n")) {
            buffer_.consume(2);
            skipped_line = true;
        }
        const auto bytes = buffer_.view();
        const auto end = bytes.find("\r\n\r\n", scanned);
        const auto size = end == std::string_view::npos ? bytes.size() : end + 4;
        if (size > limit) {
            refusal = {.status = 431,
                       .code = "headers_too_large",
                       .detail = "the request's headers are larger than this server takes"};
            co_return 0;
        }
        if (end != std::string_view::npos) co_return size;
        const auto first = bytes.empty() ? 'A' : bytes.front();
        if (static_cast<unsigned char>(first) <= 0x20 ||
            static_cast<unsigned char>(first) >= 0x7f) {
            refusal = {
                .status = 400, .code = "bad_request", .detail = "the request is not valid HTTP"};
            co_return 0;
        }
        scanned = bytes.size() < 3 ? 0 : bytes.size() - 3;
        const auto read = co_await read_some(kFirstRead);
        if (read == Read::timed_out && !buffer_.empty()) {
            refusal = {.status = 408,
                       .code = "request_timeout",
                       .detail = "the request's headers did not arrive in time"};
        }
        if (read != Read::more) co_return 0;
    }
}

asio::awaitable<bool> Connection::read_body(RequestParser& parser,
                                            std::optional<Refusal>& refusal) {
    enter(Phase::receiving, context_.options.body_timeout);
    BodyBudget budget(context_.buffered_bytes);
    bool told_to_continue = !parser.expects_continue();
    while (true) {
        const auto progress = parser.put_body(buffer_.view());
        buffer_.consume(progress.taken);
        refusal = progress.refusal;
        budget.hold(parser.request().body.size());
        if (!refusal && context_.buffered_bytes > context_.options.max_buffered_bytes) {
            refusal = {.status = 503,
                       .code = "overloaded",
                       .detail = "too many request bodies are being received"};
        }
        // What no parser takes is a chunk header or trailer: small, unless it is an attack.
        if (!refusal && !parser.is_complete() &&
            buffer_.view().size() > context_.options.max_header_bytes) {
            refusal = {.status = 400,
                       .code = "bad_request",
                       .detail = "a chunk of the body has a header that is too large"};
        }
        if (refusal) co_return false;
        if (parser.is_complete()) co_return true;
        if (!told_to_continue && buffer_.empty()) {
            if (!co_await write_text("HTTP/1.1 100 Continue\r\n\r\n")) co_return false;
            enter(Phase::receiving, context_.options.body_timeout);
        }
        told_to_continue = true;
        const auto read = co_await read_some(kBodyRead);
        if (read == Read::timed_out) {
            refusal = {.status = 408,
                       .code = "request_timeout",
                       .detail = "the request's body did not arrive in time"};
        }
        if (read != Read::more) co_return false;
    }
}

asio::awaitable<bool> Connection::serve_one() {
    if (!co_await wait_for_request()) co_return false;
    enter(Phase::receiving, context_.options.header_timeout);
    std::optional<Refusal> refusal;
    const auto head_size = co_await read_head(refusal);
    if (head_size == 0) {
        if (refusal) co_await refuse(*refusal);
        co_return false;
    }
    context_.requests.fetch_add(1, std::memory_order_relaxed);
    RequestParser parser(context_.options.max_body_bytes);
    refusal = parser.put_head(buffer_.view().substr(0, head_size));
    buffer_.consume(head_size);
    if (!refusal && !parser.is_complete()) {
        if (!co_await read_body(parser, refusal) && !refusal) co_return false;
    }
    if (refusal) {
        co_await refuse(*refusal);
        co_return false;
    }

    enter(Phase::handling, {});
    auto& request = parser.request();
    request.peer = peer_;
    BodyBudget budget(context_.buffered_bytes);
    budget.hold(request.body.size());
    const bool head_only = request.method == Method::head;
    auto response = co_await run_handler(std::move(request));
    if (closed_) co_return false;
    if (!is_sendable(response)) {
        log::error("a handler's answer cannot be sent: its status or a header is not valid");
        response = plain_problem(500, "internal", "the server made an answer that is not valid");
    }
    co_return co_await write_response(std::move(response), head_only, parser.is_http_1_0(),
                                      parser.keep_alive() && !context_.draining);
}

asio::awaitable<Response> Connection::run_handler(Request request) {
    // What only reads is mostly quick; what writes waits for the disk.
    const bool only_reads = request.method == Method::get || request.method == Method::head;
    if (!only_reads || !context_.crew->begin_inline()) {
        co_return co_await run_on_crew(std::move(request));
    }
    auto response = context_.call_handler(std::move(request));
    if (!context_.crew->end_inline()) co_await asio::post(context_.network, asio::use_awaitable);
    co_return response;
}

asio::awaitable<Response> Connection::run_on_crew(Request request) {
    return asio::async_initiate<const asio::use_awaitable_t<>, void(Response)>(
        [this](auto completion, Request r) {
            struct Call {
                decltype(completion) resume;
                Request request;
            };
            auto call = std::make_shared<Call>(Call{std::move(completion), std::move(r)});
            const auto finish = [call, &network = context_.network](Response response) {
                asio::post(network, [call, answer = std::move(response)]() mutable {
                    auto resume = std::move(call->resume);
                    resume(std::move(answer));
                });
            };
            const bool queued = context_.crew->try_push([call, finish, &context = context_] {
                finish(context.call_handler(std::move(call->request)));
            });
            if (!queued) {
                finish(context_.refuse(503, "overloaded",
                                       "the server is busy; try again in a moment"));
            }
        },
        asio::use_awaitable, std::move(request));
}

asio::awaitable<bool> Connection::write(std::span<asio::const_buffer> buffers) {
    while (true) {
        while (!buffers.empty() && buffers.front().size() == 0) buffers = buffers.subspan(1);
        if (buffers.empty()) co_return true;
        extend(context_.options.write_timeout);
        auto [ec, n] = co_await socket_.async_write_some(buffers, kNoThrow);
        if (ec) co_return false;
        for (auto& buffer : buffers) {
            const auto taken = std::min(n, buffer.size());
            buffer += taken;
            n -= taken;
        }
    }
}

asio::awaitable<bool> Connection::write_text(std::string_view text) {
    std::array buffers{asio::const_buffer(text.data(), text.size())};
    co_return co_await write(buffers);
}

asio::awaitable<bool> Connection::write_response(Response response, bool head_only, bool http_1_0,
                                                 bool keep_alive) {
    enter(Phase::writing, context_.options.write_timeout);
    if (response.stream && !head_only) {
        co_await serve_stream(std::move(response), /*chunked=*/!http_1_0);
        co_return false;
    }
    const bool with_body = may_have_body(response.status);
    Framing framing{.close = !keep_alive, .say_keep_alive = http_1_0};
    if (with_body && !response.stream) framing.length = response.body.size();
    auto head = make_head(response, framing, context_.date());
    response.stream.reset();
    std::string_view body;
    if (with_body && !head_only) body = response.body;
    if (body.size() < kCopyBodyBelow) {
        head += body;
        body = {};
    }
    std::array buffers{asio::const_buffer(head.data(), head.size()),
                       asio::const_buffer(body.data(), body.size())};
    if (!co_await write(buffers)) co_return false;
    co_return keep_alive;
}

asio::awaitable<void> Connection::refuse(Refusal refusal) {
    enter(Phase::writing, context_.options.write_timeout);
    auto response = context_.refuse(refusal.status, refusal.code, refusal.detail);
    const Framing framing{.length = response.body.size(), .close = true};
    const auto text = make_head(response, framing, context_.date()) + response.body;
    if (co_await write_text(text)) co_await linger();
}

// A close with unread bytes resets the connection, and the client may lose the answer: so it is told that no more comes,
// and what it still sends is thrown away for a moment (RFC 9112 section 9.6).
asio::awaitable<void> Connection::linger() {
    enter(Phase::writing, kLinger);
    boost::system::error_code ec;
    socket_.shutdown(tcp::socket::shutdown_send, ec);
    for (std::size_t seen = 0; !ec && seen < kLingerBytes;) {
        buffer_.consume(buffer_.view().size());
        const auto [read_ec, n] =
            co_await socket_.async_read_some(buffer_.prepare(kFirstRead), kNoThrow);
        ec = read_ec;
        seen += n;
    }
}

}  // namespace loco::http
