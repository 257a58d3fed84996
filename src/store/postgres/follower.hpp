// Hears of the events that other servers on the same database append: LISTEN/NOTIFY says that there are some, reading on
// from the last sequence number says which, also after the connection was lost. Tells and hears, too, for which apps there
// may be work. A thread of its own.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "ports/store.hpp"
#include "postgres/database.hpp"

namespace loco::store {

class Follower {
  public:
    using Open = std::function<Result<std::unique_ptr<postgres::Database>>()>;
    using Listener = std::function<void(const std::vector<Event>&)>;

    // Without an app: some may have been missed.
    using WakeListener = std::function<void(const std::optional<AppId>&)>;

    // Follows the events after that number.
    Follower(Open open, std::int64_t after, Listener listener, WakeListener on_wake);
    ~Follower();
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;

    // The other servers hear of that app as soon as the database can be asked. Any thread; does not block.
    void tell(const AppId& app);

  private:
    void run(const std::stop_token& stop);
    // Until the connection is lost or it is to stop.
    [[nodiscard]] Result<> follow(const std::stop_token& stop);
    [[nodiscard]] Result<> catch_up(postgres::Database& database);
    [[nodiscard]] Result<> tell_all(postgres::Database& database);
    void heard(const postgres::Database::Notification& notification) const;

    Open open_;
    std::int64_t after_;
    Listener listener_;
    WakeListener on_wake_;
    std::mutex mutex_;
    std::set<std::string> to_tell_;  // guarded by mutex_
    int wake_fd_;                    // readable: there is something to tell, or it is to stop
    std::jthread thread_;
};

}  // namespace loco::store
