#include "store/sqlite/migrate.hpp"

#include <sys/stat.h>

#include <array>
#include <fstream>

#include "tests/unit/store/folder.hpp"

namespace loco::store {
namespace {

using sqlite::Database;

constexpr std::array kTwo = {
    Migration{1, "first", "CREATE TABLE a (x)"},
    Migration{2, "second", "CREATE TABLE b (x); INSERT INTO b VALUES (1)"}};

class MigrateTest : public InFolder {
  protected:
    [[nodiscard]] std::unique_ptr<Database> database() const {
        auto opened = Database::open(folder_ / "loco.db", {.create = true});
        EXPECT_TRUE(opened);
        return *std::move(opened);
    }
    [[nodiscard]] static std::int64_t number(Database& database, std::string_view sql) {
        sqlite::Query query(database, sql);
        EXPECT_TRUE(query.step());
        return query.integer(0);
    }
    [[nodiscard]] static std::int64_t applied(Database& database) {
        return number(database, "SELECT count(*) FROM schema_migrations");
    }
};

TEST_F(MigrateTest, EachMigrationIsAppliedOnceAndRecorded) {
    const auto db = database();
    ASSERT_TRUE(migrate(*db, std::span(kTwo).first(1), Time()));
    EXPECT_EQ(applied(*db), 1);
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(migrate(*db, kTwo, Time()));
        EXPECT_EQ(applied(*db), 2);
        EXPECT_EQ(number(*db, "SELECT count(*) FROM b"), 1);
    }
}

TEST_F(MigrateTest, OneThatFailsLeavesNothingOfItself) {
    const auto db = database();
    constexpr std::array broken = {
        kTwo[0], Migration{2, "broken", "CREATE TABLE b (x); INSERT INTO nowhere VALUES (1)"}};
    const auto result = migrate(*db, broken, Time());
    ASSERT_FALSE(result);
    EXPECT_NE(result.error().message.find("migration 2 (broken)"), std::string::npos)
        << result.error().message;
    EXPECT_EQ(applied(*db), 1);
    EXPECT_EQ(number(*db, "SELECT count(*) FROM sqlite_schema WHERE name = 'b'"), 0);
    EXPECT_TRUE(migrate(*db, kTwo, Time()));
}

TEST_F(MigrateTest, ADatabaseOfANewerLocoIsRefusedAndLeftAlone) {
    const auto db = database();
    ASSERT_TRUE(migrate(*db, kTwo, Time()));
    const auto result = migrate(*db, std::span(kTwo).first(1), Time());
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::refused);
    EXPECT_EQ(result.error().code, "database_newer");
    EXPECT_NE(result.error().message.find("2 (second)"), std::string::npos)
        << result.error().message;
    EXPECT_EQ(applied(*db), 2);
}

TEST_F(MigrateTest, AMigrationThatWasEditedIsRefused) {
    const auto db = database();
    ASSERT_TRUE(migrate(*db, kTwo, Time()));
    constexpr std::array edited = {Migration{1, "first", "CREATE TABLE a (x, y)"}, kTwo[1]};
    const auto result = migrate(*db, edited, Time());
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, "database_foreign");
}

TEST_F(MigrateTest, AnotherProgramsDatabaseIsRefusedAndLeftAlone) {
    const auto db = database();
    ASSERT_TRUE(db->run("CREATE TABLE mine (x)"));
    const auto result = migrate(*db, kTwo, Time());
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, "database_foreign");
    EXPECT_EQ(number(*db, "SELECT count(*) FROM sqlite_schema"), 1);
}

TEST_F(MigrateTest, TheBuiltInOnesAreNumberedFromOneWithoutGaps) {
    int expected = 1;
    for (const auto& migration : migrations()) EXPECT_EQ(migration.number, expected++);
    EXPECT_GT(expected, 1);
}

TEST_F(MigrateTest, AStoreOfANewerLocoDoesNotOpen) {
    (void)must_open();
    {
        const auto db = database();
        ASSERT_TRUE(
            db->run("INSERT INTO schema_migrations VALUES (9999, 'from the future', 'x', 0)"));
    }
    const auto opened = open(folder_);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, "database_newer");
}

TEST_F(MigrateTest, WhatIsNoDatabaseDoesNotOpenAndIsLeftAlone) {
    std::ofstream(folder_ / "loco.db") << std::string(5000, 'x');
    const auto opened = open(folder_);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, "database_damaged");
    EXPECT_EQ(std::filesystem::file_size(folder_ / "loco.db"), 5000U);
}

TEST_F(MigrateTest, AFolderThatIsNotThereIsToldAsSuch) {
    const auto opened = open(folder_ / "none");
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().kind, ErrorKind::not_found);
}

TEST_F(MigrateTest, TheFilesAreForTheOwnerOnly) {
    const auto store = must_open();
    ASSERT_TRUE(append(*store, "1"));
    for (const auto* name : {"loco.db", "loco.db-wal", "loco.db-shm", "loco-api.lock"}) {
        struct stat info{};
        ASSERT_EQ(::stat((folder_ / name).c_str(), &info), 0) << name;
        EXPECT_EQ(info.st_mode & 0777, 0600U) << name;
    }
}

TEST_F(MigrateTest, AStoreThatWasClosedLeavesOneFileWithEverything) {
    auto store = must_open();
    ASSERT_TRUE(append(*store, "1"));
    EXPECT_EQ(events(*store).size(), 1U);
    store.reset();
    EXPECT_FALSE(std::filesystem::exists(folder_ / "loco.db-wal"));
    store = must_open();
    EXPECT_EQ(events(*store).size(), 1U);
}

TEST_F(MigrateTest, ASecondStoreOnTheFolderIsRefusedUntilTheFirstIsGone) {
    auto first = must_open();
    const auto second = open(folder_);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, ErrorKind::conflict);
    EXPECT_EQ(second.error().code, "already_running");
    EXPECT_NE(second.error().message.find(std::to_string(::getpid())), std::string::npos)
        << second.error().message;
    EXPECT_TRUE(append(*first, "1"));
    first.reset();
    EXPECT_TRUE(open(folder_));
}

}  // namespace
}  // namespace loco::store
