// What one transaction of the writing thread is in PostgreSQL: it takes the write lock, runs its jobs one after the other,
// each in a savepoint of its own, and commits them together. A victim of a deadlock is begun anew; a commit whose
// answer was lost is asked for.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "postgres/database.hpp"
#include "store/common/env_seal.hpp"
#include "store/common/write_queue.hpp"

namespace loco::store {

// On which the sequence of events is told to have grown.
inline constexpr std::string_view kEventsChannel = "loco_events";

class PostgresWriter {
  public:
    using Open = std::function<Result<std::unique_ptr<postgres::Database>>()>;

    PostgresWriter(std::unique_ptr<postgres::Database> database, Open open, EnvSeal env_seal);

    void set_listener(WriteQueue::Listener listener) { queue_.set_listener(std::move(listener)); }
    // As WriteQueue's; work may be called again when its transaction was a victim.
    [[nodiscard]] Result<> write(const Store::WriteFn& work) { return queue_.write(work); }

  private:
    using Job = WriteQueue::Job;
    using Batch = WriteQueue::Batch;

    [[nodiscard]] std::size_t commit(Batch& batch, std::size_t first);
    // One try at it: its error is the whole transaction's, of which nothing is kept.
    [[nodiscard]] Result<> try_commit(Batch& batch, std::size_t first);
    // Gives the transaction's id.
    [[nodiscard]] Result<std::string> begin();
    [[nodiscard]] Result<> connect();
    // An error when the transaction can't go on.
    [[nodiscard]] Result<> run_in_savepoint(Job& job);
    // Whether the transaction of that id was kept, as the database says it once it answers again.
    [[nodiscard]] Result<> outcome(const std::string& transaction, const Error& lost);
    void roll_back();
    void lose(Batch& batch, std::size_t first, const Error& error);

    std::unique_ptr<postgres::Database> database_;
    Open open_;
    EnvSeal env_seal_;
    std::string trouble_;  // the code of the last failure, until a commit succeeds
    WriteQueue queue_;     // its thread uses the others: it ends first
};

}  // namespace loco::store
