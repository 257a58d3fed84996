#include "spec/quantity.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "spec/number.hpp"

namespace loco::spec {
namespace {

constexpr std::int64_t kPico =
    1'000'000'000'000;  // quantities are computed in 10^-12 of their unit
constexpr std::string_view kCpuExpected =
    "cores as a Kubernetes quantity such as \"250m\" or \"1.5\", from 10m to 128";
constexpr std::string_view kMemoryExpected =
    "bytes as a Kubernetes quantity such as \"256Mi\" or \"1Gi\", from 8Mi to 1Ti";

struct Unit {
    std::string_view suffix;
    std::int64_t numerator;
    std::int64_t denominator;
};
constexpr std::array<Unit, 15> kUnits = {{
    {"", 1, 1},
    {"n", 1, 1'000'000'000},
    {"u", 1, 1'000'000},
    {"m", 1, 1'000},
    {"k", 1'000, 1},
    {"M", 1'000'000, 1},
    {"G", 1'000'000'000, 1},
    {"T", kPico, 1},
    {"P", 1'000 * kPico, 1},
    {"E", 1'000'000 * kPico, 1},
    {"Ki", 1LL << 10, 1},
    {"Mi", 1LL << 20, 1},
    {"Gi", 1LL << 30, 1},
    {"Ti", 1LL << 40, 1},
    {"Pi", 1LL << 50, 1},
}};

// In 10^-12 of the unit; nothing if it is no quantity or too large to be computed with.
std::optional<Int128> quantity_pico(const Number& number) {
    Int128 value = Int128{number.mantissa} * kPico;
    for (int i = 0; i < number.decimals; ++i) value /= 10;
    const auto unit = std::ranges::find(kUnits, number.suffix, &Unit::suffix);
    if (unit != kUnits.end()) {
        if (__builtin_mul_overflow(value, Int128{unit->numerator}, &value)) return std::nullopt;
        return value / unit->denominator;
    }
    // "1e3", "5E-1": a decimal exponent.
    if (number.suffix.size() < 2 || (number.suffix[0] != 'e' && number.suffix[0] != 'E')) {
        return std::nullopt;
    }
    std::string_view exponent = number.suffix.substr(1);
    const bool negative = exponent.starts_with('-');
    if (negative || exponent.starts_with('+')) exponent.remove_prefix(1);
    if (exponent.empty() || exponent.size() > 2 || !std::ranges::all_of(exponent, is_digit)) {
        return std::nullopt;
    }
    int power = 0;
    for (const char c : exponent) power = power * 10 + (c - '0');
    for (int i = 0; i < power; ++i) {
        if (negative) {
            value /= 10;
        } else if (__builtin_mul_overflow(value, Int128{10}, &value)) {
            return std::nullopt;
        }
    }
    return value;
}

// 0.1, 1.5, 250: at most three decimals, none of them a trailing zero.
std::string decimal(Int128 pico) {
    const auto whole = static_cast<std::int64_t>(pico / kPico);
    auto thousandths = static_cast<std::int64_t>(pico % kPico / (kPico / 1000));
    std::string text = std::to_string(whole);
    if (thousandths == 0) return text;
    std::string fraction = std::to_string(1000 + thousandths).substr(1);
    while (fraction.ends_with('0')) fraction.pop_back();
    return text + "." + fraction;
}

std::int64_t round_up(Int128 pico, std::int64_t per_unit) {
    const Int128 step = kPico / per_unit;
    return static_cast<std::int64_t>((pico + step - 1) / step);
}

std::optional<std::int64_t> cpu_millis(std::string_view text) {
    const auto number = split_number(text);
    if (!number) return std::nullopt;
    const auto pico = quantity_pico(*number);
    if (!pico || *pico < Int128{kMinCpuMillis} * (kPico / 1000) ||
        *pico > Int128{kMaxCpuMillis} * (kPico / 1000)) {
        return std::nullopt;
    }
    return round_up(*pico, 1000);
}

std::optional<std::int64_t> memory_bytes(std::string_view text) {
    const auto number = split_number(text);
    if (!number) return std::nullopt;
    const auto pico = quantity_pico(*number);
    if (!pico || *pico < Int128{kMinMemoryBytes} * kPico ||
        *pico > Int128{kMaxMemoryBytes} * kPico) {
        return std::nullopt;
    }
    return round_up(*pico, 1);
}

std::string cpu_suggestion(std::string_view text) {
    const std::string clean = tidied(text);
    const auto number = split_number(clean);
    if (!number) return {};
    const std::string digits(number->digits);
    const std::string suffix = lower(number->suffix);
    const bool cores = suffix == "c" || suffix == "core" || suffix == "cores" || suffix == "cpu" ||
                       suffix == "cpus" || suffix == "vcpu" || suffix == "vcpus";
    const bool percent = suffix == "%" && number->decimals == 0;
    return first_valid(
        cpu_millis,
        {percent ? std::to_string(number->mantissa * 10) + "m" : "", clean, cores ? digits : "",
         suffix.empty() || suffix == "m" ? digits + "m" : "", suffix.empty() ? "" : digits});
}

std::string memory_suggestion(std::string_view text) {
    const std::string clean = tidied(text);
    const auto number = split_number(clean);
    if (!number) return {};
    const std::string digits(number->digits);
    const std::string suffix = lower(number->suffix);
    const char scale = suffix.empty() ? 'm' : suffix[0];
    const char* unit = scale == 'k' ? "Ki" : scale == 'g' ? "Gi" : scale == 't' ? "Ti" : "Mi";
    const bool known =
        suffix.empty() || std::string_view("kmgt").find(scale) != std::string_view::npos;
    return first_valid(memory_bytes, {clean, known ? digits + unit : ""});
}

}  // namespace

Parsed<std::int64_t> parse_cpu(std::string_view text) {
    Problem problem{
        .message = {}, .expected = std::string(kCpuExpected), .suggestion = {}, .fix = {}};
    if (text.size() > kMaxQuantity) {
        problem.message = shown(text) + " is no quantity";
        return std::unexpected(problem);
    }
    if (const auto millis = cpu_millis(text)) return *millis;
    const auto number = split_number(text);
    const auto pico = number ? quantity_pico(*number) : std::nullopt;
    if (text.empty()) {
        problem.message = "the quantity is empty";
    } else if (!pico) {
        problem.message = shown(text) + " is no quantity";
    } else if (*pico == 0) {
        problem.message = "no CPU at all cannot run anything";
    } else if (*pico < Int128{kMinCpuMillis} * (kPico / 1000)) {
        problem.message = shown(text) + " is less than a hundredth of a core";
    } else if (*pico > Int128{1'000'000'000} * kPico) {
        problem.message = shown(text) + " is more than any machine has";
    } else {
        problem.message = shown(text) + " is " + decimal(*pico) + " cores";
    }
    problem.suggestion = cpu_suggestion(text);
    return std::unexpected(problem);
}

Parsed<std::int64_t> parse_memory(std::string_view text) {
    Problem problem{
        .message = {}, .expected = std::string(kMemoryExpected), .suggestion = {}, .fix = {}};
    if (text.size() > kMaxQuantity) {
        problem.message = shown(text) + " is no quantity";
        return std::unexpected(problem);
    }
    if (const auto bytes = memory_bytes(text)) return *bytes;
    const auto number = split_number(text);
    const auto pico = number ? quantity_pico(*number) : std::nullopt;
    if (text.empty()) {
        problem.message = "the quantity is empty";
    } else if (!pico) {
        problem.message = shown(text) + " is no quantity";
    } else if (*pico == 0) {
        problem.message = "no memory at all cannot run anything";
    } else if (*pico < Int128{kMinMemoryBytes} * kPico) {
        problem.message = shown(text) + " is " + decimal(*pico) + " bytes";
    } else {
        problem.message = shown(text) + " is more than 1Ti";
    }
    problem.suggestion = memory_suggestion(text);
    return std::unexpected(problem);
}

std::string format_cpu(std::int64_t millis) {
    return millis % 1000 == 0 ? std::to_string(millis / 1000) : std::to_string(millis) + "m";
}

std::string format_memory(std::int64_t bytes) {
    constexpr std::array<Unit, 4> kBinary = {
        {{"Ti", 1LL << 40, 1}, {"Gi", 1LL << 30, 1}, {"Mi", 1LL << 20, 1}, {"Ki", 1LL << 10, 1}}};
    constexpr std::array<Unit, 3> kDecimal = {
        {{"G", 1'000'000'000, 1}, {"M", 1'000'000, 1}, {"k", 1'000, 1}}};
    if (bytes == 0) return "0";
    for (const auto& unit : kBinary) {
        if (bytes % unit.numerator == 0) {
            return std::to_string(bytes / unit.numerator) + std::string(unit.suffix);
        }
    }
    for (const auto& unit : kDecimal) {
        if (bytes % unit.numerator == 0) {
            return std::to_string(bytes / unit.numerator) + std::string(unit.suffix);
        }
    }
    return std::to_string(bytes);
}

Error to_error(std::string_view argument, const Problem& problem) {
    std::string message = std::string(argument) + ": " + problem.message;
    std::string hint = problem.suggestion.empty() ? "expected " + problem.expected
                                                  : "did you mean " + problem.suggestion + "?";
    return Error{.kind = ErrorKind::invalid,
                 .message = std::move(message),
                 .hint = std::move(hint),
                 .code = "invalid_value"};
}

}  // namespace loco::spec
