#include "os/process.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>

#include "os/file.hpp"

namespace loco::os {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// The shell is the tests' child program here, never Loco's way to start one.
Command sh(std::string script) { return {.argv = {"sh", "-c", std::move(script)}}; }

template <class Condition>
bool eventually(Condition condition) {
    const auto end = Clock::now() + 10s;
    while (Clock::now() < end) {
        if (condition()) return true;
        std::this_thread::yield();
    }
    return false;
}

TEST(Run, gives_the_exit_status_and_both_outputs) {
    std::string out;
    std::string err;
    const auto exit = run(sh("echo out; echo err >&2; exit 3"),
                          {.on_stdout = [&](std::string_view s) { out += s; },
                           .on_stderr = [&](std::string_view s) { err += s; }});
    ASSERT_TRUE(exit) << exit.error().message;
    EXPECT_EQ(exit->code, 3);
    EXPECT_EQ(out, "out\n");
    EXPECT_EQ(err, "err\n");
}

TEST(Run, gives_128_and_the_signal_of_a_killed_child) {
    const auto exit = run(sh("kill -9 $$"));
    ASSERT_TRUE(exit);
    EXPECT_EQ(exit->code, 137);
}

TEST(Run, says_that_there_is_no_such_program) {
    for (const auto* name : {"loco-no-such-program", "/nonexistent/program"}) {
        const auto exit = run({.argv = {name}});
        ASSERT_FALSE(exit);
        EXPECT_EQ(exit.error().kind, ErrorKind::not_found) << exit.error().message;
    }
}

TEST(Run, says_that_the_folder_is_missing) {
    const auto exit = run({.argv = {"true"}, .directory = "/nonexistent"});
    ASSERT_FALSE(exit);
    EXPECT_NE(exit.error().message.find("/nonexistent"), std::string::npos);
}

TEST(Run, passes_arguments_environment_and_folder_as_they_are) {
    ::setenv("LOCO_TEST_REPLACED", "old", 1);
    std::string out;
    const auto exit =
        run({.argv = {"sh", "-c", "echo \"$1|$LOCO_TEST_NEW|$LOCO_TEST_REPLACED|$PWD\"", "sh",
                      "$(id) 'x'"},
             .env = {{"LOCO_TEST_NEW", "a b"}, {"LOCO_TEST_REPLACED", "new"}},
             .directory = "/usr"},
            {.on_stdout = [&](std::string_view s) { out += s; }});
    ASSERT_TRUE(exit);
    EXPECT_EQ(out, "$(id) 'x'|a b|new|/usr\n");
}

TEST(Run, feeds_stdin_while_it_reads_stdout) {
    const std::string chunk(100'000, 'x');
    int left = 20;
    std::size_t out = 0;
    const auto exit =
        run({.argv = {"cat"}},
            {.input = [&]() -> Result<std::string> { return left-- > 0 ? chunk : std::string(); },
             .on_stdout = [&](std::string_view s) { out += s.size(); }});
    ASSERT_TRUE(exit);
    EXPECT_TRUE(exit->ok());
    EXPECT_EQ(out, 20 * chunk.size());
}

TEST(Run, survives_a_child_that_does_not_read_its_stdin) {
    const auto exit =
        run(sh("exec 0<&-; exit 4"),
            {.input = [] { return Result<std::string>(std::string(1'000'000, 'x')); }});
    ASSERT_TRUE(exit);
    EXPECT_EQ(exit->code, 4);
}

TEST(Run, gives_the_error_of_its_input) {
    const auto exit = run({.argv = {"cat"}}, {.input = []() -> Result<std::string> {
                              return fail(ErrorKind::refused, "no input");
                          }});
    ASSERT_FALSE(exit);
    EXPECT_EQ(exit.error().kind, ErrorKind::refused);
}

TEST(Run, has_no_stdin_without_input) {
    const auto exit = run({.argv = {"cat"}}, {.timeout = 10s});
    ASSERT_TRUE(exit) << exit.error().message;
    EXPECT_TRUE(exit->ok());
}

TEST(Run, stops_the_whole_process_group_at_its_timeout) {
    std::string out;
    const auto begin = Clock::now();
    const auto exit = run(sh("sleep 1000 & echo $!; wait"),
                          {.on_stdout = [&](std::string_view s) { out += s; }, .timeout = 300ms});
    ASSERT_FALSE(exit);
    EXPECT_EQ(exit.error().kind, ErrorKind::unavailable);
    EXPECT_EQ(exit.error().code, "timed_out");
    EXPECT_LT(Clock::now() - begin, 4s);
    const auto grandchild = static_cast<pid_t>(std::stol(out));
    EXPECT_TRUE(eventually([&] { return !identify(grandchild); }));
}

TEST(Run, is_interrupted_when_cancelled) {
    const auto exit = run({.argv = {"sleep", "1000"}}, {.cancelled = [] { return true; }});
    ASSERT_FALSE(exit);
    EXPECT_EQ(exit.error().kind, ErrorKind::interrupted);
}

TEST(Run, kills_a_child_that_ignores_sigterm) {
    const auto begin = Clock::now();
    const auto exit = run(sh("trap '' TERM; while :; do sleep 0.05; done"), {.timeout = 200ms});
    ASSERT_FALSE(exit);
    EXPECT_LT(Clock::now() - begin, 9s);
}

TEST(Run, does_not_wait_for_a_grandchild_that_keeps_the_pipes_open) {
    const auto begin = Clock::now();
    std::string out;
    const auto exit =
        run(sh("sleep 20 & echo $!"), {.on_stdout = [&](std::string_view s) { out += s; }});
    ASSERT_TRUE(exit);
    EXPECT_LT(Clock::now() - begin, 5s);
    ::kill(static_cast<pid_t>(std::stol(out)), SIGKILL);
}

TEST(Run, gives_the_child_default_signals_and_no_foreign_descriptors) {
    ::signal(SIGPIPE, SIG_IGN);
    int leaked[2];
    ASSERT_EQ(::pipe(leaked), 0);  // on purpose without O_CLOEXEC
    std::string out;
    const auto exit =
        run({.argv = {"sh", "-c", "grep SigIgn /proc/self/status; ls /proc/self/fd | wc -l"}},
            {.on_stdout = [&](std::string_view s) { out += s; }});
    ::close(leaked[0]);
    ::close(leaked[1]);
    ::signal(SIGPIPE, SIG_DFL);
    ASSERT_TRUE(exit);
    EXPECT_EQ(out, "SigIgn:\t0000000000000000\n4\n");
}

TEST(Run, dies_with_its_parent) {
    const auto pid_file =
        std::filesystem::temp_directory_path() / ("loco-pdeath-" + std::to_string(::getpid()));
    const pid_t parent = ::fork();
    if (parent == 0) {
        (void)run(sh("echo $$ > " + pid_file.string() + ".new && mv " + pid_file.string() +
                     ".new " + pid_file.string() + "; exec sleep 1000"));
        ::_exit(0);
    }
    ASSERT_TRUE(eventually([&] { return std::filesystem::exists(pid_file); }));
    const auto child = static_cast<pid_t>(std::stol(*read_file(pid_file)));
    std::filesystem::remove(pid_file);
    ASSERT_TRUE(identify(child));
    ::kill(parent, SIGKILL);
    ::waitpid(parent, nullptr, 0);
    EXPECT_TRUE(eventually([&] { return !identify(child); }));
}

TEST(OutputOf, gives_stdout) {
    const auto out = output_of(sh("echo hello; echo noise >&2"), 10s);
    ASSERT_TRUE(out);
    EXPECT_EQ(*out, "hello\n");
}

TEST(OutputOf, fails_with_the_end_of_stderr) {
    const auto out = output_of(sh("echo 'what is wrong' >&2; exit 7"), 10s);
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().message, "sh ended with 7: what is wrong");
    EXPECT_EQ(out.error().code, "program_failed");
}

TEST(OutputOf, is_bounded) {
    const auto out = output_of({.argv = {"yes"}}, 10s, 1000);
    ASSERT_FALSE(out);
    EXPECT_EQ(out.error().kind, ErrorKind::too_large);
}

TEST(StartDaemon, leads_a_session_of_its_own_and_appends_to_its_log) {
    const auto log =
        std::filesystem::temp_directory_path() / ("loco-daemon-" + std::to_string(::getpid()));
    std::ofstream(log) << "before\n";
    const auto pid = start_daemon(sh("echo started; exec sleep 1000"), log.string());
    ASSERT_TRUE(pid) << pid.error().message;
    const auto identity = identify(*pid);
    ASSERT_TRUE(identity);
    EXPECT_TRUE(is_alive(*identity));
    EXPECT_EQ(::getsid(*pid), *pid);
    EXPECT_TRUE(eventually([&] { return *read_file(log) == "before\nstarted\n"; }));
    auto other = *identity;
    ++other.start_ticks;
    EXPECT_FALSE(is_alive(other)) << "a reused id must not be taken for the process";
    ::kill(*pid, SIGKILL);
    EXPECT_TRUE(eventually([&] { return !is_alive(*identity); }));
    std::filesystem::remove(log);
}

TEST(StartDaemon, gets_what_it_is_given_and_little_of_the_callers_environment) {
    const auto log =
        std::filesystem::temp_directory_path() / ("loco-env-" + std::to_string(::getpid()));
    ::setenv("LOCO_TOKEN", "secret", 1);
    ::setenv("REGISTRY_HTTP_ADDR", ":1", 1);
    auto command = sh("env; echo end");
    command.env = {{"GIVEN", "yes"}};
    ASSERT_TRUE(start_daemon(command, log.string()));
    const auto has = [&](std::string_view text) {
        return read_file(log)->find(text) != std::string::npos;
    };
    ASSERT_TRUE(eventually([&] { return has("end\n"); }));
    EXPECT_TRUE(has("GIVEN=yes"));
    EXPECT_TRUE(has("PATH="));
    EXPECT_FALSE(has("LOCO_TOKEN"));
    EXPECT_FALSE(has("REGISTRY_"));
    ::unsetenv("LOCO_TOKEN");
    ::unsetenv("REGISTRY_HTTP_ADDR");
    std::filesystem::remove(log);
}

TEST(StartDaemon,
     may_be_taken_more_or_less_gladly_when_memory_is_short_as_far_as_that_is_permitted) {
    const auto score_of = [](int wanted) {
        auto command = sh("exec sleep 1000");
        command.oom_score_adj = wanted;
        const auto pid = start_daemon(command, "/dev/null");
        EXPECT_TRUE(pid) << pid.error().message;
        const auto score = read_file("/proc/" + std::to_string(*pid) + "/oom_score_adj");
        ::kill(*pid, SIGKILL);
        return score ? *score : std::string();
    };
    const auto own = *read_file("/proc/self/oom_score_adj");
    EXPECT_EQ(score_of(0), own);
    EXPECT_EQ(score_of(700), "700\n") << "more is everybody's to ask for";
    const auto less = score_of(-500);
    EXPECT_TRUE(less == "-500\n" || less == own) << less;
}

TEST(StartDaemon, says_why_it_could_not_start) {
    const auto pid = start_daemon({.argv = {"/nonexistent/daemon"}}, "/dev/null");
    ASSERT_FALSE(pid);
    EXPECT_EQ(pid.error().kind, ErrorKind::not_found);
    EXPECT_FALSE(start_daemon({.argv = {"true"}}, "/nonexistent/log"));
}

TEST(Identify, knows_this_process_and_no_zombie) {
    ASSERT_TRUE(identify(::getpid()));
    const pid_t zombie = ::fork();
    if (zombie == 0) ::_exit(0);
    EXPECT_TRUE(eventually([&] { return !identify(zombie); }));
    ::waitpid(zombie, nullptr, 0);
}

}  // namespace
}  // namespace loco::os
