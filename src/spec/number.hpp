// Numbers in text, and how a mistyped one is mended; for quantity.cpp and duration.cpp. Internal to spec/.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace loco::spec {

// 10^-12 of a unit times any multiple that a person writes.
__extension__ using Int128 = __int128;

inline constexpr std::size_t kMaxQuantity = 32;  // characters

[[nodiscard]] inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

struct Number {
    std::int64_t mantissa = 0;
    int decimals = 0;
    std::string_view digits;  // as written
    std::string_view suffix;  // what follows
};

// Digits with at most one point; nothing if there is no number, or one of more than 15 digits.
[[nodiscard]] std::optional<Number> split_number(std::string_view text);

// Spaces dropped and a decimal comma made a point: "0,5" → "0.5", "256 Mi" → "256Mi".
[[nodiscard]] std::string tidied(std::string_view text);
[[nodiscard]] std::string lower(std::string_view text);
// In quotes, cut where it is long.
[[nodiscard]] std::string shown(std::string_view text);

// The first candidate that `parse` takes, in quotes; empty if none is.
template <class Parse>
std::string first_valid(Parse parse, std::initializer_list<std::string> candidates) {
    for (const auto& candidate : candidates) {
        if (!candidate.empty() && parse(candidate)) return "\"" + candidate + "\"";
    }
    return {};
}

}  // namespace loco::spec
