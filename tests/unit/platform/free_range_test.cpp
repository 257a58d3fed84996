#include "platform/free_range.hpp"

#include <gtest/gtest.h>

namespace loco::platform {
namespace {

TEST(FreeRange, IsOneThatNothingUses) {
    SeededRandom random(7);
    std::vector<Subnet> used;
    // Each that is given is taken from then on: all of them can be had, none twice.
    for (int i = 0; i < 192; ++i) {
        const auto range = free_range(used, random);
        ASSERT_TRUE(range) << i;
        const auto subnet = parse_network_range(*range);
        ASSERT_TRUE(subnet) << *range;
        for (const auto& other : used) EXPECT_NE(other.base, subnet->base);
        used.push_back(*subnet);
    }
    const auto none = free_range(used, random);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, "no_free_range");
}

TEST(FreeRange, IsNotWithinALargerNetworkNorAroundASmallerOne) {
    SeededRandom random(7);
    // All but 10.77.0.0/16, in networks of many sizes.
    std::vector<Subnet> used{*parse_subnet("10.128.0.0/9"), *parse_subnet("10.96.0.0/11"),
                             *parse_subnet("10.80.0.0/12"), *parse_subnet("10.64.0.0/13"),
                             *parse_subnet("10.72.0.0/14"), *parse_subnet("10.76.3.0/24"),
                             *parse_subnet("10.78.0.0/15")};
    EXPECT_EQ(free_range(used, random).value_or(""), "10.77.0.0/16");
}

TEST(FreeRange, RoutesAreReadAsTheKernelWritesThem) {
    const auto routes = parse_routes(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "tun0\t0000400A\t00000000\t0001\t0\t0\t0\t0000C0FF\t0\t0\t0\n"
        "garbage\n");
    ASSERT_EQ(routes.size(), 2U);
    EXPECT_EQ(routes[0].text(), "192.168.0.0/24");
    EXPECT_EQ(routes[1].text(), "10.64.0.0/10");
}

}  // namespace
}  // namespace loco::platform
