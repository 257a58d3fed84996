// CPU, memory and durations as people write them, and back.
// CPU and memory are Kubernetes quantities ("100m", "0.5", "256Mi", "1G"); durations are Go's with "d" for
// days added ("90s", "1h30m", "7d"). What a quantity would be refused for is told with the value that was
// probably meant: memory "100m" is 0.1 bytes, and "100Mi" was wanted.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace loco::spec {

using Millis = std::chrono::milliseconds;

inline constexpr std::int64_t kMinCpuMillis = 10;  // the least that a cgroup's quota can express
inline constexpr std::int64_t kMaxCpuMillis = 128'000;
inline constexpr std::int64_t kMinMemoryBytes = 8LL << 20;
inline constexpr std::int64_t kMaxMemoryBytes = 1LL << 40;
inline constexpr Millis kMaxDuration{3650LL * 24 * 3600 * 1000};

// What is wrong with one value.
struct Problem {
    std::string message;     // "\"100m\" is 0.1 bytes"
    std::string expected;    // what is allowed, in words; empty if the message says it
    std::string suggestion;  // a valid value as it would be written, e.g. "\"100Mi\""; may be empty
    std::string fix;         // what to do, where more than the suggestion can be said; may be empty
    bool missing = false;    // what the value names is not there
    bool operator==(const Problem&) const = default;
};

template <class T>
using Parsed = std::expected<T, Problem>;

// Thousandths of a core, rounded up, within [kMinCpuMillis, kMaxCpuMillis].
[[nodiscard]] Parsed<std::int64_t> parse_cpu(std::string_view text);
// Bytes, rounded up, within [kMinMemoryBytes, kMaxMemoryBytes].
[[nodiscard]] Parsed<std::int64_t> parse_memory(std::string_view text);
// Whole milliseconds within [0, kMaxDuration].
[[nodiscard]] Parsed<Millis> parse_duration(std::string_view text);

// The shortest text that parses to the same value: "250m", "2"; "256Mi", "1Gi"; "90s", "1h30m", "7d".
[[nodiscard]] std::string format_cpu(std::int64_t millis);
[[nodiscard]] std::string format_memory(std::int64_t bytes);
[[nodiscard]] std::string format_duration(Millis duration);

// An invalid Error for an argument: "--memory: \"100m\" is 0.1 bytes", hint "did you mean \"100Mi\"?".
[[nodiscard]] Error to_error(std::string_view argument, const Problem& problem);

}  // namespace loco::spec
