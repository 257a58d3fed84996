// Kubernetes' quantities ("250m", "1.5Gi", "2e3"), exactly. Source: apimachinery, pkg/api/resource.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace loco::cluster {

// In billionths of one; rounded up, as Kubernetes does. Nothing for what is no quantity or beyond 2^63 whole ones.
using Nano = __int128;
[[nodiscard]] std::optional<Nano> parse_quantity(std::string_view text);

// Thousandths (of a core) and whole ones (bytes), rounded up; 0 for what is no quantity.
[[nodiscard]] std::int64_t to_millis(std::string_view quantity);
[[nodiscard]] std::int64_t to_whole(std::string_view quantity);

}  // namespace loco::cluster
