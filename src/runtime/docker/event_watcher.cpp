#include "runtime/docker/event_watcher.hpp"

#include <algorithm>
#include <chrono>

#include "base/log.hpp"

namespace loco::runtime {
namespace {

constexpr auto kFirstRetry = std::chrono::milliseconds(50);
constexpr auto kLastRetry = std::chrono::milliseconds(1000);

}  // namespace

EventWatcher::EventWatcher(engine::Engine& engine, engine::Labels labels, Listener listener)
    : engine_(engine), labels_(std::move(labels)), listener_(std::move(listener)) {
    thread_ = std::thread([this] { watch(); });
}

EventWatcher::~EventWatcher() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void EventWatcher::watch() {
    auto retry = kFirstRetry;
    bool away = false;
    while (true) {
        auto ended = follow();
        if (ended) {
            retry = kFirstRetry;
            away = false;
        } else {
            if (!away) log::failure("the container engine's events", ended.error());
            away = true;
        }
        std::unique_lock lock(mutex_);
        if (changed_.wait_for(lock, retry, [this] { return stopping_; })) return;
        retry = std::min(retry * 2, kLastRetry);
    }
}

Result<> EventWatcher::follow() {
    LOCO_ASSIGN(auto request, engine_.events_request(labels_, {}));
    struct Progress {
        bool open = false;
        bool over = false;
        std::optional<Error> why;
    } progress;  // guarded by mutex_
    engine::EventReader reader([this](const engine::Event& event) { listener_.on_event(event); });
    http::StreamClient::Handler handler;
    handler.on_status = [&](int status) {
        if (status != 200) return;
        const std::lock_guard lock(mutex_);
        progress.open = true;
        changed_.notify_all();
    };
    handler.on_data = [&](std::string_view bytes) { return reader.feed(bytes).has_value(); };
    handler.on_end = [&](Result<http::ClientResponse> how) {
        const std::lock_guard lock(mutex_);
        progress.over = true;
        if (!how) {
            progress.why = std::move(how).error();
        } else if (!how->ok()) {
            progress.why = Error{.kind = ErrorKind::unavailable,
                                 .message = "the engine answered " + std::to_string(how->status)};
        }
        changed_.notify_all();
    };
    const auto stream = streams_.open(std::move(request), std::move(handler));
    bool open = false;
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopping_ || progress.open || progress.over; });
        open = progress.open && !stopping_;
    }
    if (open) {
        listener_.on_connected();
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return stopping_ || progress.over; });
    }
    streams_.close(stream);
    if (!open && progress.why) return fail(std::move(*progress.why));
    return {};
}

}  // namespace loco::runtime
