#include "base/id.hpp"

#include <gtest/gtest.h>

namespace loco {
namespace {

TEST(Id, SortsByTheTimeItWasMade) {
    SeededRandom random(1);
    std::string last;
    for (std::int64_t ms = 0; ms < 5'000'000'000'000; ms += 99'999'999'999) {
        auto id = make_id("app_", from_unix_ms(ms), random);
        EXPECT_TRUE(is_id("app_", id)) << id;
        EXPECT_LT(last, id);
        last = std::move(id);
    }
}

TEST(Id, OfAnotherKindOrMalformedIsNone) {
    SeededRandom random(1);
    const auto id = make_id("app_", from_unix_ms(1), random);
    EXPECT_FALSE(is_id("dep_", id));
    EXPECT_FALSE(is_id("app_", id + "0"));
    EXPECT_FALSE(is_id("app_", "app_" + std::string(26, 'u')));
    EXPECT_FALSE(is_id("app_", ""));
}

}  // namespace
}  // namespace loco
