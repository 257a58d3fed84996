#include "telemetry/sqlite_log_store.hpp"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>

namespace loco::telemetry {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

class HandClock final : public Clock {
  public:
    [[nodiscard]] Time now() const override { return time; }
    [[nodiscard]] SteadyTime steady() const override { return SteadyTime(time.time_since_epoch()); }
    Time time = *parse_rfc3339("2026-11-23T23:59:59Z");
};

const AppId kApp("app_00000000000000000000000001");

class SqliteLogStoreTest : public ::testing::Test {
  protected:
    void SetUp() override {
        std::string name = ::testing::TempDir() + "loco-logs-XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
        open();
    }
    void TearDown() override {
        store_.reset();
        std::filesystem::remove_all(folder_);
    }
    void open() {
        store_.reset();
        auto opened = SqliteLogStore::open(
            {.folder = folder_, .retention_days = 2, .most_bytes = most_bytes_}, clock_);
        ASSERT_TRUE(opened) << opened.error().message;
        store_ = *std::move(opened);
    }
    void append(std::string text) {
        LogLine line;
        line.app = kApp;
        line.instance = "ins_1";
        line.at = clock_.now();
        line.text = std::move(text);
        const auto result = store_->append({line});
        ASSERT_TRUE(result) << result.error().message;
    }
    [[nodiscard]] std::vector<std::string> texts(std::int64_t after = 0) {
        LogFilter filter;
        filter.app = kApp;
        std::vector<std::string> all;
        for (const auto& line : *store_->after(filter, after, 100)) all.push_back(line.text);
        return all;
    }
    [[nodiscard]] std::vector<std::string> files() const {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
            const auto name = entry.path().filename().string();
            if (!name.ends_with("-wal") && !name.ends_with("-shm")) names.push_back(name);
        }
        return names;
    }

    HandClock clock_;
    std::int64_t most_bytes_ = 2LL << 30;
    std::filesystem::path folder_;
    std::unique_ptr<SqliteLogStore> store_;
};

TEST_F(SqliteLogStoreTest, EachDayHasAFileAndLinesGoOnAcrossMidnight) {
    append("monday");
    clock_.time += std::chrono::seconds(1);
    append("tuesday");
    EXPECT_THAT(files(), UnorderedElementsAre("2026-11-23.db", "2026-11-24.db"));
    EXPECT_THAT(texts(), ElementsAre("monday", "tuesday"));
    open();
    append("again");
    EXPECT_THAT(texts(), ElementsAre("monday", "tuesday", "again"));
    EXPECT_THAT(texts(1), ElementsAre("tuesday", "again"));
}

TEST_F(SqliteLogStoreTest, OldDaysGoAndTheirSeqsAreNotUsedAgain) {
    for (const auto* text : {"1", "2", "3", "4", "5"}) {
        append(text);
        clock_.time += std::chrono::hours(24);
    }
    EXPECT_THAT(texts(), ElementsAre("3", "4", "5"));
    EXPECT_EQ(files().size(), 3U);
    clock_.time += std::chrono::hours(24 * 30);
    open();
    append("much later");
    EXPECT_THAT(texts(), ElementsAre("much later"));
    EXPECT_THAT(texts(5), ElementsAre("much later"));
}

TEST_F(SqliteLogStoreTest, WhatIsWrittenInOneDayHasABoundTooAndTheOldestLinesGo) {
    most_bytes_ = 8 << 20;
    open();
    const auto bytes = [&] {
        std::uintmax_t sum = 0;
        for (const auto& entry : std::filesystem::directory_iterator(folder_))
            sum += entry.path().extension() == ".db-shm" ? 0 : entry.file_size();
        return sum;
    };
    const auto append_many = [&](int from, int to) {
        for (int i = from; i < to; ++i) {
            std::vector<LogLine> lines(8);
            for (auto& line : lines) {
                line.app = kApp;
                line.instance = "ins_1";
                line.at = clock_.now();
                line.text = std::to_string(i) + " " + std::string(60'000, 'x');
            }
            ASSERT_TRUE(store_->append(std::move(lines)));
            clock_.time += std::chrono::milliseconds(1);
        }
    };
    clock_.time -= std::chrono::hours(12);
    append_many(0, 100);  // 48 MB
    EXPECT_LT(bytes(), 14U << 20);
    const auto kept = files();
    EXPECT_GT(kept.size(), 1U);
    LogFilter filter;
    filter.app = kApp;
    const auto last = *store_->last(filter, 3);
    ASSERT_EQ(last.size(), 3U);
    EXPECT_TRUE(last.back().text.starts_with("99 "));
    const auto seq = last.back().seq;
    open();
    EXPECT_THAT(files(), ::testing::UnorderedElementsAreArray(kept));
    append_many(100, 110);
    const auto after = *store_->after(filter, seq, 1000);
    EXPECT_EQ(after.size(), 80U) << "in the order in which they came, across files";
    EXPECT_TRUE(after.front().text.starts_with("100 "));
    clock_.time += std::chrono::hours(24);
    append("tomorrow");
    EXPECT_THAT(files(), ::testing::Contains("2026-11-24.db"));
}

TEST_F(SqliteLogStoreTest, AClockThatWasPutBackKeepsTheOrder) {
    append("1");
    clock_.time -= std::chrono::hours(48);
    append("2");
    EXPECT_THAT(texts(1), ElementsAre("2"));
    EXPECT_EQ(files().size(), 1U);
}

TEST_F(SqliteLogStoreTest, FilesAreForTheOwnerOnly) {
    append("secret");
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
        struct stat info{};
        ASSERT_EQ(::stat(entry.path().c_str(), &info), 0);
        EXPECT_EQ(info.st_mode & 0777, 0600U) << entry.path();
    }
}

TEST_F(SqliteLogStoreTest, ADamagedFileIsPutAsideAndLoggingGoesOn) {
    append("1");
    store_.reset();
    std::ofstream(folder_ / "2026-11-23.db", std::ios::trunc) << std::string(5000, 'x');
    open();
    append("2");
    EXPECT_THAT(texts(), ElementsAre("2"));
    EXPECT_THAT(files(), UnorderedElementsAre("2026-11-23.db", "2026-11-23.db.damaged"));
}

TEST_F(SqliteLogStoreTest, OtherFilesInTheFolderAreLeftAlone) {
    std::ofstream(folder_ / "notes.db") << "mine";
    std::ofstream(folder_ / "2026-11-2x.db") << "mine";
    open();
    append("1");
    EXPECT_THAT(files(), UnorderedElementsAre("notes.db", "2026-11-2x.db", "2026-11-23.db"));
}

TEST_F(SqliteLogStoreTest, TheListenerHearsOfAnAppOnceItsLinesCanBeRead) {
    std::vector<std::string> heard;
    store_->set_listener([&](const AppId& app) {
        EXPECT_EQ(app, kApp);
        heard = texts();
    });
    append("1");
    EXPECT_THAT(heard, ElementsAre("1"));
}

}  // namespace
}  // namespace loco::telemetry
