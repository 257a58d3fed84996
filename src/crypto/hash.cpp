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

struct Sha256::State {
    crypto_hash_sha256_state sodium;
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
    use_sodium();
    crypto_hash_sha256_init(&state_->sodium);
}

Sha256::~Sha256() = default;

void Sha256::add(std::string_view data) {
    crypto_hash_sha256_update(&state_->sodium, bytes(data), data.size());
}

std::string Sha256::hex() {
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256_final(&state_->sodium, digest);
    char hex[sizeof digest * 2 + 1];
    return sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
}

std::string keyed_hash_hex(std::string_view data, std::string_view key) {
    use_sodium();
    LOCO_CHECK(key.size() >= crypto_generichash_KEYBYTES_MIN &&
               key.size() <= crypto_generichash_KEYBYTES_MAX);
    unsigned char digest[crypto_generichash_BYTES];
    crypto_generichash(digest, sizeof digest, bytes(data), data.size(), bytes(key), key.size());
    char hex[sizeof digest * 2 + 1];
    return sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
}

bool constant_time_equal(std::string_view a, std::string_view b) {
    return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace loco::crypto
