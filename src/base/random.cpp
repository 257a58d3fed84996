#include "base/random.hpp"

#include <sys/random.h>

#include <cerrno>
#include <vector>

#include "base/error.hpp"
#include "base/id.hpp"

namespace loco {

std::uint64_t Random::next() {
    std::uint64_t value = 0;
    fill({reinterpret_cast<std::uint8_t*>(&value), sizeof value});
    return value;
}

void SystemRandom::fill(std::span<std::uint8_t> out) {
    while (!out.empty()) {
        const auto got = getrandom(out.data(), out.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        LOCO_CHECK(got > 0);
        out = out.subspan(static_cast<std::size_t>(got));
    }
}

// SplitMix64 (Steele, Lea, Flood 2014).
void SeededRandom::fill(std::span<std::uint8_t> out) {
    std::size_t i = 0;
    while (i < out.size()) {
        state_ += 0x9e3779b97f4a7c15ULL;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        z ^= z >> 31;
        for (int b = 0; b < 8 && i < out.size(); ++b, ++i) {
            out[i] = static_cast<std::uint8_t>(z >> (8 * b));
        }
    }
}

std::string random_word(Random& random, std::size_t length) {
    std::vector<std::uint8_t> bytes(length);
    random.fill(bytes);
    std::string word;
    for (const auto byte : bytes) word += kBase32Alphabet[byte & 31];
    return word;
}

}  // namespace loco
