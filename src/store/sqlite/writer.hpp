// What one transaction of the writing thread is in SQLite: its jobs one after the other, each in a savepoint of its own,
// so that a failing one undoes only itself.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "sqlite/database.hpp"
#include "store/common/env_seal.hpp"
#include "store/common/write_queue.hpp"

namespace loco::store {

class Writer {
  public:
    using Open = std::function<Result<std::unique_ptr<sqlite::Database>>()>;

    // `open` gives a new connection whenever the one in use has failed for good.
    Writer(std::unique_ptr<sqlite::Database> database, Open open, EnvSeal env_seal);

    void set_listener(WriteQueue::Listener listener) { queue_.set_listener(std::move(listener)); }
    // As WriteQueue's.
    [[nodiscard]] Result<> write(const Store::WriteFn& work) { return queue_.write(work); }

  private:
    using Job = WriteQueue::Job;
    using Batch = WriteQueue::Batch;

    [[nodiscard]] std::size_t commit(Batch& batch, std::size_t first);
    [[nodiscard]] Result<> begin();
    // False when the whole transaction is lost, `job` included.
    [[nodiscard]] bool run_in_savepoint(Job& job);
    void lose(Batch& batch, std::size_t first, std::size_t end, const Error& error);

    std::unique_ptr<sqlite::Database> database_;
    Open open_;
    EnvSeal env_seal_;
    std::string trouble_;  // the code of the last failure, until a commit succeeds
    WriteQueue queue_;     // its thread uses the others: it ends first
};

}  // namespace loco::store
