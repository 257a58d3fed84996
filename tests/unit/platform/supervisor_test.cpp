// With real processes: `sleep` is the daemon.
#include "platform/supervisor.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <fstream>
#include <iterator>
#include <thread>

namespace loco::platform {
namespace {

class SupervisorTest : public testing::Test {
  protected:
    SupervisorTest() {
        std::string name = testing::TempDir() + "/supervisor.XXXXXX";
        folder_ = ::mkdtemp(name.data());
        directories_ = {.run = folder_, .log = folder_};
    }
    ~SupervisorTest() override {
        EXPECT_TRUE(stop(directories_, "daemon", SIGKILL, std::chrono::seconds(5)));
        std::filesystem::remove_all(folder_);
    }

    Service service(std::vector<std::string> argv = {"sleep", "1000"}) {
        return {.name = "daemon",
                .command = {.argv = std::move(argv)},
                .ready = [] { return true; },
                .ready_within = std::chrono::seconds(5),
                .stop_within = std::chrono::seconds(5)};
    }

    std::filesystem::path folder_;
    Directories directories_;
};

TEST_F(SupervisorTest, OneThatRunsIsAdoptedAndNotStartedTwice) {
    Supervisor first(directories_);
    EXPECT_TRUE(first.ensure(service()).value());
    const auto process = running(directories_, "daemon");
    ASSERT_TRUE(process);
    Supervisor second(directories_);
    EXPECT_FALSE(second.ensure(service()).value());
    EXPECT_EQ(running(directories_, "daemon")->pid, process->pid);
    second.stop_all();
    EXPECT_FALSE(running(directories_, "daemon"));
    EXPECT_FALSE(os::is_alive(*process));
}

TEST_F(SupervisorTest, OneThatIsKilledIsBackWithinASecond) {
    Supervisor supervisor(directories_);
    ASSERT_TRUE(supervisor.ensure(service()));
    const auto before = *running(directories_, "daemon");
    ::kill(before.pid, SIGKILL);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    const auto back = [&] {
        const auto now = running(directories_, "daemon");
        return now && now->pid != before.pid;
    };
    supervisor.watch([&] { return back() || std::chrono::steady_clock::now() > end; });
    EXPECT_TRUE(back());
}

TEST_F(SupervisorTest, OneThatIsKilledAgainAndAgainIsBackAtOnceAsLongAsItGetsReady) {
    Supervisor supervisor(directories_);
    ASSERT_TRUE(supervisor.ensure(service()));
    const auto begin = std::chrono::steady_clock::now();
    pid_t last = 0;
    int kills = 0;
    supervisor.watch([&] {
        const auto now = running(directories_, "daemon");
        if (now && now->pid != last && kills < 8) {
            last = now->pid;
            ++kills;
            ::kill(last, SIGKILL);
        }
        return (kills == 8 && now && now->pid != last) ||
               std::chrono::steady_clock::now() - begin > std::chrono::seconds(20);
    });
    EXPECT_EQ(kills, 8);
    const auto now = running(directories_, "daemon");
    ASSERT_TRUE(now);
    EXPECT_NE(now->pid, last);
}

TEST_F(SupervisorTest, OneThatIsAliveIsBackAtOnceThoughWhatItNeedsIsAway) {
    constexpr int kStarts = 8;
    Supervisor supervisor(directories_);
    int starts = 0;
    auto waiting = service();
    waiting.before_start = [&] { ++starts; };
    waiting.ready = [&] { return starts <= 1; };
    waiting.alive = [] { return true; };
    ASSERT_TRUE(supervisor.ensure(waiting));
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    supervisor.watch([&] {
        if (supervisor.is_alive("daemon")) {
            if (const auto now = running(directories_, "daemon")) ::kill(now->pid, SIGKILL);
        }
        return starts >= kStarts || std::chrono::steady_clock::now() > end;
    });
    EXPECT_EQ(starts, kStarts);  // one that is not alive would have been started 6 times
}

TEST_F(SupervisorTest, OneThatNeverGetsReadyIsStartedLessAndLessOften) {
    Supervisor supervisor(directories_);
    std::atomic<int> starts = 0;
    auto failing = service();
    failing.before_start = [&] { ++starts; };
    failing.ready = [&] { return starts <= 1; };
    ASSERT_TRUE(supervisor.ensure(failing));
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(2500);
    supervisor.watch([&] {
        if (const auto now = running(directories_, "daemon")) ::kill(now->pid, SIGKILL);
        return std::chrono::steady_clock::now() > end;
    });
    // At the beginning, at once after it had been ready, 100 ms and 1 s later, and not 2 s after that.
    EXPECT_EQ(starts, 4);
}

TEST_F(SupervisorTest, OneThatAnswersAndDiesAtOnceAgainAndAgainIsStartedTenTimesASecondAtMost) {
    constexpr int kStarts = 20;
    Supervisor supervisor(directories_);
    int starts = 0;
    auto dying = service();
    dying.before_start = [&] { ++starts; };
    ASSERT_TRUE(supervisor.ensure(dying));
    const auto begin = std::chrono::steady_clock::now();
    const auto took = [&] { return std::chrono::steady_clock::now() - begin; };
    supervisor.watch([&] {
        if (supervisor.is_alive("daemon")) {
            if (const auto now = running(directories_, "daemon")) ::kill(now->pid, SIGKILL);
        }
        return starts >= kStarts || took() > std::chrono::seconds(60);
    });
    // One that serves each time is not given up on: a wait that doubled would have been a day by now.
    EXPECT_EQ(starts, kStarts);
    EXPECT_GE(took(), (kStarts - 1) * std::chrono::milliseconds(100));
}

TEST_F(SupervisorTest, OneThatIsAskedForLongWhetherItIsReadyKeepsNoOtherDown) {
    std::promise<void> answer;
    const auto answered = answer.get_future().share();
    std::atomic<bool> slow_now = false;
    Supervisor supervisor(directories_);
    auto slow = service();
    slow.name = "slow";
    slow.ready = [&slow_now, answered] {
        if (slow_now) answered.wait_for(std::chrono::seconds(5));
        return !slow_now;
    };
    ASSERT_TRUE(supervisor.ensure(slow));
    ASSERT_TRUE(supervisor.ensure(service()));
    const auto before = *running(directories_, "daemon");
    const auto slow_before = *running(directories_, "slow");
    slow_now = true;
    ::kill(slow_before.pid, SIGKILL);
    const auto begin = std::chrono::steady_clock::now();
    bool killed = false;
    const auto pid = [&](const char* name) {
        const auto now = running(directories_, name);
        return now ? now->pid : 0;
    };
    supervisor.watch([&] {
        if (!killed && pid("slow") != 0 && pid("slow") != slow_before.pid) {
            killed = true;
            ::kill(before.pid, SIGKILL);
        }
        const bool back = killed && pid("daemon") != 0 && pid("daemon") != before.pid;
        return back || std::chrono::steady_clock::now() - begin > std::chrono::seconds(10);
    });
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2));
    EXPECT_TRUE(killed);
    answer.set_value();
    EXPECT_TRUE(stop(directories_, "slow", SIGKILL, std::chrono::seconds(5)));
}

TEST_F(SupervisorTest, OneWhoseProcessCannotBeNotedIsNotStartedTwiceAndIsNotedLater) {
    Supervisor supervisor(directories_);
    int starts = 0;
    auto counted = service();
    counted.before_start = [&] { ++starts; };
    ASSERT_TRUE(supervisor.ensure(counted));
    const auto before = *running(directories_, "daemon");
    // No file can be put in the place of a folder that holds something.
    const auto in_the_way = folder_ / "daemon.pid";
    std::filesystem::remove(in_the_way);
    std::filesystem::create_directories(in_the_way / "x");
    ::kill(before.pid, SIGKILL);
    const auto begin = std::chrono::steady_clock::now();
    const auto took = [&] { return std::chrono::steady_clock::now() - begin; };
    supervisor.watch([&] { return took() > std::chrono::milliseconds(1500); });
    EXPECT_EQ(starts, 2);
    EXPECT_TRUE(supervisor.runs("daemon"));
    std::filesystem::remove_all(in_the_way);
    supervisor.watch(
        [&] { return running(directories_, "daemon") || took() > std::chrono::seconds(10); });
    EXPECT_EQ(starts, 2);
    const auto now = running(directories_, "daemon");
    ASSERT_TRUE(now);
    supervisor.stop_all();
    EXPECT_FALSE(os::is_alive(*now));
}

TEST_F(SupervisorTest, OneWhoseProcessCannotBeNotedIsEndedWithItsSupervisor) {
    Supervisor supervisor(directories_);
    ASSERT_TRUE(supervisor.ensure(service()));
    const auto process = *running(directories_, "daemon");
    std::filesystem::remove(folder_ / "daemon.pid");
    supervisor.stop_all();
    EXPECT_FALSE(os::is_alive(process));
}

TEST_F(SupervisorTest, OneThatCannotBeNotedAtFirstIsNotLeftBehind) {
    Supervisor supervisor(directories_);
    std::filesystem::create_directories(folder_ / "daemon.pid" / "x");
    auto lasting = service({"sleep", "987654"});
    EXPECT_FALSE(supervisor.ensure(lasting));
    std::filesystem::remove_all(folder_ / "daemon.pid");
    supervisor.stop_all();
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        std::ifstream words(entry.path() / "cmdline", std::ios::binary);
        const std::string line((std::istreambuf_iterator<char>(words)), {});
        EXPECT_EQ(line.find("987654"), std::string::npos) << entry.path();
    }
}

TEST_F(SupervisorTest, OneThatEndsAtOnceIsToldWithTheEndOfItsLog) {
    Supervisor supervisor(directories_);
    auto bad = service({"ls", "/no/such/folder"});
    bad.ready = [] { return false; };
    const auto ensured = supervisor.ensure(bad);
    ASSERT_FALSE(ensured);
    EXPECT_EQ(ensured.error().kind, ErrorKind::unavailable);
    EXPECT_NE(ensured.error().message.find("/no/such/folder"), std::string::npos)
        << ensured.error().message;
}

TEST_F(SupervisorTest, OneThatIsNeverReadyIsToldSo) {
    Supervisor supervisor(directories_);
    auto never = service();
    never.ready = [] { return false; };
    never.ready_within = std::chrono::seconds(1);
    const auto ensured = supervisor.ensure(never);
    ASSERT_FALSE(ensured);
    EXPECT_NE(ensured.error().message.find("not ready"), std::string::npos);
    supervisor.stop_all();
    EXPECT_FALSE(running(directories_, "daemon"));
}

TEST_F(SupervisorTest, AnotherProcessWithAReusedIdIsNotTakenForIt) {
    Supervisor supervisor(directories_);
    ASSERT_TRUE(supervisor.ensure(service()));
    const auto process = *running(directories_, "daemon");
    ASSERT_TRUE(std::filesystem::exists(folder_ / "daemon.pid"));
    std::FILE* file = std::fopen((folder_ / "daemon.pid").c_str(), "w");
    std::fprintf(file, "%d %llu", process.pid, process.start_ticks + 1);
    std::fclose(file);
    EXPECT_FALSE(running(directories_, "daemon"));
    ::kill(process.pid, SIGKILL);
}

}  // namespace
}  // namespace loco::platform
