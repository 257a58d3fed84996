#include "store/sqlite/writer.hpp"

#include "base/log.hpp"
#include "store/sqlite/sqlite_sql.hpp"

namespace loco::store {

Writer::Writer(std::unique_ptr<sqlite::Database> database, Open open, EnvSeal env_seal)
    : database_(std::move(database)),
      open_(std::move(open)),
      env_seal_(std::move(env_seal)),
      queue_([this](Batch& batch, std::size_t first) { return commit(batch, first); }) {}

Result<> Writer::begin() {
    if (database_ == nullptr) {
        LOCO_ASSIGN(database_, open_());
    }
    return database_->run("BEGIN IMMEDIATE");
}

std::size_t Writer::commit(Batch& batch, std::size_t first) {
    if (const auto begun = begin(); !begun) {
        lose(batch, first, batch.size(), begun.error());
        return batch.size();
    }
    for (auto i = first; i < batch.size(); ++i) {
        if (!run_in_savepoint(*batch[i])) {
            // Those before it are lost with it; those after it have a transaction of their own.
            lose(batch, first, i + 1, batch[i]->result.error());
            return i + 1;
        }
    }
    if (const auto committed = database_->run("COMMIT"); !committed) {
        lose(batch, first, batch.size(), committed.error());
    } else if (!trouble_.empty()) {
        log::info("the database is written again");
        trouble_.clear();
    }
    return batch.size();
}

bool Writer::run_in_savepoint(Job& job) {
    if (job.result = sqlite::Query(*database_, "SAVEPOINT job").run(); !job.result) return false;
    SqliteTx tx(*database_, env_seal_);
    try {
        job.result = job.work(tx);
    } catch (...) {
        job.thrown = std::current_exception();
    }
    if (tx.trouble()) job.result = fail(*tx.trouble());
    if (!database_->in_transaction()) {
        if (job.result)
            job.result = fail(ErrorKind::unavailable, "the database gave up the transaction");
        return false;
    }
    const bool keep = job.result && !job.thrown;
    const auto ended = keep ? sqlite::Query(*database_, "RELEASE job").run()
                            : database_->run("ROLLBACK TO job; RELEASE job");
    if (!ended) {
        job.result = fail(ended.error());
        return false;
    }
    if (keep) job.events = tx.take_events();
    return true;
}

// None of batch[first, end) is kept. Those that failed for a reason of their own keep it.
void Writer::lose(Batch& batch, std::size_t first, std::size_t end, const Error& error) {
    // Once, not for each of the many that may try until it is over.
    if (trouble_ != error.code_or_kind()) log::failure("writing to the database", error);
    trouble_ = error.code_or_kind();
    for (auto i = first; i < end; ++i) {
        batch[i]->events.clear();
        if (batch[i]->result && !batch[i]->thrown) batch[i]->result = fail(error);
    }
    if (database_ == nullptr) return;
    if (database_->in_transaction()) (void)database_->run("ROLLBACK");
    // A full disk or another's lock passes by itself; after anything else a new connection is the surest start.
    const bool passes = error.code == "database_full" || error.code == "database_locked";
    if (!passes || database_->in_transaction()) database_.reset();
}

}  // namespace loco::store
