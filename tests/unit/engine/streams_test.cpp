#include "engine/streams.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace loco::engine {
namespace {

std::string frame(int stream, std::string_view data) {
    std::string result(8, '\0');
    result[0] = static_cast<char>(stream);
    for (int i = 0; i < 4; ++i) {
        result[static_cast<std::size_t>(4 + i)] = static_cast<char>(data.size() >> (24 - 8 * i));
    }
    return result.append(data);
}

TEST(FrameDemuxer, gives_each_stream_its_bytes_however_they_are_cut) {
    const std::string wire = frame(1, "hello\n") + frame(2, "oops\n") + frame(1, "") +
                             frame(1, std::string(70'000, 'x'));
    for (const std::size_t step : {1UL, 3UL, 8UL, 9UL, 4096UL, wire.size()}) {
        std::string out;
        std::string err;
        FrameDemuxer demuxer([&](Stream stream, std::string_view data) {
            (stream == Stream::out ? out : err) += data;
        });
        for (std::size_t at = 0; at < wire.size(); at += step) {
            ASSERT_TRUE(demuxer.feed(std::string_view(wire).substr(at, step)));
        }
        EXPECT_EQ(out, "hello\n" + std::string(70'000, 'x')) << step;
        EXPECT_EQ(err, "oops\n") << step;
        EXPECT_TRUE(demuxer.complete());
    }
}

TEST(FrameDemuxer, knows_that_a_stream_was_cut_inside_a_frame) {
    FrameDemuxer demuxer([](Stream, std::string_view) {});
    ASSERT_TRUE(demuxer.feed(frame(1, "abc").substr(0, 10)));
    EXPECT_FALSE(demuxer.complete());
    ASSERT_TRUE(demuxer.feed("c"));
    EXPECT_TRUE(demuxer.complete());
    ASSERT_TRUE(demuxer.feed(std::string_view("\1\0", 2)));
    EXPECT_FALSE(demuxer.complete());
}

TEST(FrameDemuxer, refuses_raw_bytes_unknown_streams_and_absurd_lengths_and_stays_refusing) {
    const std::vector<std::string> bad = {
        "raw terminal output\n", frame(3, "x"), std::string("\1\1\0\0\0\0\0\1x", 9),
        std::string("\1\0\0\0\x7f\xff\xff\xff", 8), std::string("\1\0\0\0\xff\xff\xff\xff", 8)};
    for (const auto& bytes : bad) {
        std::size_t given = 0;
        FrameDemuxer demuxer([&](Stream, std::string_view data) { given += data.size(); });
        EXPECT_FALSE(demuxer.feed(bytes));
        EXPECT_FALSE(demuxer.feed(frame(1, "fine")));
        EXPECT_EQ(given, 0U);
    }
}

TEST(LineReader, joins_pieces_drops_carriage_returns_and_bounds_a_line) {
    std::vector<std::string> lines;
    const auto sink = [&](std::string_view line) -> Result<> {
        lines.emplace_back(line);
        return {};
    };
    LineReader reader;
    ASSERT_TRUE(reader.feed("a", sink));
    ASSERT_TRUE(reader.feed("b\r\n\n\r\nc", sink));
    ASSERT_TRUE(reader.finish(sink));
    EXPECT_EQ(lines, (std::vector<std::string>{"ab", "c"}));
    auto too_long = reader.feed(std::string(LineReader::kMaxLine + 1, 'x'), sink);
    ASSERT_FALSE(too_long);
    EXPECT_EQ(too_long.error().kind, ErrorKind::too_large);
}

TEST(EventReader, reads_a_death_with_its_exit_code_and_labels) {
    std::vector<Event> events;
    EventReader reader([&](const Event& event) { events.push_back(event); });
    const std::string line =
        R"({"status":"die","id":"abc","from":"img","Type":"container","Action":"die","Actor":)"
        R"({"ID":"abc","Attributes":{"exitCode":"137","image":"img","loco.dev/app":"shop",)"
        R"("name":"x"}},"scope":"local","time":1700000000,"timeNano":1700000000123456789})"
        "\n";
    ASSERT_TRUE(reader.feed(line.substr(0, 40)));
    EXPECT_TRUE(events.empty());
    ASSERT_TRUE(reader.feed(line.substr(40)));
    ASSERT_EQ(events.size(), 1U);
    EXPECT_EQ(events[0].type, "container");
    EXPECT_EQ(events[0].action, "die");
    EXPECT_EQ(events[0].actor, "abc");
    EXPECT_EQ(events[0].attributes.at("exitCode"), "137");
    EXPECT_EQ(events[0].attributes.at("loco.dev/app"), "shop");
    EXPECT_EQ(events[0].at.time_since_epoch().count(), 1700000000123456789);
    EXPECT_FALSE(reader.feed("no json\n"));
    EXPECT_FALSE(reader.feed("{}\n"));
}

// Taken from Docker 20.10 pushing to distribution 2.8.
constexpr std::string_view kPush =
    "{\"status\":\"The push refers to repository [127.0.0.1:5000/app]\"}\r\n"
    "{\"status\":\"Preparing\",\"progressDetail\":{},\"id\":\"16b5ba5e7e1c\"}\r\n"
    "{\"status\":\"Pushing\",\"progressDetail\":{\"current\":512,\"total\":1024},"
    "\"progress\":\"[==> ]\",\"id\":\"16b5ba5e7e1c\"}\r\n"
    "{\"status\":\"Pushed\",\"progressDetail\":{},\"id\":\"16b5ba5e7e1c\"}\r\n"
    "{\"status\":\"t1: digest: sha256:ab size: 528\"}\r\n"
    "{\"progressDetail\":{},\"aux\":{\"Tag\":\"t1\",\"Digest\":\"sha256:ab\",\"Size\":528}}\r\n";

TEST(TransferReader, tells_the_progress_of_layers_and_takes_the_digest_from_aux) {
    std::vector<TransferProgress> seen;
    TransferReader reader([&](const TransferProgress& p) { seen.push_back(p); });
    for (const char c : kPush) ASSERT_TRUE(reader.feed({&c, 1}));
    auto result = reader.finish();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->digest, "sha256:ab");
    EXPECT_EQ(result->tag, "t1");
    EXPECT_EQ(result->manifest_bytes, 528);
    ASSERT_EQ(seen.size(), 5U);
    EXPECT_EQ(seen[2].layer, "16b5ba5e7e1c");
    EXPECT_EQ(seen[2].current, 512);
    EXPECT_EQ(seen[2].total, 1024);
}

TEST(TransferReader, finds_the_failure_inside_a_stream_that_began_well) {
    struct Case {
        std::string_view message;
        ErrorKind kind;
    };
    for (const auto& [message, kind] :
         {Case{"unauthorized: authentication required", ErrorKind::forbidden},
          Case{"denied: requested access to the resource is denied", ErrorKind::forbidden},
          Case{"manifest for app:x not found: manifest unknown", ErrorKind::not_found},
          Case{"Get \\\"http://127.0.0.1:1/v2/\\\": dial tcp: connect: connection refused",
               ErrorKind::unavailable}}) {
        TransferReader reader({});
        const std::string line = "{\"errorDetail\":{\"message\":\"" + std::string(message) +
                                 "\"},\"error\":\"" + std::string(message) + "\"}";
        ASSERT_TRUE(reader.feed("{\"status\":\"The push refers to\"}\r\n" + line));
        auto result = reader.finish();
        ASSERT_FALSE(result) << message;
        EXPECT_EQ(result.error().kind, kind) << result.error().message;
    }
}

}  // namespace
}  // namespace loco::engine
