// Which addresses instances get: every team has a subnet of its own out of one configured range, every instance an
// address in it that Loco assigns and keeps reserved until its row goes. Pure.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace loco {

inline constexpr int kTeamPrefix = 22;                                     // 1021 instances a team
inline constexpr std::string_view kDefaultNetworkRange = "10.208.0.0/12";  // 1024 teams

// An IPv4 subnet. Its first address is the gateway's, the ones after it are instances'.
struct Subnet {
    std::uint32_t base = 0;  // host byte order; host bits are 0
    int prefix = 0;

    [[nodiscard]] std::string text() const;     // "10.208.4.0/22"
    [[nodiscard]] std::string gateway() const;  // "10.208.4.1"
    [[nodiscard]] std::uint32_t size() const { return std::uint32_t{1} << (32 - prefix); }
    [[nodiscard]] bool contains(std::string_view address) const;
    bool operator==(const Subnet&) const = default;
};

// Any IPv4 network. invalid when it is none, or has host bits.
[[nodiscard]] Result<Subnet> parse_subnet(std::string_view text);

// "10.208.0.0/12". invalid when it is no network, has host bits, or is smaller than one team's.
[[nodiscard]] Result<Subnet> parse_network_range(std::string_view text);

// The subnet of the team with that number (Team::number). refused when the range has no more.
[[nodiscard]] Result<Subnet> team_subnet(const Subnet& range, int team_number);

// The next address that is not taken, going on behind `after` (empty: from the start) and around, so that one
// that was freed is not given again at once. refused when all are taken.
[[nodiscard]] Result<std::string> next_address(const Subnet& subnet,
                                               const std::set<std::string>& taken,
                                               std::string_view after);

}  // namespace loco
