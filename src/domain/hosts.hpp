// Where an app answers: the rules for names of hosts.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "domain/model.hpp"

namespace loco {

inline constexpr auto kHostReservation = std::chrono::hours(24 * 30);

// The hosts that an app may be given, best first: NAME.BASE for the instance's first team (number 0), else
// NAME-TEAM.BASE; then with a short hash of the app's id, for when those are taken or longer than a DNS label (63).
[[nodiscard]] std::vector<std::string> host_candidates(const App& app, const Team& team,
                                                       std::string_view base_domain);

// "http://shop.localhost:8080": without the port where it is the scheme's own.
[[nodiscard]] std::string url_of(std::string_view host, int port, bool https = false);

}  // namespace loco
