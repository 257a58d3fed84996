#include "runtime/log_collector/log_follower.hpp"

#include <gtest/gtest.h>

namespace loco::runtime {
namespace {

std::string frame(char stream, const std::string& text) {
    std::string out{stream, 0, 0, 0};
    const auto size = text.size();
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>((size >> shift) & 255U);
    return out + text;
}
std::string at(int ns) {
    return to_rfc3339_nano(
        Time(std::chrono::seconds(1'700'000'000) + std::chrono::nanoseconds(ns)));
}
std::string line(char stream, int ns, const std::string& text) {
    return frame(stream, at(ns) + " " + text);
}
Time time(int ns) {
    return Time(std::chrono::seconds(1'700'000'000) + std::chrono::nanoseconds(ns));
}

struct Cut {
    std::vector<RawLine> lines;
    LineCutter cutter{[this](RawLine raw) { lines.push_back(std::move(raw)); }};
};

TEST(LineCutter, gives_each_line_with_its_stream_and_the_engine_s_time) {
    Cut cut;
    ASSERT_TRUE(cut.cutter.feed(line(1, 5, "a b\n") + line(2, 6, "\n") + line(1, 7, "tail\r\n")));
    ASSERT_EQ(cut.lines.size(), 3U);
    EXPECT_EQ(cut.lines[0].text, "a b");
    EXPECT_EQ(cut.lines[0].at, time(5));
    EXPECT_EQ(cut.lines[0].stream, LogStream::out);
    EXPECT_EQ(cut.lines[1].text, "");
    EXPECT_EQ(cut.lines[1].stream, LogStream::err);
    EXPECT_EQ(cut.lines[2].text, "tail\r");
}

TEST(LineCutter, does_not_care_how_the_bytes_come) {
    const std::string bytes = line(1, 1, "one\n") + line(2, 2, "two\n") + line(1, 3, "three\n");
    for (std::size_t step = 1; step < bytes.size(); ++step) {
        Cut cut;
        for (std::size_t i = 0; i < bytes.size(); i += step) {
            ASSERT_TRUE(cut.cutter.feed(std::string_view(bytes).substr(i, step)));
        }
        ASSERT_EQ(cut.lines.size(), 3U) << step;
        EXPECT_EQ(cut.lines[2].text, "three");
    }
}

TEST(LineCutter, joins_the_pieces_in_which_the_engine_gives_a_long_line) {
    Cut cut;
    ASSERT_TRUE(cut.cutter.feed(line(1, 1, std::string(16384, 'a'))));
    ASSERT_TRUE(cut.cutter.feed(line(2, 2, "between\n")));
    ASSERT_TRUE(cut.cutter.feed(line(1, 1, "end\n")));
    ASSERT_EQ(cut.lines.size(), 2U);
    EXPECT_EQ(cut.lines[0].text, "between");
    EXPECT_EQ(cut.lines[1].text, std::string(16384, 'a') + "end");
    EXPECT_EQ(cut.lines[1].at, time(1));
}

TEST(LineCutter, cuts_an_endless_line_into_pieces_of_64_KiB) {
    Cut cut;
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(cut.cutter.feed(line(1, 1, std::string(16384, 'a'))));
    cut.cutter.finish();
    ASSERT_EQ(cut.lines.size(), 3U);
    EXPECT_EQ(cut.lines[0].text.size(), kMaxLineBytes);
    EXPECT_EQ(cut.lines[1].text.size(), kMaxLineBytes);
    EXPECT_EQ(cut.lines[2].text.size(), 10 * 16384 - 2 * kMaxLineBytes);
}

TEST(LineCutter, gives_what_has_no_line_feed_at_the_end) {
    Cut cut;
    ASSERT_TRUE(cut.cutter.feed(line(1, 1, "no end")));
    EXPECT_TRUE(cut.lines.empty());
    cut.cutter.finish();
    ASSERT_EQ(cut.lines.size(), 1U);
    EXPECT_EQ(cut.lines[0].text, "no end");
    cut.cutter.finish();
    EXPECT_EQ(cut.lines.size(), 1U);
}

TEST(LineCutter, refuses_what_is_no_log) {
    Cut cut;
    EXPECT_FALSE(cut.cutter.feed("plain text of a terminal"));
    Cut other;
    EXPECT_FALSE(other.cutter.feed(frame(1, "no time here\n")));
}

LogLine kept(int ns, const std::string& text, LogStream stream = LogStream::out) {
    LogLine result;
    result.at = time(ns);
    result.text = text;
    result.stream = stream;
    return result;
}

TEST(Resume, leaves_out_each_kept_line_once_and_takes_the_others) {
    Resume resume({kept(10, "a"), kept(20, "b"), kept(20, "b"), kept(30, "c")});
    EXPECT_TRUE(resume.was_kept({LogStream::out, time(10), "a"}));
    EXPECT_FALSE(resume.was_kept({LogStream::err, time(10), "a"}));
    EXPECT_TRUE(resume.was_kept({LogStream::out, time(20), "b"}));
    EXPECT_TRUE(resume.was_kept({LogStream::out, time(20), "b"}));
    EXPECT_FALSE(resume.was_kept({LogStream::out, time(20), "b"}));
    // Written before the newest but not kept: the streams are not in order.
    EXPECT_FALSE(resume.was_kept({LogStream::err, time(25), "late"}));
    EXPECT_TRUE(resume.was_kept({LogStream::out, time(30), "c"}));
    EXPECT_FALSE(resume.was_kept({LogStream::out, time(31), "c"}));
}

TEST(Resume, begins_a_little_before_the_newest_line) {
    Resume resume({kept(10, "a"), kept(30, "c")});
    EXPECT_EQ(resume.since(), time(30) - Resume::kOverlap);
    EXPECT_EQ(Resume().since(), std::nullopt);
    EXPECT_EQ(Resume(std::vector<LogLine>{}).since(), std::nullopt);
}

TEST(Resume, begins_no_earlier_than_what_it_knows) {
    std::vector<LogLine> lines;
    for (int i = 0; i < Resume::kLines; ++i) lines.push_back(kept(100'000 * i, "x"));
    EXPECT_EQ(Resume(lines).since(), time(10'000'000));
    for (int i = 0; i < Resume::kLines; ++i) lines[static_cast<std::size_t>(i)].at = time(i);
    EXPECT_EQ(Resume(lines).since(), time(Resume::kLines - 1));
}

RawLine line(int ms, const std::string& text) {
    return {LogStream::out, time(0) + std::chrono::milliseconds(ms), text};
}

TEST(Repeats, leaves_out_the_part_of_a_file_that_is_sent_a_second_time_and_nothing_after_it) {
    Repeats repeats;
    for (int i = 0; i < 1000; ++i) EXPECT_FALSE(repeats.was_read(line(i, "x")));
    for (int i = 300; i < 1000; ++i) EXPECT_TRUE(repeats.was_read(line(i, "x"))) << i;
    for (int i = 1000; i < 1100; ++i) EXPECT_FALSE(repeats.was_read(line(i, "x")));
    for (int i = 900; i < 1100; ++i) EXPECT_TRUE(repeats.was_read(line(i, "x"))) << i;
    EXPECT_FALSE(repeats.was_read(line(1100, "x")));
}

TEST(Repeats, keeps_what_two_streams_write_a_little_out_of_order) {
    Repeats repeats;
    EXPECT_FALSE(repeats.was_read(line(100, "a")));
    EXPECT_FALSE(repeats.was_read(line(95, "b")));
    EXPECT_FALSE(repeats.was_read(line(50, "c")));
    EXPECT_FALSE(repeats.was_read(line(101, "a")));
    EXPECT_FALSE(repeats.was_read(line(101, "a"))) << "two lines of one nanosecond";
}

TEST(Repeats, keeps_every_line_after_the_clock_was_set_back) {
    Repeats repeats;
    constexpr int kHour = 3'600'000;
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(repeats.was_read(line(kHour + i, "x")));
    for (int i = 0; i < 100; ++i) EXPECT_FALSE(repeats.was_read(line(i, "x")));
}

TEST(Repeats, knows_as_many_of_the_shortest_lines_as_a_file_holds) {
    Repeats repeats;
    const int lines = static_cast<int>(Repeats::kLines) + 1000;
    for (int i = 0; i < lines; ++i) EXPECT_FALSE(repeats.was_read(line(i, "x")));
    int again = 0;
    for (int i = 1000; i < lines; ++i) again += repeats.was_read(line(i, "x")) ? 1 : 0;
    EXPECT_EQ(again, static_cast<int>(Repeats::kLines));
}

}  // namespace
}  // namespace loco::runtime
