#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>

#include "cli/command.hpp"
#include "spec/suggest.hpp"

namespace loco::cli {
namespace {

struct Binding {
    const Command* command;
    CLI::App* app;
    std::map<std::string, std::vector<std::string>, std::less<>> options;
    std::map<std::string, bool, std::less<>> flags;
    std::map<std::string, std::vector<std::string>, std::less<>> arguments;
};

struct Globals {
    std::string host, team, app, profile;
    bool json = false, quiet = false, no_color = false, verbose = false, help = false, version = false;
};

CLI::App* child(CLI::App& parent, const std::string& name) {
    for (auto* known : parent.get_subcommands([&](const CLI::App* app) { return app->get_name() == name; })) return known;
    auto* made = parent.add_subcommand(name);
    made->fallthrough()->set_help_flag();
    return made;
}

void add_options(Binding& binding, Globals& globals) {
    auto& app = *binding.app;
    for (const auto& option : binding.command->options) {
        std::string names(option.name);
        if (option.letter != 0) names = std::string("-") + option.letter + "," + names;
        if (option.value.empty()) {
            app.add_flag(names, binding.flags[std::string(option.name)]);
            continue;
        }
        auto* made = app.add_option(names, binding.options[std::string(option.name)])->type_size(1)->allow_extra_args(false);
        made->multi_option_policy(option.repeated ? CLI::MultiOptionPolicy::TakeAll : CLI::MultiOptionPolicy::TakeLast);
    }
    if (binding.command->about_an_app) {
        app.add_option("-a,--app", globals.app);
        app.add_option("--profile", globals.profile);
    }
    for (const auto& argument : binding.command->arguments) {
        auto* made = app.add_option(std::string(argument.name), binding.arguments[std::string(argument.name)]);
        if (argument.repeated) {
            made->expected(argument.required ? 1 : 0, 100'000);
        } else {
            made->expected(argument.required ? 1 : 0, 1);
        }
        made->required(argument.required);
    }
}

std::vector<std::string> split_words(std::string_view name) {
    std::vector<std::string> words;
    while (!name.empty()) {
        const auto end = name.find(' ');
        words.emplace_back(name.substr(0, end));
        name.remove_prefix(end == std::string_view::npos ? name.size() : end + 1);
    }
    return words;
}

// The command that the words mean as far as they can be read, to name its usage.
const Command* nearest_command(std::span<const std::string> words, std::span<const Command> commands) {
    const Command* best = nullptr;
    for (const auto& command : commands) {
        const auto parts = split_words(command.name);
        auto at = std::ranges::find(words, parts[0]);
        if (at == words.end()) continue;
        const bool whole = parts.size() == 1 || (at + 1 != words.end() && *(at + 1) == parts[1]);
        if (whole && (best == nullptr || command.name.size() > best->name.size())) best = &command;
    }
    return best;
}

std::string did_you_mean(std::string_view text, const std::vector<std::string>& candidates) {
    const std::vector<std::string_view> views(candidates.begin(), candidates.end());
    return std::string(spec::nearest(text, views));
}

// "did you mean" for the first word that is no command, or the first option that is unknown.
Error explain(std::span<const std::string> words, std::span<const Command> commands, const std::string& what) {
    Error error{.kind = ErrorKind::invalid, .message = what, .code = "usage"};
    const auto* command = nearest_command(words, commands);
    if (command != nullptr) {
        std::vector<std::string> options{"--app", "--profile", "--json", "--quiet", "--host", "--team", "--no-color", "--help"};
        for (const auto& option : command->options) options.emplace_back(option.name);
        for (const auto& word : words) {
            const auto name = word.substr(0, word.find('='));
            if (!word.starts_with("--") || std::ranges::find(options, name) != options.end()) continue;
            error.message = "`loco " + std::string(command->name) + "` has no option " + name;
            if (const auto near = did_you_mean(name, options); !near.empty()) error.hint = "did you mean " + near + "?";
            break;
        }
        if (error.hint.empty()) error.hint = "see `loco " + std::string(command->name) + " --help`";
        return error;
    }
    std::vector<std::string> names;
    for (const auto& known : commands) {
        if (known.hidden) continue;
        names.emplace_back(known.name);
        names.push_back(split_words(known.name)[0]);
        for (const auto alias : known.aliases) names.emplace_back(alias);
    }
    const auto first = std::ranges::find_if(words, [](const std::string& w) { return !w.starts_with('-'); });
    if (first == words.end()) {
        error.hint = "see `loco --help`";
        return error;
    }
    const bool is_noun = std::ranges::any_of(commands, [&](const Command& c) { return c.name.starts_with(*first + " "); });
    auto said = *first;
    if (is_noun && first + 1 != words.end() && !(first + 1)->starts_with('-')) said += " " + *(first + 1);
    error.message = is_noun && said == *first ? "`loco " + said + "` needs a verb" : "there is no command `loco " + said + "`";
    if (is_noun) {
        std::string verbs;
        for (const auto& known : commands) {
            if (known.name.starts_with(*first + " ")) verbs += (verbs.empty() ? "" : ", ") + split_words(known.name)[1];
        }
        error.hint = "it has " + verbs;
    } else if (const auto near = did_you_mean(said, names); !near.empty()) {
        error.hint = "did you mean `loco " + near + "`?";
    } else {
        error.hint = "see `loco --help`";
    }
    return error;
}

void add_globals(CLI::App& app, Globals& globals) {
    app.set_help_flag();
    app.add_flag("-h,--help", globals.help);
    app.add_flag("--version", globals.version);
    app.add_option("--host", globals.host);
    app.add_option("--team", globals.team);
    app.add_flag("--json", globals.json);
    app.add_flag("--quiet,-q", globals.quiet);
    app.add_flag("--no-color", globals.no_color);
    app.add_flag("--verbose,-v", globals.verbose);
}

std::optional<std::string> given(const std::string& text) {
    return text.empty() ? std::nullopt : std::optional(text);
}

Parsed take(const Globals& globals) {
    Parsed parsed;
    parsed.host = given(globals.host);
    parsed.team = given(globals.team);
    parsed.app = given(globals.app);
    parsed.profile = given(globals.profile);
    parsed.json = globals.json;
    parsed.quiet = globals.quiet;
    parsed.no_color = globals.no_color;
    parsed.verbose = globals.verbose;
    parsed.help = globals.help;
    parsed.version = globals.version;
    return parsed;
}

void take(Binding& binding, Parsed& parsed) {
    parsed.command = binding.command;
    for (auto& [name, values] : binding.options) {
        if (!values.empty()) parsed.options[name] = std::move(values);
    }
    for (const auto& [name, set] : binding.flags) {
        if (set) parsed.options[name] = {""};
    }
    for (auto& [name, values] : binding.arguments) {
        if (!values.empty()) parsed.arguments[name] = std::move(values);
    }
}

}  // namespace

Result<Parsed> parse(std::span<const std::string> words, std::span<const Command> commands) {
    CLI::App root("loco");
    Globals globals;
    add_globals(root, globals);
    std::vector<Binding> bindings;
    bindings.reserve(commands.size());
    for (const auto& command : commands) {
        CLI::App* app = &root;
        for (const auto& word : split_words(command.name)) app = child(*app, word);
        auto* first = root.get_subcommand(split_words(command.name)[0]);
        for (const auto alias : command.aliases) {
            if (!first->check_name(std::string(alias))) first->alias(std::string(alias));
        }
        bindings.push_back({.command = &command, .app = app});
        add_options(bindings.back(), globals);
    }
    // `--help` must not fail for want of a required argument: it is answered before the parser looks.
    const auto end_of_options = std::ranges::find(words, "--");
    const bool wants_help = std::any_of(words.begin(), end_of_options,
                                        [](const std::string& w) { return w == "--help" || w == "-h"; });
    if (wants_help) {
        Parsed parsed;
        parsed.help = true;
        parsed.command = nearest_command(words, commands);
        return parsed;
    }
    std::vector<std::string> reversed(words.rbegin(), words.rend());
    try {
        root.parse(std::move(reversed));
    } catch (const CLI::ParseError& error) {
        return fail(explain(words, commands, error.what()));
    }
    auto parsed = take(globals);
    for (auto& binding : bindings) {
        if (binding.app->parsed()) take(binding, parsed);
    }
    if (parsed.command == nullptr && !parsed.version && !words.empty()) {
        return fail(explain(words, commands, "no command was given"));
    }
    return parsed;
}

}  // namespace loco::cli
