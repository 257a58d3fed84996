// A folder that goes with its test.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "store/sqlite/sqlite_store.hpp"

namespace loco::store {

class InFolder : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string name = ::testing::TempDir() + "loco-store-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    [[nodiscard]] static Result<std::unique_ptr<SqliteStore>> open(
        const std::filesystem::path& folder) {
        return SqliteStore::open({.folder = folder, .readers = 2, .busy_timeout_ms = 50},
                                 SystemClock());
    }
    [[nodiscard]] std::unique_ptr<SqliteStore> must_open() const {
        auto opened = open(folder_);
        EXPECT_TRUE(opened) << opened.error().message;
        return opened ? *std::move(opened) : nullptr;
    }
    // An event of its own, which makes counting easy.
    [[nodiscard]] static Result<> append(Store& store, std::string message, std::string data = "") {
        return store.write([&](WriteTx& tx) -> Result<> {
            Event event;
            event.message = message;
            event.data = data;
            LOCO_TRY(tx.append(event));
            return {};
        });
    }
    [[nodiscard]] static std::vector<Event> events(Store& store) {
        std::vector<Event> all;
        const auto result = store.read([&](const ReadTx& tx) -> Result<> {
            LOCO_ASSIGN(all, tx.events({}, 0, 1'000'000));
            return {};
        });
        EXPECT_TRUE(result) << result.error().message;
        return all;
    }

    std::filesystem::path folder_;
};

}  // namespace loco::store
