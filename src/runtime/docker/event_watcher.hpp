// The engine's events of Loco's containers, as long as there is an engine: when it goes away it is asked for again and
// again, and when it is back everything may have changed.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "engine/engine.hpp"
#include "engine/streams.hpp"

namespace loco::runtime {

class EventWatcher {
  public:
    struct Listener {
        // On the reader's thread; must not block.
        std::function<void(const engine::Event&)> on_event;
        // On the watcher's own thread, after the stream was opened: at start and whenever the engine was away. May ask
        // the engine. Events that come while it runs are given to on_event.
        std::function<void()> on_connected;
    };

    EventWatcher(engine::Engine& engine, engine::Labels labels, Listener listener);
    ~EventWatcher();
    EventWatcher(const EventWatcher&) = delete;
    EventWatcher& operator=(const EventWatcher&) = delete;

  private:
    void watch();
    // Returns when the stream has ended, or with an error when it could not be opened.
    [[nodiscard]] Result<> follow();

    engine::Engine& engine_;
    engine::Labels labels_;
    Listener listener_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopping_ = false;
    http::StreamClient streams_;
    std::thread thread_;
};

}  // namespace loco::runtime
