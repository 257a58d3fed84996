// env list, set, unset, import: an app's secrets. Values go to the server and never come back.
#include <algorithm>
#include <boost/json.hpp>

#include "cli/commands/all.hpp"
#include "cli/follow.hpp"
#include "cli/json_view.hpp"
#include "os/file.hpp"

namespace loco::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxValue = 64U << 10;
constexpr Option kStage{.name = "--stage",
                        .help = "with the next deploy, instead of a release now"};
constexpr Option kDetach{.name = "--detach", .help = "do not wait until it is live"};

Result<> run_list(Invocation& invocation) {
    LOCO_ASSIGN(const auto path, invocation.app_path());
    LOCO_ASSIGN(const auto env, invocation.api().get(path + "/env"));
    if (invocation.json()) {
        invocation.print_json(env);
        return {};
    }
    const auto& items = array_at(env, "items");
    if (items.empty()) invocation.note("no variables are set; set one with `loco env set NAME`");
    for (const auto& item : items) invocation.print(text_at(item, "name") + "\n");
    const auto& live = at(env, "live_version");
    if (live.is_int64() && live.as_int64() != int_at(env, "version")) {
        invocation.note(
            "the newest changes are not live yet; they come with the next deploy or `loco "
            "redeploy`");
    }
    return {};
}

// The deployment itself, or it was interrupted; not only the connection by which it was followed.
bool has_ended(const Error& error) {
    return error.kind == ErrorKind::interrupted ||
           std::ranges::any_of(error.context, [](const auto& one) { return one.first == "phase"; });
}

Result<> send(Invocation& invocation, json::object change, std::string_view done) {
    change["stage"] = invocation.has("--stage");
    LOCO_ASSIGN(const auto path, invocation.app_path());
    LOCO_ASSIGN(const auto changed, invocation.api().patch(path + "/env", std::move(change)));
    const auto& deployment = at(changed, "deployment");
    if (deployment.is_object()) {
        auto finished = finish(invocation, path, deployment, done);
        if (finished || !has_ended(finished.error())) return finished;
        finished.error().next_steps.emplace_back(
            "the change is kept: it goes live with the next deploy; undo it with `loco env unset` "
            "or `loco env set`");
        return finished;
    }
    if (invocation.json()) {
        invocation.print_json(changed);
    } else {
        invocation.note(std::string(done) +
                        (invocation.has("--stage") ? "; live with the next deploy" : ""));
    }
    return {};
}

// What was read, or that it is too large for a variable.
Result<std::string> of_value(Result<std::string> read, const std::string& name) {
    if (read || read.error().kind != ErrorKind::too_large) return read;
    return fail(ErrorKind::invalid, "the value of " + name + " is larger than 64 KiB",
                "keep files out of the environment", "env_too_large");
}

// One of NAME, NAME=VALUE, NAME=@FILE.
Result<std::pair<std::string, Secret<>>> read_assignment(Invocation& invocation,
                                                         const std::string& text, bool only) {
    const auto equals = text.find('=');
    const auto name = text.substr(0, equals);
    if (equals == std::string::npos) {
        if (invocation.terminal().interactive()) {
            LOCO_ASSIGN(auto value,
                        invocation.terminal().read_secret("value of " + name + " (not shown): "));
            return std::pair(name, std::move(value));
        }
        if (!only) {
            return fail(ErrorKind::invalid,
                        "the value of " + name + " can't be read: stdin holds one value only",
                        "set the others with NAME=@FILE", "usage");
        }
        LOCO_ASSIGN(auto value, of_value(invocation.terminal().read_input(kMaxValue + 1), name));
        if (value.ends_with('\n')) value.pop_back();
        if (value.ends_with('\r')) value.pop_back();
        return std::pair(name, Secret<>(std::move(value)));
    }
    const auto value = text.substr(equals + 1);
    if (value.starts_with('@')) {
        LOCO_ASSIGN(auto contents, of_value(os::read_file(value.substr(1), kMaxValue + 1), name));
        if (contents.ends_with('\n')) contents.pop_back();
        return std::pair(name, Secret<>(std::move(contents)));
    }
    invocation.warn("the value of " + name + " is now in your shell's history; `loco env set " +
                    name + "` reads it from a prompt");
    return std::pair(name, Secret<>(value));
}

Result<> run_set(Invocation& invocation) {
    const auto assignments = invocation.argument_values("NAME");
    json::object values;
    for (const auto& text : assignments) {
        LOCO_ASSIGN(auto assignment, read_assignment(invocation, text, assignments.size() == 1));
        values[assignment.first] = assignment.second.reveal();
    }
    return send(invocation, {{"set", std::move(values)}}, "set");
}

Result<> run_unset(Invocation& invocation) {
    json::array names;
    for (const auto& name : invocation.argument_values("NAME")) names.emplace_back(name);
    return send(invocation, {{"unset", std::move(names)}}, "unset");
}

// Lines of NAME=VALUE; "#" begins a comment line; quotes around a value go, and within double ones \n, \" and \\ are read.
Result<json::object> parse_dotenv(const std::string& text, const std::string& file) {
    json::object values;
    std::string_view rest = text;
    for (int line_number = 1; !rest.empty(); ++line_number) {
        const auto end = rest.find('\n');
        auto line = rest.substr(0, end);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
        while (line.starts_with(' ') || line.starts_with('\t')) line.remove_prefix(1);
        if (line.starts_with("export ")) line.remove_prefix(7);
        if (line.empty() || line.starts_with('#')) continue;
        const auto equals = line.find('=');
        if (equals == std::string_view::npos || equals == 0) {
            return fail(ErrorKind::invalid,
                        file + ":" + std::to_string(line_number) + ": this line is no NAME=VALUE",
                        "write NAME=VALUE, or # before a comment", "invalid_env_file");
        }
        auto value = line.substr(equals + 1);
        std::string plain;
        if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
            value = value.substr(1, value.size() - 2);
            for (std::size_t i = 0; i < value.size(); ++i) {
                if (value[i] == '\\' && i + 1 < value.size()) {
                    const char c = value[++i];
                    plain += c == 'n' ? '\n' : c;
                } else {
                    plain += value[i];
                }
            }
        } else if (value.size() >= 2 && value.front() == '\'' && value.back() == '\'') {
            plain = value.substr(1, value.size() - 2);
        } else {
            plain = value;
        }
        values[line.substr(0, equals)] = plain;
    }
    return values;
}

Result<> run_import(Invocation& invocation) {
    const auto file = *invocation.argument("FILE");
    LOCO_ASSIGN(const auto text, file == "-" ? invocation.terminal().read_input(1U << 20)
                                             : os::read_file(file, 1U << 20));
    LOCO_ASSIGN(auto values, parse_dotenv(text, file));
    if (values.empty())
        return fail(ErrorKind::invalid, file + " sets no variable", {}, "invalid_env_file");
    return send(invocation, {{"set", std::move(values)}}, "imported");
}

}  // namespace

Command env_list_command() {
    return {.name = "env list",
            .summary = "List the names of the app's variables",
            .help = "Names only: a value, once set, can't be read back.\n\n    loco env list",
            .about_an_app = true,
            .run = run_list,
            .aliases = {"variables"}};
}

Command env_set_command() {
    return {.name = "env set",
            .summary = "Set secret variables and release them",
            .help =
                "NAME reads the value from a prompt or from stdin, NAME=@FILE from a file. "
                "NAME=VALUE works too, and warns: "
                "the shell's history keeps it. A new release goes live with it, unless "
                "--stage.\n\n    loco env set "
                "DATABASE_URL\n    loco env set TLS_KEY=@key.pem --stage\n    pass show db | loco "
                "env set DATABASE_URL",
            .options = {kStage, kDetach},
            .arguments = {{.name = "NAME",
                           .help = "NAME, NAME=@FILE or NAME=VALUE",
                           .required = true,
                           .repeated = true}},
            .about_an_app = true,
            .run = run_set};
}

Command env_unset_command() {
    return {.name = "env unset",
            .summary = "Remove variables and release without them",
            .help = "    loco env unset OLD_KEY OTHER",
            .options = {kStage, kDetach},
            .arguments = {{.name = "NAME", .help = "which", .required = true, .repeated = true}},
            .about_an_app = true,
            .run = run_unset};
}

Command env_import_command() {
    return {.name = "env import",
            .summary = "Set all variables of a file",
            .help =
                "FILE has a NAME=VALUE a line, as a .env file; - reads stdin.\n\n    loco env "
                "import .env.production",
            .options = {kStage, kDetach},
            .arguments = {{.name = "FILE", .help = "the file, or -", .required = true}},
            .about_an_app = true,
            .run = run_import};
}

}  // namespace loco::cli
