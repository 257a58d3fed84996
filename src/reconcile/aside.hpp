// Threads for what takes long beside passes: a few, started when they are needed.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace loco::reconcile {

class Aside {
  public:
    explicit Aside(std::size_t most) : most_(most) {}
    // As stop().
    ~Aside();
    Aside(const Aside&) = delete;
    Aside& operator=(const Aside&) = delete;

    // Returns at once; more than `most` wait for each other. What throws ends by it, nothing else does. Any thread.
    void run(std::function<void()> work);
    // Drops what has not begun and waits for what runs, after `interrupt`, which may make that end sooner.
    void stop(const std::function<void()>& interrupt = {});

  private:
    void work();

    std::size_t most_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::function<void()>> queue_;
    std::size_t idle_ = 0;
    bool stopping_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace loco::reconcile
