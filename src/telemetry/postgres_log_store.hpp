// The log store of servers that share a PostgreSQL database: a table partitioned by day (UTC), of which old days go by
// dropping their partition. Appends of all servers are one after the other (a row is locked, not the store's write
// lock), so that the order of the seqs is the order of the commits: who reads on after a seq misses no line. Why so is in
// docs/adr/0025-logs-in-postgresql.md.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "ports/log_store.hpp"
#include "postgres/database.hpp"
#include "telemetry/log_bell.hpp"

namespace loco::telemetry {

struct PostgresLogOptions {
    postgres::Target target;
    postgres::Database::Limits limits = {};
    int retention_days = 7;   // today not counted
    std::size_t readers = 4;  // connections, opened when first needed
};

// Any thread. A query gives at most 10,000 lines and about 8 MiB, whatever its limit.
class PostgresLogStore final : public LogStore {
  public:
    using Listener = std::function<void(const AppId&)>;

    // Makes its tables where there are none. The store has migrated the database before.
    [[nodiscard]] static Result<std::unique_ptr<PostgresLogStore>> open(PostgresLogOptions options,
                                                                        const Clock& clock,
                                                                        Random& random);

    // One transaction; nothing of the batch is kept when it fails. unavailable while the database is away. When the
    // connection was lost in the commit, and the batch comes again (with more behind it or not), it is not kept twice.
    [[nodiscard]] Result<> append(std::vector<LogLine> lines) override;
    [[nodiscard]] Result<std::vector<LogLine>> after(const LogFilter& filter, std::int64_t after,
                                                     int limit) override;
    [[nodiscard]] Result<std::vector<LogLine>> last(const LogFilter& filter, int limit) override;
    [[nodiscard]] Result<std::optional<Time>> newest(const std::string& instance) override;
    [[nodiscard]] Result<> remove_app(const AppId& app) override;

    // Called once for each app of a batch after it can be read, on the appending thread; for those of other servers on a
    // thread of its own, at least once. Must not block. Set once, before use.
    void set_listener(Listener listener);

  private:
    using DatabasePtr = std::unique_ptr<postgres::Database>;
    struct Source;
    struct Doubt {
        std::string transaction;
        std::size_t lines;
        std::size_t hash;
    };

    PostgresLogStore(PostgresLogOptions options, const Clock& clock, std::string own_name)
        : options_(std::move(options)), clock_(clock), own_name_(std::move(own_name)) {}
    [[nodiscard]] Result<DatabasePtr> connect() const;
    [[nodiscard]] Result<> make_tables();
    // With writer_mutex_:
    [[nodiscard]] Result<> use_writer();
    [[nodiscard]] Result<> ensure_day(const std::string& day);
    void remove_old(const std::string& today);
    // How many of the lines the batch in doubt has kept.
    [[nodiscard]] Result<std::size_t> settle_doubt(const std::vector<LogLine>& lines);
    [[nodiscard]] Result<> write(std::vector<LogLine>& lines, std::size_t kept);
    [[nodiscard]] Result<std::string> write_lines(std::span<LogLine> lines, const std::string& day);
    [[nodiscard]] Result<> upsert(std::vector<Source>& sources, const std::string& day);

    [[nodiscard]] Result<std::vector<LogLine>> query(const LogFilter& filter, std::int64_t after,
                                                     int limit, bool newest_first);
    [[nodiscard]] Result<> with_reader(const std::function<Result<>(postgres::Database&)>& work);

    PostgresLogOptions options_;
    const Clock& clock_;
    std::string own_name_;
    std::int64_t opened_at_ = 0;  // the newest seq then
    std::mutex writer_mutex_;
    DatabasePtr writer_;
    std::string day_;  // whose partition is known to be there
    std::optional<Doubt> doubt_;
    std::mutex readers_mutex_;
    std::condition_variable reader_freed_;
    std::vector<DatabasePtr> idle_;
    std::size_t out_ = 0;
    Listener listener_;
    std::optional<LogBell> bell_;  // uses the others: it ends first
};

}  // namespace loco::telemetry
