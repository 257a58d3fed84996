// doctor: looks at everything between this command line and an app that answers.
#include "cli/doctor.hpp"

#include <boost/json.hpp>
#include <filesystem>

#include "cli/commands/all.hpp"
#include "cli/invocation.hpp"
#include "cli/version.hpp"
#include "platform/up.hpp"

namespace loco::cli {
namespace {

namespace json = boost::json;

constexpr int kIndent = 4;

std::string mark(Check::State state, bool colour) {
    switch (state) {
        case Check::State::ok: return styled("✓", Style::green, colour);
        case Check::State::warning: return styled("!", Style::yellow, colour);
        case Check::State::failed: return styled("✗", Style::red, colour);
        case Check::State::not_applicable: return styled("-", Style::dim, colour);
    }
    return {};
}

std::string title(std::string_view where) {
    if (where == "client") return "here";
    return where == "server" ? "the server" : "this machine's Loco";
}

// Groups in the order of how one gets to an app; within them as they were looked at.
void show(Invocation& invocation, const std::vector<Check>& checks) {
    const bool colour = invocation.colour_out();
    std::size_t width = 0;
    for (const auto& check : checks) width = std::max(width, check.name.size());
    std::string text;
    for (const std::string_view where : {"client", "server", "machine"}) {
        bool first = true;
        for (const auto& check : checks) {
            if (check.where != where) continue;
            if (first)
                text +=
                    (text.empty() ? "" : "\n") + styled(title(where), Style::bold, colour) + "\n";
            first = false;
            text += "  " + mark(check.state, colour) + " " + harmless(check.name, false) +
                    std::string(width - check.name.size() + 2, ' ') +
                    harmless(check.message, false) + "\n";
            for (const auto& step : check.next_steps)
                text += std::string(width + kIndent + 2, ' ') + styled("→ ", Style::cyan, colour) +
                        harmless(step, false) + "\n";
        }
    }
    invocation.print(text);
}

void show_json(Invocation& invocation, const std::vector<Check>& checks, int failures,
               int exit_status) {
    json::array list;
    for (const auto& check : checks) {
        json::array steps;
        for (const auto& step : check.next_steps) steps.emplace_back(step);
        list.push_back(json::object{{"where", check.where},
                                    {"name", check.name},
                                    {"state", to_string(check.state)},
                                    {"message", check.message},
                                    {"next_steps", std::move(steps)}});
    }
    invocation.print_json(json::object{
        {"ok", failures == 0}, {"exit_status", exit_status}, {"checks", std::move(list)}});
}

Result<std::filesystem::path> data_dir(Invocation& invocation) {
    const auto given = invocation.option("--data");
    if (!given) return platform::default_data_dir();
    std::error_code error;
    auto folder = std::filesystem::absolute(*given, error);
    if (!error) return folder;
    return fail(ErrorKind::invalid, "--data \"" + *given + "\" can't be: " + error.message(),
                "name it from the root: --data /FOLDER", "usage");
}

Result<> run_doctor(Invocation& invocation) {
    LOCO_ASSIGN(auto folder, data_dir(invocation));
    DoctorRequest request{.settings = invocation.settings(),
                          .config = config_file(),
                          .unreadable = invocation.unreadable(),
                          .data_dir = std::move(folder),
                          .named = invocation.has("--data"),
                          .version = std::string(kVersion)};
    const auto checks = examine(request);
    int failures = 0;
    const Check* first = nullptr;
    for (const auto& check : checks) {
        if (check.state != Check::State::failed) continue;
        ++failures;
        if (first == nullptr) first = &check;
    }
    const int status = first == nullptr ? 0 : traits(first->kind).exit_status;
    if (invocation.json())
        show_json(invocation, checks, failures, status);
    else
        show(invocation, checks);
    if (first == nullptr) return {};
    return fail(first->kind,
                std::to_string(failures) + (failures == 1 ? " check" : " checks") + " of " +
                    std::to_string(checks.size()) + " failed",
                "mend the first, and look again", "already_reported");
}

}  // namespace

Command doctor_command() {
    return {
        .name = "doctor",
        .summary = "Look whether what a deploy needs is well, and what mends it",
        .help =
            "Looks at this client (configuration, disk, container engine and builder), at the "
            "server (address, version, clock, your token, its database, engine, gateway, registry, "
            "disk), and at the way to them from here (registry, names, gateway). On the server's "
            "machine it looks at the parts as well. It works signed out, and with no server at "
            "all, and changes nothing.\n\nExit status 0 when nothing failed (there may be "
            "warnings), else that of the first failure: 8 for what can't be reached or has no "
            "room, 3 for a token or a file's mode, 2 for a malformed "
            "configuration.\n\n    loco doctor\n    sudo loco doctor --data /srv/loco",
        .options = {{.name = "--data",
                     .value = "DIR",
                     .help = "the data folder of the Loco on this machine (/var/lib/loco)"}},
        .run = run_doctor,
        .without_settings = true};
}

}  // namespace loco::cli
