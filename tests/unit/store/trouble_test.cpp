// The database in trouble: told as such, nothing half done, and over when its cause is.
#include <sys/mount.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <thread>

#include "sqlite/database.hpp"
#include "tests/unit/store/folder.hpp"

namespace loco::store {
namespace {

class TroubleTest : public InFolder {};

TEST_F(TroubleTest, ALockOfAnotherProgramIsToldAndPasses) {
    const auto store = must_open();
    ASSERT_TRUE(append(*store, "1"));
    const auto other = *sqlite::Database::open(folder_ / "loco.db", {});
    ASSERT_TRUE(other->run("BEGIN IMMEDIATE"));
    const auto refused = append(*store, "2");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::unavailable);
    EXPECT_EQ(refused.error().code, "database_locked");
    EXPECT_FALSE(refused.error().hint.empty());
    EXPECT_EQ(events(*store).size(), 1U);  // reading goes on
    ASSERT_TRUE(other->run("COMMIT"));
    EXPECT_TRUE(append(*store, "3"));
    EXPECT_EQ(events(*store).size(), 2U);
}

TEST_F(TroubleTest, WhatAnotherProgramWritesIsAnotherVersion) {
    const auto store = must_open();
    ASSERT_TRUE(append(*store, "1"));
    const auto before = store->version();
    ASSERT_TRUE(before);
    const auto other = *sqlite::Database::open(folder_ / "loco.db", {});
    ASSERT_TRUE(other->run("BEGIN IMMEDIATE; UPDATE events SET message = '2'"));
    EXPECT_EQ(store->version(), before);
    ASSERT_TRUE(other->run("COMMIT"));
    EXPECT_NE(store->version(), before);
}

TEST_F(TroubleTest, WorkThatMakesNothingOfTheDatabasesTroubleIsNotKept) {
    const auto store = must_open();
    ASSERT_TRUE(append(*store, "1"));
    {
        // The index of a table that a write needs is damaged by another program.
        const auto other = *sqlite::Database::open(folder_ / "loco.db", {});
        ASSERT_TRUE(
            other->run("PRAGMA writable_schema = ON;"
                       "UPDATE sqlite_schema SET rootpage = 999999 WHERE name = 'users'; PRAGMA "
                       "schema_version = 999;"));
    }
    const auto result = store->write([&](WriteTx& tx) -> Result<> {
        Event event;
        LOCO_TRY(tx.append(event));
        (void)tx.put(User{});
        return {};
    });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, "database_damaged") << result.error().message;
}

TEST_F(TroubleTest, MoreReadersThanConnectionsTakeTurns) {
    const auto store = must_open();
    ASSERT_TRUE(append(*store, "1"));
    std::atomic<int> done = 0;
    {
        std::vector<std::jthread> readers;
        for (int i = 0; i < 16; ++i) {
            readers.emplace_back([&] {
                for (int n = 0; n < 20; ++n) done += static_cast<int>(events(*store).size());
            });
        }
    }
    EXPECT_EQ(done, 16 * 20);
}

// A file system of its own that can be filled.
class FullDiskTest : public InFolder {
  protected:
    void SetUp() override {
        InFolder::SetUp();
        mounted_ = ::mount("loco-test", folder_.c_str(), "tmpfs", 0, "size=4m,mode=700") == 0;
        if (!mounted_) GTEST_SKIP() << "needs to mount a tmpfs: " << std::strerror(errno);
    }
    void TearDown() override {
        if (mounted_) ::umount2(folder_.c_str(), MNT_DETACH);
        InFolder::TearDown();
    }
    void fill() const {
        std::ofstream ballast(folder_ / "ballast", std::ios::binary);
        const std::string block(4096, 'x');
        while (ballast.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
        }
    }
    void make_room() const { std::filesystem::remove(folder_ / "ballast"); }

    bool mounted_ = false;
};

TEST_F(FullDiskTest, AFullDiskIsToldAndWritingGoesOnOnceThereIsSpace) {
    const auto store = must_open();
    ASSERT_NE(store, nullptr);
    std::size_t kept = 0;
    for (int round = 0; round < 3; ++round) {
        ASSERT_TRUE(append(*store, "small"));
        ++kept;
        fill();
        bool refused = false;
        for (int i = 0; i < 200 && !refused; ++i) {
            const auto result = append(*store, "large", std::string(20'000, 'x'));
            refused = !result;
            if (result) {
                ++kept;
            } else {
                EXPECT_EQ(result.error().kind, ErrorKind::unavailable);
                EXPECT_EQ(result.error().code, "database_full") << result.error().message;
                EXPECT_NE(result.error().hint.find("space"), std::string::npos);
            }
        }
        EXPECT_TRUE(refused);
        EXPECT_EQ(events(*store).size(), kept);  // reading goes on
        make_room();
        ASSERT_TRUE(append(*store, "after"));
        ++kept;
    }
    EXPECT_EQ(events(*store).size(), kept);
}

TEST_F(FullDiskTest, ManyClientsOnAFullDiskGetTheTruth) {
    const auto store = must_open();
    ASSERT_NE(store, nullptr);
    fill();
    std::atomic<std::size_t> kept = 0;
    std::atomic<int> refused = 0;
    {
        std::vector<std::jthread> clients;
        for (int c = 0; c < 8; ++c) {
            clients.emplace_back([&] {
                for (int i = 0; i < 20; ++i)
                    append(*store, "e", std::string(5'000, 'x'))
                        ? ++kept
                        : static_cast<std::size_t>(++refused);
            });
        }
    }
    EXPECT_GT(refused, 0);
    EXPECT_EQ(events(*store).size(), kept);
    make_room();
    EXPECT_TRUE(append(*store, "after"));
}

TEST_F(FullDiskTest, AStoreIsNotMadeOnAFullDiskAndIsOnceThereIsSpace) {
    fill();
    const auto opened = open(folder_);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, ErrorKind::unavailable) << opened.error().message;
    make_room();
    EXPECT_NE(must_open(), nullptr);
}

}  // namespace
}  // namespace loco::store
