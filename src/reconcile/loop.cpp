#include "reconcile/loop.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "base/log.hpp"

namespace loco::reconcile {
namespace {

using Steady = std::chrono::steady_clock::time_point;

// A pass that throws is a bug of a port; the loop and the other apps go on.
PassResult guarded_pass(Reconciler& reconciler, const AppId& app) {
    try {
        return reconciler.pass(app);
    } catch (const std::exception& e) {
        return {.wake_at = {},
                .error = Error{.kind = ErrorKind::internal,
                               .message = std::string("a pass has thrown: ") + e.what()}};
    } catch (...) {
        return {.wake_at = {},
                .error = Error{.kind = ErrorKind::internal, .message = "a pass has thrown"}};
    }
}

}  // namespace

struct Loop::State : std::enable_shared_from_this<Loop::State> {
    // Thousands that are looked at because something might have changed must not hold up one of which something has.
    enum class Turn : std::uint8_t { none, later, soon };
    struct Entry {
        Turn queued = Turn::none;
        bool running = false;
        Turn again = Turn::none;  // woken while it ran
        int failures = 0;
        std::optional<Steady> due;
    };

    State(const LoopPorts& p, LoopOptions o) : ports(p), options(o) {}

    void wake(const AppId& app, Turn turn) {
        const std::lock_guard lock(mutex);
        enqueue(app, turn);
    }

    void enqueue(const AppId& app, Turn turn) {
        auto& entry = entries[app];
        if (entry.running) {
            entry.again = std::max(entry.again, turn);
        } else if (entry.queued < turn) {
            // What it was queued for before is passed over.
            entry.queued = turn;
            (turn == Turn::soon ? soon : later).push_back(app);
            changed.notify_one();
        }
    }

    // Nothing when none is waiting.
    std::optional<AppId> take() {
        for (const auto turn : {Turn::soon, Turn::later}) {
            auto& queue = turn == Turn::soon ? soon : later;
            while (!queue.empty()) {
                AppId app = std::move(queue.front());
                queue.pop_front();
                const auto found = entries.find(app);
                if (found != entries.end() && found->second.queued == turn) return app;
            }
        }
        return std::nullopt;
    }

    void set_due(const AppId& app, Entry& entry, Steady due) {
        entry.due = due;
        timers.emplace(due, app);
    }

    void enqueue_due(Steady now) {
        while (!timers.empty() && timers.begin()->first <= now) {
            const auto [due, app] = *timers.begin();
            timers.erase(timers.begin());
            const auto found = entries.find(app);
            // A timer that was replaced by another is passed over.
            if (found == entries.end() || found->second.due != due) continue;
            found->second.due.reset();
            enqueue(app, Turn::soon);
        }
    }

    void work() {
        std::unique_lock lock(mutex);
        while (!stopping) {
            enqueue_due(std::chrono::steady_clock::now());
            const auto next = syncing ? std::nullopt : take();
            if (!next) {
                if (timers.empty() || syncing) {
                    changed.wait(lock);
                } else {
                    // A copy: wait_until looks at it again, and by then another thread may have taken the timer.
                    const auto due = timers.begin()->first;
                    changed.wait_until(lock, due);
                }
                continue;
            }
            const AppId& app = *next;
            auto& entry = entries[app];
            entry.queued = Turn::none;
            entry.running = true;
            entry.due.reset();
            ++running;
            lock.unlock();
            const auto began = ports.clock.steady();
            const auto result = guarded_pass(ports.reconciler, app);
            if (ports.on_pass)
                ports.on_pass(result.error.has_value(), ports.clock.steady() - began);
            lock.lock();
            --running;
            settle(app, result);
            changed.notify_all();
        }
    }

    void settle(const AppId& app, const PassResult& result) {
        auto& entry = entries[app];
        entry.running = false;
        enqueue(app, std::exchange(entry.again, Turn::none));
        if (result.gone && entry.queued == Turn::none) {
            entries.erase(app);
            return;
        }
        const auto now = std::chrono::steady_clock::now();
        std::optional<Steady> due;
        if (result.wake_at) due = now + std::max(Duration{0}, *result.wake_at - ports.clock.now());
        if (result.error) {
            entry.failures = std::min(entry.failures + 1, 16);
            log::warning("an app's pass is repeated", {{"app", app.str()},
                                                       {"failures", entry.failures},
                                                       {"error", result.error->message}});
            const auto retry = now + std::min(options.most_backoff,
                                              options.first_backoff * (1 << (entry.failures - 1)));
            due = due ? std::min(*due, retry) : retry;
        } else {
            entry.failures = 0;
        }
        if (due && entry.queued == Turn::none) set_due(app, entry, *due);
    }

    // The gateway's routes, while no pass runs. Not waited for: what cannot be done now is tried at the next sweep.
    bool sync_gateway() {
        {
            const std::lock_guard lock(mutex);
            if (running > 0) return false;
            syncing = true;
        }
        const bool synced = guarded("cannot tell the gateway all routes",
                                    [&]() -> Result<> { return ports.reconciler.sync_gateway(); });
        const std::lock_guard lock(mutex);
        syncing = false;
        changed.notify_all();
        return synced;
    }

    bool wake_all() {
        std::vector<AppId> apps;
        const bool listed = guarded("cannot list the apps", [&] {
            return ports.store.read([&](const ReadTx& tx) -> Result<> {
                LOCO_ASSIGN(apps, tx.all_apps());
                return {};
            });
        });
        for (const auto& app : apps) wake(app, Turn::later);
        return listed;
    }

    void sweep() {
        guarded("a sweep did not end", [&]() -> Result<> {
            const auto result = ports.reconciler.sweep();
            for (const auto& app : result.suspicious) wake(app, Turn::later);
            if (result.error) return fail(*result.error);
            return {};
        });
    }

    // One round's failure, an exception included, must not end the upkeep: without it no app is looked after.
    template <class Work>
    static bool guarded(std::string_view what, const Work& work) {
        try {
            const Result<> done = work();
            if (!done) log::failure(what, done.error());
            return done.has_value();
        } catch (const std::exception& e) {
            log::error(what, {{"exception", e.what()}});
            return false;
        }
    }

    void maintain() {
        bool synced = sync_gateway();
        bool woken = wake_all();
        std::unique_lock lock(mutex);
        Duration retry = std::chrono::milliseconds(100);
        while (!stopping) {
            // What could not be done at the start is tried again soon, then with the sweeps.
            const bool behind = !synced || !woken;
            const auto wait = behind ? retry : options.sweep_every;
            sweep_wanted.wait_for(lock, wait, [this] { return stopping || sweep_now; });
            if (stopping) return;
            sweep_now = false;
            lock.unlock();
            if (!synced) synced = sync_gateway();
            if (!woken) woken = wake_all();
            sweep();
            retry = std::min(retry * 2, options.sweep_every);
            lock.lock();
        }
    }

    LoopPorts ports;
    LoopOptions options;
    std::mutex mutex;
    std::condition_variable changed;  // queue, timers, syncing, stopping
    std::condition_variable sweep_wanted;
    std::map<AppId, Entry> entries;
    std::deque<AppId> soon;
    std::deque<AppId> later;
    std::multimap<Steady, AppId> timers;
    std::size_t running = 0;
    bool syncing = true;  // until the first sync was tried
    bool stopping = false;
    bool sweep_now = false;
    std::vector<std::thread> threads;
};

Loop::Loop(const LoopPorts& ports, LoopOptions options)
    : state_(std::make_shared<State>(ports, options)) {
    const std::weak_ptr<State> weak = state_;
    ports.reconciler.on_change([weak](const std::optional<AppId>& app) {
        const auto state = weak.lock();
        if (!state) return;
        if (app) {
            state->wake(*app, State::Turn::soon);
            return;
        }
        const std::lock_guard lock(state->mutex);
        state->sweep_now = true;
        state->sweep_wanted.notify_all();
    });
}

Loop::~Loop() { stop(); }

void Loop::start() {
    state_->threads.emplace_back([state = state_.get()] { state->maintain(); });
    for (std::size_t i = 0; i < std::max<std::size_t>(1, state_->options.threads); ++i) {
        state_->threads.emplace_back([state = state_.get()] { state->work(); });
    }
}

void Loop::stop() {
    {
        const std::lock_guard lock(state_->mutex);
        state_->stopping = true;
        state_->changed.notify_all();
        state_->sweep_wanted.notify_all();
    }
    for (auto& thread : state_->threads) thread.join();
    state_->threads.clear();
}

void Loop::wake(const AppId& app) { state_->wake(app, State::Turn::soon); }

std::function<void(std::vector<std::function<void()>>)> parallel_runner(std::size_t most) {
    return [most](std::vector<std::function<void()>> work) {
        std::atomic<std::size_t> next{0};
        const auto take = [&] {
            for (auto i = next.fetch_add(1); i < work.size(); i = next.fetch_add(1)) work[i]();
        };
        std::vector<std::thread> helpers;
        const auto count = std::min(most, work.size());
        for (std::size_t i = 1; i < count; ++i) helpers.emplace_back(take);
        take();
        for (auto& helper : helpers) helper.join();
    };
}

}  // namespace loco::reconcile
