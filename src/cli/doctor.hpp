// What `loco doctor` looks at: everything between this command line and an app that answers, each with what mends it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "cli/settings.hpp"

namespace loco::cli {

struct Check {
    enum class State : unsigned char { ok, warning, failed, not_applicable };
    std::string_view where;  // "client", "server", "machine"
    std::string name;
    State state = State::ok;
    std::string message = {};
    std::vector<std::string> next_steps = {};  // commands, or what to do
    ErrorKind kind = ErrorKind::unavailable;   // of a failure: decides the exit status
};
[[nodiscard]] std::string_view to_string(Check::State state);

struct DoctorRequest {
    Settings settings;  // as far as they could be read
    std::filesystem::path config;
    std::optional<Error> unreadable = {};  // why the configuration could not
    // The data folder of a Loco on this machine; looked at when it is the one of `settings`, or was `named`.
    std::filesystem::path data_dir = {};
    bool named = false;
    std::string version;  // of this client
};

// Takes as long as what does not answer; at most about a minute. Nothing is changed by it.
[[nodiscard]] std::vector<Check> examine(const DoctorRequest& request);

// How far this machine's clock is before the server's, in seconds, by the answer's Date header (RFC 9110, 5.6.7); nothing
// where that can't be read. `now` and `took` are when it had come, and how long after it was asked for.
[[nodiscard]] std::optional<long> clock_difference(std::string_view date, std::int64_t now_ms,
                                                   std::int64_t took_ms);

}  // namespace loco::cli
