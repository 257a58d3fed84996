#include "base/clock.hpp"

#include <fmt/format.h>

#include <charconv>

namespace loco {
namespace {

struct Parts {
    int year, month, day, hour, minute, second;
    long nanos;
};

Parts split(Time time) {
    using namespace std::chrono;
    const auto day = floor<days>(time);
    const year_month_day date(day);
    const hh_mm_ss clock(time - day);
    return {static_cast<int>(date.year()),
            static_cast<int>(static_cast<unsigned>(date.month())),
            static_cast<int>(static_cast<unsigned>(date.day())),
            static_cast<int>(clock.hours().count()),
            static_cast<int>(clock.minutes().count()),
            static_cast<int>(clock.seconds().count()),
            static_cast<long>(nanoseconds(clock.subseconds()).count())};
}

// Reads exactly `digits` decimal digits at the front of text.
bool take_number(std::string_view& text, std::size_t digits, int& out) {
    if (text.size() < digits) return false;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, out);
    if (error != std::errc{} || end != text.data() + digits || text[0] == '-') return false;
    text.remove_prefix(digits);
    return true;
}

bool take_char(std::string_view& text, char upper) {
    if (text.empty() || (text[0] != upper && text[0] != (upper | 0x20))) return false;
    text.remove_prefix(1);
    return true;
}

bool take_fraction(std::string_view& text, long& nanos) {
    nanos = 0;
    if (text.empty() || text[0] != '.') return true;
    text.remove_prefix(1);
    long unit = 100'000'000;
    std::size_t count = 0;
    while (!text.empty() && text[0] >= '0' && text[0] <= '9') {
        if (++count > 9) return false;
        nanos += (text[0] - '0') * unit;
        unit /= 10;
        text.remove_prefix(1);
    }
    return count > 0;
}

bool take_offset(std::string_view& text, int& minutes) {
    minutes = 0;
    if (take_char(text, 'Z')) return true;
    if (text.empty() || (text[0] != '+' && text[0] != '-')) return false;
    const int sign = text[0] == '-' ? -1 : 1;
    text.remove_prefix(1);
    int h = 0;
    int m = 0;
    if (!take_number(text, 2, h) || text.empty() || text[0] != ':') return false;
    text.remove_prefix(1);
    if (!take_number(text, 2, m) || h > 23 || m > 59) return false;
    minutes = sign * (h * 60 + m);
    return true;
}

}  // namespace

Time SystemClock::now() const {
    return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
}

SteadyTime SystemClock::steady() const {
    return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
}

std::string to_rfc3339(Time time) {
    const auto p = split(time);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", p.year, p.month, p.day, p.hour,
                       p.minute, p.second, p.nanos / 1'000'000);
}

std::string to_rfc3339_nano(Time time) {
    const auto p = split(time);
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", p.year, p.month, p.day, p.hour,
                       p.minute, p.second, p.nanos);
}

Result<Time> parse_rfc3339(std::string_view text) {
    const auto bad = [whole = std::string(text)] {
        return fail(ErrorKind::invalid, "\"" + whole + "\" is no RFC 3339 time",
                    "write it like 2026-11-23T16:00:00Z");
    };
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, offset = 0;
    long nanos = 0;
    if (!take_number(text, 4, year) || !take_char(text, '-') || !take_number(text, 2, month) ||
        !take_char(text, '-') || !take_number(text, 2, day) || !take_char(text, 'T') ||
        !take_number(text, 2, hour) || !take_char(text, ':') || !take_number(text, 2, minute) ||
        !take_char(text, ':') || !take_number(text, 2, second) || !take_fraction(text, nanos) ||
        !take_offset(text, offset) || !text.empty()) {
        return bad();
    }
    using namespace std::chrono;
    const year_month_day date{std::chrono::year(year),
                              std::chrono::month(static_cast<unsigned>(month)),
                              std::chrono::day(static_cast<unsigned>(day))};
    // What nanoseconds in 64 bits can count to, and a little less.
    if (year < 1678 || year > 2261) return bad();
    if (!date.ok() || hour > 23 || minute > 59 || second > 60) return bad();
    return Time(sys_days(date)) + hours(hour) + minutes(minute - offset) + seconds(second) +
           nanoseconds(nanos);
}

}  // namespace loco
