// A bounded number of connections for reading, opened when first needed. `Sql` says how a read begins and ends on one
// (store/sqlite/sqlite_sql.hpp, store/postgres/postgres_sql.hpp).
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "base/error.hpp"

namespace loco::store {

template <class Sql>
class ReaderPool {
  public:
    using Database = typename Sql::Database;
    using Open = std::function<Result<std::unique_ptr<Database>>()>;

    ReaderPool(Open open, std::size_t size) : open_(std::move(open)), size_(size) {}

    // Calls work with a connection inside a transaction: all that it reads is of one moment. Waits for a free
    // connection at most 10 s, then unavailable. Any thread.
    [[nodiscard]] Result<> read(const std::function<Result<>(Database&)>& work) {
        LOCO_ASSIGN(auto taken, take());
        const Lease lease(*this, std::move(taken));
        LOCO_TRY(Sql::begin_read(*lease));
        return work(*lease);
    }

  private:
    // A connection that is out; back in the pool, or closed when it can't be used further, whatever happens.
    class Lease {
      public:
        Lease(ReaderPool& pool, std::unique_ptr<Database> database)
            : pool_(pool), database_(std::move(database)) {}
        ~Lease() {
            if (!Sql::end_read(*database_)) database_.reset();
            pool_.give_back(std::move(database_));
        }
        Lease(const Lease&) = delete;
        Lease& operator=(const Lease&) = delete;
        [[nodiscard]] Database& operator*() const { return *database_; }

      private:
        ReaderPool& pool_;
        std::unique_ptr<Database> database_;
    };

    [[nodiscard]] Result<std::unique_ptr<Database>> take() {
        {
            std::unique_lock lock(mutex_);
            if (!freed_.wait_for(lock, std::chrono::seconds(10), [&] { return out_ < size_; })) {
                return fail(ErrorKind::unavailable, "too many reads wait for the database",
                            "try again in a moment", "database_busy");
            }
            ++out_;
            while (!idle_.empty()) {
                auto database = std::move(idle_.back());
                idle_.pop_back();
                if (Sql::is_usable(*database)) return database;
            }
        }
        auto opened = open_();
        if (!opened) give_back(nullptr);
        return opened;
    }

    void give_back(std::unique_ptr<Database> database) {
        {
            const std::lock_guard lock(mutex_);
            --out_;
            if (database) idle_.push_back(std::move(database));
        }
        freed_.notify_one();
    }

    Open open_;
    std::size_t size_;
    std::mutex mutex_;
    std::condition_variable freed_;
    std::vector<std::unique_ptr<Database>> idle_;  // guarded by mutex_, as is out_
    std::size_t out_ = 0;
};

}  // namespace loco::store
