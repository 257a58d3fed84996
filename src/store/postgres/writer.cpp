#include "store/postgres/writer.hpp"

#include <thread>

#include "base/log.hpp"
#include "store/postgres/postgres_sql.hpp"
#include "store/postgres/write_lock.hpp"

namespace loco::store {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

// A victim's tries, 10, 20, 40 … ms apart.
constexpr int kTries = 6;
// How long a write waits for a database that has just gone (a restart takes about a second), and for the answer of what
// became of a commit.
constexpr milliseconds kPatience{4'000};
constexpr milliseconds kBetween{100};

}  // namespace

PostgresWriter::PostgresWriter(std::unique_ptr<postgres::Database> database, Open open,
                               EnvSeal env_seal)
    : database_(std::move(database)),
      open_(std::move(open)),
      env_seal_(std::move(env_seal)),
      queue_([this](Batch& batch, std::size_t first) { return commit(batch, first); }) {}

Result<> PostgresWriter::connect() {
    if (database_ != nullptr && database_->is_alive()) return {};
    database_.reset();
    const auto end = SteadyClock::now() + kPatience;
    while (true) {
        auto opened = open_();
        if (opened) {
            database_ = *std::move(opened);
            return {};
        }
        // Only the first to notice waits; the others are told at once.
        if (!trouble_.empty() || SteadyClock::now() + kBetween > end) return fail(opened.error());
        std::this_thread::sleep_for(kBetween);
    }
}

Result<std::string> PostgresWriter::begin() {
    const auto attempt = [&]() -> Result<std::string> {
        LOCO_TRY(connect());
        database_->queue("BEGIN ISOLATION LEVEL READ COMMITTED");
        return take_write_lock(*database_);
    };
    auto begun = attempt();
    // A connection that ended just now: no work was called yet, so a new one may begin again.
    if (!begun && database_ != nullptr && !database_->is_alive()) begun = attempt();
    return begun;
}

std::size_t PostgresWriter::commit(Batch& batch, std::size_t first) {
    auto wait = milliseconds(10);
    for (int tries = 1;; ++tries, wait *= 2) {
        const auto result = try_commit(batch, first);
        if (result) break;
        roll_back();
        if (tries == kTries || !postgres::may_be_repeated(result.error())) {
            lose(batch, first, result.error());
            return batch.size();
        }
        std::this_thread::sleep_for(wait);
    }
    if (!trouble_.empty()) log::info("the database is written again");
    trouble_.clear();
    return batch.size();
}

Result<> PostgresWriter::try_commit(Batch& batch, std::size_t first) {
    for (auto i = first; i < batch.size(); ++i) {
        batch[i]->result = {};
        batch[i]->thrown = {};
        batch[i]->events.clear();
    }
    LOCO_ASSIGN(const auto transaction, begin());
    bool has_events = false;
    for (auto i = first; i < batch.size(); ++i) {
        LOCO_TRY(run_in_savepoint(*batch[i]));
        has_events = has_events || !batch[i]->events.empty();
    }
    if (has_events) database_->queue("NOTIFY " + std::string(kEventsChannel));
    const auto committed = database_->run("COMMIT");
    if (!committed && !database_->is_alive()) return outcome(transaction, committed.error());
    if (!committed) return fail(committed.error());
    // What a failed transaction answers to COMMIT; it is no error to PostgreSQL.
    if (*committed != "COMMIT")
        return fail(ErrorKind::unavailable, "the database gave up the transaction",
                    "try again in a moment", "database_gave_up");
    return {};
}

Result<> PostgresWriter::run_in_savepoint(Job& job) {
    database_->queue("SAVEPOINT job");
    PostgresTx tx(*database_, env_seal_);
    try {
        job.result = job.work(tx);
    } catch (...) {
        job.thrown = std::current_exception();
    }
    if (tx.trouble()) {
        if (!job.thrown) job.result = fail(*tx.trouble());
        return fail(*tx.trouble());
    }
    const bool keep = job.result && !job.thrown;
    if (keep && database_->in_failed_transaction())
        job.result = fail(ErrorKind::internal, "a statement failed and the work went on");
    if (keep && job.result) {
        job.events = tx.take_events();
    } else {
        database_->queue("ROLLBACK TO SAVEPOINT job");
    }
    database_->queue("RELEASE SAVEPOINT job");
    return {};
}

Result<> PostgresWriter::outcome(const std::string& transaction, const Error& lost) {
    const auto end = SteadyClock::now() + kPatience;
    database_.reset();
    while (SteadyClock::now() < end) {
        auto opened = open_();
        if (opened) {
            postgres::Query query(**opened, "SELECT coalesce(pg_xact_status(?::text::xid8), '')");
            query.bind(std::string_view(transaction));
            const auto row = query.step();
            const std::string status(row && *row ? query.text(0) : "");
            if (status == "committed") {
                database_ = *std::move(opened);
                return {};
            }
            if (status == "aborted") return fail(lost);
        }
        std::this_thread::sleep_for(kBetween);
    }
    return fail(
        ErrorKind::unavailable,
        "the connection to the database was lost while it was writing; whether it did is not known",
        "look at what is there before you try again", "database_outcome_unknown");
}

void PostgresWriter::roll_back() {
    if (database_ == nullptr) return;
    database_->forget_queued();
    if (database_->in_transaction() && !database_->run("ROLLBACK")) database_.reset();
}

// None of batch[first, …) is kept. Those that failed for a reason of their own keep it.
void PostgresWriter::lose(Batch& batch, std::size_t first, const Error& error) {
    // Once, not for each of the many that may try until it is over.
    if (trouble_ != error.code_or_kind()) log::failure("writing to the database", error);
    trouble_ = error.code_or_kind();
    for (auto i = first; i < batch.size(); ++i) {
        batch[i]->events.clear();
        if (batch[i]->result && !batch[i]->thrown) batch[i]->result = fail(error);
    }
}

}  // namespace loco::store
