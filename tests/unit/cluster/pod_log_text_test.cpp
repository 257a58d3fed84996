#include "cluster/kubernetes/pod_log_text.hpp"

#include <gtest/gtest.h>

namespace loco::cluster {
namespace {

const std::string kStamp = "2026-11-23T12:00:00.000000001Z";

class PodLogText : public testing::Test {
  protected:
    std::vector<PodLine> lines;
    PodLogCutter cutter{[this](PodLine line) { lines.push_back(std::move(line)); }};
    std::vector<std::string> texts() const {
        std::vector<std::string> all;
        for (const auto& line : lines) all.push_back(line.text);
        return all;
    }
};

TEST_F(PodLogText, LinesAreCutWhereverTheirBytesAreParted) {
    const auto body = kStamp + " one two\n" + kStamp + " \n" + kStamp + "\n" + kStamp + " last";
    for (std::size_t size = 1; size < body.size(); ++size) {
        lines.clear();
        for (std::size_t at = 0; at < body.size(); at += size) cutter.feed(body.substr(at, size));
        EXPECT_EQ(texts(), (std::vector<std::string>{"one two", "", ""})) << size;
        EXPECT_EQ(lines.at(0).at, parse_rfc3339(kStamp));
        cutter.finish();
        EXPECT_EQ(texts().back(), "last");
    }
}

TEST_F(PodLogText, ALongLineComesInPieces) {
    cutter.feed(kStamp + " " + std::string(kMaxLogLine * 2 + 5, 'x') + "\n");
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[0].text.size(), kMaxLogLine);
    EXPECT_EQ(lines[2].text.size(), 5U);
}

TEST_F(PodLogText, TheKubeletsOwnWordsAreNoLine) {
    cutter.feed("unable to retrieve container logs for containerd://0123456789abcdef\n");
    cutter.feed(std::string(1 << 20, 'x'));
    cutter.feed("\n" + kStamp + " mine\n");
    EXPECT_EQ(texts(), (std::vector<std::string>{"mine"}));
}

LogLine kept(std::int64_t ns, const std::string& text) {
    LogLine line;
    line.at = Time(Duration(1'795'000'000'000'000'000 + ns));
    line.text = text;
    return line;
}
PodLine read(std::int64_t ns, const std::string& text) { return {kept(ns, text).at, text}; }

TEST(PodResume, WhatWasKeptIsLeftOutOnceAndEqualTimesAreToldApart) {
    PodResume resume({kept(1, "a"), kept(5, "b"), kept(5, "b")});
    EXPECT_EQ(resume.since(), kept(5, "").at);
    EXPECT_TRUE(resume.was_kept(read(1, "a")));
    EXPECT_TRUE(resume.was_kept(read(5, "b")));
    EXPECT_TRUE(resume.was_kept(read(5, "b")));
    EXPECT_FALSE(resume.was_kept(read(5, "b"))) << "a third one";
    EXPECT_FALSE(resume.was_kept(read(5, "c")));
    EXPECT_FALSE(resume.was_kept(read(6, "a")));
    EXPECT_FALSE(resume.was_kept(read(3, "late"))) << "of the other stream, a little out of order";
}

TEST(PodResume, WhatIsOlderThanTheKeptLinesKnownWasKept) {
    PodResume resume({kept(900'000'000, "newest")});
    EXPECT_TRUE(resume.was_kept(read(1, "of the same second, long ago")));
    PodResume fresh{std::vector<LogLine>()};
    EXPECT_FALSE(fresh.since());
    EXPECT_FALSE(fresh.was_kept(read(1, "a")));
}

}  // namespace
}  // namespace loco::cluster
