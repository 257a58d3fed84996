// API tokens: "loco_", 32 random characters (160 bits), 6 of checksum. Only a token's SHA-256 is ever kept.
#pragma once

#include <string>
#include <string_view>

#include "base/random.hpp"
#include "base/secret.hpp"

namespace loco::crypto {

// `random` must be fit for secrets (SystemRandom).
[[nodiscard]] Secret<> make_token(Random& random);

// Whether its form and checksum are a token's: what was mistyped or cut off is told apart without asking the store,
// and scanners for leaked secrets can be sure. It says nothing about whether the token is valid.
[[nodiscard]] bool is_token(std::string_view text);

}  // namespace loco::crypto
