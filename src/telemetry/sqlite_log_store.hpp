// The log store of one machine: a SQLite file for each day (UTC), and more where its lines are many, in a folder of its own. What is
// old, or too much, goes by removing its files. What it costs is in docs/adr/0005-log-store.md.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.hpp"
#include "ports/log_store.hpp"
#include "telemetry/log_day.hpp"

namespace loco::telemetry {

struct LogStoreOptions {
    std::filesystem::path folder;  // made (0700) where there is none
    int retention_days = 7;        // today not counted
    // What all lines may take on the disk: beyond it the oldest go. The newest file, an eighth of it, comes on top.
    std::int64_t most_bytes = 2LL << 30;
};

// Any thread. A query gives at most 10,000 lines and about 8 MiB, whatever its limit.
class SqliteLogStore final : public LogStore {
  public:
    using Listener = std::function<void(const AppId&)>;

    // A file that is damaged is put aside (NAME.damaged) and told in the log: logs never keep the platform from
    // starting.
    [[nodiscard]] static Result<std::unique_ptr<SqliteLogStore>> open(LogStoreOptions options,
                                                                      const Clock& clock);

    // One transaction; a batch of a few hundred lines costs little more than one line. unavailable while the disk is
    // full or the file can't be written; nothing of the batch is kept then.
    [[nodiscard]] Result<> append(std::vector<LogLine> lines) override;
    [[nodiscard]] Result<std::vector<LogLine>> after(const LogFilter& filter, std::int64_t after,
                                                     int limit) override;
    [[nodiscard]] Result<std::vector<LogLine>> last(const LogFilter& filter, int limit) override;
    [[nodiscard]] Result<std::optional<Time>> newest(const std::string& instance) override;
    [[nodiscard]] Result<> remove_app(const AppId& app) override;

    // Called once for each app of a batch after it can be read, on the appending thread; must not block. Set before use.
    void set_listener(Listener listener) { listener_ = std::move(listener); }

  private:
    using Day = std::shared_ptr<LogDay>;

    SqliteLogStore(LogStoreOptions options, const Clock& clock)
        : options_(std::move(options)), clock_(clock) {}
    [[nodiscard]] Result<> open_days();
    [[nodiscard]] Result<Day> open_day(const std::string& name);
    // Today's, made at the first line of the day. Then the oldest go.
    [[nodiscard]] Result<Day> today();
    void remove_old(const std::string& today);
    [[nodiscard]] std::filesystem::path file_of(const std::string& part) const;
    [[nodiscard]] std::vector<Day> days();  // oldest first

    LogStoreOptions options_;
    const Clock& clock_;
    Listener listener_;
    std::mutex append_mutex_;  // one batch at a time; taken before days_mutex_
    std::int64_t next_seq_ = 1;
    std::mutex days_mutex_;
    std::map<std::string, Day>
        days_;  // by "2026-11-23", and "2026-11-23.000001" for more of that day
};

}  // namespace loco::telemetry
