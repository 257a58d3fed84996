// The log lines of one day, in one SQLite file. Lines that share app, deployment, instance, process and release share a
// source, which is kept in memory too: it says without a look at the disk who has lines after a seq or a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "ports/log_store.hpp"
#include "sqlite/database.hpp"

namespace loco::telemetry {

// How much one query may still give.
struct Budget {
    int lines;
    std::size_t bytes;
    [[nodiscard]] bool spent() const { return lines <= 0 || bytes == 0; }
};

// Any thread; writes and reads wait for their like only.
class LogDay {
  public:
    // Makes the file where there is none; its first line will have first_seq.
    [[nodiscard]] static Result<std::unique_ptr<LogDay>> open(const std::filesystem::path& file,
                                                              std::int64_t first_seq);

    // Gives them seqs from first_seq on and keeps all or none.
    [[nodiscard]] Result<> append(std::span<LogLine> lines, std::int64_t first_seq);
    // Adds to `lines` those after a seq, oldest first; or the newest, newest first. Takes what they need off the budget.
    [[nodiscard]] Result<> after(const LogFilter& filter, std::int64_t after, Budget& budget,
                                 std::vector<LogLine>& lines);
    [[nodiscard]] Result<> latest(const LogFilter& filter, Budget& budget,
                                  std::vector<LogLine>& lines);
    [[nodiscard]] std::optional<Time> newest(const std::string& instance);
    [[nodiscard]] Result<> remove_app(const AppId& app);
    // Of the newest line that it had, or first_seq - 1.
    [[nodiscard]] std::int64_t last_seq();

  private:
    struct Source {
        std::int64_t id = 0;
        AppId app;
        DeploymentId deployment;
        std::string instance;
        std::string process;
        int release = 0;
        bool build = false;
        std::int64_t last_seq = 0;
        Time newest;
        [[nodiscard]] bool is_of(const LogLine& line) const;
        [[nodiscard]] bool passes(const LogFilter& filter) const;
    };

    LogDay() = default;
    [[nodiscard]] Result<> make(std::int64_t first_seq);
    [[nodiscard]] Result<> load();
    // The source of a line among those known and those that this append has made.
    [[nodiscard]] Result<Source*> source_of(const LogLine& line,
                                            std::vector<std::unique_ptr<Source>>& touched);
    [[nodiscard]] Result<> write(std::span<LogLine> lines, std::int64_t first_seq,
                                 std::vector<std::unique_ptr<Source>>& touched);
    [[nodiscard]] std::vector<Source> matching(const LogFilter& filter, std::int64_t after);
    [[nodiscard]] Result<std::vector<std::int64_t>> seqs(const std::vector<Source>& sources,
                                                         const LogFilter& filter,
                                                         std::int64_t after, int limit,
                                                         bool newest_first);
    [[nodiscard]] Result<> fetch(const std::vector<Source>& sources,
                                 const std::vector<std::int64_t>& seqs, Budget& budget,
                                 std::vector<LogLine>& lines);

    std::mutex write_mutex_;
    std::unique_ptr<sqlite::Database> writer_;
    std::mutex read_mutex_;
    std::unique_ptr<sqlite::Database> reader_;
    std::mutex index_mutex_;  // taken last
    std::map<std::int64_t, Source> sources_;
    std::multimap<AppId, std::int64_t> by_app_;
    std::multimap<std::string, std::int64_t> by_instance_;
    std::int64_t last_seq_ = 0;
};

}  // namespace loco::telemetry
