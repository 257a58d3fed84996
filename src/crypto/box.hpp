// Seals a value for another Loco, so that only that one can read it, whoever carries it there: libsodium's sealed boxes
// (X25519, XSalsa20-Poly1305; a key of the sender's own for each, so that not even the sender can open it again).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/secret.hpp"

namespace loco::crypto {

// What fits into a box: 2 MiB.
inline constexpr std::size_t kMaxBoxed = 2U << 20;

// The receiver's key pair.
class Box {
  public:
    // `seed`: 64 hex digits, as Sealer::derived gives them; the same seed gives the same pair.
    [[nodiscard]] static Result<Box> of_seed(const Secret<>& seed);
    Box(Box&&) noexcept;
    Box& operator=(Box&&) noexcept;
    ~Box();

    // 43 letters of base64url; no secret.
    [[nodiscard]] const std::string& public_key() const;
    // invalid (code "unboxing_failed") when it was sealed for another key, or was changed.
    [[nodiscard]] Result<Secret<>> open(std::string_view boxed) const;

  private:
    struct Pair;
    explicit Box(std::unique_ptr<Pair> pair);
    std::unique_ptr<Pair> pair_;
};

// For whoever has the secret key of that public one. base64url; another text each time. invalid when it is no public key.
[[nodiscard]] Result<std::string> seal_for(std::string_view public_key, const Secret<>& value);

}  // namespace loco::crypto
