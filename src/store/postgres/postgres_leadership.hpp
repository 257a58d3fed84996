// Leadership among the loco-api on one PostgreSQL: who holds an advisory lock of the database, on a connection of its own.
// PostgreSQL frees the lock when that connection ends, however it ends; nothing is ever written.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "ports/leadership.hpp"
#include "postgres/database.hpp"

namespace loco::store {

struct PostgresLeadershipOptions {
    postgres::Target target;
    std::string name;  // for people, at most 50 characters
    postgres::Database::Limits limits = {};
    // How often it is tried to get the lock, and by the holder whether it still has it.
    std::chrono::milliseconds try_every{500};
    std::chrono::milliseconds check_every{1'000};
    // An answer that takes longer is taken for none.
    std::chrono::milliseconds answer_within{2'000};
    // Between getting the lock of another and leading: time for that one to notice, and to end its work.
    std::chrono::milliseconds settle{1'000};
    // A holder of whom PostgreSQL hears nothing for so long loses the lock (from PostgreSQL 14 on; before, one whose
    // machine can't be reached). Longer than check_every and answer_within together.
    std::chrono::milliseconds silence{10'000};
};

class PostgresLeadership final : public Leadership {
  public:
    explicit PostgresLeadership(PostgresLeadershipOptions options);
    ~PostgresLeadership() override;
    PostgresLeadership(const PostgresLeadership&) = delete;
    PostgresLeadership& operator=(const PostgresLeadership&) = delete;

    void start(std::function<void()> on_gained, std::function<void()> on_lost) override;
    void stop() override;
    [[nodiscard]] bool is_leader() const override { return leads_; }
    [[nodiscard]] std::string leader() const override;

  private:
    void run();
    // Until the connection is lost (an error) or it is to stop.
    [[nodiscard]] Result<> contend();
    [[nodiscard]] Result<> lead(postgres::Database& database);
    [[nodiscard]] Result<> hold(postgres::Database& database);
    void set_leader(std::string name);
    [[nodiscard]] std::string application_name() const;

    PostgresLeadershipOptions options_;
    std::function<void()> on_gained_, on_lost_;
    std::atomic<bool> leads_ = false;
    std::atomic<bool> stopping_ = false;
    bool is_first_try_ = true;  // its thread's
    mutable std::mutex mutex_;
    std::string leader_;  // guarded by mutex_
    int wake_fd_;         // readable: stop
    std::thread thread_;
};

}  // namespace loco::store
