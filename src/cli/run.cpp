#include <algorithm>
#include <boost/json.hpp>
#include <chrono>

#include "base/guard.hpp"
#include "base/log.hpp"
#include "cli/invocation.hpp"
#include "cli/version.hpp"
#include "os/file.hpp"

namespace loco::cli {
namespace {

// The debug log is a help for later; that it can't be written is no reason to fail.
void open_debug_log(bool to_stderr) {
    if (to_stderr) return log::init({.level = log::Level::debug, .json = false});
    const auto directory = state_directory();
    if (!os::make_directories(directory, 0700)) return;
    log::init(
        {.level = log::Level::debug, .json = false, .file = (directory / "loco.log").string()});
    give_to_caller(directory / "loco.log");
}

int show_version(Terminal& terminal, const Parsed& parsed) {
    if (parsed.json) {
        terminal.out(boost::json::serialize(boost::json::object{{"version", kVersion}}) + "\n");
    } else {
        terminal.out("loco " + std::string(kVersion) + "\n");
    }
    return 0;
}

int run_words(std::span<const std::string> words, Terminal& terminal) {
    auto parsed = parse(words, all_commands());
    if (!parsed) {
        Parsed plain;
        plain.json = std::ranges::find(words, "--json") != words.end();
        return report(terminal, plain, parsed.error());
    }
    if (parsed->version) return show_version(terminal, *parsed);
    if (parsed->help || parsed->command == nullptr) {
        const bool colour = terminal.out_is_terminal() && colour_allowed(*parsed);
        terminal.out(help_text(parsed->command, all_commands(), colour, terminal.width()));
        return 0;
    }
    auto settings = load_settings(config_file());
    if (!settings && !parsed->command->without_settings)
        return report(terminal, *parsed, settings.error());
    open_debug_log(parsed->verbose);
    const auto* command = parsed->command;
    log::info("command", {{"name", command->name}});
    const auto started = std::chrono::steady_clock::now();
    auto effective = with_environment(settings ? *settings : Settings{}, parsed->host);
    Invocation invocation(std::move(*parsed), terminal, std::move(effective));
    if (!settings) invocation.set_unreadable(settings.error());
    const auto result = command->run(invocation);
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - started);
    if (result) {
        log::info("done", {{"milliseconds", took.count()}});
        return 0;
    }
    log::failure("failed", result.error());
    return report(terminal, invocation.parsed(), result.error());
}

}  // namespace

int run(std::span<const std::string> words, Terminal& terminal) {
    int status = 0;
    auto done = guarded([&]() -> Result<> {
        status = run_words(words, terminal);
        return {};
    });
    if (done) return status;
    log::failure("thrown", done.error());
    done.error().hint = "what went before is in " + (state_directory() / "loco.log").string() +
                        "; please report it";
    Parsed plain;
    plain.json = std::ranges::find(words, "--json") != words.end();
    return report(terminal, plain, done.error());
}

}  // namespace loco::cli
