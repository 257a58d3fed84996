// Digests and comparisons.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace loco::crypto {

// SHA-256 in 64 lower-case hex digits.
[[nodiscard]] std::string sha256_hex(std::string_view data);

// The same of what comes in pieces.
class Sha256 {
  public:
    Sha256();
    ~Sha256();
    Sha256(const Sha256&) = delete;
    Sha256& operator=(const Sha256&) = delete;
    void add(std::string_view data);
    // Ends it: nothing may be added, nor asked, afterwards.
    [[nodiscard]] std::string hex();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

// BLAKE2b under a key of 16 to 64 bytes, in 64 lower-case hex digits: says nothing of `data` to who lacks the key.
[[nodiscard]] std::string keyed_hash_hex(std::string_view data, std::string_view key);

// Takes as long whatever the contents; only the lengths may be learned. For everything that is compared with a secret.
[[nodiscard]] bool constant_time_equal(std::string_view a, std::string_view b);

}  // namespace loco::crypto
