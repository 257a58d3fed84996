#include "kubernetes/watch_decoder.hpp"

#include <gtest/gtest.h>

namespace loco::kubernetes {
namespace {

std::string line(const std::string& type, const std::string& version) {
    return R"({"type":")" + type + R"(","object":{"metadata":{"name":"a","resourceVersion":")" +
           version + "\"}}}\n";
}
// Types as digits and versions, in their order: "0:1 3:2".
std::string seen_in(const std::string& stream, std::size_t piece, std::size_t bound = 4096) {
    WatchDecoder decoder(bound);
    std::string seen;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
        const auto fed =
            decoder.feed(std::string_view(stream).substr(at, piece), [&](const WatchEvent& event) {
                seen += (seen.empty() ? "" : " ") + std::to_string(static_cast<int>(event.type)) +
                        ":" + resource_version_of(event.object);
            });
        if (!fed) return seen + " error: " + std::string(fed.error().code_or_kind());
    }
    return seen;
}

TEST(WatchDecoder, events_come_out_the_same_however_the_stream_is_cut) {
    const auto stream = line("ADDED", "1") + line("MODIFIED", "2") + "\n" + line("DELETED", "3") +
                        line("BOOKMARK", "4");
    for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
        EXPECT_EQ(seen_in(stream, piece), "0:1 1:2 2:3 3:4") << piece;
    }
}

TEST(WatchDecoder, a_half_event_at_the_end_is_none) {
    EXPECT_EQ(seen_in(line("ADDED", "1") + R"({"type":"ADDED","obj)", 7), "0:1");
}

TEST(WatchDecoder, an_error_needs_no_version) {
    EXPECT_EQ(seen_in("{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410}}\n", 100),
              "4:");
}

TEST(WatchDecoder, what_is_no_event_is_an_error) {
    for (const std::string text :
         {"no json\n", "[]\n", "{}\n", "{\"type\":\"OTHER\",\"object\":{}}\n",
          "{\"type\":\"ADDED\"}\n", "{\"type\":\"ADDED\",\"object\":3}\n"}) {
        EXPECT_EQ(seen_in(line("ADDED", "1") + text, 1000), "0:1 error: invalid") << text;
    }
}

TEST(WatchDecoder, an_event_beyond_the_bound_is_an_error_also_without_an_end) {
    EXPECT_EQ(seen_in(std::string(5000, 'x'), 100), " error: too_large");
    EXPECT_EQ(seen_in(std::string(5000, 'x') + "\n", 10'000), " error: too_large");
}

}  // namespace
}  // namespace loco::kubernetes
