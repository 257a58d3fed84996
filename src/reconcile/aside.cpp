#include "reconcile/aside.hpp"

#include <exception>
#include <utility>

#include "base/log.hpp"

namespace loco::reconcile {

Aside::~Aside() { stop(); }

void Aside::run(std::function<void()> work) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    queue_.push_back(std::move(work));
    if (idle_ < queue_.size() && threads_.size() < most_)
        threads_.emplace_back([this] { this->work(); });
    changed_.notify_one();
}

void Aside::stop(const std::function<void()>& interrupt) {
    std::vector<std::thread> threads;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        queue_.clear();
        threads.swap(threads_);
        changed_.notify_all();
    }
    if (interrupt) interrupt();
    for (auto& thread : threads) thread.join();
}

void Aside::work() {
    std::unique_lock lock(mutex_);
    for (;;) {
        ++idle_;
        changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        --idle_;
        if (stopping_) return;
        auto next = std::move(queue_.front());
        queue_.pop_front();
        lock.unlock();
        try {
            next();
        } catch (const std::exception& e) {
            log::error("what ran beside the passes has thrown", {{"exception", e.what()}});
        }
        next = {};  // what it holds is let go without the lock
        lock.lock();
    }
}

}  // namespace loco::reconcile
