#include "build/progress.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace loco::build {
namespace {

// Docker 20.10.24.
constexpr std::string_view kOld = R"(#1 [internal] load remote build context
#1 sha256:72dcac3fb86aa3faaf567a77ef43636265e3a1e7b0d9e16afc644e9e14dae368
#1 DONE 0.0s

#3 [base 1/2] COPY busybox /bin/busybox
#3 sha256:39966a9a80c0a1991e5e856c840c69f2cbaae5d1e2ecf0f9b558bb0586453efb
#3 CACHED

#5 [stage-1 1/3] RUN echo "hello world" &&     echo two
#5 sha256:0374271f131d90f639d96d2d16accefe8ec4fae4ed68ff3e987efff2a1dca13e
#5 0.390 hello world
#5 0.390 two
#5 DONE 1.4s

#7 [stage-1 3/3] RUN echo failing >&2; exit 7
#7 sha256:8a2b59b32ae59e70b7ba2aa1855bac03d2a2e4083bf71757957c90029b23351f
#7 0.307 failing
#7 ERROR: executor failed running [/bin/sh -c echo failing >&2; exit 7]: exit code: 7
------
 > [stage-1 3/3] RUN echo failing >&2; exit 7:
------
executor failed running [/bin/sh -c echo failing >&2; exit 7]: exit code: 7
)";

std::string told(std::string_view wire, std::size_t step) {
    std::string result;
    PlainProgress progress([&](const StepEvent& e) {
        static constexpr const char* kNames[] = {"started", "output",    "status", "cached",
                                                 "done",    "cancelled", "failed"};
        result += std::to_string(e.step) + " " + kNames[static_cast<int>(e.kind)];
        if (e.kind == StepEvent::Kind::started) result += " " + std::string(e.name);
        if (!e.text.empty()) result += " " + std::string(e.text);
        result += "\n";
    });
    for (std::size_t at = 0; at < wire.size(); at += step) progress.feed(wire.substr(at, step));
    progress.finish();
    return result;
}

TEST(PlainProgress, tells_the_steps_of_an_old_buildkit_however_the_bytes_come) {
    const std::string expected = R"(1 started [internal] load remote build context
1 done
3 started [base 1/2] COPY busybox /bin/busybox
3 cached
5 started [stage-1 1/3] RUN echo "hello world" &&     echo two
5 output hello world
5 output two
5 done
7 started [stage-1 3/3] RUN echo failing >&2; exit 7
7 output failing
7 failed executor failed running [/bin/sh -c echo failing >&2; exit 7]: exit code: 7
)";
    for (const std::size_t step : {1UL, 7UL, 100'000UL}) EXPECT_EQ(told(kOld, step), expected);
}

TEST(PlainProgress, keeps_what_a_failure_is_told_with) {
    PlainProgress progress;
    progress.feed(kOld);
    ASSERT_NE(progress.failed(), nullptr);
    EXPECT_EQ(progress.failed()->name, "[stage-1 3/3] RUN echo failing >&2; exit 7");
    EXPECT_EQ(progress.failed()->tail.size(), 1U);
    EXPECT_TRUE(progress.remarks().back().starts_with("executor failed"));
    EXPECT_DOUBLE_EQ(progress.steps().at(5).seconds, 1.4);
    EXPECT_TRUE(progress.steps().at(3).cached);
}

TEST(PlainProgress, tells_steps_that_take_turns_and_the_status_of_transfers) {
    EXPECT_EQ(told("#4 [a 1/2] RUN x\n#4 0.100 one\n#4 ...\n\n#5 [b 1/2] RUN y\n#5 0.200 two\n\n#4 "
                   "[a 1/2] RUN x\n"
                   "#4 0.300 three\n#4 CANCELED\n#5 sha256:ab 1.05MB / 30MB 0.2s\n#5 DONE 0.3s",
                   9),
              "4 started [a 1/2] RUN x\n4 output one\n5 started [b 1/2] RUN y\n5 output two\n"
              "4 output three\n4 cancelled\n5 status sha256:ab 1.05MB / 30MB 0.2s\n5 done\n");
}

TEST(PlainProgress, output_that_looks_like_progress_is_output) {
    EXPECT_EQ(told("#4 [1/1] RUN x\n#4 0.100 #9 DONE 1.0s\n#4 0.200 ERROR: no\n#4 0.300 CACHED\n#4 "
                   "0.400 \n",
                   5),
              "4 started [1/1] RUN x\n4 output #9 DONE 1.0s\n4 output ERROR: no\n4 output "
              "CACHED\n4 output\n");
}

TEST(PlainProgress, bounds_lines_steps_and_tails) {
    PlainProgress progress;
    progress.feed("#1 [1/1] RUN x\n#1 0.100 " + std::string(1 << 20, 'x') + "\n");
    for (int i = 0; i < 1000; ++i) progress.feed("#1 0.200 line " + std::to_string(i) + "\n");
    const auto& tail = progress.steps().at(1).tail;
    EXPECT_EQ(tail.size(), PlainProgress::kTailLines);
    EXPECT_EQ(tail.back(), "line 999");
    for (int i = 2; i < 20'000; ++i) progress.feed("#" + std::to_string(i) + " name\n");
    EXPECT_EQ(progress.steps().size(), PlainProgress::kMaxSteps);
    for (int i = 0; i < 1000; ++i) progress.feed("remark\n");
    EXPECT_EQ(progress.remarks().size(), 100U);
    progress.feed("#99999999999999999999 x\n#-3 y\n# z\n#0 a\n");
    EXPECT_EQ(progress.steps().size(), PlainProgress::kMaxSteps);
}

TEST(Printable, takes_escapes_and_overwritten_text_away) {
    EXPECT_EQ(printable("\x1b[31mred\x1b[0m\tx"), "red\tx");
    EXPECT_EQ(printable("10%\r50%\r100%\r"), "100%");
    EXPECT_EQ(printable("\x1b]0;title\x07ok\x1b]8;;u\x1b\\link"), "oklink");
    EXPECT_EQ(printable("a\x1b"), "a");
    EXPECT_EQ(printable("a\x1b["), "a");
    EXPECT_EQ(printable("\xC3\xA9\x7F\x01"), "\xC3\xA9");
}

}  // namespace
}  // namespace loco::build
