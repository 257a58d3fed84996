// kill -9 while many clients write: what was acknowledged is there, once, and the database is sound.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <set>
#include <thread>

#include "base/random.hpp"
#include "sqlite/database.hpp"
#include "tests/unit/store/folder.hpp"

namespace loco::store {
namespace {

constexpr int kRounds = 10;
constexpr int kClients = 8;

// Writes until it is killed; tells each acknowledged number through the pipe, whole (less than PIPE_BUF).
[[noreturn]] void write_until_killed(const std::filesystem::path& folder, int round,
                                     int acknowledged) {
    auto opened = SqliteStore::open({.folder = folder}, SystemClock());
    if (!opened) ::_exit(3);
    auto& store = **opened;
    std::vector<std::jthread> clients;
    for (int client = 0; client < kClients; ++client) {
        clients.emplace_back([&, client] {
            for (int i = 0;; ++i) {
                const int number = (round * kClients + client) * 1'000'000 + i;
                const auto written = store.write([&](WriteTx& tx) -> Result<> {
                    Event event;
                    event.message = std::to_string(number);
                    LOCO_TRY(tx.append(event));
                    // Its other half: there together with it, or not at all.
                    return tx.put(User{.id = UserId("usr_" + event.message),
                                       .provider = "p",
                                       .subject = event.message,
                                       .login = "",
                                       .email = std::string(500, 'x'),
                                       .created_at = {}});
                });
                if (!written || ::write(acknowledged, &number, sizeof number) != sizeof number)
                    ::_exit(4);
            }
        });
    }
    for (auto& client : clients) client.join();
    ::_exit(5);
}

class CrashTest : public InFolder {};

TEST_F(CrashTest, NothingAcknowledgedIsLostWhenTheProcessIsKilled) {
    SeededRandom random(42);
    std::set<int> acknowledged;
    for (int round = 0; round < kRounds; ++round) {
        int ends[2];
        ASSERT_EQ(::pipe(ends), 0);
        const pid_t child = ::fork();
        if (child == 0) {
            ::close(ends[0]);
            write_until_killed(folder_, round, ends[1]);
        }
        ::close(ends[1]);
        // Killed after a random number of acknowledged writes; what it managed to tell until then counts too.
        auto left = 1 + random.next() % 400;
        for (int number = 0; ::read(ends[0], &number, sizeof number) == sizeof number;) {
            acknowledged.insert(number);
            if (left > 0 && --left == 0) ::kill(child, SIGKILL);
        }
        ::close(ends[0]);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        ASSERT_TRUE(WIFSIGNALED(status))
            << "the child ended by itself with " << WEXITSTATUS(status);

        const auto store = must_open();
        ASSERT_NE(store, nullptr);
        std::set<int> kept;
        for (const auto& event : events(*store)) {
            const int number = std::stoi(event.message);
            EXPECT_TRUE(kept.insert(number).second) << number << " is there twice";
            EXPECT_TRUE(store->read([&](const ReadTx& tx) -> Result<> {
                LOCO_TRY(tx.user(UserId("usr_" + event.message)));
                return {};
            })) << number
                << " is there by half";
        }
        for (const int number : acknowledged)
            ASSERT_TRUE(kept.contains(number)) << number << " is lost";
    }
    EXPECT_GT(acknowledged.size(), static_cast<std::size_t>(kRounds));
    auto database = sqlite::Database::open(folder_ / "loco.db", {});
    ASSERT_TRUE(database);
    sqlite::Query check(**database, "PRAGMA integrity_check");
    ASSERT_TRUE(check.step());
    EXPECT_EQ(check.text(0), "ok");
}

}  // namespace
}  // namespace loco::store
