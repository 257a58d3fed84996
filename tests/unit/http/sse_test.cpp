#include "http/sse.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace loco::http {
namespace {

std::string show(const SseEvent& e) { return e.id + "|" + e.event + "|" + e.data; }

std::vector<std::string> parse(std::string_view text, std::size_t piece = 1U << 20) {
    std::vector<std::string> events;
    SseParser parser([&](const SseEvent& e) { events.push_back(show(e)); });
    while (!text.empty()) {
        EXPECT_TRUE(parser.feed(text.substr(0, piece)));
        text.remove_prefix(std::min(piece, text.size()));
    }
    return events;
}

using Events = std::vector<std::string>;

TEST(Sse, formats_id_event_and_data_lines) {
    EXPECT_EQ(format_sse({.id = "7", .event = "step", .data = "a\nb"}),
              "id: 7\nevent: step\ndata: a\ndata: b\n\n");
    EXPECT_EQ(format_sse({.data = ""}), "data: \n\n");
    EXPECT_EQ(format_sse({.id = "a\nb", .event = "c\r\nd", .data = "e\r\nf\rg"}),
              "id: ab\nevent: cd\ndata: e\ndata: f\ndata: g\n\n");
}

TEST(Sse, parses_what_the_standard_shows) {
    EXPECT_EQ(parse("data: YHOO\ndata: +2\ndata: 10\n\n"), (Events{"||YHOO\n+2\n10"}));
    EXPECT_EQ(parse(": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  "
                    "third event\n\n"),
              (Events{"1||first event", "||second event", "|| third event"}));
    EXPECT_EQ(parse("data\n\ndata\ndata\n\ndata:"), (Events{"||", "||\n"}));
    EXPECT_EQ(parse("\xEF\xBB\xBF"
                    "data: x\n\n"),
              (Events{"||x"}));
}

TEST(Sse, takes_every_line_end_in_pieces_of_any_size) {
    const std::string text =
        "id: 1\r\nevent: e\rdata: a\ndata: b\r\n\r\nid: 2\rdata: c\r\r: comment\r\n\n";
    const Events expected{"1|e|a\nb", "2||c"};
    for (std::size_t piece = 1; piece <= text.size(); ++piece)
        EXPECT_EQ(parse(text, piece), expected) << piece;
}

TEST(Sse, an_event_without_data_is_none_but_its_id_counts) {
    SseParser parser([](const SseEvent&) { ADD_FAILURE(); });
    ASSERT_TRUE(parser.feed("id: 5\nevent: x\n\nretry: 250\nretry: 1x\n\n"));
    EXPECT_EQ(parser.last_event_id(), "5");
    EXPECT_EQ(parser.retry(), std::chrono::milliseconds(250));
}

TEST(Sse, bounds_lines_and_events) {
    SseParser line([](const SseEvent&) {}, {.max_line = 10, .max_event = 100});
    ASSERT_TRUE(line.feed("data: 1234"));
    const auto too_long = line.feed("5");
    ASSERT_FALSE(too_long);
    EXPECT_EQ(too_long.error().kind, ErrorKind::too_large);
    SseParser event([](const SseEvent&) {}, {.max_line = 100, .max_event = 10});
    ASSERT_TRUE(event.feed("data: 1234\n"));
    EXPECT_FALSE(event.feed("data: 123456\n"));
}

TEST(Sse, what_was_formatted_is_parsed_to_the_same) {
    rc::check([](std::string id, std::string name, std::string data) {
        const auto clean = [](std::string s, std::string_view without) {
            std::erase_if(s, [&](char c) { return without.find(c) != std::string_view::npos; });
            return s;
        };
        using namespace std::string_view_literals;
        const SseEvent event{.id = clean(id, "\r\n\0"sv),
                             .event = clean(name, "\r\n\0"sv),
                             .data = clean(data, "\r")};
        RC_ASSERT(parse(format_sse(event), 3) == Events{show(event)});
    });
}

}  // namespace
}  // namespace loco::http
