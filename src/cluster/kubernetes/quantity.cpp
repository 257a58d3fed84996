#include "cluster/kubernetes/quantity.hpp"

#include <array>
#include <charconv>

namespace loco::cluster {
namespace {

constexpr Nano kOne = 1'000'000'000;
constexpr Nano kMax = Nano(INT64_MAX) * kOne;
constexpr std::size_t kMaxLength = 64;

struct Suffix {
    std::string_view text;
    Nano numerator, denominator;
};
constexpr std::array<Suffix, 16> kSuffixes{{
    {"", 1, 1},
    {"n", 1, 1'000'000'000},
    {"u", 1, 1'000'000},
    {"m", 1, 1'000},
    {"k", 1'000, 1},
    {"M", 1'000'000, 1},
    {"G", 1'000'000'000, 1},
    {"T", 1'000'000'000'000, 1},
    {"P", 1'000'000'000'000'000, 1},
    {"E", 1'000'000'000'000'000'000, 1},
    {"Ki", Nano(1) << 10, 1},
    {"Mi", Nano(1) << 20, 1},
    {"Gi", Nano(1) << 30, 1},
    {"Ti", Nano(1) << 40, 1},
    {"Pi", Nano(1) << 50, 1},
    {"Ei", Nano(1) << 60, 1},
}};

Nano divide_up(Nano value, Nano by) { return value / by + (value % by > 0 ? 1 : 0); }

// The power of ten in "e3", "E-3"; nothing for anything else.
std::optional<int> exponent(std::string_view text) {
    if (text.size() < 2 || (text[0] != 'e' && text[0] != 'E')) return std::nullopt;
    text.remove_prefix(1);
    if (text[0] == '+') text.remove_prefix(1);
    int value = 0;
    const auto* end = text.data() + text.size();
    if (std::from_chars(text.data(), end, value).ptr != end || text.empty()) return std::nullopt;
    return value;
}

}  // namespace

std::optional<Nano> parse_quantity(std::string_view text) {
    if (text.empty() || text.size() > kMaxLength) return std::nullopt;
    const bool negative = text[0] == '-';
    if (negative || text[0] == '+') text.remove_prefix(1);
    Nano digits = 0;
    Nano scale = 1;  // what the digits are to be divided by
    bool any = false;
    bool fraction = false;
    std::size_t at = 0;
    for (; at < text.size(); ++at) {
        const char c = text[at];
        if (c == '.' && !fraction) {
            fraction = true;
        } else if (c >= '0' && c <= '9') {
            any = true;
            if (fraction && scale >= kOne) continue;  // below a billionth of the unit
            digits = digits * 10 + (c - '0');
            if (fraction) scale *= 10;
            if (digits > kMax) return std::nullopt;
        } else {
            break;
        }
    }
    if (!any) return std::nullopt;
    const auto rest = text.substr(at);
    Nano numerator = 1;
    Nano denominator = scale;
    if (const auto power = exponent(rest)) {
        if (*power < -18 || *power > 18) return std::nullopt;
        for (int i = 0; i < *power; ++i) numerator *= 10;
        for (int i = 0; i > *power; --i) denominator *= 10;
    } else {
        const Suffix* found = nullptr;
        for (const auto& suffix : kSuffixes) {
            if (suffix.text == rest) found = &suffix;
        }
        if (found == nullptr) return std::nullopt;
        numerator = found->numerator;
        denominator *= found->denominator;
    }
    if (digits > kMax / numerator) return std::nullopt;
    const Nano whole = digits * numerator;
    // In billionths without going beyond 127 bits.
    if (whole / denominator > INT64_MAX) return std::nullopt;
    const Nano value =
        whole / denominator * kOne + divide_up(whole % denominator * kOne, denominator);
    return negative ? -value : value;
}

std::int64_t to_millis(std::string_view quantity) {
    const auto value = parse_quantity(quantity);
    if (!value || *value > kMax / 1000) return 0;
    return static_cast<std::int64_t>(divide_up(*value, kOne / 1000));
}

std::int64_t to_whole(std::string_view quantity) {
    const auto value = parse_quantity(quantity);
    return value ? static_cast<std::int64_t>(divide_up(*value, kOne)) : 0;
}

}  // namespace loco::cluster
