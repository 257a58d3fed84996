#include "cli/reference.hpp"

#include <algorithm>

namespace loco::cli {
namespace {

constexpr std::string_view kIntroduction = R"(# loco

The command-line tool. `loco --help` lists the commands, `loco COMMAND --help` says of one what is written here.

Results go to stdout; progress, questions and diagnostics to stderr. With no terminal nothing is asked and nothing is coloured: a question
that would need an answer is a usage error that names the flag.

## Everywhere

| option | is |
| --- | --- |
| `--json` | one JSON document on stdout (`logs`: one object a line); errors too |
| `-q`, `--quiet` | results only, no progress |
| `-v`, `--verbose` | the debug log on stderr instead of in its file |
| `--no-color` | no colours, as with `NO_COLOR` |
| `--team T` | the team, else the one in the configuration |
| `--host URL` | the server, else the one in the configuration |
| `-h`, `--help` | help, with examples |
| `--version` | the version |

Commands about an app take `-a`, `--app APP`, whose default is the name in `./loco.toml`, and `--profile P`, the `[profile.P]` of that
file.

| variable | is |
| --- | --- |
| `LOCO_HOST`, `LOCO_TOKEN`, `LOCO_TEAM` | go before the configuration, and after the options |
| `DOCKER_HOST` | the socket of the engine that builds, as `unix:///PATH`; else the one that `loco up` uses, else the usual places |
| `NO_COLOR` | not empty: no colours |
| `XDG_CONFIG_HOME`, `XDG_STATE_HOME` | instead of `~/.config` and `~/.local/state` |

| file | is |
| --- | --- |
| `~/.config/loco/config.toml` | `host`, `team`, `token`, `engine`; mode 0600, or it is refused. Written by `loco up` |
| `~/.local/state/loco/loco.log` | each run, for when something went wrong; rotated, without secrets |

## Exit statuses

| status | means |
| --- | --- |
| 0 | done |
| 1 | an unexpected error (a bug, or the server's) |
| 2 | wrong usage or invalid `loco.toml` |
| 3 | not signed in, or not allowed |
| 4 | no such app, release, … |
| 5 | the build failed |
| 6 | refused by policy: root user, size, unset secret, platform, quota |
| 7 | the rollout failed; what served before still serves |
| 8 | the server, or the container engine, cannot be reached |
| 9 | conflict: another deployment holds the app, or the name is taken |
| 130 | interrupted, or cancelled |

[When it fails](../guides/troubleshooting.md) goes on from there; every error names a code, which `loco explain CODE` and [Error codes](errors.md) explain.
)";

// A bar would end the table's cell; what looks like an HTML tag would be one.
std::string cell(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c == '|' || c == '<') result += '\\';
        result += c;
    }
    return result;
}

std::string words_of(const Option& option) {
    std::string text;
    if (option.letter != 0) text = std::string("`-") + option.letter + "`, ";
    text += "`" + std::string(option.name);
    if (!option.value.empty()) text += " " + std::string(option.value);
    return text + "`";
}

std::string usage_of(const Command& command) {
    std::string text = "loco " + std::string(command.name);
    for (const auto& argument : command.arguments) {
        const auto name = std::string(argument.name) + (argument.repeated ? "…" : "");
        text += argument.required ? " " + name : " [" + name + "]";
    }
    return text + " [options]";
}

void add_rows(std::string& out, const Command& command) {
    const bool any_option =
        std::ranges::any_of(command.options, [](const Option& o) { return !o.hidden; });
    if (command.arguments.empty() && !any_option && !command.about_an_app) return;
    out += "\n| | |\n| --- | --- |\n";
    for (const auto& argument : command.arguments) {
        out += "| `" + std::string(argument.name) + "` | " + cell(argument.help) + " |\n";
    }
    for (const auto& option : command.options) {
        if (!option.hidden) out += "| " + words_of(option) + " | " + cell(option.help) + " |\n";
    }
    if (command.about_an_app)
        out += "| `-a`, `--app APP`, `--profile P` | [everywhere](#everywhere) |\n";
}

void add_command(std::string& out, const Command& command) {
    out += "\n### loco " + std::string(command.name) + "\n\n" + std::string(command.summary) + ".";
    for (const auto alias : command.aliases) {
        // An alias stands for the first word: "account" for whoami, "variables list" for env list.
        const auto space = command.name.find(' ');
        out += " Also `loco " + std::string(alias) +
               (space == std::string_view::npos ? "" : std::string(command.name.substr(space))) +
               "`.";
    }
    // The help is Markdown: paragraphs, then examples, each line of them indented by four.
    out += "\n\n    " + usage_of(command) + "\n\n";
    const auto example = command.help.starts_with("    ") ? 0 : command.help.find("\n    ");
    auto prose = command.help.substr(0, example);
    while (prose.ends_with('\n')) prose.remove_suffix(1);
    if (!prose.empty()) out += std::string(prose) + "\n";
    add_rows(out, command);
    if (example == std::string_view::npos) return;
    auto examples = command.help.substr(example);
    while (examples.starts_with('\n')) examples.remove_prefix(1);
    out += "\nFor example\n\n" + std::string(examples) + "\n";
}

}  // namespace

std::string reference_markdown(std::span<const Command> commands) {
    std::string out(kIntroduction);
    out += "\n## Commands\n\n| command | does |\n| --- | --- |\n";
    for (const auto& command : commands) {
        if (command.hidden) continue;
        auto anchor = std::string(command.name);
        std::ranges::replace(anchor, ' ', '-');
        out += "| [`" + std::string(command.name) + "`](#loco-" + anchor + ") | " +
               cell(command.summary) + " |\n";
    }
    for (const auto& command : commands) {
        if (!command.hidden) add_command(out, command);
    }
    return out;
}

}  // namespace loco::cli
