// What is PostgreSQL's own in keeping logs: several servers, days, and a database that goes away.
#include "telemetry/postgres_log_store.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <condition_variable>
#include <set>
#include <thread>

#include "base/random.hpp"
#include "tests/support/postgres_server.hpp"

namespace loco::telemetry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const AppId kShop("app_00000000000000000000000001");
const AppId kOther("app_00000000000000000000000002");

class SetClock final : public Clock {
  public:
    [[nodiscard]] Time now() const override { return time; }
    [[nodiscard]] SteadyTime steady() const override { return SystemClock().steady(); }
    Time time = parse_rfc3339("2026-11-23T12:00:00Z").value();
};

LogLine line(std::string text, const AppId& app = kShop, std::string instance = "ins_1") {
    return {.seq = 0,
            .app = app,
            .deployment = DeploymentId("dep_00000000000000000000000001"),
            .instance = std::move(instance),
            .process = "web",
            .release = 7,
            .stream = LogStream::out,
            .at = from_unix_ms(1'795'000'000'000),
            .text = std::move(text)};
}

// Counts what it is told of, and waits for it.
class Told {
  public:
    void operator()(const AppId& app) {
        const std::lock_guard lock(mutex_);
        ++times_[app];
        changed_.notify_all();
    }
    bool within(const AppId& app, std::chrono::milliseconds limit) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, limit, [&] { return times_[app] > 0; });
    }
    int times(const AppId& app) {
        const std::lock_guard lock(mutex_);
        return times_[app];
    }
    void forget() {
        const std::lock_guard lock(mutex_);
        times_.clear();
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::map<AppId, int> times_;
};

class PostgresLogs : public ::testing::Test {
  protected:
    std::unique_ptr<PostgresLogStore> open(test::TestDatabase& database, int readers = 4) {
        auto opened = PostgresLogStore::open(
            {.target = database.target(), .readers = static_cast<std::size_t>(readers)}, clock_,
            random_);
        EXPECT_TRUE(opened) << opened.error().message;
        return opened ? *std::move(opened) : nullptr;
    }
    static std::vector<std::string> texts(LogStore& store, std::int64_t after = 0) {
        LogFilter filter;
        filter.app = kShop;
        const auto lines = store.after(filter, after, 1000);
        EXPECT_TRUE(lines) << lines.error().message;
        std::vector<std::string> all;
        for (const auto& one : lines.value_or(std::vector<LogLine>())) all.push_back(one.text);
        return all;
    }

    SetClock clock_;
    SystemRandom random_;
};

TEST_F(PostgresLogs, AnotherServerIsToldOfNewLinesAndReadsThem) {
    test::TestDatabase database;
    Told told;  // they outlive the stores that call them
    Told own;
    const auto one = open(database);
    const auto other = open(database);
    one->set_listener([&](const AppId& app) { own(app); });
    other->set_listener([&](const AppId& app) { told(app); });
    ASSERT_TRUE(one->append({line("first")}));
    EXPECT_EQ(own.times(kShop), 1);
    // The other may not have been listening yet: then it finds out when it looks.
    ASSERT_TRUE(told.within(kShop, std::chrono::seconds(15)));
    EXPECT_THAT(texts(*other), ElementsAre("first"));
    told.forget();
    const auto begun = std::chrono::steady_clock::now();
    ASSERT_TRUE(one->append({line("theirs", kOther)}));
    ASSERT_TRUE(told.within(kOther, std::chrono::seconds(5)));
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(2));
    EXPECT_EQ(told.times(kShop), 0);
}

TEST_F(PostgresLogs, ManyAppendsAreToldOfAFewTimesAndTheLastIsToldOf) {
    test::TestDatabase database;
    std::atomic<int> rings = 0;
    std::atomic<std::size_t> seen = 0;
    std::mutex mutex;
    std::condition_variable changed;
    const auto one = open(database);
    const auto other = open(database);
    one->set_listener([](const AppId&) {});
    other->set_listener([&](const AppId&) {
        ++rings;
        const std::lock_guard lock(mutex);
        seen = texts(*other).size();
        changed.notify_all();
    });
    constexpr std::size_t kAppends = 300;
    for (std::size_t i = 0; i < kAppends; ++i) ASSERT_TRUE(one->append({line(std::to_string(i))}));
    std::unique_lock lock(mutex);
    EXPECT_TRUE(changed.wait_for(lock, std::chrono::seconds(20), [&] { return seen == kAppends; }));
    EXPECT_LT(rings, 200);
}

TEST_F(PostgresLogs, AFollowerOfTwoServersMissesNoLineAndSeesNoneTwice) {
    test::TestDatabase database;
    const auto one = open(database);
    const auto other = open(database);
    std::atomic<int> running = 4;
    std::vector<std::string> followed;
    std::jthread follower([&] {
        LogFilter filter;
        filter.app = kShop;
        std::int64_t seen = 0;
        while (true) {
            const bool over = running == 0;
            const auto lines = other->after(filter, seen, 23);
            ASSERT_TRUE(lines) << lines.error().message;
            for (const auto& entry : *lines) {
                followed.push_back(entry.text);
                seen = std::max(seen, entry.seq);
            }
            if (over && lines->empty()) return;
        }
    });
    std::vector<std::jthread> writers;
    for (int writer = 0; writer < 4; ++writer) {
        writers.emplace_back([&, writer] {
            auto& store = writer % 2 == 0 ? *one : *other;
            for (int i = 0; i < 60; ++i) {
                const auto name = std::to_string(writer) + "-" + std::to_string(i);
                EXPECT_TRUE(
                    store.append({line(name + "a", kShop, "ins_" + name), line(name + "b")}));
            }
            --running;
        });
    }
    writers.clear();
    follower.join();
    EXPECT_EQ(followed.size(), 480U);
    EXPECT_EQ(std::set<std::string>(followed.begin(), followed.end()).size(), 480U);
}

TEST_F(PostgresLogs, OldDaysGoWithTheirPartition) {
    test::TestDatabase database;
    const auto store = open(database);
    for (int day = 0; day < 9; ++day) {
        ASSERT_TRUE(store->append({line("day " + std::to_string(day))}));
        clock_.time += std::chrono::hours(24);
    }
    EXPECT_EQ(texts(*store).size(), 8U);
    EXPECT_EQ(texts(*store).front(), "day 1");
    ASSERT_TRUE(store->append({line("day 9")}));
    EXPECT_EQ(texts(*store).front(), "day 2");
    const auto direct = database.connect();
    EXPECT_EQ(direct
                  ->value_within("SELECT count(*) FROM pg_class WHERE relname LIKE 'log_lines_2%'"
                                 " AND relkind = 'r'",
                                 std::chrono::seconds(5))
                  .value(),
              "8");
    EXPECT_EQ(
        direct->value_within("SELECT min(day) FROM log_sources", std::chrono::seconds(5)).value(),
        "2026-11-25");
}

TEST_F(PostgresLogs, ARemovedAppLeavesNoLineInTheTables) {
    test::TestDatabase database;
    const auto store = open(database);
    ASSERT_TRUE(store->append(std::vector<LogLine>(25'000, line("ours"))));
    ASSERT_TRUE(store->append({line("theirs", kOther)}));
    ASSERT_TRUE(store->remove_app(kShop));
    EXPECT_THAT(texts(*store), IsEmpty());
    EXPECT_EQ(database.connect()
                  ->value_within("SELECT count(*) FROM log_lines", std::chrono::seconds(5))
                  .value(),
              "1");
}

TEST_F(PostgresLogs, AWriterOfTheStoreIsNotWaitedFor) {
    test::TestDatabase database;
    const auto store = open(database);
    const auto writer = database.connect();
    ASSERT_TRUE(writer->run("BEGIN; SELECT pg_advisory_xact_lock(1282368367)"));
    EXPECT_TRUE(store->append({line("x")}));
}

TEST_F(PostgresLogs, WhileTheDatabaseIsAwayAppendsFailAndNothingIsLostOrDoubled) {
    test::PostgresServer server;
    if (!server.is_own())
        GTEST_SKIP() << "LOCO_TEST_POSTGRES names a server that is not ours to stop";
    {
        test::TestDatabase database(server);
        Told told;
        const auto store = open(database);
        store->set_listener([&](const AppId& app) { told(app); });
        ASSERT_TRUE(store->append({line("before")}));
        EXPECT_THAT(texts(*store), ElementsAre("before"));
        server.stop();
        const auto away = store->append({line("meanwhile")});
        ASSERT_FALSE(away);
        EXPECT_EQ(away.error().kind, ErrorKind::unavailable) << away.error().message;
        LogFilter filter;
        filter.app = kShop;
        EXPECT_EQ(store->last(filter, 1).error().kind, ErrorKind::unavailable);
        server.start();
        ASSERT_TRUE(store->append({line("meanwhile"), line("after")}));
        EXPECT_THAT(texts(*store), ElementsAre("before", "meanwhile", "after"));
    }
}

TEST_F(PostgresLogs, AConnectionThatIsCutBetweenAppendsIsMadeAnew) {
    test::TestDatabase database;
    const auto store = open(database);
    const auto direct = database.connect();
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(store->append({line(std::to_string(i))}));
        ASSERT_TRUE(
            direct->run("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE "
                        "datname = current_database() AND pid <> pg_backend_pid()"));
    }
    EXPECT_THAT(texts(*store), ElementsAre("0", "1", "2", "3", "4"));
}

}  // namespace
}  // namespace loco::telemetry
