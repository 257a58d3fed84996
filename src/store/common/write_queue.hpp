// The one thread that writes. Callers hand it their work and wait; what waits together is committed together, so that one
// sync of the disk makes all of them durable.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <semaphore>
#include <thread>
#include <vector>

#include "ports/store.hpp"

namespace loco::store {

class WriteQueue {
  public:
    struct Job {
        explicit Job(const Store::WriteFn& fn) : work(fn) {}
        const Store::WriteFn& work;  // the caller's, who waits
        Result<> result = {};
        std::exception_ptr thrown = {};
        std::vector<Event> events = {};
        std::binary_semaphore done{0};
    };
    // Shared, as the caller may be gone before release() of its semaphore has returned.
    using Batch = std::vector<std::shared_ptr<Job>>;
    using Listener = std::function<void(const std::vector<Event>&)>;
    // Runs the jobs of a batch from `first` on in one transaction; gives the first that is not settled by it.
    using Commit = std::function<std::size_t(Batch& batch, std::size_t first)>;

    explicit WriteQueue(Commit commit);
    // Finishes what was handed to it.
    ~WriteQueue();

    void set_listener(Listener listener) { listener_ = std::move(listener); }
    // Any thread but its own. What work throws is thrown here.
    [[nodiscard]] Result<> write(const Store::WriteFn& work);

  private:
    void run();

    Commit commit_;
    Listener listener_;
    std::mutex mutex_;
    std::condition_variable arrived_;
    Batch waiting_;  // guarded by mutex_, as is stopping_
    bool stopping_ = false;
    std::jthread thread_;
};

}  // namespace loco::store
