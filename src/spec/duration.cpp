#include <algorithm>
#include <array>

#include "spec/number.hpp"
#include "spec/quantity.hpp"

namespace loco::spec {
namespace {

constexpr std::string_view kDurationExpected = "a duration such as \"30s\", \"1h30m\" or \"7d\"";

struct DurationUnit {
    std::string_view name;
    std::int64_t nanos;
};
constexpr std::array<DurationUnit, 9> kDurationUnits = {{
    {"ns", 1},
    {"us", 1'000},
    {"\u00b5s", 1'000},  // micro sign
    {"\u03bcs", 1'000},  // Greek mu
    {"ms", 1'000'000},
    {"s", 1'000'000'000},
    {"m", 60LL * 1'000'000'000},
    {"h", 3600LL * 1'000'000'000},
    {"d", 24 * 3600LL * 1'000'000'000},
}};

enum class DurationFault : std::uint8_t { none, malformed, no_unit, too_fine, too_long };

DurationFault duration_millis(std::string_view text, Millis& out) {
    Int128 nanos = 0;
    if (text == "0") {  // as Go has it
        out = Millis{0};
        return DurationFault::none;
    }
    if (text.empty() || text.size() > kMaxQuantity) return DurationFault::malformed;
    while (!text.empty()) {
        const auto number = split_number(text);
        if (!number) return DurationFault::malformed;
        if (number->suffix.empty()) return DurationFault::no_unit;
        // The longest unit that fits: "ms" before "m".
        const DurationUnit* unit = nullptr;
        for (const auto& candidate : kDurationUnits) {
            if (number->suffix.starts_with(candidate.name) &&
                (unit == nullptr || candidate.name.size() > unit->name.size())) {
                unit = &candidate;
            }
        }
        if (unit == nullptr) return DurationFault::malformed;
        Int128 value = Int128{number->mantissa} * unit->nanos;
        for (int i = 0; i < number->decimals; ++i) {
            if (value % 10 != 0) return DurationFault::too_fine;
            value /= 10;
        }
        nanos += value;
        text = number->suffix.substr(unit->name.size());
    }
    if (nanos % 1'000'000 != 0) return DurationFault::too_fine;
    if (nanos / 1'000'000 > kMaxDuration.count()) return DurationFault::too_long;
    out = Millis{static_cast<std::int64_t>(nanos / 1'000'000)};
    return DurationFault::none;
}

// "30 sec" → "30s", "5min" → "5m", "2 weeks" → "14d".
std::string duration_suggestion(std::string_view text) {
    const std::string clean = lower(tidied(text));
    const auto valid = [](const std::string& candidate) {
        Millis ignored{};
        return duration_millis(candidate, ignored) == DurationFault::none;
    };
    const auto number = split_number(clean);
    if (!number) return {};
    const std::string digits(number->digits);
    const std::string_view word = number->suffix;
    std::string unit;
    if (word.empty() || word.starts_with("sec")) unit = "s";
    if (word.starts_with("min")) unit = "m";
    if (word == "hr" || word == "hrs" || word.starts_with("hour")) unit = "h";
    if (word.starts_with("day")) unit = "d";
    if (word.starts_with("milli") || word.starts_with("msec")) unit = "ms";
    std::string weeks;
    if ((word == "w" || word.starts_with("week")) && number->decimals == 0) {
        weeks = std::to_string(number->mantissa * 7) + "d";
    }
    return first_valid(valid, {clean, unit.empty() ? "" : digits + unit, weeks});
}
}  // namespace

Parsed<Millis> parse_duration(std::string_view text) {
    Millis result{};
    const auto fault = duration_millis(text, result);
    if (fault == DurationFault::none) return result;
    Problem problem{
        .message = {}, .expected = std::string(kDurationExpected), .suggestion = {}, .fix = {}};
    switch (fault) {
        case DurationFault::no_unit: problem.message = shown(text) + " has no unit"; break;
        case DurationFault::too_fine:
            problem.message = shown(text) + " is finer than a millisecond";
            break;
        case DurationFault::too_long: problem.message = shown(text) + " is more than 3650d"; break;
        default:
            problem.message = text.empty()            ? "the duration is empty"
                              : text.starts_with('-') ? shown(text) + " is negative"
                                                      : shown(text) + " is no duration";
    }
    if (text.size() <= kMaxQuantity && fault != DurationFault::too_long) {
        problem.suggestion = duration_suggestion(text);
    }
    return std::unexpected(problem);
}
std::string format_duration(Millis duration) {
    std::int64_t rest = duration.count();
    if (rest == 0) return "0s";
    if (rest % 1000 == 0 && rest <= 120'000 && rest % 60'000 != 0) {
        return std::to_string(rest / 1000) + "s";
    }
    if (rest == 60'000) return "60s";  // as people say it
    constexpr std::array<std::pair<std::int64_t, const char*>, 5> kSteps = {
        {{86'400'000, "d"}, {3'600'000, "h"}, {60'000, "m"}, {1'000, "s"}, {1, "ms"}}};
    std::string text;
    for (const auto& [millis, unit] : kSteps) {
        if (rest >= millis) {
            text += std::to_string(rest / millis) + unit;
            rest %= millis;
        }
    }
    return text;
}

}  // namespace loco::spec
