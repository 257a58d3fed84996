#include "api/build_logs.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace loco::api {
namespace {

class BuildLogsTest : public testing::Test {
  protected:
    DeploymentId make() { return DeploymentId::make(clock_, random_); }

    SystemClock clock_;
    SeededRandom random_{1};
    BuildLogs logs_;
    DeploymentId id_ = make();
};

TEST_F(BuildLogsTest, LinesAreKeptAsTheyCame) {
    EXPECT_EQ(logs_.take(id_, "one\n\n two\r\nthree").lines,
              (std::vector<std::string>{"one", "", " two\r", "three"}));
    EXPECT_TRUE(logs_.take(id_, "").lines.empty());
}

TEST_F(BuildLogsTest, ALineIsCutAt64KiB) {
    const auto part = logs_.take(id_, std::string(100'000, 'x') + "\ny");
    ASSERT_EQ(part.lines.size(), 2U);
    EXPECT_EQ(part.lines[0].size(), BuildLogs::kLineBytes);
    EXPECT_EQ(part.lines[1], "y");
}

TEST_F(BuildLogsTest, ARequestOfEmptyLinesIsCutAndSaysSo) {
    const auto part = logs_.take(id_, std::string(4'000'000, '\n'));
    ASSERT_EQ(part.lines.size(), BuildLogs::kLinesARequest + 1U);
    EXPECT_EQ(part.lines.back(),
              "[the rest of this request was not kept: it has more than 20,000 lines]");
    EXPECT_EQ(logs_.take(id_, "more").lines, std::vector<std::string>{"more"});
}

TEST_F(BuildLogsTest, ADeploymentsLinesEndWithOneThatSaysSo) {
    std::size_t kept = 0;
    for (int i = 0; i < 12; ++i) kept += logs_.take(id_, std::string(20'000, '\n')).lines.size();
    EXPECT_EQ(kept, BuildLogs::kLines + 1U);
    EXPECT_TRUE(logs_.take(id_, "more").lines.empty());
    EXPECT_EQ(logs_.take(make(), "another's").lines.size(), 1U);
}

TEST_F(BuildLogsTest, ADeploymentsBytesEndWithALineThatSaysSo) {
    const auto kibibyte = std::string(1023, 'x') + "\n";
    std::string chunk;
    for (int i = 0; i < 1024; ++i) chunk += kibibyte;
    std::size_t bytes = 0;
    std::string last;
    for (int i = 0; i < 20; ++i) {
        const auto part = logs_.take(id_, chunk);
        bytes += part.bytes;
        if (!part.lines.empty()) last = part.lines.back();
    }
    EXPECT_LE(bytes, BuildLogs::kBytes + 100);
    EXPECT_GT(bytes, BuildLogs::kBytes - (64U << 10));
    EXPECT_TRUE(last.starts_with("[the rest of this build log was not kept")) << last;
}

TEST_F(BuildLogsTest, WhatCouldNotBeKeptDoesNotCount) {
    for (int i = 0; i < 30; ++i) logs_.give_back(id_, logs_.take(id_, std::string(19'000, '\n')));
    EXPECT_EQ(logs_.take(id_, "one\ntwo").lines, (std::vector<std::string>{"one", "two"}));
}

}  // namespace
}  // namespace loco::api
