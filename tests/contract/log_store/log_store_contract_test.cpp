// What every log store promises (ports/log_store.hpp).
#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "base/random.hpp"
#include "telemetry/postgres_log_store.hpp"
#include "telemetry/sqlite_log_store.hpp"
#include "tests/support/postgres_server.hpp"

namespace loco::telemetry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Time at(std::int64_t ms) { return from_unix_ms(1'795'000'000'000 + ms); }

const AppId kShop("app_00000000000000000000000001");
const AppId kOther("app_00000000000000000000000002");
const DeploymentId kSet("dep_00000000000000000000000001");
const DeploymentId kBuild("dep_00000000000000000000000002");

LogLine line(std::int64_t ms, std::string text, std::string instance = "ins_1") {
    return {.seq = 0,
            .app = kShop,
            .deployment = kSet,
            .instance = std::move(instance),
            .process = "web",
            .release = 7,
            .stream = LogStream::err,
            .at = at(ms),
            .text = std::move(text)};
}

LogFilter of(const AppId& app) {
    LogFilter filter;
    filter.app = app;
    return filter;
}

// A kind of log store; open() again finds what was kept.
class Home {
  public:
    virtual ~Home() = default;
    virtual std::unique_ptr<LogStore> open() = 0;
};

class SqliteHome final : public Home {
  public:
    SqliteHome() {
        std::string name = ::testing::TempDir() + "loco-logs-XXXXXX";
        EXPECT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    ~SqliteHome() override { std::filesystem::remove_all(folder_); }
    std::unique_ptr<LogStore> open() override {
        auto opened = SqliteLogStore::open({.folder = folder_ / "logs"}, clock_);
        EXPECT_TRUE(opened) << opened.error().message;
        return opened ? *std::move(opened) : nullptr;
    }

  private:
    std::filesystem::path folder_;
    SystemClock clock_;
};

class PostgresHome final : public Home {
  public:
    std::unique_ptr<LogStore> open() override {
        auto opened = PostgresLogStore::open({.target = database_.target()}, clock_, random_);
        EXPECT_TRUE(opened) << opened.error().message;
        return opened ? *std::move(opened) : nullptr;
    }

  private:
    test::TestDatabase database_;
    SystemClock clock_;
    SystemRandom random_;
};

struct Kind {
    const char* name;
    std::function<std::unique_ptr<Home>()> make;
};
void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

class LogStoreContract : public ::testing::TestWithParam<Kind> {
  protected:
    void SetUp() override {
        home_ = GetParam().make();
        open();
    }
    void open() {
        store_.reset();
        store_ = home_->open();
        ASSERT_NE(store_, nullptr);
    }
    void append(std::vector<LogLine> lines) {
        const auto result = store_->append(std::move(lines));
        ASSERT_TRUE(result) << result.error().message;
    }
    [[nodiscard]] static std::vector<std::string> texts(const Result<std::vector<LogLine>>& lines) {
        EXPECT_TRUE(lines);
        std::vector<std::string> all;
        for (const auto& entry : lines.value_or(std::vector<LogLine>())) all.push_back(entry.text);
        return all;
    }
    [[nodiscard]] std::vector<std::string> last(const LogFilter& filter, int limit = 100) {
        return texts(store_->last(filter, limit));
    }

    std::unique_ptr<Home> home_;
    std::unique_ptr<LogStore> store_;
};

INSTANTIATE_TEST_SUITE_P(
    , LogStoreContract,
    ::testing::Values(Kind{"sqlite", [] { return std::make_unique<SqliteHome>(); }},
                      Kind{"postgres", [] { return std::make_unique<PostgresHome>(); }}),
    [](const auto& kind) { return std::string(kind.param.name); });

TEST_P(LogStoreContract, EveryFieldOfALineComesBack) {
    append({line(1, "hello")});
    const auto lines = store_->last(of(kShop), 10);
    ASSERT_EQ(lines->size(), 1U);
    const auto& got = lines->front();
    EXPECT_GT(got.seq, 0);
    EXPECT_EQ(got.app, kShop);
    EXPECT_EQ(got.deployment, kSet);
    EXPECT_EQ(got.instance, "ins_1");
    EXPECT_EQ(got.process, "web");
    EXPECT_EQ(got.release, 7);
    EXPECT_EQ(got.stream, LogStream::err);
    EXPECT_EQ(got.at, at(1));
    EXPECT_EQ(got.text, "hello");
}

TEST_P(LogStoreContract, TextIsKeptByteForByte) {
    const std::vector<std::string> hostile = {"",
                                              std::string("a\0b", 3),
                                              "\xff\xfe",
                                              "'; DROP TABLE lines; --",
                                              "\x1b[31mred",
                                              std::string(64 << 10, 'x')};
    std::vector<LogLine> lines;
    for (std::size_t i = 0; i < hostile.size(); ++i)
        lines.push_back(line(static_cast<std::int64_t>(i), hostile[i]));
    append(lines);
    EXPECT_EQ(last(of(kShop)), hostile);
}

TEST_P(LogStoreContract, LinesComeInOrderOfTimeThoughTheyArriveInAnother) {
    append({line(3, "c"), line(1, "a", "ins_2"), line(2, "b")});
    append({line(2, "b2", "ins_2")});
    EXPECT_THAT(last(of(kShop)), ElementsAre("a", "b", "b2", "c"));
}

TEST_P(LogStoreContract, AFollowerReadsEachLineOnceBySeq) {
    std::int64_t seen = 0;
    std::vector<std::string> followed;
    const auto catch_up = [&] {
        while (true) {
            const auto lines = store_->after(of(kShop), seen, 2);
            ASSERT_TRUE(lines);
            if (lines->empty()) return;
            for (const auto& entry : *lines) {
                followed.push_back(entry.text);
                seen = std::max(seen, entry.seq);
            }
        }
    };
    append({line(1, "1"), line(2, "2", "ins_2"), line(3, "3")});
    catch_up();
    append({line(0, "late", "ins_2")});
    append({line(5, "5"), line(6, "6")});
    catch_up();
    EXPECT_THAT(followed, ElementsAre("1", "2", "3", "late", "5", "6"));
}

TEST_P(LogStoreContract, TheLastLinesAreTheNewest) {
    for (int i = 0; i < 10; ++i)
        append({line(i, std::to_string(i), "ins_" + std::to_string(i % 3))});
    EXPECT_THAT(last(of(kShop), 3), ElementsAre("7", "8", "9"));
    EXPECT_THAT(last(of(kShop), 0), IsEmpty());
}

TEST_P(LogStoreContract, FiltersLeaveOutWhatWasNotAskedFor) {
    auto worker = line(2, "worker", "ins_2");
    worker.process = "worker";
    auto newer = line(3, "v8", "ins_3");
    newer.release = 8;
    auto build = line(4, "building", "");
    build.stream = LogStream::build;
    build.deployment = kBuild;
    build.release = 0;
    build.process = "";
    auto theirs = line(5, "theirs", "ins_9");
    theirs.app = kOther;
    append({line(1, "web"), worker, newer, build, theirs});

    auto filter = of(kShop);
    EXPECT_THAT(last(filter), ElementsAre("web", "worker", "v8"));
    filter.process = "worker";
    EXPECT_THAT(last(filter), ElementsAre("worker"));
    filter = of(kShop);
    filter.release = 8;
    EXPECT_THAT(last(filter), ElementsAre("v8"));
    filter = of(kShop);
    filter.instance = "ins_1";
    EXPECT_THAT(last(filter), ElementsAre("web"));
    filter = of(kShop);
    filter.build = kBuild;
    EXPECT_THAT(last(filter), ElementsAre("building"));
    filter.build = kSet;
    EXPECT_THAT(last(filter), IsEmpty());
    filter = of(kShop);
    filter.since = at(2);
    EXPECT_THAT(last(filter), ElementsAre("worker", "v8"));
    EXPECT_THAT(texts(store_->after(filter, 0, 1)), ElementsAre("worker"));
    filter.until = at(2);
    EXPECT_THAT(last(filter), ElementsAre("worker"));
    EXPECT_THAT(texts(store_->after(filter, 0, 9)), ElementsAre("worker"));
    EXPECT_THAT(last(of(kOther)), ElementsAre("theirs"));
    EXPECT_THAT(last(of(AppId("app_x"))), IsEmpty());
}

TEST_P(LogStoreContract, TheNewestTimeOfAnInstanceIsKnownAlsoAfterARestart) {
    append({line(5, "a"), line(9, "b"), line(7, "c"), line(11, "d", "ins_2")});
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(*store_->newest("ins_1"), at(9));
        EXPECT_EQ(*store_->newest("ins_2"), at(11));
        EXPECT_EQ(*store_->newest("ins_3"), std::nullopt);
        open();
    }
}

TEST_P(LogStoreContract, LinesAndSeqsGoOnAfterARestart) {
    append({line(1, "before")});
    const auto seq = store_->last(of(kShop), 1)->front().seq;
    open();
    append({line(2, "after")});
    EXPECT_THAT(last(of(kShop)), ElementsAre("before", "after"));
    EXPECT_THAT(texts(store_->after(of(kShop), seq, 10)), ElementsAre("after"));
}

TEST_P(LogStoreContract, WhatBelongsToARemovedAppGoes) {
    auto theirs = line(2, "theirs", "ins_9");
    theirs.app = kOther;
    append({theirs, line(1, "ours")});
    const auto seq = store_->last(of(kShop), 1)->front().seq;
    ASSERT_TRUE(store_->remove_app(kShop));
    EXPECT_THAT(last(of(kShop)), IsEmpty());
    EXPECT_EQ(*store_->newest("ins_1"), std::nullopt);
    EXPECT_THAT(last(of(kOther)), ElementsAre("theirs"));
    open();
    append({line(3, "again")});
    EXPECT_THAT(last(of(kShop)), ElementsAre("again"));
    EXPECT_GT(store_->last(of(kShop), 1)->front().seq, seq);
}

TEST_P(LogStoreContract, AQueryIsBoundedWhateverItsLimit) {
    std::vector<LogLine> lines;
    for (int i = 0; i < 300; ++i) lines.push_back(line(i, std::string(60'000, 'x')));
    append(std::move(lines));
    for (int i = 0; i < 24; ++i) append(std::vector<LogLine>(500, line(1000 + i, "short")));
    EXPECT_LE(store_->last(of(kShop), 1'000'000)->size(), 10'000U);
    const auto first = store_->after(of(kShop), 0, 1'000'000);
    std::size_t bytes = 0;
    for (const auto& entry : *first) bytes += entry.text.size();
    EXPECT_GT(bytes, 1U << 20);
    EXPECT_LE(bytes, 9U << 20);
}

TEST_P(LogStoreContract, ReadersAndWritersAtOnceLoseAndDoubleNothing) {
    constexpr int kWriters = 4;
    constexpr int kBatches = 50;
    std::atomic<int> running = kWriters;
    std::vector<std::string> followed;
    std::jthread follower([&] {
        std::int64_t seen = 0;
        while (true) {
            const bool over = running == 0;
            const auto lines = store_->after(of(kShop), seen, 37);
            ASSERT_TRUE(lines);
            for (const auto& entry : *lines) {
                followed.push_back(entry.text);
                seen = std::max(seen, entry.seq);
            }
            if (over && lines->empty()) return;
        }
    });
    {
        std::vector<std::jthread> writers;
        for (int w = 0; w < kWriters; ++w) {
            writers.emplace_back([&, w] {
                for (int b = 0; b < kBatches; ++b) {
                    std::vector<LogLine> lines;
                    for (int i = 0; i < 10; ++i) {
                        const auto number = std::to_string((w * kBatches + b) * 10 + i);
                        lines.push_back(line(b, number, "ins_" + std::to_string(w)));
                    }
                    EXPECT_TRUE(store_->append(std::move(lines)));
                }
                --running;
            });
        }
    }
    follower.join();
    std::vector<std::string> expected;
    for (int i = 0; i < kWriters * kBatches * 10; ++i) expected.push_back(std::to_string(i));
    EXPECT_THAT(followed, ::testing::UnorderedElementsAreArray(expected));
}

}  // namespace
}  // namespace loco::telemetry
