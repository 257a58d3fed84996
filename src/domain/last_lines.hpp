// What an app's last lines make likely. Only ever a guess: a line may be years old news to the app, or about something else.
// Nothing here says that something is wrong; it is asked when that is known.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/facts.hpp"

namespace loco {

struct Guess {
    std::string code;
    std::string why;   // "the host \"db\", which it looked for, does not exist"
    std::string line;  // that says so, cut to what a person reads at once
    std::vector<std::string> next_steps;
};

// By the last of `tail`'s lines that says something known.
[[nodiscard]] std::optional<Guess> guess_from(std::string_view tail, const Facts& facts);

// What is said in the program's own name by what was to start it, as "exec /app failed: No such file or directory".
struct ExecFailure {
    enum class Why : std::uint8_t { not_found, not_allowed, format, folder, other };
    Why why = Why::other;
    std::string path;
    bool by_init = false;  // which has not looked whether the file is there
};
[[nodiscard]] std::optional<ExecFailure> exec_failure_in(std::string_view words);

// A shared library that the loader did not find: its name, if the lines say one.
[[nodiscard]] std::optional<std::string> missing_library_in(std::string_view tail);

// The port that the lines say it listens on, if they do.
[[nodiscard]] std::optional<int> told_port_in(std::string_view tail);

// As the app's section in loco.toml: "[resources]", "[process.mailer]".
[[nodiscard]] std::string section_of(const Facts& facts);
// What gives it more memory: twice what it has.
[[nodiscard]] std::string more_memory(const Facts& facts);

}  // namespace loco
