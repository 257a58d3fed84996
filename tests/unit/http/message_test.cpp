#include "http/message.hpp"

#include <gtest/gtest.h>

namespace loco::http {
namespace {

TEST(Headers, are_found_without_regard_to_case) {
    Headers headers;
    headers.add("Content-Type", "text/plain");
    EXPECT_EQ(headers.get("content-type"), "text/plain");
    EXPECT_TRUE(headers.has("CONTENT-TYPE"));
    EXPECT_EQ(headers.get("accept"), "");
    EXPECT_FALSE(headers.has("accept"));
}

TEST(Headers, set_replaces_all_of_a_name_and_add_keeps_them) {
    Headers headers;
    headers.add("X-A", "1");
    headers.add("x-a", "2");
    EXPECT_EQ(headers.count("X-A"), 2U);
    EXPECT_EQ(headers.get("X-A"), "1");
    headers.set("x-A", "3");
    EXPECT_EQ(headers.count("X-A"), 1U);
    EXPECT_EQ(headers.get("X-A"), "3");
}

TEST(PercentEncoding, round_trips_every_byte) {
    std::string all;
    for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
    const auto encoded = percent_encode(all);
    EXPECT_EQ(encoded.find(' '), std::string::npos);
    EXPECT_EQ(percent_decode(encoded), all);
    EXPECT_EQ(percent_encode("a b/ü~"), "a%20b%2F%C3%BC~");
}

TEST(PercentEncoding, refuses_what_is_malformed) {
    for (const auto* text : {"%", "%4", "%zz", "a%2", "%-1", "% 1"}) {
        EXPECT_EQ(percent_decode(text), std::nullopt) << text;
    }
    EXPECT_EQ(percent_decode("+"), "+");
}

TEST(Query, is_decoded_and_the_first_of_a_name_counts) {
    const auto query = parse_query("a=1&b=x+y%2B&a=2&flag&=v&&c=");
    ASSERT_TRUE(query);
    EXPECT_EQ(query->at("a"), "1");
    EXPECT_EQ(query->at("b"), "x y+");
    EXPECT_EQ(query->at("flag"), "");
    EXPECT_EQ(query->at(""), "v");
    EXPECT_EQ(query->at("c"), "");
    EXPECT_EQ(query->size(), 5U);
    EXPECT_TRUE(parse_query("")->empty());
    EXPECT_EQ(parse_query("a=%"), std::nullopt);
    EXPECT_EQ(parse_query("%g=1"), std::nullopt);
}

TEST(Path, is_decoded_segment_by_segment) {
    EXPECT_EQ(parse_path("/"), "/");
    EXPECT_EQ(parse_path("/a/b%20c/"), "/a/b c/");
    EXPECT_EQ(parse_path("/a+b"), "/a+b");
    EXPECT_EQ(parse_path("/..."), "/...");
}

TEST(Path, that_could_escape_or_mislead_is_refused) {
    for (const auto* text : {"", "a", "*", "http://x/", "/..", "/a/../b", "/%2e%2e/b", "/.",
                             "/a/./b", "/a%2fb", "/a%00", "/a%0d%0a", "/%", "/%7f", "/a/.%2E"}) {
        EXPECT_EQ(parse_path(text), std::nullopt) << text;
    }
}

}  // namespace
}  // namespace loco::http
