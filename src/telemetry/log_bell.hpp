// Tells servers on one PostgreSQL database of each other's log lines: LISTEN/NOTIFY says which apps have new ones. It
// carries no line: who follows reads on by seq. A thread and a connection of its own; what was missed while the
// connection was lost is looked up.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "domain/model.hpp"
#include "postgres/database.hpp"

namespace loco::telemetry {

class LogBell {
  public:
    using Open = std::function<Result<std::unique_ptr<postgres::Database>>()>;
    using Listener = std::function<void(const AppId&)>;

    // `listener` is called on the bell's thread for apps of which other servers have appended lines with a greater seq than
    // `after`, at least once.
    LogBell(Open open, std::string own_name, std::int64_t after, Listener listener);
    ~LogBell();
    LogBell(const LogBell&) = delete;
    LogBell& operator=(const LogBell&) = delete;

    // The statement that tells of these apps with the transaction that it is run in; empty when there is nothing to tell
    // yet: an app is told of at most every 50 ms, and what is left is told by the bell's thread when its time comes.
    [[nodiscard]] std::string ring(const std::set<AppId>& apps);

  private:
    using SteadyTime = std::chrono::steady_clock::time_point;

    void run(const std::stop_token& stop);
    [[nodiscard]] Result<> serve(const std::stop_token& stop);
    [[nodiscard]] Result<> look(postgres::Database& database);
    [[nodiscard]] Result<> ring_pending(postgres::Database& database);
    [[nodiscard]] std::string statement(const std::set<AppId>& apps) const;
    void hear(const std::vector<postgres::Database::Notification>& told);

    Open open_;
    std::string own_name_;
    Listener listener_;
    std::int64_t looked_;  // up to that seq
    int wake_fd_;          // readable: stop, or there is something pending
    std::mutex mutex_;
    std::map<AppId, SteadyTime> told_;  // when each app was last told of
    std::set<AppId> pending_;
    std::jthread thread_;
};

}  // namespace loco::telemetry
