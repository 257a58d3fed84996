#include "crypto/hash.hpp"

#include <sodium.h>

#include "crypto/sodium.hpp"

namespace loco::crypto {

std::string sha256_hex(std::string_view data) {
    use_sodium();
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(digest, bytes(data), data.size());
    char hex[sizeof digest * 2 + 1];
    return sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
}

bool constant_time_equal(std::string_view a, std::string_view b) {
    return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace loco::crypto
