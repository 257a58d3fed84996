// One run of a command: its words, where it reads and writes, and the server.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "cli/command.hpp"
#include "cli/settings.hpp"
#include "cli/terminal.hpp"
#include "client/api.hpp"
#include "domain/app_spec.hpp"

namespace loco::cli {

struct ReadSpec {
    AppSpec spec;
    std::filesystem::path folder;  // that its paths are relative to
};

class Invocation {
  public:
    Invocation(Parsed parsed, Terminal& terminal, Settings settings);

    [[nodiscard]] const Parsed& parsed() const { return parsed_; }
    [[nodiscard]] Terminal& terminal() { return terminal_; }
    [[nodiscard]] const Settings& settings() const { return settings_; }
    // Why the configuration could not be read, for commands that run without it: settings() are the defaults then.
    [[nodiscard]] const std::optional<Error>& unreadable() const { return unreadable_; }
    void set_unreadable(Error error) { unreadable_ = std::move(error); }
    [[nodiscard]] client::Api& api();

    // Values of the command's own options and arguments.
    [[nodiscard]] bool has(std::string_view option) const;
    [[nodiscard]] std::optional<std::string> option(std::string_view name) const;  // the last given
    [[nodiscard]] std::vector<std::string> option_values(std::string_view name) const;
    [[nodiscard]] std::optional<std::string> argument(std::string_view name) const;
    [[nodiscard]] std::vector<std::string> argument_values(std::string_view name) const;
    // A whole number within the bounds; invalid naming the option.
    [[nodiscard]] Result<std::optional<std::int64_t>> number(std::string_view option,
                                                             std::int64_t min,
                                                             std::int64_t max) const;

    // A loco.toml (a file, or a folder with one) under --profile. What is wrong with it is told on stderr, each mistake with
    // its line; the error then only counts them. Where nothing will be built, the files to build from may be missing.
    [[nodiscard]] Result<ReadSpec> read_spec(const std::string& path, bool builds = true);

    // -a/--app, else the name in ./loco.toml (under --profile). invalid when there is neither.
    [[nodiscard]] Result<std::string> app_name();
    // "/teams/main/apps/shop"
    [[nodiscard]] Result<std::string> app_path();
    [[nodiscard]] std::string team_path() const;  // "/teams/main"

    [[nodiscard]] bool json() const { return parsed_.json; }
    [[nodiscard]] bool quiet() const { return parsed_.quiet; }
    [[nodiscard]] bool colour_out() const;
    [[nodiscard]] bool colour_err() const;

    // The result: to stdout.
    void print(std::string_view text) { terminal_.out(text); }
    // The one JSON document of --json, pretty for a terminal.
    void print_json(const boost::json::value& value);
    // Progress and remarks: to stderr, not with --quiet.
    void note(std::string_view text);
    void warn(std::string_view text);  // also with --quiet

    // Asks yes or no. With no terminal: invalid, naming the flag that answers.
    [[nodiscard]] Result<bool> confirm(std::string_view question, std::string_view flag);

  private:
    Parsed parsed_;
    Terminal& terminal_;
    Settings settings_;
    std::optional<Error> unreadable_;
    std::unique_ptr<client::Api> api_;
};

// Whether a terminal may be written to in colour: --no-color, NO_COLOR (https://no-color.org) and TERM=dumb say no.
[[nodiscard]] bool colour_allowed(const Parsed& parsed);

// "loco explain CODE": where to learn more than the code of an error says; empty where there is no more.
[[nodiscard]] std::string how_to_learn_more(std::string_view code);

// Tells an error on stderr (with --json as one JSON document on stdout as well) and gives its exit status.
int report(Terminal& terminal, const Parsed& parsed, const Error& error);

// Everything: parse, run, report. The exit status.
int run(std::span<const std::string> words, Terminal& terminal);

// The help of loco, or of one command.
[[nodiscard]] std::string help_text(const Command* command, std::span<const Command> commands,
                                    bool colour, int width);

}  // namespace loco::cli
