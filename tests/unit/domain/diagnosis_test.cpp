#include "domain/diagnosis.hpp"

#include <gtest/gtest.h>

namespace loco {
namespace {

TEST(Diagnosis, AnExitStatusIsToldWithItsMeaning) {
    const auto told = [](int code, bool oom = false) {
        return describe_end({.exit_code = code, .oom_killed = oom, .runtime_error = {}, .tail = {}},
                            64LL << 20);
    };
    EXPECT_EQ(told(0), "exited with 0: it ended by itself, without an error");
    EXPECT_EQ(told(1), "exited with 1");
    EXPECT_EQ(told(126), "exited with 126: the command was found but could not be executed");
    EXPECT_EQ(told(127), "exited with 127: the command was not found");
    EXPECT_EQ(told(128), "exited with 128");
    EXPECT_EQ(told(137), "exited with 137: SIGKILL: it was killed");
    EXPECT_EQ(told(137, true), "exited with 137: it ran out of memory; its limit is 64 MiB");
    EXPECT_EQ(told(139), "exited with 139: SIGSEGV: a crash in native code");
    EXPECT_EQ(told(143), "exited with 143: SIGTERM: it was asked to stop");
    EXPECT_EQ(told(128 + 64), "exited with 192: signal 64");
    EXPECT_EQ(told(255), "exited with 255");
    EXPECT_EQ(describe_end({}, 0),
              "is gone: its container was removed by something else than Loco");
    EXPECT_EQ(
        describe_end(
            {.exit_code = {}, .oom_killed = false, .runtime_error = "no such file", .tail = {}}, 0),
        "could not be started: no such file");
}

TEST(Diagnosis, EveryFailureNamesPhaseCodeAndWhatToDo) {
    Instance web;
    web.process = "web";
    web.memory_bytes = 256LL << 20;
    for (const auto& d :
         {diagnose_exit_at_start(web, {.exit_code = 1}),
          diagnose_exit_at_start(web, {.exit_code = 0}),
          diagnose_exit_at_start(web, {.exit_code = 127}),
          diagnose_exit_at_start(web, {.exit_code = 137, .oom_killed = true}),
          diagnose_exit_at_start(web, {}), diagnose_release_command(web, {.exit_code = 1}),
          diagnose_release_command(web, {}), diagnose_release_command_timeout(Millis(1000)),
          diagnose_never_healthy({{"web.0", "refused"}}, 80, "", Millis(5000), ""),
          diagnose_gateway_unreachable(), diagnose_client_gone(), diagnose_not_stopped()}) {
        EXPECT_FALSE(d.code.empty());
        EXPECT_FALSE(d.phase.empty()) << d.code;
        EXPECT_FALSE(d.message.empty()) << d.code;
        EXPECT_FALSE(d.next_steps.empty()) << d.code;
        EXPECT_NE(d.kind, 0) << d.code;
    }
}

TEST(Diagnosis, OutOfMemoryNamesTheLimit) {
    Instance web;
    web.process = "web";
    web.index = 2;
    web.memory_bytes = 1LL << 30;
    const auto d = diagnose_exit_at_start(
        web, {.exit_code = 137, .oom_killed = true, .runtime_error = {}, .tail = "loading"});
    EXPECT_EQ(d.code, "oom_killed_at_start");
    EXPECT_NE(d.message.find("web.2"), std::string::npos);
    EXPECT_NE(d.message.find("1 GiB"), std::string::npos);
    EXPECT_EQ(d.evidence, "loading");
}

TEST(Diagnosis, WhatNeverBecameHealthyIsToldWithThePortThatWasAsked) {
    const auto d = diagnose_never_healthy({{"web.0", "connection refused"}, {"web.1", ""}}, 8080,
                                          "/healthz", Millis(300'000), "listening on 3000");
    EXPECT_EQ(
        d.message,
        "web.0, web.1 were not healthy within 5m: GET /healthz on port 8080 gave no 2xx or 3xx");
    EXPECT_EQ(d.evidence, "web.0: connection refused\nlistening on 3000");
    EXPECT_NE(d.next_steps.at(0).find("0.0.0.0:8080"), std::string::npos);
}

}  // namespace
}  // namespace loco
