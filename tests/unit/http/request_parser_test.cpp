#include "http/request_parser.hpp"

#include <gtest/gtest.h>

namespace loco::http {
namespace {

// Shows the body as it would arrive: byte by byte, what was not taken again and again.
void show_byte_by_byte(RequestParser& parser, std::string_view body) {
    std::size_t begin = 0;
    for (std::size_t end = 1; end <= body.size() && !parser.is_complete(); ++end) {
        const auto progress = parser.put_body(body.substr(begin, end - begin));
        ASSERT_FALSE(progress.refusal) << progress.refusal->detail;
        begin += progress.taken;
    }
}

constexpr std::string_view kChunkedHead =
    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";

TEST(RequestParser, takes_chunked_bodies_byte_by_byte) {
    for (const std::string_view body : {"0\r\n\r\n", "0\r\nA: b\r\n\r\n", "1\r\na\r\n0\r\n\r\n",
                                        "2;x=y\r\nab\r\n3\r\ncde\r\n0;z\r\nA: b\r\n\r\n"}) {
        RequestParser parser(100);
        ASSERT_FALSE(parser.put_head(kChunkedHead));
        show_byte_by_byte(parser, body);
        EXPECT_TRUE(parser.is_complete()) << body;
    }
}

TEST(RequestParser, takes_a_body_of_known_length_byte_by_byte) {
    RequestParser parser(100);
    ASSERT_FALSE(parser.put_head("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n"));
    show_byte_by_byte(parser, "ab");
    EXPECT_TRUE(parser.is_complete());
    EXPECT_EQ(parser.request().body, "ab");
}

}  // namespace
}  // namespace loco::http
