// Time: UTC inside, RFC 3339 at the edges. Nothing but SystemClock reads the machine's clock.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace loco {

using Duration = std::chrono::nanoseconds;
// UTC, nanoseconds since the Unix epoch.
using Time = std::chrono::time_point<std::chrono::system_clock, Duration>;
// Never jumps; only differences mean something.
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;

class Clock {
  public:
    virtual ~Clock() = default;
    [[nodiscard]] virtual Time now() const = 0;
    [[nodiscard]] virtual SteadyTime steady() const = 0;
};

class SystemClock final : public Clock {
  public:
    [[nodiscard]] Time now() const override;
    [[nodiscard]] SteadyTime steady() const override;
};

// RFC 3339 in UTC with milliseconds: "2026-11-23T16:00:00.123Z".
[[nodiscard]] std::string to_rfc3339(Time time);
// RFC 3339 with nanoseconds.
[[nodiscard]] std::string to_rfc3339_nano(Time time);
// Any RFC 3339 time of the years 1678 to 2261, offsets and up to nine fractional digits included.
[[nodiscard]] Result<Time> parse_rfc3339(std::string_view text);

[[nodiscard]] inline std::int64_t to_unix_ms(Time t) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(t.time_since_epoch()).count();
}
[[nodiscard]] inline Time from_unix_ms(std::int64_t ms) {
    return Time(std::chrono::milliseconds(ms));
}

}  // namespace loco
