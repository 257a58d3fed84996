#include "domain/network.hpp"

#include <gtest/gtest.h>

namespace loco {
namespace {

const Subnet kRange = *parse_network_range(kDefaultNetworkRange);

TEST(Network, EveryTeamHasItsOwnSubnet) {
    EXPECT_EQ(team_subnet(kRange, 0)->text(), "10.208.0.0/22");
    EXPECT_EQ(team_subnet(kRange, 0)->gateway(), "10.208.0.1");
    EXPECT_EQ(team_subnet(kRange, 1)->text(), "10.208.4.0/22");
    EXPECT_EQ(team_subnet(kRange, 64)->text(), "10.209.0.0/22");
    EXPECT_EQ(team_subnet(kRange, 1023)->text(), "10.223.252.0/22");
    for (const int number : {-1, 1024, 1 << 30}) {
        const auto none = team_subnet(kRange, number);
        ASSERT_FALSE(none);
        EXPECT_EQ(none.error().code, "network_range_full");
        EXPECT_EQ(none.error().kind, ErrorKind::refused);
    }
    EXPECT_FALSE(team_subnet(*parse_network_range("10.0.0.0/22"), 1));
}

TEST(Network, OnlyNetworksThatHoldATeamAreRanges) {
    for (const auto* text : {"10.208.0.0/12", "10.0.0.0/8", "192.168.0.0/22"})
        EXPECT_TRUE(parse_network_range(text)) << text;
    for (const auto* text :
         {"", "10.208.0.0", "10.208.0.0/23", "10.208.0.0/7", "10.208.0.1/12", "10.208.0/12",
          "10.208.0.0.0/12", "256.0.0.0/12", "10.208.0.0/", "10.208.0.0/012", "01.0.0.0/8",
          "a.b.c.d/12", "10.208.0.0/-1", " 10.208.0.0/12"}) {
        EXPECT_FALSE(parse_network_range(text)) << text;
    }
}

TEST(Network, AddressesGoRoundSoThatAFreedOneRests) {
    const auto subnet = *team_subnet(kRange, 0);
    EXPECT_EQ(next_address(subnet, {}, ""), "10.208.0.2");
    EXPECT_EQ(next_address(subnet, {}, "10.208.0.2"), "10.208.0.3");
    EXPECT_EQ(next_address(subnet, {"10.208.0.3"}, "10.208.0.2"), "10.208.0.4");
    EXPECT_EQ(next_address(subnet, {}, "10.208.0.255"), "10.208.1.0");
    EXPECT_EQ(next_address(subnet, {}, "10.208.3.253"), "10.208.3.254");
    EXPECT_EQ(next_address(subnet, {}, "10.208.3.254"), "10.208.0.2");
    EXPECT_EQ(next_address(subnet, {}, "10.99.0.1"), "10.208.0.2");
}

TEST(Network, AFullSubnetIsRefusedAndItsLastAddressIsFound) {
    const auto subnet = *team_subnet(kRange, 3);
    std::set<std::string> taken;
    std::string last;
    for (int i = 0; i < 1021; ++i) {
        const auto address = next_address(subnet, taken, last);
        ASSERT_TRUE(address) << i;
        EXPECT_TRUE(subnet.contains(*address));
        EXPECT_NE(*address, subnet.gateway());
        EXPECT_TRUE(taken.insert(*address).second);
        last = *address;
    }
    const auto none = next_address(subnet, taken, last);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, "team_network_full");
    EXPECT_EQ(none.error().kind, ErrorKind::refused);
    taken.erase("10.208.13.77");
    EXPECT_EQ(next_address(subnet, taken, last), "10.208.13.77");
}

}  // namespace
}  // namespace loco
