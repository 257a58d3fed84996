// A range for the teams' networks that nothing on this machine uses: chosen once, at the first `loco up` of a data folder.
#pragma once

#include <string>
#include <vector>

#include "base/random.hpp"
#include "domain/network.hpp"

namespace loco::platform {

// A /16 (64 teams) within 10.64.0.0 to 10.255.255.255 that overlaps none of `used`; begins the search at a random one, so that
// two Locos that start at once rarely meet. refused when all are taken.
[[nodiscard]] Result<std::string> free_range(const std::vector<Subnet>& used, Random& random);

// Where this machine has routes to, from /proc/net/route's text; default routes left out.
[[nodiscard]] std::vector<Subnet> parse_routes(std::string_view text);

}  // namespace loco::platform
