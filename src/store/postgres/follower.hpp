// Hears of the events that other servers on the same database append: LISTEN/NOTIFY says that there are some, reading on
// from the last sequence number says which, also after the connection was lost. A thread of its own.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "ports/store.hpp"
#include "postgres/database.hpp"

namespace loco::store {

class Follower {
  public:
    using Open = std::function<Result<std::unique_ptr<postgres::Database>>()>;
    using Listener = std::function<void(const std::vector<Event>&)>;

    // Follows from the events that are there when it is made.
    Follower(Open open, std::int64_t after, Listener listener);
    ~Follower();
    Follower(const Follower&) = delete;
    Follower& operator=(const Follower&) = delete;

  private:
    void run(const std::stop_token& stop);
    // Until the connection is lost or it is to stop.
    [[nodiscard]] Result<> follow(const std::stop_token& stop);
    [[nodiscard]] Result<> catch_up(postgres::Database& database);

    Open open_;
    std::int64_t after_;
    Listener listener_;
    int wake_fd_;  // readable: stop
    std::jthread thread_;
};

}  // namespace loco::store
