// init, validate: a loco.toml's beginning, and what is wrong with one.
#include <boost/json.hpp>
#include <filesystem>

#include "cli/commands/all.hpp"
#include "cli/invocation.hpp"
#include "cli/json_view.hpp"
#include "os/file.hpp"
#include "spec/folder.hpp"
#include "spec/init.hpp"
#include "spec/json_value.hpp"
#include "spec/runtime_rules.hpp"

namespace loco::cli {
namespace {

namespace json = boost::json;

Result<> run_init(Invocation& invocation) {
    const std::filesystem::path folder = invocation.argument("DIR").value_or(".");
    const auto file = folder / "loco.toml";
    std::error_code error;
    if (std::filesystem::exists(file, error) && !invocation.has("--force")) {
        return fail(ErrorKind::conflict, file.string() + " is there already",
                    "check it with `loco validate`, or write it anew with --force", "spec_exists");
    }
    const auto absolute = std::filesystem::absolute(folder, error);
    if (error) {
        return fail(ErrorKind::invalid, "can't find " + folder.string() + ": " + error.message(),
                    "go to a folder that is there, or name it from the root", "usage");
    }
    LOCO_ASSIGN(const auto init, spec::init_folder(absolute.lexically_normal()));
    LOCO_TRY(os::write_file_atomically(file, init.text));
    if (invocation.json()) {
        json::array warnings;
        for (const auto& warning : init.warnings) warnings.emplace_back(warning);
        invocation.print_json(json::object{{"file", file.string()},
                                           {"name", init.name},
                                           {"port", init.port},
                                           {"dockerfile", init.dockerfile},
                                           {"warnings", std::move(warnings)}});
        return {};
    }
    invocation.note("wrote " + file.string() + ": app " + init.name + ", port " +
                    std::to_string(init.port) +
                    (init.port_found ? " (from the Dockerfile)"
                                     : " (a guess: change it if the app listens elsewhere)"));
    for (const auto& warning : init.warnings) invocation.warn(warning);
    if (init.warnings.empty()) invocation.note("next: loco deploy");
    return {};
}

json::object present(const spec::Diagnostic& diagnostic) {
    return {{"file", diagnostic.file},         {"line", diagnostic.line},
            {"column", diagnostic.column},     {"length", diagnostic.length},
            {"key", diagnostic.key},           {"message", diagnostic.message},
            {"expected", diagnostic.expected}, {"suggestion", diagnostic.suggestion},
            {"fix", diagnostic.fix},           {"source_line", diagnostic.source_line}};
}

// What one runtime refuses or does otherwise: which one the server has, only it knows.
json::array runtime_notes(const AppSpec& spec) {
    json::array notes;
    for (const auto runtime : {RuntimeKind::machine, RuntimeKind::kubernetes}) {
        const bool machine = runtime == RuntimeKind::machine;
        for (const auto& one : spec::unhonoured(spec, runtime)) {
            notes.push_back(json::object{{"runtime", machine ? "machine" : "kubernetes"},
                                         {"key", one.key},
                                         {"refused", one.refused},
                                         {"message", one.message}});
        }
    }
    return notes;
}

Result<> run_validate(Invocation& invocation) {
    const auto where =
        invocation.option("--config").value_or(invocation.argument("DIR").value_or("."));
    if (!invocation.json()) {
        LOCO_ASSIGN(const auto read, invocation.read_spec(where));
        invocation.note("✓ " + where + " is valid: app " + read.spec.name);
        for (const auto& note : runtime_notes(read.spec)) {
            const bool machine = text_at(note, "runtime") == "machine";
            invocation.note(std::string(machine ? "  on one machine" : "  on Kubernetes") +
                            (bool_at(note, "refused") ? " refused, " : ", ") +
                            text_at(note, "key") + ": " + text_at(note, "message"));
        }
        return {};
    }
    LOCO_ASSIGN(const auto file, spec::open_spec(where, invocation.parsed().profile.value_or("")));
    const auto read = spec::read_spec(file.text, file.options);
    json::array diagnostics;
    if (!read) {
        for (const auto& diagnostic : read.error()) diagnostics.push_back(present(diagnostic));
    }
    invocation.print_json(
        json::object{{"valid", read.has_value()},
                     {"diagnostics", std::move(diagnostics)},
                     {"spec", read ? spec::to_json_value(*read) : json::value(nullptr)},
                     {"notes", read ? runtime_notes(*read) : json::array()}});
    if (read) return {};
    auto error = spec::to_error(read.error());
    error.code = "already_reported";
    return fail(std::move(error));
}

}  // namespace

Command init_command() {
    return {
        .name = "init",
        .summary = "Write a loco.toml for a folder",
        .help =
            "Looks into the Dockerfile for the port and the user, and writes a commented file.\n\n "
            "   loco init\n    loco init "
            "path/to/app",
        .options = {{.name = "--force", .letter = 'f', .help = "write it anew when there is one"}},
        .arguments = {{.name = "DIR", .help = "the app's folder; without it this one"}},
        .run = run_init};
}

Command validate_command() {
    return {
        .name = "validate",
        .summary = "Check a loco.toml",
        .help =
            "Every mistake at once, each with its line, what was expected, and a fix. `loco docs "
            "loco.toml` explains every "
            "key.\n\n    loco validate\n    loco validate -c other.toml --profile staging",
        .options = {{.name = "--config", .letter = 'c', .value = "FILE", .help = "another file"}},
        .arguments = {{.name = "DIR", .help = "the app's folder; without it this one"}},
        .about_an_app = true,
        .run = run_validate};
}

}  // namespace loco::cli
