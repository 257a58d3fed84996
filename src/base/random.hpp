// Randomness comes from here, so that a simulation can give it a seed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace loco {

class Random {
  public:
    virtual ~Random() = default;
    virtual void fill(std::span<std::uint8_t> out) = 0;
    [[nodiscard]] std::uint64_t next();
};

// The kernel's generator (getrandom); fit for keys and tokens.
class SystemRandom final : public Random {
  public:
    void fill(std::span<std::uint8_t> out) override;
};

// xoshiro-like, repeatable; never for secrets.
class SeededRandom final : public Random {
  public:
    explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
    void fill(std::span<std::uint8_t> out) override;

  private:
    std::uint64_t state_;
};

// `length` characters of Crockford's base 32 in lower case: 5 bits each.
[[nodiscard]] std::string random_word(Random& random, std::size_t length);

}  // namespace loco
