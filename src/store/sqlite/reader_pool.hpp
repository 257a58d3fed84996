// A bounded number of connections for reading, opened when first needed.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "sqlite/database.hpp"

namespace loco::store {

class ReaderPool {
  public:
    using Open = std::function<Result<std::unique_ptr<sqlite::Database>>()>;

    ReaderPool(Open open, std::size_t size) : open_(std::move(open)), size_(size) {}

    // Calls work with a connection inside a transaction: all that it reads is of one moment. Waits for a free
    // connection at most 10 s, then unavailable. Any thread.
    [[nodiscard]] Result<> read(const std::function<Result<>(sqlite::Database&)>& work);

  private:
    class Lease;
    [[nodiscard]] Result<std::unique_ptr<sqlite::Database>> take();
    void give_back(std::unique_ptr<sqlite::Database> database);

    Open open_;
    std::size_t size_;
    std::mutex mutex_;
    std::condition_variable freed_;
    std::vector<std::unique_ptr<sqlite::Database>> idle_;  // guarded by mutex_, as is out_
    std::size_t out_ = 0;
};

}  // namespace loco::store
