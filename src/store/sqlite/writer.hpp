// The one thread that writes. Callers hand it their work and wait; what waits together is committed together, each in a
// savepoint of its own, so that one sync of the disk makes all of them durable and a failing one undoes only itself.
#pragma once

#include <condition_variable>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include "ports/store.hpp"
#include "sqlite/database.hpp"
#include "store/sqlite/env_seal.hpp"

namespace loco::store {

class Writer {
  public:
    using Listener = std::function<void(const std::vector<Event>&)>;
    using Open = std::function<Result<std::unique_ptr<sqlite::Database>>()>;

    // `open` gives a new connection whenever the one in use has failed for good.
    Writer(std::unique_ptr<sqlite::Database> database, Open open, EnvSeal env_seal);
    // Finishes what was handed to it.
    ~Writer();

    void set_listener(Listener listener) { listener_ = std::move(listener); }
    // Any thread but its own. What work throws is thrown here.
    [[nodiscard]] Result<> write(const Store::WriteFn& work);

  private:
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

    void run();
    // Runs the jobs of a batch from `first` on in one transaction; gives the first that is not settled by it.
    [[nodiscard]] std::size_t commit(Batch& batch, std::size_t first);
    [[nodiscard]] Result<> begin();
    // False when the whole transaction is lost, `job` included.
    [[nodiscard]] bool run_in_savepoint(Job& job);
    void lose(Batch& batch, std::size_t first, std::size_t end, const Error& error);

    std::unique_ptr<sqlite::Database> database_;
    Open open_;
    EnvSeal env_seal_;
    std::string trouble_;  // the code of the last failure, until a commit succeeds
    Listener listener_;
    std::mutex mutex_;
    std::condition_variable arrived_;
    Batch waiting_;  // guarded by mutex_, as is stopping_
    bool stopping_ = false;
    std::jthread thread_;
};

}  // namespace loco::store
