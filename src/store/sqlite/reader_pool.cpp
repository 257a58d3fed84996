#include "store/sqlite/reader_pool.hpp"

#include <chrono>

namespace loco::store {
namespace {

constexpr std::chrono::seconds kWait{10};

}  // namespace

// A connection that is out; back in the pool, or closed when it can't be used further, whatever happens.
class ReaderPool::Lease {
  public:
    Lease(ReaderPool& pool, std::unique_ptr<sqlite::Database> database)
        : pool_(pool), database_(std::move(database)) {}
    ~Lease() {
        if (database_->in_transaction() && !sqlite::Query(*database_, "COMMIT").run())
            database_.reset();
        pool_.give_back(std::move(database_));
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    [[nodiscard]] sqlite::Database& operator*() const { return *database_; }

  private:
    ReaderPool& pool_;
    std::unique_ptr<sqlite::Database> database_;
};

Result<> ReaderPool::read(const std::function<Result<>(sqlite::Database&)>& work) {
    LOCO_ASSIGN(auto taken, take());
    const Lease lease(*this, std::move(taken));
    // A kept statement, as all are: parsing these two would be a tenth of what a small read costs.
    LOCO_TRY(sqlite::Query(*lease, "BEGIN").run());
    return work(*lease);
}

Result<std::unique_ptr<sqlite::Database>> ReaderPool::take() {
    {
        std::unique_lock lock(mutex_);
        if (!freed_.wait_for(lock, kWait, [&] { return out_ < size_; })) {
            return fail(ErrorKind::unavailable, "too many reads wait for the database",
                        "try again in a moment", "database_busy");
        }
        ++out_;
        if (!idle_.empty()) {
            auto database = std::move(idle_.back());
            idle_.pop_back();
            return database;
        }
    }
    auto opened = open_();
    if (!opened) give_back(nullptr);
    return opened;
}

void ReaderPool::give_back(std::unique_ptr<sqlite::Database> database) {
    {
        const std::lock_guard lock(mutex_);
        --out_;
        if (database) idle_.push_back(std::move(database));
    }
    freed_.notify_one();
}

}  // namespace loco::store
