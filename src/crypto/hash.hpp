// Digests and comparisons.
#pragma once

#include <string>
#include <string_view>

namespace loco::crypto {

// SHA-256 in 64 lower-case hex digits.
[[nodiscard]] std::string sha256_hex(std::string_view data);

// Takes as long whatever the contents; only the lengths may be learned. For everything that is compared with a secret.
[[nodiscard]] bool constant_time_equal(std::string_view a, std::string_view b);

}  // namespace loco::crypto
