#include "http/server.hpp"

#include <poll.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <future>
#include <mutex>

#include "base/log.hpp"
#include "http/connection.hpp"
#include "http/response_writer.hpp"

namespace loco::http {
namespace {

using boost::system::error_code;
using std::chrono::milliseconds;

constexpr auto kNoThrow = asio::as_tuple(asio::use_awaitable);
constexpr milliseconds kAcceptPause{100};
constexpr std::chrono::seconds kComplainEvery{10};
constexpr milliseconds kSweepAtLeast{20};
constexpr milliseconds kSweepAtMost{1'000};

std::string name_of(const tcp::endpoint& endpoint) {
    const auto address = endpoint.address().to_string();
    const auto port = std::to_string(endpoint.port());
    return endpoint.address().is_v6() ? "[" + address + "]:" + port : address + ":" + port;
}

// Deadlines are looked at this often: one timer for all connections instead of one each.
milliseconds sweep_period(const ServerOptions& options) {
    const auto shortest = std::min({options.header_timeout, options.body_timeout,
                                    options.write_timeout, options.idle_timeout});
    return std::clamp(shortest / 4, kSweepAtLeast, kSweepAtMost);
}

}  // namespace

struct Server::Impl {
    ServerContext context;
    tcp::acceptor acceptor{context.network};
    asio::steady_timer accept_timer{context.network};
    asio::steady_timer sweep_timer{context.network};
    std::uint16_t port = 0;
    std::thread stream_thread;
    std::optional<asio::executor_work_guard<asio::io_context::executor_type>> network_work;
    std::optional<asio::executor_work_guard<asio::io_context::executor_type>> stream_work;
    std::once_flag stopped;
    bool ended = false;  // of the network loop only, as is next_complaint
    SteadyClock::time_point next_complaint;

    Result<> bind();
    void run();
    asio::awaitable<void> accept_all();
    bool somebody_waits();
    void tell_trouble(const error_code& ec);
    void take(tcp::socket socket);
    asio::awaitable<void> sweep();
    void stop(milliseconds grace);
    void close_all();
    bool wait_until_empty(milliseconds limit) const;
};

Result<> Server::Impl::bind() {
    const auto& options = context.options;
    error_code ec;
    const auto address = asio::ip::make_address(options.address, ec);
    if (ec) return fail(ErrorKind::invalid, "not an address to listen on: " + options.address);
    const tcp::endpoint endpoint(address, options.port);
    acceptor.open(endpoint.protocol(), ec);
    if (!ec) acceptor.set_option(tcp::acceptor::reuse_address(true), ec);
    if (!ec) acceptor.bind(endpoint, ec);
    if (!ec) acceptor.listen(tcp::acceptor::max_listen_connections, ec);
    if (!ec) acceptor.non_blocking(true, ec);
    if (ec) {
        return fail(ErrorKind::unavailable, "listen on " + name_of(endpoint) + ": " + ec.message(),
                    "stop what listens there, or choose another address", "port_taken");
    }
    port = acceptor.local_endpoint().port();
    return {};
}

void Server::Impl::run() {
    network_work.emplace(context.network.get_executor());
    stream_work.emplace(context.streams.get_executor());
    context.crew =
        std::make_unique<Crew>(context.options.handler_threads, context.options.max_queued,
                               [this] { return context.network.run_one() > 0; });
    // Only now: the crew's threads run the loop at once, and a request asks for the crew.
    asio::co_spawn(context.network, accept_all(), asio::detached);
    asio::co_spawn(context.network, sweep(), asio::detached);
    stream_thread = std::thread([this] { context.streams.run(); });
}

asio::awaitable<void> Server::Impl::accept_all() {
    while (acceptor.is_open()) {
        auto [ec, socket] = co_await acceptor.async_accept(kNoThrow);
        if (!acceptor.is_open()) co_return;
        if (!ec) {
            take(std::move(socket));
            continue;
        }
        if (ec == asio::error::connection_aborted) continue;
        // No descriptors or memory left. The kernel says so even when nobody waits.
        if (!somebody_waits()) {
            (void)co_await acceptor.async_wait(tcp::acceptor::wait_read, kNoThrow);
            continue;
        }
        // The connection stays in the kernel's queue. Asking again at once would spin; an idle one is given up for it.
        if (!context.idle.empty()) context.idle.front()->close();
        tell_trouble(ec);
        accept_timer.expires_after(kAcceptPause);
        (void)co_await accept_timer.async_wait(kNoThrow);
    }
}

bool Server::Impl::somebody_waits() {
    pollfd waiting{acceptor.native_handle(), POLLIN, 0};
    return ::poll(&waiting, 1, 0) > 0;
}

void Server::Impl::tell_trouble(const error_code& ec) {
    const auto now = SteadyClock::now();
    if (now < next_complaint) return;
    next_complaint = now + kComplainEvery;
    log::warning("no connection can be accepted", {{"reason", ec.message()}});
}

void Server::Impl::take(tcp::socket socket) {
    error_code ec;
    socket.set_option(tcp::no_delay(true), ec);
    const auto peer = socket.remote_endpoint(ec);
    if (ec) return;  // gone already
    context.total.fetch_add(1, std::memory_order_relaxed);
    if (context.open.load() >= context.options.max_connections) {
        if (context.idle.empty()) {
            const auto response =
                context.refuse(503, "overloaded", "the server has too many connections");
            const auto text = make_head(response, {.length = response.body.size(), .close = true},
                                        context.date()) +
                              response.body;
            socket.non_blocking(true, ec);
            socket.write_some(asio::buffer(text), ec);
            return;
        }
        context.idle.front()->close();
    }
    context.open.fetch_add(1);
    const auto connection = std::make_shared<Connection>(context, std::move(socket), name_of(peer));
    context.active.push_back(connection);
    asio::co_spawn(context.network, connection->serve(std::prev(context.active.end())),
                   asio::detached);
}

asio::awaitable<void> Server::Impl::sweep() {
    const auto period = sweep_period(context.options);
    while (!ended) {  // a cancel alone comes too late when the timer has just run out
        sweep_timer.expires_after(period);
        const auto [ec] = co_await sweep_timer.async_wait(kNoThrow);
        if (ec) co_return;
        const auto now = SteadyClock::now();
        for (const auto& connection : context.idle) connection->check_deadline(now);
        for (const auto& connection : context.active) connection->check_deadline(now);
    }
}

bool Server::Impl::wait_until_empty(milliseconds limit) const {
    const auto end = SteadyClock::now() + limit;
    while (context.open.load() > 0) {
        if (SteadyClock::now() >= end) return false;
        std::this_thread::sleep_for(milliseconds(2));
    }
    return true;
}

void Server::Impl::close_all() {
    for (const auto& connection : context.idle) connection->close();
    for (const auto& connection : context.active) connection->close();
}

void Server::Impl::stop(milliseconds grace) {
    std::promise<void> draining;
    asio::post(context.network, [this, &draining] {
        context.draining = true;
        error_code ignored;
        acceptor.close(ignored);
        accept_timer.cancel();
        for (const auto& connection : context.idle) connection->drain();
        for (const auto& connection : context.active) connection->drain();
        draining.set_value();
    });
    draining.get_future().wait();  // until then a connection may still be accepted
    if (!wait_until_empty(grace)) asio::post(context.network, [this] { close_all(); });
    // Handlers that still run end in their own time; what they answer goes nowhere.
    while (!wait_until_empty(std::chrono::hours(1))) {
    }
    stream_work.reset();
    stream_thread.join();
    asio::post(context.network, [this] {
        ended = true;
        sweep_timer.cancel();
    });
    network_work.reset();
    context.crew.reset();
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Server>> Server::start(const ServerOptions& options, Handler handler) {
    auto impl = std::make_unique<Impl>();
    impl->context.options = options;
    impl->context.handler = std::move(handler);
    LOCO_TRY(impl->bind());
    impl->run();
    return std::unique_ptr<Server>(new Server(std::move(impl)));
}

Server::~Server() { stop(milliseconds(0)); }

std::uint16_t Server::port() const { return impl_->port; }

void Server::stop(milliseconds grace) {
    std::call_once(impl_->stopped, [&] { impl_->stop(grace); });
}

Server::Stats Server::stats() const {
    const auto& context = impl_->context;
    return {.connections_open = context.open.load(),
            .connections_total = context.total.load(),
            .requests_total = context.requests.load(),
            .rejected_total = context.rejected.load()};
}

}  // namespace loco::http
