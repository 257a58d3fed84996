#include "cluster/kubernetes/quantity.hpp"

#include <gtest/gtest.h>

#include <string>

namespace loco::cluster {
namespace {

TEST(Quantity, the_same_amount_is_the_same_however_it_is_written) {
    const std::pair<std::string, std::string> same[] = {
        {"0.25", "250m"},       {"1", "1000m"},  {"1Gi", "1024Mi"},  {"1.5Gi", "1536Mi"},
        {"1e3", "1k"},          {"1E", "1000P"}, {"12e-1", "1200m"}, {"+5", "5"},
        {"256Mi", "268435456"}, {"0", "0m"},     {"-1", "-1000m"},   {"100n", "0.1u"},
    };
    for (const auto& [a, b] : same) {
        ASSERT_TRUE(parse_quantity(a)) << a;
        EXPECT_TRUE(parse_quantity(a) == parse_quantity(b)) << a << " " << b;
    }
    EXPECT_FALSE(parse_quantity("1Mi") == parse_quantity("1M"));
}

TEST(Quantity, what_is_none_is_none) {
    for (const auto* text : {"", "m", "1x", "1.2.3", "1 Gi", "e3", "1e99", "99999999999999999999",
                             "9223372036854775807Ei", "--1", "0x10"}) {
        EXPECT_FALSE(parse_quantity(text)) << text;
        EXPECT_EQ(to_whole(text), 0) << text;
    }
}

TEST(Quantity, parts_are_rounded_up) {
    EXPECT_EQ(to_millis("250m"), 250);
    EXPECT_EQ(to_millis("1.0001"), 1001);
    EXPECT_EQ(to_millis("12345678n"), 13);
    EXPECT_EQ(to_whole("1Ki"), 1024);
    EXPECT_EQ(to_whole("1500m"), 2);
    EXPECT_EQ(to_whole("8Ei"), 0) << "one more than fits";
    EXPECT_EQ(to_whole("7Ei"), 7LL << 60);
}

}  // namespace
}  // namespace loco::cluster
