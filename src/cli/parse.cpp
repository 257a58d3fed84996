#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
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
    bool json = false, quiet = false, no_color = false, verbose = false, help = false,
         version = false;
};

CLI::App* child(CLI::App& parent, const std::string& name) {
    for (auto* known :
         parent.get_subcommands([&](const CLI::App* app) { return app->get_name() == name; }))
        return known;
    auto* made = parent.add_subcommand(name);
    made->fallthrough()->set_help_flag();
    return made;
}

// `filled_later`: words after "--" will fill arguments, so that none is required yet.
void add_options(Binding& binding, Globals& globals, bool filled_later) {
    auto& app = *binding.app;
    for (const auto& option : binding.command->options) {
        std::string names(option.name);
        if (option.letter != 0) names = std::string("-") + option.letter + "," + names;
        if (option.value.empty()) {
            app.add_flag(names, binding.flags[std::string(option.name)]);
            continue;
        }
        auto* made = app.add_option(names, binding.options[std::string(option.name)])
                         ->type_size(1)
                         ->allow_extra_args(false);
        made->multi_option_policy(option.repeated ? CLI::MultiOptionPolicy::TakeAll
                                                  : CLI::MultiOptionPolicy::TakeLast);
    }
    if (binding.command->about_an_app) {
        app.add_option("-a,--app", globals.app);
        app.add_option("--profile", globals.profile);
    }
    for (const auto& argument : binding.command->arguments) {
        auto* made = app.add_option(std::string(argument.name),
                                    binding.arguments[std::string(argument.name)]);
        const bool required = argument.required && !filled_later;
        made->expected(required ? 1 : 0, argument.repeated ? 100'000 : 1)->required(required);
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

// What a first word stands for: "env" for its alias "variables", "whoami" for "account"; itself if it is no alias.
std::string without_alias(const std::string& word, std::span<const Command> commands) {
    for (const auto& command : commands) {
        if (std::ranges::find(command.aliases, word) != command.aliases.end())
            return split_words(command.name)[0];
    }
    return word;
}

// The command that the words mean as far as they can be read, to name its usage.
const Command* nearest_command(std::span<const std::string> words,
                               std::span<const Command> commands) {
    constexpr std::array<std::string_view, 5> kTakeValue{"--host", "--team", "--app", "-a",
                                                         "--profile"};
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0 && std::ranges::find(kTakeValue, words[i - 1]) != kTakeValue.end()) continue;
        for (const auto& command : commands) {
            const auto parts = split_words(command.name);
            if (without_alias(words[i], commands) == parts[0] &&
                (parts.size() == 1 || (i + 1 < words.size() && words[i + 1] == parts[1])))
                return &command;
        }
    }
    return nullptr;
}

// Gives the words behind "--" to the arguments that have none yet, in their order; the last may take all.
Result<> fill_arguments(Parsed& parsed, std::span<const std::string> words) {
    if (words.empty()) return {};
    if (parsed.command != nullptr) {
        for (const auto& argument : parsed.command->arguments) {
            auto& values = parsed.arguments[std::string(argument.name)];
            while (!words.empty() && (values.empty() || argument.repeated)) {
                values.push_back(words.front());
                words = words.subspan(1);
            }
            if (values.empty()) parsed.arguments.erase(std::string(argument.name));
        }
    }
    if (words.empty()) return {};
    return fail(ErrorKind::invalid, "\"" + words.front() + "\" is one word too many",
                parsed.command == nullptr
                    ? "see `loco --help`"
                    : "see `loco " + std::string(parsed.command->name) + " --help`",
                "usage");
}

std::string did_you_mean(std::string_view text, const std::vector<std::string>& candidates) {
    const std::vector<std::string_view> views(candidates.begin(), candidates.end());
    return std::string(spec::nearest(text, views));
}

// "did you mean" for the first word that is no command, or the first option that is unknown.
Error explain(std::span<const std::string> words, std::span<const Command> commands,
              const std::string& what) {
    Error error{.kind = ErrorKind::invalid, .message = what, .code = "usage"};
    const auto* command = nearest_command(words, commands);
    if (command != nullptr) {
        std::vector<std::string> options{"--app",  "--profile",  "--json",    "--quiet", "--host",
                                         "--team", "--no-color", "--verbose", "--help"};
        for (const auto& option : command->options) options.emplace_back(option.name);
        for (const auto& word : words) {
            const auto name = word.substr(0, word.find('='));
            if (!word.starts_with("--") || std::ranges::find(options, name) != options.end())
                continue;
            error.message = "`loco " + std::string(command->name) + "` has no option " + name;
            if (const auto near = did_you_mean(name, options); !near.empty())
                error.hint = "did you mean " + near + "?";
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
    const auto first =
        std::ranges::find_if(words, [](const std::string& w) { return !w.starts_with('-'); });
    // Named by the documentation of Loco as a whole, and not here yet.
    constexpr std::array<std::string_view, 8> kLater{"login", "logout", "team",   "token",
                                                     "run",   "exec",   "doctor", "explain"};
    if (first != words.end() && std::ranges::find(kLater, *first) != kLater.end()) {
        error.message = "`loco " + *first + "` comes with a later version";
        error.hint = "see what this one has with `loco --help`";
        return error;
    }
    if (first == words.end()) {
        error.hint = "see `loco --help`";
        return error;
    }
    const auto noun = without_alias(*first, commands) + " ";
    const auto of_noun = [&](const Command& c) { return c.name.starts_with(noun); };
    const bool is_noun = std::ranges::any_of(commands, of_noun);
    auto said = *first;
    if (is_noun && first + 1 != words.end() && !(first + 1)->starts_with('-'))
        said += " " + *(first + 1);
    error.message = is_noun && said == *first ? "`loco " + said + "` needs a verb"
                                              : "there is no command `loco " + said + "`";
    if (is_noun) {
        std::string verbs;
        for (const auto& known : commands) {
            if (of_noun(known)) verbs += (verbs.empty() ? "" : ", ") + split_words(known.name)[1];
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

Result<Parsed> parse(std::span<const std::string> all_words, std::span<const Command> commands) {
    // Behind "--" nothing is an option. CLI11 knows that of the outermost command only, so it never sees them.
    const auto mark = std::ranges::find(all_words, "--");
    const auto words = all_words.first(static_cast<std::size_t>(mark - all_words.begin()));
    const auto rest =
        mark == all_words.end() ? all_words.last(0) : all_words.subspan(words.size() + 1);
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
        add_options(bindings.back(), globals, !rest.empty());
    }
    // `--help` must not fail for want of a required argument: it is answered before the parser looks.
    const bool wants_help =
        std::ranges::any_of(words, [](const std::string& w) { return w == "--help" || w == "-h"; });
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
    LOCO_TRY(fill_arguments(parsed, rest));
    return parsed;
}

}  // namespace loco::cli
