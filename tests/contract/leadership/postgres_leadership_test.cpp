// Several contenders for one PostgreSQL, and everything that can take the lock from who has it.
#include "store/postgres/postgres_leadership.hpp"

#include <gtest/gtest.h>
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>

#include "tests/support/child.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/socket.hpp"
#include "tests/support/tcp_relay.hpp"

namespace loco::store {
namespace {

using namespace std::chrono_literals;
using test::eventually;

// How many lead at once, and did at most.
struct Count {
    std::atomic<int> now = 0, most = 0, ever = 0;
    void gained() {
        const int count = ++now;
        int seen = most;
        while (seen < count && !most.compare_exchange_weak(seen, count)) {
        }
        ++ever;
    }
    void lost() { --now; }
};

class Contender {
  public:
    Contender(Count& count, postgres::Target target, const std::string& name)
        : leadership_({.target = std::move(target), .name = name}) {
        leadership_.start([&count] { count.gained(); }, [&count] { count.lost(); });
    }
    [[nodiscard]] bool leads() const { return leadership_.is_leader(); }
    [[nodiscard]] std::string leader() const { return leadership_.leader(); }
    void stop() { leadership_.stop(); }

  private:
    PostgresLeadership leadership_;
};

// A contender in a process of its own; what it has said so far.
class ContendingProcess {
  public:
    explicit ContendingProcess(const postgres::Target& target)
        : log_(std::filesystem::temp_directory_path() /
               ("loco-contender-" + std::to_string(::getpid()))) {
        std::filesystem::remove(log_);
        std::string text;
        for (const auto& [key, value] : target.settings())
            text.append(key).append("='").append(value.reveal()) += "' ";
        child_ = test::Child({LOCO_CONTENDER, text, "child"}, log_.string());
    }
    ~ContendingProcess() { std::filesystem::remove(log_); }
    ContendingProcess(const ContendingProcess&) = delete;
    ContendingProcess& operator=(const ContendingProcess&) = delete;
    [[nodiscard]] std::string said() const {
        std::string all;
        std::ifstream file(log_);
        for (std::string line; std::getline(file, line);) {
            if (line == "gained" || line == "lost") all += line + " ";  // its log is there, too
        }
        return all;
    }
    void stop() { child_.stop(SIGKILL); }
    void signal(int number) const { ::kill(child_.pid(), number); }

  private:
    std::filesystem::path log_;
    test::Child child_;
};

postgres::Target over_tcp(std::uint16_t port, const std::string& database) {
    auto target = postgres::Target::parse(Secret<>(
        "host=127.0.0.1 user=loco password=" + std::string(test::PostgresServer::kPassword) +
        " port=" + std::to_string(port) + " dbname=" + database));
    return *std::move(target);
}

class PostgresLeadershipTest : public ::testing::Test {
  protected:
    [[nodiscard]] std::unique_ptr<Contender> contender(const std::string& name) {
        return std::make_unique<Contender>(count_, database_.target(), name);
    }
    // The process that holds the lock, for PostgreSQL.
    [[nodiscard]] std::int64_t holder() {
        postgres::Query query(
            *admin_,
            "SELECT coalesce(max(pid), 0) FROM pg_locks l WHERE locktype = "
            "'advisory' AND granted AND objsubid = 2 AND l.database = (SELECT oid "
            "FROM pg_database WHERE datname = current_database())");
        EXPECT_TRUE(query.step());
        return query.integer(0);
    }
    void terminate(std::int64_t pid) {
        ASSERT_TRUE(admin_->run("SELECT pg_terminate_backend(" + std::to_string(pid) + ")"));
    }

    test::TestDatabase database_;
    std::unique_ptr<postgres::Database> admin_ = database_.connect();
    Count count_;
};

TEST_F(PostgresLeadershipTest, OfThreeOneLeadsAndTheOthersKnowItsName) {
    std::vector<std::unique_ptr<Contender>> all;
    for (const char* name : {"ann", "bob", "cem"}) all.push_back(contender(name));
    ASSERT_TRUE(eventually([&] {
        return std::ranges::all_of(all, [](const auto& each) { return !each->leader().empty(); });
    }));
    EXPECT_EQ(count_.now, 1);
    for (const auto& each : all) EXPECT_EQ(each->leader(), all[0]->leader());
    EXPECT_EQ(count_.ever, 1);
}

TEST_F(PostgresLeadershipTest, WhoStopsHandsOverWithinSeconds) {
    auto first = contender("ann");
    ASSERT_TRUE(eventually([&] { return first->leads(); }));
    const auto second = contender("bob");
    const auto third = contender("cem");
    first->stop();
    EXPECT_TRUE(eventually([&] { return second->leads() || third->leads(); }, 4s));
    EXPECT_EQ(count_.most, 1);
}

TEST_F(PostgresLeadershipTest,
       AHolderWhoseConnectionIsEndedByTheServerEndsItsWorkBeforeAnotherBegins) {
    const auto first = contender("ann");
    ASSERT_TRUE(eventually([&] { return first->leads(); }));
    const auto second = contender("bob");
    const auto third = contender("cem");
    ASSERT_TRUE(eventually([&] { return second->leader() == "ann" && third->leader() == "ann"; }));
    for (int round = 0; round < 3; ++round) {
        const auto before = count_.ever.load();
        ASSERT_TRUE(eventually([&] { return count_.now == 1; }));
        terminate(holder());
        EXPECT_TRUE(eventually([&] { return count_.ever > before && count_.now == 1; }, 5s));
    }
    EXPECT_EQ(count_.most, 1);
}

TEST_F(PostgresLeadershipTest, NothingIsWrittenWhileItIsQuiet) {
    const auto first = contender("ann");
    const auto second = contender("bob");
    ASSERT_TRUE(eventually([&] { return count_.now == 1; }));
    const auto next_transaction = [&] {
        postgres::Query query(*admin_,
                              "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint");
        EXPECT_TRUE(query.step());
        return query.integer(0);
    };
    const auto before = next_transaction();
    EXPECT_FALSE(eventually([&] { return next_transaction() != before; }, 2s));
}

TEST_F(PostgresLeadershipTest, AHolderThatIsKilledIsFollowedByAnotherWithinSeconds) {
    ContendingProcess first(database_.target());
    ASSERT_TRUE(eventually([&] { return first.said() == "gained "; }));
    const auto second = contender("bob");
    ASSERT_TRUE(eventually([&] { return second->leader() == "child"; }));
    EXPECT_EQ(count_.now, 0);
    first.stop();
    EXPECT_TRUE(eventually([&] { return second->leads(); }, 4s));
    EXPECT_EQ(first.said(), "gained ");
}

// Stopped it can't ask, though its kernel answers for it.
TEST_F(PostgresLeadershipTest, AHolderThatIsFrozenIsFollowedByAnotherAndEndsItsWorkWhenItThaws) {
    ContendingProcess first(database_.target());
    ASSERT_TRUE(eventually([&] { return first.said() == "gained "; }));
    const auto second = contender("bob");
    ASSERT_TRUE(eventually([&] { return second->leader() == "child"; }));
    first.signal(SIGSTOP);
    EXPECT_TRUE(eventually([&] { return second->leads(); }, 20s));
    first.signal(SIGCONT);
    EXPECT_TRUE(eventually([&] { return first.said() == "gained lost "; }, 5s));
    EXPECT_TRUE(second->leads());
}

class OwnServerLeadershipTest : public ::testing::Test {
  protected:
    void SetUp() override {
        if (!server_.is_own())
            GTEST_SKIP() << "LOCO_TEST_POSTGRES is another's server: it is not restarted";
    }
    test::PostgresServer server_;
    Count count_;
};

TEST_F(OwnServerLeadershipTest, WhenTheServerIsRestartedNobodyLeadsAndThenOneDoes) {
    const auto name = server_.create_database();
    Contender first(count_, server_.target(name), "ann");
    Contender second(count_, server_.target(name), "bob");
    ASSERT_TRUE(eventually([&] { return count_.now == 1; }));
    server_.stop();
    EXPECT_TRUE(eventually([&] { return count_.now == 0; }, 5s));
    EXPECT_EQ(first.leader() + second.leader(), "");
    server_.start();
    EXPECT_TRUE(eventually([&] { return count_.now == 1; }, 5s));
    EXPECT_EQ(count_.most, 1);
}

TEST_F(OwnServerLeadershipTest, AHolderWhoseLineIsCutEndsItsWorkBeforeAnotherBegins) {
    const auto name = server_.create_database();
    test::TcpRelay relay(static_cast<std::uint16_t>(server_.port()));
    Contender first(count_, over_tcp(relay.port(), name), "ann");
    ASSERT_TRUE(eventually([&] { return first.leads(); }));
    Contender second(count_, server_.target(name), "bob");
    ASSERT_TRUE(eventually([&] { return second.leader() == "ann"; }));
    relay.cut_all();
    EXPECT_TRUE(eventually([&] { return !first.leads(); }, 2s));
    EXPECT_TRUE(eventually([&] { return count_.ever == 2 && count_.now == 1; }, 5s));
    EXPECT_EQ(count_.most, 1);
}

TEST_F(OwnServerLeadershipTest, AHolderWhoseLineHangsEndsItsWorkBeforeAnotherBegins) {
    const auto name = server_.create_database();
    test::TcpRelay relay(static_cast<std::uint16_t>(server_.port()));
    Contender first(count_, over_tcp(relay.port(), name), "ann");
    ASSERT_TRUE(eventually([&] { return first.leads(); }));
    Contender second(count_, server_.target(name), "bob");
    ASSERT_TRUE(eventually([&] { return second.leader() == "ann"; }));
    relay.hang(true);
    EXPECT_TRUE(eventually([&] { return second.leads(); }, 20s));
    EXPECT_FALSE(first.leads());
    EXPECT_EQ(count_.most, 1);
    relay.hang(false);
}

}  // namespace
}  // namespace loco::store
