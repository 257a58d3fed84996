#include "http/crew.hpp"

#include <chrono>

namespace loco::http {
namespace {

// A handler seen at two looks in a row blocks the loop.
constexpr std::chrono::microseconds kWatchPeriod{500};
// Looks without an inline handler, after which the watcher goes to sleep for good.
constexpr int kQuietLooks = 4;

// The inline run that this thread has begun: the lead may have gone to another thread since.
thread_local std::uint64_t my_run = 0;

}  // namespace

Crew::Crew(std::size_t handler_threads, std::size_t max_queued, std::function<bool()> run_once)
    : max_queued_(max_queued), run_once_(std::move(run_once)) {
    threads_.reserve(handler_threads + 1);
    for (std::size_t i = 0; i <= handler_threads; ++i) threads_.emplace_back([this] { work(); });
}

Crew::~Crew() {
    for (auto& thread : threads_) thread.join();
}

bool Crew::try_push(Job job) {
    bool wake = false;
    {
        const Lock lock(mutex_);
        // What an idle thread is about to take does not wait.
        if (jobs_.size() >= max_queued_ + idle_) return false;
        jobs_.push_back(std::move(job));
        wake = idle_ > 0;
    }
    if (wake) changed_.notify_one();
    return true;
}

bool Crew::begin_inline() {
    bool wake = false;
    {
        const Lock lock(mutex_);
        if (idle_ <= jobs_.size()) return false;
        my_run = inline_run_ = ++last_run_;
        wake = !is_watched_;
    }
    if (wake) changed_.notify_one();
    return true;
}

bool Crew::end_inline() {
    const Lock lock(mutex_);
    if (inline_run_ != my_run) return false;
    inline_run_ = 0;
    return true;
}

void Crew::work() {
    Lock lock(mutex_);
    while (true) {
        if (!has_leader_ && !loop_ended_) {
            lead(lock);
        } else if (!jobs_.empty()) {
            auto job = std::move(jobs_.front());
            jobs_.pop_front();
            lock.unlock();
            job();
            job = nullptr;  // what it holds goes without the lock
            lock.lock();
        } else if (loop_ended_) {
            return;
        } else {
            ++idle_;
            wait_for_work(lock);
            --idle_;
        }
    }
}

void Crew::lead(Lock& lock) {
    has_leader_ = true;
    const auto me = ++last_run_;  // any number of its own
    leader_ = me;
    lock.unlock();
    bool goes_on = true;
    while (goes_on && leader_.load(std::memory_order_relaxed) == me) goes_on = run_once_();
    lock.lock();
    if (goes_on) return;  // the lead was taken
    has_leader_ = false;
    loop_ended_ = true;
    changed_.notify_all();
}

void Crew::wait_for_work(Lock& lock) {
    if (inline_run_ != 0 && !is_watched_) return watch_leader(lock);
    changed_.wait(lock);
}

void Crew::watch_leader(Lock& lock) {
    is_watched_ = true;
    std::uint64_t seen = 0;
    int quiet = 0;
    while (quiet < kQuietLooks && jobs_.empty() && !loop_ended_) {
        if (inline_run_ != 0 && inline_run_ == seen) {
            inline_run_ = 0;
            has_leader_ = false;  // this thread takes the lead as soon as it is back in work()
            leader_ = 0;
            break;
        }
        quiet = inline_run_ == 0 ? quiet + 1 : 0;
        seen = inline_run_;
        changed_.wait_for(lock, kWatchPeriod);
    }
    is_watched_ = false;
    // Called away for a job: another idle thread looks on.
    if (inline_run_ != 0) changed_.notify_one();
}

}  // namespace loco::http
