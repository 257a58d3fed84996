#include "base/clock.hpp"

#include <gtest/gtest.h>

namespace loco {
namespace {

TEST(Clock, TextOfATimeReadsBackAsTheSameTime) {
    for (const auto* text :
         {"2026-11-23T16:00:00.123Z", "1970-01-01T00:00:00.000Z", "2024-02-29T23:59:59.999Z"}) {
        const auto time = parse_rfc3339(text);
        ASSERT_TRUE(time) << text;
        EXPECT_EQ(to_rfc3339(*time), text);
    }
}

TEST(Clock, OffsetsAreBroughtToUtc) {
    EXPECT_EQ(to_rfc3339(*parse_rfc3339("2026-01-01T01:30:00+02:00")), "2025-12-31T23:30:00.000Z");
}

TEST(Clock, WhatIsNoRfc3339TimeIsRefused) {
    for (const auto* text : {"", "2026-11-23", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
                             "2026-11-23T24:00:00Z", "2026-11-23T16:00:00", "2026-11-23T16:00:00.Z",
                             "2026-11-23T16:00:00Zx", "-026-11-23T16:00:00Z"}) {
        EXPECT_FALSE(parse_rfc3339(text)) << text;
    }
}

TEST(Clock, WhatNanosecondsCannotCountToIsRefused) {
    for (const auto* text : {"0001-01-01T00:00:00Z", "1677-12-31T23:59:59Z", "2262-01-01T00:00:00Z",
                             "9256-11-23T16:00:00.123456789Z"}) {
        EXPECT_FALSE(parse_rfc3339(text)) << text;
    }
    for (const auto* text : {"1678-01-01T00:00:00+23:59", "2261-12-31T23:59:60-23:59"}) {
        EXPECT_TRUE(parse_rfc3339(text)) << text;
    }
}

}  // namespace
}  // namespace loco
