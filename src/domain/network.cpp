#include "domain/network.hpp"

#include <charconv>
#include <optional>

namespace loco {
namespace {

std::optional<std::uint32_t> parse_number(std::string_view text, std::uint32_t most) {
    if (text.empty() || text.size() > 10 || (text.size() > 1 && text[0] == '0'))
        return std::nullopt;
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value > most)
        return std::nullopt;
    return value;
}

std::optional<std::uint32_t> parse_address(std::string_view text) {
    std::uint32_t address = 0;
    for (int i = 0; i < 4; ++i) {
        const auto dot = i < 3 ? text.find('.') : text.size();
        if (dot == std::string_view::npos) return std::nullopt;
        const auto byte = parse_number(text.substr(0, dot), 255);
        if (!byte) return std::nullopt;
        address = address << 8 | *byte;
        text.remove_prefix(i < 3 ? dot + 1 : dot);
    }
    return address;
}

std::string address_text(std::uint32_t address) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) {
        out += std::to_string(address >> shift & 255);
        if (shift > 0) out += '.';
    }
    return out;
}

}  // namespace

std::string Subnet::text() const { return address_text(base) + '/' + std::to_string(prefix); }

std::string Subnet::gateway() const { return address_text(base + 1); }

bool Subnet::contains(std::string_view address) const {
    const auto number = parse_address(address);
    return number && *number - base < size();
}

namespace {

std::unexpected<Error> refuse_network(std::string_view text, const std::string& why) {
    return fail(ErrorKind::invalid,
                "the network \"" + std::string(text.substr(0, 64)) + "\" " + why,
                "give a private network such as " + std::string(kDefaultNetworkRange));
}

}  // namespace

Result<Subnet> parse_subnet(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos) return refuse_network(text, "has no /prefix");
    const auto base = parse_address(text.substr(0, slash));
    const auto prefix = parse_number(text.substr(slash + 1), 32);
    if (!base || !prefix || *prefix == 0) return refuse_network(text, "is no IPv4 network");
    const Subnet subnet{*base, static_cast<int>(*prefix)};
    if ((*base & (subnet.size() - 1)) != 0)
        return refuse_network(text, "has bits set behind its prefix");
    return subnet;
}

Result<Subnet> parse_network_range(std::string_view text) {
    LOCO_ASSIGN(const auto range, parse_subnet(text));
    if (range.prefix < 8 || range.prefix > kTeamPrefix) {
        return refuse_network(text,
                              "must have a prefix from /8 to /" + std::to_string(kTeamPrefix));
    }
    return range;
}

Result<Subnet> team_subnet(const Subnet& range, int team_number) {
    const int teams = 1 << (kTeamPrefix - range.prefix);
    if (team_number < 0 || team_number >= teams) {
        return fail(ErrorKind::refused,
                    "the network range " + range.text() + " has room for " + std::to_string(teams) +
                        " teams",
                    "give the server a larger range", "network_range_full");
    }
    Subnet subnet{range.base, kTeamPrefix};
    subnet.base += static_cast<std::uint32_t>(team_number) * subnet.size();
    return subnet;
}

Result<std::string> next_address(const Subnet& subnet, const std::set<std::string>& taken,
                                 std::string_view after) {
    // Not given: the network's own, the gateway's and the broadcast address.
    constexpr std::uint32_t kFirst = 2;
    const std::uint32_t count = subnet.size() - kFirst - 1;
    std::uint32_t start = 0;
    if (const auto last = parse_address(after);
        last && subnet.contains(after) && *last - subnet.base >= kFirst) {
        start = *last - subnet.base - kFirst + 1;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        auto address = address_text(subnet.base + kFirst + (start + i) % count);
        if (!taken.contains(address)) return address;
    }
    return fail(ErrorKind::refused,
                "all " + std::to_string(count) + " addresses of the team's network " +
                    subnet.text() + " are taken",
                "scale down or destroy apps of this team", "team_network_full");
}

}  // namespace loco
