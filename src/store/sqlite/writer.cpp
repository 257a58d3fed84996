#include "store/sqlite/writer.hpp"

#include "base/log.hpp"
#include "store/sqlite/sqlite_tx.hpp"

namespace loco::store {
namespace {

// Writes that wait. More can't be than threads that call; the bound is for a mistake.
constexpr std::size_t kMaxWaiting = 4096;
// One transaction's, so that nobody waits long for the others of a batch.
constexpr std::size_t kMaxBatch = 256;

}  // namespace

Writer::Writer(std::unique_ptr<sqlite::Database> database, Open open, EnvSeal env_seal)
    : database_(std::move(database)),
      open_(std::move(open)),
      env_seal_(std::move(env_seal)),
      thread_([this] { run(); }) {}

Writer::~Writer() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    arrived_.notify_one();
}

Result<> Writer::write(const Store::WriteFn& work) {
    LOCO_CHECK(std::this_thread::get_id() != thread_.get_id());  // it would wait for itself
    const auto job = std::make_shared<Job>(work);
    {
        const std::lock_guard lock(mutex_);
        if (stopping_)
            return fail(ErrorKind::unavailable, "loco-api is stopping", "try again in a moment");
        if (waiting_.size() >= kMaxWaiting) {
            return fail(ErrorKind::unavailable, "too many writes wait for the database",
                        "try again in a moment", "database_busy");
        }
        waiting_.push_back(job);
    }
    arrived_.notify_one();
    job->done.acquire();
    if (job->thrown) std::rethrow_exception(job->thrown);
    return std::move(job->result);
}

void Writer::run() {
    while (true) {
        Batch batch;
        {
            std::unique_lock lock(mutex_);
            arrived_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
            if (waiting_.empty()) return;
            if (waiting_.size() <= kMaxBatch) {
                batch.swap(waiting_);
            } else {
                const auto end = waiting_.begin() + kMaxBatch;
                batch.assign(std::make_move_iterator(waiting_.begin()),
                             std::make_move_iterator(end));
                waiting_.erase(waiting_.begin(), end);
            }
        }
        for (std::size_t first = 0; first < batch.size();) {
            const auto next = commit(batch, first);
            std::vector<Event> events;
            for (auto i = first; i < next; ++i) {
                auto& own = batch[i]->events;
                events.insert(events.end(), std::make_move_iterator(own.begin()),
                              std::make_move_iterator(own.end()));
            }
            if (listener_ && !events.empty()) listener_(events);
            for (auto i = first; i < next; ++i) batch[i]->done.release();
            first = next;
        }
    }
}

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
