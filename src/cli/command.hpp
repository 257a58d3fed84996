// A command of `loco`: its words, options, help and what it does, in one file of commands/NOUN/VERB.cpp. It is listed in
// commands/all.cpp; the parser, the help, the completions and docs/reference/cli.md come from these descriptions.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace loco::cli {

class Invocation;  // cli/invocation.hpp

struct Option {
    std::string_view name;   // "--replicas"
    char letter = 0;         // 'a' for -a; 0: none
    std::string_view value;  // what its value is called in the help, e.g. "N"; empty: it takes none
    std::string_view help;
    bool repeated = false;
    bool hidden = false;  // for Loco itself: neither in the help nor in completions
};

struct Argument {
    std::string_view name;  // "DIR"
    std::string_view help;
    bool required = false;
    bool repeated = false;  // takes all that follow; only the last argument
};

struct Command {
    std::string_view name;     // "deploy"; a verb of a noun: "env set"
    std::string_view summary;  // one line
    std::string_view help;     // what it does, when it fails, then lines of examples (Markdown)
    std::vector<Option> options = {};
    std::vector<Argument> arguments = {};
    bool about_an_app =
        false;  // takes -a/--app and --profile, whose default is the name in ./loco.toml
    // What it prints to stdout is the result; the error it gives is told on stderr and decides the exit status.
    Result<> (*run)(Invocation&) = nullptr;
    std::vector<std::string_view> aliases = {};  // further first words: "account" for whoami
    bool hidden = false;
    bool without_settings = false;  // runs also when the client's configuration can't be read
};

[[nodiscard]] std::span<const Command> all_commands();

// What the words of a command line say.
struct Parsed {
    const Command* command = nullptr;
    std::map<std::string, std::vector<std::string>, std::less<>>
        options;  // "--replicas" → values; flags: one empty
    std::map<std::string, std::vector<std::string>, std::less<>> arguments;  // "DIR" → values
    // Global ones.
    std::optional<std::string> host, team, app, profile;
    bool json = false, quiet = false, no_color = false, verbose = false;
    bool help = false, version = false;
};

// invalid with "did you mean" for mistyped commands and options, and the command's usage.
[[nodiscard]] Result<Parsed> parse(std::span<const std::string> words,
                                   std::span<const Command> commands);

}  // namespace loco::cli
