#include <algorithm>

#include "cli/invocation.hpp"

namespace loco::cli {
namespace {

// Words of a paragraph on lines of at most `width` columns; lines that begin with four spaces (examples) stay as they are.
std::string wrap(std::string_view text, std::size_t width) {
    std::string result;
    while (!text.empty()) {
        const auto end = text.find('\n');
        auto line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (line.starts_with("    ")) {
            result += std::string(line) + "\n";
            continue;
        }
        while (line.size() > width) {
            const auto space = line.rfind(' ', width);
            if (space == std::string_view::npos || space == 0) break;
            result += std::string(line.substr(0, space)) + "\n";
            line.remove_prefix(space + 1);
        }
        result += std::string(line) + "\n";
    }
    return result;
}

std::string usage(const Command& command) {
    std::string text = "loco " + std::string(command.name);
    for (const auto& argument : command.arguments) {
        auto name = std::string(argument.name) + (argument.repeated ? "…" : "");
        text += argument.required ? " " + name : " [" + name + "]";
    }
    return text + " [options]";
}

std::vector<std::vector<std::string>> option_rows(const Command& command, bool colour) {
    std::vector<std::vector<std::string>> rows;
    const auto add = [&](char letter, std::string_view name, std::string_view value,
                         std::string_view help) {
        auto words = letter != 0 ? std::string("-") + letter + ", " : std::string("    ");
        words += std::string(name) + (value.empty() ? "" : " " + std::string(value));
        rows.push_back({"  " + styled(words, Style::bold, colour), std::string(help)});
    };
    for (const auto& option : command.options) {
        if (!option.hidden) add(option.letter, option.name, option.value, option.help);
    }
    if (command.about_an_app) {
        add('a', "--app", "APP", "which app; without it the one in ./loco.toml");
        add(0, "--profile", "P", "the [profile.P] of loco.toml");
    }
    return rows;
}

constexpr std::string_view kGlobals = R"(
Everywhere: --json (one JSON document), -q/--quiet, --no-color, --team T,
            --host URL, -v/--verbose (the debug log), -h/--help
)";

std::string command_help(const Command& command, bool colour, int width) {
    const auto columns = static_cast<std::size_t>(std::clamp(width, 40, 100));
    std::string text = std::string(command.summary) + ".\n\n" +
                       styled("Usage: ", Style::bold, colour) + usage(command) + "\n\n" +
                       wrap(command.help, columns);
    if (!command.arguments.empty()) {
        std::vector<std::vector<std::string>> rows;
        for (const auto& argument : command.arguments)
            rows.push_back({"  " + std::string(argument.name), std::string(argument.help)});
        text += "\n" + styled("Arguments", Style::bold, colour) + "\n" + table(rows, 0);
    }
    const auto rows = option_rows(command, colour);
    if (!rows.empty())
        text += "\n" + styled("Options", Style::bold, colour) + "\n" + table(rows, 0);
    return text + std::string(kGlobals);
}

}  // namespace

std::string help_text(const Command* command, std::span<const Command> commands, bool colour,
                      int width) {
    if (command != nullptr) return command_help(*command, colour, width);
    std::string text =
        "loco takes a folder with a Dockerfile and a loco.toml to a running URL.\n\n" +
        styled("Usage: ", Style::bold, colour) + "loco COMMAND [options]\n\n" +
        styled("First steps", Style::bold, colour) +
        "\n    sudo loco up --detach     run the platform on this machine\n    loco init           "
        "      write a loco.toml for this "
        "folder\n    loco deploy               build, release, and see it at its URL\n\n" +
        styled("Commands", Style::bold, colour) + "\n";
    std::vector<std::vector<std::string>> rows;
    for (const auto& known : commands) {
        if (!known.hidden)
            rows.push_back(
                {"  " + styled(known.name, Style::bold, colour), std::string(known.summary)});
    }
    return text + table(rows, 0) + std::string(kGlobals) +
           "\n`loco COMMAND --help` says more, with examples.\n";
}

}  // namespace loco::cli
