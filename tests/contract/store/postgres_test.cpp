// What a store promises beyond the contract when it is a PostgreSQL that several servers share, and that may go away.
#include <gmock/gmock.h>
#include <poll.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "postgres/errors.hpp"
#include "store/postgres/migrate.hpp"
#include "store/postgres/postgres_store.hpp"
#include "tests/contract/store/stores.hpp"
#include "tests/support/postgres_server.hpp"

namespace loco::store {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Bounded: whether it came to hold.
bool eventually(const std::function<bool()>& holds, std::chrono::milliseconds limit = 20s) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > end) return false;
        ::poll(nullptr, 0, 5);
    }
    return true;
}

std::int64_t number(postgres::Database& database, const std::string& sql) {
    postgres::Query query(database, sql);
    const auto row = query.step();
    EXPECT_TRUE(row) << row.error().message;
    return row && *row ? query.integer(0) : -1;
}

std::unique_ptr<PostgresStore> open_store(const postgres::Target& target) {
    auto opened = PostgresStore::open({.target = target}, SystemClock());
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? *std::move(opened) : nullptr;
}

// All connections to the database of who asks but its own.
void end_others(postgres::Database& database) {
    EXPECT_GT(
        number(
            database,
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = "
            "current_database() AND pid <> pg_backend_pid()"),
        0);
}

class PostgresStoreTest : public ::testing::Test {
  protected:
    void SetUp() override {
        store_ = open_store(database_.target());
        ASSERT_NE(store_, nullptr);
        ASSERT_TRUE(store_->write([&](WriteTx& tx) -> Result<> {
            LOCO_TRY(tx.put(ann_));
            LOCO_TRY(tx.put(main_));
            return tx.put(shop_);
        }));
    }
    [[nodiscard]] static Result<> append(Store& store, const App& app, std::string_view message) {
        return store.write([&](WriteTx& tx) -> Result<> {
            LOCO_TRY(tx.append(sample_event(app, message)));
            return {};
        });
    }
    [[nodiscard]] static std::vector<std::string> messages(Store& store) {
        std::vector<std::string> all;
        EXPECT_TRUE(store.read([&](const ReadTx& tx) -> Result<> {
            LOCO_ASSIGN(const auto events, tx.events({}, 0, 100'000));
            for (const auto& event : events) all.push_back(event.message);
            return {};
        }));
        return all;
    }

    test::TestDatabase database_;
    std::unique_ptr<PostgresStore> store_;
    User ann_ = sample_user("ann");
    Team main_ = sample_team("main", 0);
    App shop_ = sample_app("shop", main_.id);
};

TEST_F(PostgresStoreTest, WhenItsConnectionsAreEndedTheNextReadAndWriteSucceed) {
    const auto other = database_.connect();
    ASSERT_TRUE(append(*store_, shop_, "before"));
    EXPECT_THAT(messages(*store_), ElementsAre("before"));
    end_others(*other);
    EXPECT_THAT(messages(*store_), ElementsAre("before"));
    EXPECT_TRUE(append(*store_, shop_, "after"));
    EXPECT_THAT(messages(*store_), ElementsAre("before", "after"));
}

TEST_F(PostgresStoreTest, AWriteWhoseConnectionIsEndedInTheMiddleLeavesNothingAndTheNextSucceeds) {
    const auto other = database_.connect();
    const auto result = store_->write([&](WriteTx& tx) -> Result<> {
        LOCO_TRY(tx.append(sample_event(shop_, "lost")));
        end_others(*other);
        LOCO_TRY(tx.append(sample_event(shop_, "lost, too")));
        return {};
    });
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::unavailable);
    EXPECT_EQ(result.error().code, "database_unreachable");
    EXPECT_TRUE(append(*store_, shop_, "kept"));
    EXPECT_THAT(messages(*store_), ElementsAre("kept"));
}

TEST_F(PostgresStoreTest, ACommitThatIsCutOffAndWasNotKeptIsToldSo) {
    const auto other = database_.connect();
    ASSERT_TRUE(other->run(
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM "
        "pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON events DEFERRABLE INITIALLY DEFERRED FOR "
        "EACH ROW"
        " WHEN (NEW.message = 'die') EXECUTE FUNCTION die()"));
    const auto result = append(*store_, shop_, "die");
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, "database_unreachable") << result.error().message;
    EXPECT_TRUE(append(*store_, shop_, "kept"));
    EXPECT_THAT(messages(*store_), ElementsAre("kept"));
}

TEST(PostgresServerTest, ACommitThatIsCutOffAndWasKeptIsAcknowledged) {
    test::PostgresServer server;
    if (!server.is_own())
        GTEST_SKIP() << "LOCO_TEST_POSTGRES is another's server: it is not reconfigured";
    const test::TestDatabase database(server);
    const auto store = open_store(database.target());
    const auto team = sample_team("main", 0);
    const auto app = sample_app("shop", team.id);
    ASSERT_TRUE(store->write([&](WriteTx& tx) -> Result<> {
        LOCO_TRY(tx.put(team));
        return tx.put(app);
    }));
    // Commits then wait for a standby that is not there, after they are durable here.
    const auto other = database.connect();
    const auto waits_for = [&](const std::string& standby) {
        ASSERT_TRUE(other->run("ALTER SYSTEM SET synchronous_standby_names = '" + standby + "'"));
        ASSERT_TRUE(other->run("SELECT pg_reload_conf()"));
        ASSERT_TRUE(eventually([&] {
            return number(*other,
                          "SELECT CASE WHEN current_setting('synchronous_standby_names') = '" +
                              standby + "' THEN 1 ELSE 0 END") == 1;
        }));
    };
    waits_for("nobody");
    Result<> result = fail(ErrorKind::internal, "not written");
    {
        const std::jthread writer([&] {
            result = store->write([&](WriteTx& tx) -> Result<> {
                LOCO_TRY(tx.append(sample_event(app, "durable")));
                return {};
            });
        });
        ASSERT_TRUE(eventually([&] {
            return number(*other,
                          "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") > 0;
        }));
        waits_for("");
        // It may have been let go by the reload already; either way it was kept.
        (void)number(
            *other,
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE datname = "
            "current_database() AND pid <> pg_backend_pid()");
    }
    EXPECT_TRUE(result) << result.error().message;
    EXPECT_EQ(number(*other, "SELECT count(*) FROM events WHERE message = 'durable'"), 1);
}

TEST(PostgresServerTest, ARestartOfTheServerIsOutlivedByWritersReadersAndFollowers) {
    test::PostgresServer server;
    if (!server.is_own())
        GTEST_SKIP() << "LOCO_TEST_POSTGRES is another's server: it is not restarted";
    const test::TestDatabase database(server);
    const auto store = open_store(database.target());
    const auto writer = open_store(database.target());
    std::atomic<int> heard = 0;
    store->on_events_of_all(
        [&](const std::vector<Event>& events) { heard += static_cast<int>(events.size()); });
    const auto team = sample_team("main", 0);
    const auto app = sample_app("shop", team.id);
    const auto append = [&] {
        return writer->write([&](WriteTx& tx) -> Result<> {
            LOCO_TRY(tx.put(team));
            LOCO_TRY(tx.put(app));
            LOCO_TRY(tx.append(sample_event(app, "e")));
            return {};
        });
    };
    ASSERT_TRUE(append());
    EXPECT_TRUE(eventually([&] { return heard == 1; }));
    server.stop();
    const auto while_away = append();
    ASSERT_FALSE(while_away);
    EXPECT_EQ(while_away.error().kind, ErrorKind::unavailable);
    EXPECT_EQ(while_away.error().code, "database_unreachable");
    EXPECT_FALSE(store->read([&](const ReadTx& tx) -> Result<> {
        LOCO_TRY(tx.teams());
        return {};
    }));
    {
        const std::jthread meanwhile(
            [&] { EXPECT_TRUE(eventually([&] { return append().has_value(); })); });
        server.start();  // on this thread: the server would end with another
    }
    EXPECT_TRUE(store->read([&](const ReadTx& tx) -> Result<> {
        LOCO_TRY(tx.teams());
        return {};
    }));
    EXPECT_TRUE(eventually([&] { return heard == 2; }));
}

TEST_F(PostgresStoreTest, ServersThatStartAtOnceMigrateOnce) {
    const test::TestDatabase fresh;
    std::vector<std::jthread> threads;
    std::atomic<int> opened = 0;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            if (open_store(fresh.target()) != nullptr) ++opened;
        });
    }
    threads.clear();
    EXPECT_EQ(opened, 8);
    EXPECT_EQ(number(*fresh.connect(), "SELECT count(*) FROM schema_migrations"),
              std::ssize(postgres_migrations()));
}

TEST_F(PostgresStoreTest, AMigrationThatFailsLeavesNothingOfAnyOfThem) {
    const test::TestDatabase fresh;
    const auto db = fresh.connect();
    constexpr std::array broken = {
        Migration{1, "first", "CREATE TABLE a (x BIGINT)"},
        Migration{2, "broken", "CREATE TABLE b (x BIGINT); INSERT INTO nowhere VALUES (1)"}};
    const auto result = migrate(*db, broken, Time());
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().message, HasSubstr("migration 2 (broken)"));
    EXPECT_EQ(
        number(*db, "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"),
        0);
    EXPECT_TRUE(migrate(*db, std::span(broken).first(1), Time()));
}

TEST_F(PostgresStoreTest, ADatabaseOfANewerLocoOrOfAnotherProgramIsRefusedAndLeftAlone) {
    const auto db = database_.connect();
    ASSERT_TRUE(db->run("INSERT INTO schema_migrations VALUES (9999, 'from the future', 'x', 0)"));
    const auto newer = PostgresStore::open({.target = database_.target()}, SystemClock());
    ASSERT_FALSE(newer);
    EXPECT_EQ(newer.error().code, "database_newer");

    const test::TestDatabase foreign;
    const auto theirs = foreign.connect();
    ASSERT_TRUE(theirs->run("CREATE TABLE mine (x BIGINT)"));
    const auto result = PostgresStore::open({.target = foreign.target()}, SystemClock());
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, "database_foreign");
    EXPECT_EQ(
        number(*theirs,
               "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'"),
        1);
}

TEST_F(PostgresStoreTest, WritersOfTwoStoresLoseNothingAndAFollowerSkipsNoEvent) {
    constexpr int kThreads = 4;  // of each
    constexpr int kWrites = 40;
    const auto other = open_store(database_.target());
    // Reads on from the last it saw, as who resumes a stream does: what is committed later must come later.
    std::atomic<bool> stop = false;
    std::vector<std::int64_t> seen;
    std::jthread follower([&] {
        while (true) {
            const bool last = stop;
            const auto after = seen.empty() ? 0 : seen.back();
            EXPECT_TRUE(store_->read([&](const ReadTx& tx) -> Result<> {
                LOCO_ASSIGN(const auto events, tx.events({}, after, 1000));
                for (const auto& event : events) seen.push_back(event.seq);
                return {};
            }));
            if (last) return;
        }
    });
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 2 * kThreads; ++t) {
            threads.emplace_back([&, t] {
                Store& store = t % 2 == 0 ? *store_ : *other;
                for (int i = 0; i < kWrites; ++i) {
                    EXPECT_TRUE(store.write([&](WriteTx& tx) -> Result<> {
                        LOCO_ASSIGN(auto app, tx.app(shop_.id));
                        ++app.next_release;
                        LOCO_TRY(tx.put(app));
                        LOCO_TRY(tx.append(sample_event(shop_, "e")));
                        return {};
                    }));
                }
            });
        }
    }
    stop = true;
    follower.join();
    EXPECT_EQ(std::ssize(seen), 2 * kThreads * kWrites);
    EXPECT_TRUE(store_->read([&](const ReadTx& tx) -> Result<> {
        EXPECT_EQ(tx.app(shop_.id)->next_release, shop_.next_release + 2 * kThreads * kWrites);
        return {};
    }));
}

TEST_F(PostgresStoreTest, OfTwoStoresThatTakeOneHostOrOneLockOnlyOneGetsIt) {
    const auto other = open_store(database_.target());
    const auto second = sample_app("second", main_.id);
    auto unlocked = shop_;
    unlocked.lock.reset();
    ASSERT_TRUE(store_->write([&](WriteTx& tx) -> Result<> {
        LOCO_TRY(tx.put(unlocked));
        return tx.put(second);
    }));
    for (int round = 0; round < 20; ++round) {
        std::atomic<int> hosts = 0, locks = 0;
        std::vector<std::jthread> threads;
        for (const auto& each : {std::pair<Store*, AppId>{store_.get(), shop_.id},
                                 std::pair<Store*, AppId>{other.get(), second.id}}) {
            threads.emplace_back([&, each] {
                const auto& [store, app] = each;
                const Host host{.name = "h" + std::to_string(round),
                                .team = main_.id,
                                .app = app,
                                .primary = true,
                                .reserved_until = {}};
                if (store->write([&](WriteTx& tx) { return tx.put(host); })) ++hosts;
                if (store->write([&](WriteTx& tx) -> Result<> {
                        LOCO_ASSIGN(auto row, tx.app(shop_.id));
                        if (row.lock) return fail(ErrorKind::conflict, "held");
                        row.lock = deployment_id("1");
                        return tx.put(row);
                    })) {
                    ++locks;
                }
            });
        }
        threads.clear();
        EXPECT_EQ(hosts, 1);
        EXPECT_EQ(locks, 1);
        ASSERT_TRUE(store_->write([&](WriteTx& tx) { return tx.put(unlocked); }));
    }
}

TEST_F(PostgresStoreTest, TheVictimOfADeadlockIsBegunAnew) {
    // Another program holds ann's row and then wants main's, which the write holds while it wants ann's.
    const auto theirs = database_.connect();
    const auto watcher = database_.connect();
    ASSERT_TRUE(
        theirs->run("SET deadlock_timeout = '15s'; BEGIN; UPDATE users SET email = 'theirs'"));
    std::jthread in_the_way;
    int calls = 0;
    const auto result = store_->write([&](WriteTx& tx) -> Result<> {
        ++calls;
        LOCO_TRY(tx.put(main_));
        if (calls == 1) {
            in_the_way = std::jthread([&] {
                EXPECT_TRUE(theirs->run("UPDATE teams SET slug = slug"));
                EXPECT_TRUE(theirs->run("COMMIT"));
            });
            EXPECT_TRUE(eventually([&] {
                return number(
                           *watcher,
                           "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
                           "AND query LIKE 'UPDATE teams%'") == 1;
            }));
        }
        LOCO_TRY(tx.put(ann_));
        LOCO_TRY(tx.append(sample_event(shop_, "once")));
        return {};
    });
    EXPECT_TRUE(result) << result.error().message;
    EXPECT_EQ(calls, 2);
    EXPECT_THAT(messages(*store_), ElementsAre("once"));
    EXPECT_TRUE(store_->read([&](const ReadTx& tx) -> Result<> {
        EXPECT_EQ(tx.user(ann_.id), ann_);
        return {};
    }));
}

TEST_F(PostgresStoreTest, ALockThatAnotherProgramHoldsIsToldAndPasses) {
    auto opened = PostgresStore::open({.target = database_.target(), .limits = {.lock = 100ms}},
                                      SystemClock());
    ASSERT_TRUE(opened);
    const auto theirs = database_.connect();
    ASSERT_TRUE(theirs->run("BEGIN; LOCK TABLE users"));
    const auto put = [&] { return (*opened)->write([&](WriteTx& tx) { return tx.put(ann_); }); };
    const auto refused = put();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "database_locked");
    EXPECT_FALSE(refused.error().hint.empty());
    ASSERT_TRUE(theirs->run("COMMIT"));
    EXPECT_TRUE(put());
}

TEST_F(PostgresStoreTest, EventsOfAnotherStoreAreHeardInOrderAlsoAfterTheConnectionWasLost) {
    const auto other = open_store(database_.target());
    std::mutex mutex;
    std::vector<std::string> heard;
    store_->on_events_of_all([&](const std::vector<Event>& events) {
        const std::lock_guard lock(mutex);
        for (const auto& event : events) heard.push_back(event.message);
    });
    const auto count = [&] {
        const std::lock_guard lock(mutex);
        return heard.size();
    };
    ASSERT_TRUE(append(*other, shop_, "1"));
    EXPECT_TRUE(eventually([&] { return count() == 1; }, 5s));
    ASSERT_TRUE(append(*store_, shop_, "2"));
    EXPECT_TRUE(eventually([&] { return count() == 2; }, 5s));
    end_others(*database_.connect());
    for (const auto* message : {"3", "4", "5"}) ASSERT_TRUE(append(*other, shop_, message));
    EXPECT_TRUE(eventually([&] { return count() == 5; }, 9s));
    const std::lock_guard lock(mutex);
    EXPECT_THAT(heard, ElementsAre("1", "2", "3", "4", "5"));
}

TEST_F(PostgresStoreTest, AWakeIsHeardByTheOthersAndAfterALostConnectionEveryAppIs) {
    const auto other = open_store(database_.target());
    std::mutex mutex;
    std::vector<std::string> own, theirs;
    const auto listen = [&](Store& store, std::vector<std::string>& heard) {
        store.on_wakes_of_others([&](const std::optional<AppId>& app) {
            const std::lock_guard lock(mutex);
            heard.push_back(app ? app->str() : "all");
        });
        store.on_events_of_all([](const std::vector<Event>&) {});
    };
    listen(*store_, own);
    listen(*other, theirs);
    const auto has = [&](const std::vector<std::string>& heard,
                         const std::vector<std::string>& wanted) {
        return eventually(
            [&] {
                const std::lock_guard lock(mutex);
                return heard == wanted;
            },
            9s);
    };
    EXPECT_TRUE(has(own, {"all"}));  // what was told before it listened
    EXPECT_TRUE(has(theirs, {"all"}));
    other->wake_others(shop_.id);
    EXPECT_TRUE(has(own, {"all", shop_.id.str()}));
    end_others(*database_.connect());
    EXPECT_TRUE(has(own, {"all", shop_.id.str(), "all"}));
    EXPECT_TRUE(has(theirs, {"all", "all"}));  // never its own
    store_->wake_others(shop_.id);
    EXPECT_TRUE(has(theirs, {"all", "all", shop_.id.str()}));
    store_->on_events_of_all({});
    other->on_events_of_all({});
}

TEST_F(PostgresStoreTest, MoreReadsThanConnectionsWaitForTheirTurn) {
    auto opened = PostgresStore::open({.target = database_.target(), .readers = 2}, SystemClock());
    ASSERT_TRUE(opened);
    std::atomic<int> at_once = 0, most = 0, done = 0;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 16; ++i) {
            threads.emplace_back([&] {
                EXPECT_TRUE((*opened)->read([&](const ReadTx& tx) -> Result<> {
                    const int now = ++at_once;
                    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
                    }
                    LOCO_TRY(tx.teams());
                    --at_once;
                    ++done;
                    return {};
                }));
            });
        }
    }
    EXPECT_EQ(done, 16);
    EXPECT_LE(most, 2);
}

TEST(PostgresTargetTest, NoErrorShowsThePassword) {
    const auto garbled = postgres::Target::parse(Secret<>("host=h password=hunter2 dbname"));
    ASSERT_FALSE(garbled);
    EXPECT_THAT(garbled.error().message + garbled.error().hint, Not(HasSubstr("hunter2")));
    const auto nowhere = postgres::Target::parse(
        Secret<>("postgresql://loco:hunter2@127.0.0.1:1/loco?sslmode=disable"));
    ASSERT_TRUE(nowhere);
    EXPECT_TRUE(nowhere->has_password());
    const auto opened = PostgresStore::open({.target = *nowhere}, SystemClock());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, "database_unreachable");
    EXPECT_THAT(opened.error().message, HasSubstr("loco on 127.0.0.1:1"));
    EXPECT_THAT(opened.error().message + opened.error().hint, Not(HasSubstr("hunter2")));
}

TEST(PostgresTargetTest, ThePasswordMayComeFromAPassfile) {
    auto& server = test::PostgresServer::shared();
    if (!server.is_own())
        GTEST_SKIP() << "LOCO_TEST_POSTGRES is another's server: its password is not known";
    const auto file = ::testing::TempDir() + "loco-passfile-" + std::to_string(::getpid());
    const auto at = "host=127.0.0.1 port=" + std::to_string(server.port()) +
                    " user=loco dbname=postgres passfile=" + file;
    const auto open = [&] {
        return postgres::Database::open(*postgres::Target::parse(Secret<>(at)), {});
    };
    EXPECT_FALSE(open());
    std::ofstream(file) << "127.0.0.1:*:*:loco:" << test::PostgresServer::kPassword << "\n";
    std::filesystem::permissions(
        file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    const auto opened = open();
    EXPECT_TRUE(opened) << opened.error().message;
    std::filesystem::remove(file);
}

}  // namespace
}  // namespace loco::store
