// Runs passes: each app by one thread at a time, several apps at once, at once when something of an app has changed
// and when its plan said so. Between those nothing runs; a sweep every 30 s looks for what nobody told of.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "reconcile/reconciler.hpp"

namespace loco::reconcile {

struct LoopOptions {
    std::size_t threads = 4;
    Duration sweep_every = std::chrono::seconds(30);
    // A pass in which something failed is repeated after this, twice this, … at most `most_backoff`.
    Duration first_backoff = std::chrono::milliseconds(100);
    Duration most_backoff = std::chrono::seconds(10);
};

struct LoopPorts {
    Reconciler& reconciler;
    Store& store;
    const Clock& clock;
    // After each pass, on the thread that ran it: for metrics.
    std::function<void(bool failed, Duration took)> on_pass = {};
};

class Loop {
  public:
    // Listens to what is told of where apps run (Reconciler::on_change).
    explicit Loop(const LoopPorts& ports, LoopOptions options = {});
    // As stop().
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    // Tells the gateway all routes, then looks at every app. Returns at once; a gateway, runtime or store that is away is
    // tried again.
    void start();
    // Ends the passes that run, starts no other; returns when none runs. What was not done is done by the next process.
    void stop();

    // That app gets a pass soon; one that runs now is followed by another. Any thread, also before start(); never blocks.
    void wake(const AppId& app);

  private:
    struct State;
    std::shared_ptr<State> state_;  // listeners hold it weakly: they may outlive the loop
};

// For ReconcilerPorts::run_all: at most that many at once, the caller's thread included.
[[nodiscard]] std::function<void(std::vector<std::function<void()>>)> parallel_runner(
    std::size_t most);

}  // namespace loco::reconcile
