// What every gateway agrees on: which routes are acceptable, and how a request finds its route.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "ports/gateway.hpp"

namespace loco::gateway {

inline constexpr int kMaxPathSegments = 8;  // of a prefix with strip_path
inline constexpr std::size_t kMaxPathLength = 256;
inline constexpr std::size_t kMaxHosts = 256;
inline constexpr std::size_t kMaxPorts = 32;
inline constexpr std::size_t kMaxEndpoints = 256;  // of one port

// invalid, naming what is wrong, when a gateway could not honour the routes or would have to guess.
[[nodiscard]] Result<> check(const AppRoutes& routes);

// The prefix without a slash at its end; "" for "/".
[[nodiscard]] std::string_view prefix_of(std::string_view path);
[[nodiscard]] int segments_of(std::string_view path);

// "shop.localhost/api/": every key ends in a slash, so that /api does not catch /apiary. The longest key that
// begins request_key() is the request's route.
[[nodiscard]] std::string route_key(std::string_view host, std::string_view path);

}  // namespace loco::gateway
