#include "platform/free_range.hpp"

#include <algorithm>
#include <bit>
#include <sstream>

namespace loco::platform {
namespace {

constexpr std::uint32_t kFirst = 64;
constexpr std::uint32_t kLast = 255;

bool overlap(const Subnet& a, const Subnet& b) {
    const int prefix = std::min(a.prefix, b.prefix);
    const std::uint32_t mask = prefix == 0 ? 0 : ~std::uint32_t{0} << (32 - prefix);
    return (a.base & mask) == (b.base & mask);
}

}  // namespace

Result<std::string> free_range(const std::vector<Subnet>& used, Random& random) {
    constexpr std::uint32_t count = kLast - kFirst + 1;
    const auto start = static_cast<std::uint32_t>(random.next() % count);
    for (std::uint32_t i = 0; i < count; ++i) {
        const Subnet candidate{.base = (10U << 24) | ((kFirst + (start + i) % count) << 16),
                               .prefix = 16};
        if (std::ranges::none_of(used,
                                 [&](const Subnet& subnet) { return overlap(candidate, subnet); }))
            return candidate.text();
    }
    return fail(ErrorKind::refused,
                "every network from 10.64.0.0/16 to 10.255.0.0/16 is in use on this machine",
                "name a range that is free with --subnets", "no_free_range");
}

std::vector<Subnet> parse_routes(std::string_view text) {
    // Iface Destination Gateway Flags RefCnt Use Metric Mask …: the addresses in hexadecimal, in network byte order
    std::vector<Subnet> routes;
    std::istringstream lines{std::string(text)};
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line)) {
        std::istringstream fields(line);
        std::string interface, gateway, flags, ref_count, use, metric;
        std::uint32_t destination = 0;
        std::uint32_t mask = 0;
        fields >> interface >> std::hex >> destination >> gateway >> flags >> ref_count >> use >>
            metric >> mask;
        if (!fields || mask == 0) continue;
        routes.push_back({.base = std::byteswap(destination), .prefix = std::popcount(mask)});
    }
    return routes;
}

}  // namespace loco::platform
