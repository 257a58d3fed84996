#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "http/client.hpp"
#include "http/curl_exchange.hpp"

namespace loco::http {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr long kReceiveBuffer = 8192;  // one a stream: a thousand followed logs cost 8 MiB
constexpr std::size_t kMaxIdleHandles = 64;

}  // namespace

struct StreamClient::Impl {
    struct Stream {
        Stream(Id stream_id, ClientRequest r, Handler h)
            : id(stream_id), request(std::move(r)), handler(std::move(h)) {
            exchange.on_status = [this](int status) {
                if (!closed && handler.on_status) handler.on_status(status);
            };
            if (handler.on_data) {
                exchange.on_data = [this](std::string_view data) {
                    return !closed && handler.on_data(data) && !closed;
                };
            }
        }
        Id id;
        ClientRequest request;
        Handler handler;
        Exchange exchange{request};
        Easy easy = {};
        bool closed = false;  // by a handler; curl lets go of it after its callback
    };

    // An open when it has a stream, else a close.
    struct Command {
        Id id = 0;
        std::unique_ptr<Stream> stream = {};
    };

    Impl() {
        init_curl_once();
        multi = curl_multi_init();
        epoll = ::epoll_create1(EPOLL_CLOEXEC);
        wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        LOCO_CHECK(multi != nullptr && epoll >= 0 && wake_fd >= 0);
        watch(EPOLL_CTL_ADD, wake_fd, EPOLLIN);
        curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &socket_callback);
        curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
        curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &timer_callback);
        curl_multi_setopt(multi, CURLMOPT_TIMERDATA, this);
        thread = std::thread([this] { serve(); });
    }

    ~Impl() {
        {
            const std::lock_guard lock(mutex);
            stopping = true;
        }
        wake();
        thread.join();
        curl_multi_cleanup(multi);
        ::close(wake_fd);
        ::close(epoll);
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    static int socket_callback(CURL*, curl_socket_t fd, int what, void* self, void* known) {
        auto& impl = *static_cast<Impl*>(self);
        if (what == CURL_POLL_REMOVE) {
            impl.watch(EPOLL_CTL_DEL, fd, 0);
            return 0;
        }
        const std::uint32_t events = ((what & CURL_POLL_IN) != 0 ? EPOLLIN : 0U) |
                                     ((what & CURL_POLL_OUT) != 0 ? EPOLLOUT : 0U);
        impl.watch(known != nullptr ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, events);
        curl_multi_assign(impl.multi, fd, self);  // anything: it marks the socket as known
        return 0;
    }

    static int timer_callback(CURLM*, long timeout_ms, void* self) {
        auto& impl = *static_cast<Impl*>(self);
        impl.timer_set = timeout_ms >= 0;
        impl.timer = SteadyClock::now() + std::chrono::milliseconds(timeout_ms);
        return 0;
    }

    void watch(int operation, int fd, std::uint32_t events) const {
        epoll_event event{};
        event.events = events;
        event.data.fd = fd;
        ::epoll_ctl(epoll, operation, fd, &event);
    }

    void wake() const {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto n = ::write(wake_fd, &one, sizeof one);
    }

    // Gives the command's ticket, for wait_for().
    std::uint64_t enqueue(Command command) {
        std::uint64_t ticket = 0;
        {
            const std::lock_guard lock(mutex);
            commands.push_back(std::move(command));
            ticket = ++last_ticket;
        }
        wake();
        return ticket;
    }

    void wait_for(std::uint64_t ticket) {
        std::unique_lock lock(mutex);
        done.wait(lock, [&] { return done_ticket >= ticket; });
    }

    void serve() {
        while (run_commands()) {
            wait_and_transfer();
            end_finished();
        }
        for (auto& [id, stream] : streams) curl_multi_remove_handle(multi, stream->easy.get());
        streams.clear();
    }

    bool run_commands() {
        std::vector<Command> batch;
        std::uint64_t ticket = 0;
        {
            const std::lock_guard lock(mutex);
            if (stopping) return false;
            batch.swap(commands);
            ticket = last_ticket;
        }
        for (auto& command : batch) {
            if (command.stream) {
                start(std::move(command.stream));
                continue;
            }
            std::erase_if(refused, [&](const auto& r) { return r.first->id == command.id; });
            if (const auto it = streams.find(command.id); it != streams.end()) {
                recycle(std::move(it->second));
                streams.erase(it);
            }
        }
        if (batch.empty()) return true;
        {
            const std::lock_guard lock(mutex);
            done_ticket = ticket;
        }
        done.notify_all();
        return true;
    }

    void start(std::unique_ptr<Stream> stream) {
        if (idle.empty()) {
            stream->easy.reset(curl_easy_init());
        } else {
            stream->easy = std::move(idle.back());
            idle.pop_back();
        }
        auto* easy = stream->easy.get();
        LOCO_CHECK(easy != nullptr);
        curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kReceiveBuffer);
        curl_easy_setopt(easy, CURLOPT_PRIVATE, stream.get());
        if (auto prepared = stream->exchange.prepare(easy); !prepared) {
            refused.emplace_back(std::move(stream), std::move(prepared).error());
            return;
        }
        curl_multi_add_handle(multi, easy);
        streams.emplace(stream->id, std::move(stream));
    }

    void recycle(std::unique_ptr<Stream> stream) {
        curl_multi_remove_handle(multi, stream->easy.get());
        curl_easy_reset(stream->easy.get());
        if (idle.size() < kMaxIdleHandles) idle.push_back(std::move(stream->easy));
    }

    [[nodiscard]] int wait_ms() const {
        if (!refused.empty()) return 0;
        if (!timer_set) return -1;
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(timer - SteadyClock::now()).count();
        return left > 0 ? static_cast<int>(std::min<long>(left, 60'000)) : 0;
    }

    void wait_and_transfer() {
        std::array<epoll_event, 64> events{};
        const int count =
            ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), wait_ms());
        int running = 0;
        for (int i = 0; i < count; ++i) {
            const auto& event = events[static_cast<std::size_t>(i)];
            if (event.data.fd == wake_fd) {
                std::uint64_t ignored = 0;
                [[maybe_unused]] const auto n = ::read(wake_fd, &ignored, sizeof ignored);
                continue;
            }
            int what = 0;
            if ((event.events & EPOLLIN) != 0U) what |= CURL_CSELECT_IN;
            if ((event.events & EPOLLOUT) != 0U) what |= CURL_CSELECT_OUT;
            if ((event.events & (EPOLLERR | EPOLLHUP)) != 0U)
                what |= CURL_CSELECT_IN | CURL_CSELECT_OUT;
            curl_multi_socket_action(multi, event.data.fd, what, &running);
        }
        if (timer_set && SteadyClock::now() >= timer) {
            timer_set = false;  // curl sets it again when it wants to
            curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
        }
    }

    void end_finished() {
        while (!refused.empty()) {
            auto [stream, error] = std::move(refused.back());
            refused.pop_back();
            if (!stream->closed && stream->handler.on_end) {
                stream->handler.on_end(std::unexpected(std::move(error)));
            }
        }
        int left = 0;
        while (const auto* message = curl_multi_info_read(multi, &left)) {
            if (message->msg != CURLMSG_DONE) continue;
            const auto code = message->data.result;
            Stream* ended = nullptr;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &ended);
            const auto it = streams.find(ended->id);
            auto stream = std::move(it->second);
            streams.erase(it);
            auto response = stream->exchange.finish(code);
            if (!stream->closed && stream->handler.on_end) {
                stream->handler.on_end(std::move(response));
            }
            recycle(std::move(stream));
        }
    }

    // By a handler, on the hub's thread: silent from now on, gone with the next commands.
    void close_from_handler(Id id) {
        if (const auto it = streams.find(id); it != streams.end()) it->second->closed = true;
        for (auto& [stream, error] : refused) stream->closed = stream->closed || stream->id == id;
        enqueue({.id = id});
    }

    std::atomic<Id> next_id = 1;
    std::mutex mutex;
    std::condition_variable done;
    std::vector<Command> commands;
    std::uint64_t last_ticket = 0;
    std::uint64_t done_ticket = 0;
    bool stopping = false;

    // Of the hub's thread only.
    CURLM* multi = nullptr;
    int epoll = -1;
    int wake_fd = -1;
    bool timer_set = false;
    SteadyClock::time_point timer;
    std::unordered_map<Id, std::unique_ptr<Stream>> streams;
    std::vector<std::pair<std::unique_ptr<Stream>, Error>> refused;  // their on_end is due
    std::vector<Easy> idle;

    std::thread thread;
};

StreamClient::StreamClient() : impl_(std::make_unique<Impl>()) {}
StreamClient::~StreamClient() = default;

StreamClient::Id StreamClient::open(ClientRequest request, Handler handler) {
    const Id id = impl_->next_id.fetch_add(1, std::memory_order_relaxed);
    request.body_source = {};
    impl_->enqueue(
        {.id = id,
         .stream = std::make_unique<Impl::Stream>(id, std::move(request), std::move(handler))});
    return id;
}

void StreamClient::close(Id id) {
    if (std::this_thread::get_id() == impl_->thread.get_id()) return impl_->close_from_handler(id);
    impl_->wait_for(impl_->enqueue({.id = id}));
}

}  // namespace loco::http
