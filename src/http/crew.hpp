// The threads of a server: one leads (runs the network loop), the others wait to run handlers. Private to this module.
//
// A hop to another thread and back costs more CPU than a small GET as a whole (measured: 17 µs a request without it,
// 25 to 50 with it). So the leader may run a handler itself; when that takes longer than a moment, a waiting thread takes
// the lead and the loop goes on. A handler that blocks thus holds up others for about a millisecond at most.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace loco::http {

class Crew {
  public:
    using Job = std::function<void()>;

    // run_once does one piece of the network loop's work, waiting for it; false when the loop has ended for good.
    Crew(std::size_t handler_threads, std::size_t max_queued, std::function<bool()> run_once);
    ~Crew();  // waits until run_once has given false, and runs what is queued
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;

    // By the leader only. False when max_queued jobs wait already.
    [[nodiscard]] bool try_push(Job job);

    // By the leader only: true when it may run a handler itself now, because somebody could take the lead.
    [[nodiscard]] bool begin_inline();
    // After that handler. False: another thread leads now, and this one may touch nothing of the loop's.
    [[nodiscard]] bool end_inline();

  private:
    using Lock = std::unique_lock<std::mutex>;
    void work();
    void lead(Lock& lock);
    void wait_for_work(Lock& lock);
    void watch_leader(Lock& lock);

    const std::size_t max_queued_;
    const std::function<bool()> run_once_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Job> jobs_;
    std::size_t idle_ = 0;
    bool has_leader_ = false;
    bool loop_ended_ = false;
    bool is_watched_ = false;  // some idle thread looks at the leader every kWatchPeriod
    std::atomic<std::uint64_t> leader_ = 0;  // written under the mutex
    std::uint64_t inline_run_ = 0;           // which inline handler runs; 0: none
    std::uint64_t last_run_ = 0;
    std::vector<std::thread> threads_;
};

}  // namespace loco::http
