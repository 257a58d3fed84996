#include "crypto/token.hpp"

#include <algorithm>
#include <cstdint>

#include "base/id.hpp"
#include "crypto/hash.hpp"

namespace loco::crypto {
namespace {

constexpr std::string_view kPrefix = "loco_";
constexpr std::size_t kRandomLength = 32;
constexpr std::size_t kChecksumLength = 6;

// The first 30 bits of the SHA-256 of what comes before.
std::string checksum(std::string_view body) {
    auto bits = std::stoul(sha256_hex(body).substr(0, 8), nullptr, 16) >> 2;
    std::string text(kChecksumLength, '0');
    for (auto it = text.rbegin(); it != text.rend(); ++it, bits >>= 5)
        *it = kBase32Alphabet[bits & 31];
    return text;
}

}  // namespace

Secret<> make_token(Random& random) {
    auto token = std::string(kPrefix) + random_word(random, kRandomLength);
    token += checksum(token);
    return Secret<>(std::move(token));
}

bool is_token(std::string_view text) {
    if (text.size() != kPrefix.size() + kRandomLength + kChecksumLength ||
        !text.starts_with(kPrefix))
        return false;
    const auto in_alphabet = [](char c) {
        return kBase32Alphabet.find(c) != std::string_view::npos;
    };
    if (!std::ranges::all_of(text.substr(kPrefix.size()), in_alphabet)) return false;
    const auto body = text.substr(0, text.size() - kChecksumLength);
    return constant_time_equal(checksum(body), text.substr(body.size()));
}

}  // namespace loco::crypto
