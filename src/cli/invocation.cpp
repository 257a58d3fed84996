#include "cli/invocation.hpp"

#include <boost/json.hpp>
#include <charconv>
#include <cstdlib>
#include <filesystem>

#include "domain/catalogue.hpp"
#include "spec/folder.hpp"

namespace loco::cli {
namespace {

namespace json = boost::json;

// RFC 8259 with two spaces an indent: for people who read --json in a terminal.
void pretty(std::string& out, const json::value& value, int depth) {
    const std::string indent(static_cast<std::size_t>(depth + 1) * 2, ' ');
    const std::string closing(static_cast<std::size_t>(depth) * 2, ' ');
    if (value.is_object() && !value.as_object().empty()) {
        out += "{\n";
        bool first = true;
        for (const auto& [key, item] : value.as_object()) {
            out += (first ? "" : ",\n") + indent + json::serialize(json::string(key)) + ": ";
            pretty(out, item, depth + 1);
            first = false;
        }
        out += "\n" + closing + "}";
    } else if (value.is_array() && !value.as_array().empty()) {
        out += "[\n";
        bool first = true;
        for (const auto& item : value.as_array()) {
            out += (first ? "" : ",\n") + indent;
            pretty(out, item, depth + 1);
            first = false;
        }
        out += "\n" + closing + "]";
    } else {
        out += json::serialize(value);
    }
}

}  // namespace

bool colour_allowed(const Parsed& parsed) {
    const char* no_color = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    const bool dumb = term != nullptr && std::string_view(term) == "dumb";
    return !parsed.no_color && !dumb && (no_color == nullptr || no_color[0] == 0);
}

Invocation::Invocation(Parsed parsed, Terminal& terminal, Settings settings)
    : parsed_(std::move(parsed)), terminal_(terminal), settings_(std::move(settings)) {
    if (parsed_.team) settings_.team = *parsed_.team;
}

client::Api& Invocation::api() {
    if (!api_)
        api_ = std::make_unique<client::Api>(
            client::Endpoint{.url = settings_.host, .token = settings_.token});
    return *api_;
}

bool Invocation::has(std::string_view option) const { return parsed_.options.contains(option); }

std::optional<std::string> Invocation::option(std::string_view name) const {
    const auto found = parsed_.options.find(name);
    return found == parsed_.options.end() ? std::nullopt : std::optional(found->second.back());
}

std::vector<std::string> Invocation::option_values(std::string_view name) const {
    const auto found = parsed_.options.find(name);
    return found == parsed_.options.end() ? std::vector<std::string>() : found->second;
}

std::optional<std::string> Invocation::argument(std::string_view name) const {
    const auto found = parsed_.arguments.find(name);
    return found == parsed_.arguments.end() ? std::nullopt : std::optional(found->second.front());
}

std::vector<std::string> Invocation::argument_values(std::string_view name) const {
    const auto found = parsed_.arguments.find(name);
    return found == parsed_.arguments.end() ? std::vector<std::string>() : found->second;
}

Result<std::optional<std::int64_t>> Invocation::number(std::string_view name, std::int64_t min,
                                                       std::int64_t max) const {
    const auto text = option(name);
    if (!text) return std::nullopt;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
    if (error != std::errc{} || end != text->data() + text->size() || value < min || value > max) {
        return fail(
            ErrorKind::invalid, std::string(name) + " " + *text + " can't be",
            "it takes a whole number from " + std::to_string(min) + " to " + std::to_string(max),
            "usage");
    }
    return value;
}

Result<ReadSpec> Invocation::read_spec(const std::string& path, bool builds) {
    LOCO_ASSIGN(auto file, spec::open_spec(path, parsed_.profile.value_or("")));
    if (!builds) file.options.exists_inside = nullptr;
    auto read = spec::read_spec(file.text, file.options);
    if (read) return ReadSpec{.spec = std::move(*read), .folder = std::move(file.folder)};
    auto error = spec::to_error(read.error());
    // That a file is missing is all told by the error: there is no line to show.
    const auto& first = read.error().front();
    const bool shown =
        !parsed_.json && (read.error().size() > 1 || first.line > 0 || !first.missing);
    if (!shown) return fail(std::move(error));
    for (const auto& diagnostic : read.error())
        terminal_.err(spec::render(diagnostic, colour_err()));
    if (read.error().size() == 1) error.message = file.options.file + " has a mistake";
    error.hint.clear();
    error.next_steps.clear();
    return fail(std::move(error));
}

Result<std::string> Invocation::app_name() {
    if (parsed_.app) return *parsed_.app;
    std::error_code error;
    if (!std::filesystem::exists("loco.toml", error)) {
        return fail(ErrorKind::invalid, "which app? there is no loco.toml in this folder",
                    "name it with -a APP, or go to the app's folder", "usage");
    }
    // Only the name: a rollback must work also when something else in the file is wrong.
    LOCO_ASSIGN(const auto file, spec::open_spec("loco.toml", parsed_.profile.value_or("")));
    if (auto name = spec::name_in(file.text, parsed_.profile.value_or(""))) return *name;
    LOCO_ASSIGN(const auto read, read_spec("loco.toml", /*builds=*/false));
    return read.spec.name;
}

Result<std::string> Invocation::app_path() {
    LOCO_ASSIGN(const auto name, app_name());
    return team_path() + "/apps/" + client::part(name);
}

std::string Invocation::team_path() const { return "/teams/" + client::part(settings_.team); }

bool Invocation::colour_out() const {
    return terminal_.out_is_terminal() && colour_allowed(parsed_) && !parsed_.json;
}
bool Invocation::colour_err() const {
    return terminal_.err_is_terminal() && colour_allowed(parsed_);
}

void Invocation::print_json(const json::value& value) {
    std::string text;
    if (terminal_.out_is_terminal()) {
        pretty(text, value, 0);
    } else {
        text = json::serialize(value);
    }
    terminal_.out(text + "\n");
}

void Invocation::note(std::string_view text) {
    if (!parsed_.quiet) terminal_.err(std::string(text) + "\n");
}

void Invocation::warn(std::string_view text) {
    terminal_.err(styled("warning:", Style::yellow, colour_err()) + " " + harmless_lines(text) +
                  "\n");
}

Result<bool> Invocation::confirm(std::string_view question, std::string_view flag) {
    if (!terminal_.interactive()) {
        return fail(ErrorKind::invalid, std::string(question) + " There is no terminal to ask on",
                    "answer with " + std::string(flag), "usage");
    }
    LOCO_ASSIGN(const auto answer, terminal_.read_line(std::string(question) + " [y/N] "));
    return answer == "y" || answer == "Y" || answer == "yes";
}

std::string how_to_learn_more(std::string_view code) {
    if (code.empty() || code == "usage" || code == "already_reported" || code == "no_such_code")
        return {};
    const auto known = explain(code);
    // A server may be newer than this client.
    if (known.entry == nullptr) return "code " + harmless(code, false);
    const bool explains = known.section->phase != "general" && known.section->phase != "inside";
    return explains ? "loco explain " + std::string(code) : std::string();
}

int report(Terminal& terminal, const Parsed& parsed, const Error& error) {
    const bool colour = terminal.err_is_terminal() && colour_allowed(parsed);
    // Much of it is others' words: a container's, a server's. Line by line, without what could steer a terminal.
    std::string text =
        styled("error:", Style::red, colour) + " " + harmless_lines(error.message) + "\n";
    if (!error.hint.empty())
        text += styled(" hint:", Style::cyan, colour) + " " + harmless_lines(error.hint) + "\n";
    for (const auto& step : error.next_steps) {
        std::string_view rest = step;
        while (true) {
            const auto end = rest.find('\n');
            text += "       " + styled(harmless(rest.substr(0, end), false), Style::bold, colour) +
                    "\n";
            if (end == std::string_view::npos) break;
            rest.remove_prefix(end + 1);
        }
    }
    if (const auto more = how_to_learn_more(error.code); !more.empty())
        text += styled(" more: " + more, Style::dim, colour) + "\n";
    terminal.err(text);
    const int exit_status = traits(error.kind).exit_status;
    if (parsed.json && error.code != "already_reported") {
        json::array steps;
        for (const auto& step : error.next_steps) steps.emplace_back(step);
        json::object context;
        for (const auto& [key, value] : error.context) context[key] = value;
        terminal.out(json::serialize(json::object{{"error",
                                                   {{"code", error.code_or_kind()},
                                                    {"message", error.message},
                                                    {"hint", error.hint},
                                                    {"next_steps", std::move(steps)},
                                                    {"context", std::move(context)},
                                                    {"exit_status", exit_status}}}}) +
                     "\n");
    }
    return exit_status;
}

}  // namespace loco::cli
