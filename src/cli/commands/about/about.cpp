// whoami, docs, completion.
#include <fmt/format.h>

#include <boost/json.hpp>

#include "cli/commands/all.hpp"
#include "cli/errors_page.hpp"
#include "cli/invocation.hpp"
#include "cli/json_view.hpp"
#include "cli/reference.hpp"
#include "domain/names.hpp"
#include "spec/reference.hpp"

namespace loco::cli {
namespace {

namespace json = boost::json;

Result<> run_whoami(Invocation& invocation) {
    LOCO_ASSIGN(const auto me, invocation.api().get("/me"));
    if (invocation.json()) {
        invocation.print_json(me);
        return {};
    }
    std::string text = text_at(me, "login") + " at " + invocation.api().url() + "\n";
    for (const auto& team : array_at(me, "teams")) {
        text +=
            "  " + std::string(text_at(team, "role")) + " of team " + text_at(team, "slug") + "\n";
    }
    invocation.print(text);
    return {};
}

Result<> run_docs(Invocation& invocation) {
    const auto topic = invocation.argument("TOPIC").value_or("");
    std::string text;
    if (topic == "loco.toml" || topic == "toml") {
        text = spec::reference_markdown();
    } else if (topic == "cli" || topic == "loco") {
        text = reference_markdown(all_commands());
    } else if (topic == "errors") {
        text = errors_markdown();
    } else if (topic.empty()) {
        text =
            "loco docs loco.toml     every key of loco.toml\n"
            "loco docs cli           every command\n"
            "loco docs errors        every error code\n" +
            invocation.api().url() + "/api/v1/openapi.json     the API\n";
    } else {
        return fail(ErrorKind::not_found, "there are no docs about \"" + topic + "\"",
                    "see `loco docs`", "no_such_topic");
    }
    if (invocation.json()) {
        invocation.print_json(json::object{{"topic", topic}, {"markdown", text}});
    } else {
        invocation.print(text);
    }
    return {};
}

// The shells ask `loco completion words -- WORD…` what may come next: one candidate a line. So the scripts stay small, and
// know the commands of the binary that is there.
std::vector<std::string> candidates(Invocation& invocation, const std::vector<std::string>& words) {
    std::vector<std::string> found;
    const Command* command = nullptr;
    for (const auto& known : all_commands()) {
        const auto space = known.name.find(' ');
        const bool fits = space == std::string_view::npos
                              ? !words.empty() && words[0] == known.name
                              : words.size() > 1 && words[0] == known.name.substr(0, space) &&
                                    words[1] == known.name.substr(space + 1);
        if (fits) command = &known;
    }
    const auto previous = words.size() > 1 ? words[words.size() - 2] : std::string();
    if (previous == "-a" || previous == "--app" ||
        (command != nullptr && command->name == "destroy")) {
        if (const auto apps = invocation.api().list(invocation.team_path() + "/apps")) {
            for (const auto& app : *apps) {
                // What a server says goes into a shell: only what an app's name can be.
                auto name = text_at(app, "name");
                if (!app_name_problem(name)) found.push_back(std::move(name));
            }
        }
        return found;
    }
    if (command != nullptr) {
        for (const auto& option : command->options) {
            if (!option.hidden) found.emplace_back(option.name);
        }
        if (command->about_an_app) found.insert(found.end(), {"--app", "--profile"});
        for (const auto* global : {"--json", "--quiet", "--help", "--host", "--team"})
            found.emplace_back(global);
        return found;
    }
    for (const auto& known : all_commands()) {
        if (known.hidden) continue;
        const auto space = known.name.find(' ');
        if (words.size() <= 1) {
            const auto word = known.name.substr(0, space);
            if (found.empty() || found.back() != word)
                found.emplace_back(word);  // a noun's verbs stand together
        } else if (space != std::string_view::npos && words[0] == known.name.substr(0, space)) {
            found.emplace_back(known.name.substr(space + 1));
        }
    }
    return found;
}

constexpr std::string_view kBash = R"sh(_loco() {
    local IFS=$'\n'
    COMPREPLY=($(compgen -W "$(loco completion words -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _loco loco
)sh";
constexpr std::string_view kZsh = R"sh(#compdef loco
_loco() {
    local -a candidates
    candidates=("${(@f)$(loco completion words -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    compadd -- $candidates
    _files
}
compdef _loco loco
)sh";
constexpr std::string_view kFish =
    R"sh(complete -c loco -f -a '(loco completion words -- (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)'
)sh";

Result<> run_completion(Invocation& invocation) {
    const auto words = invocation.argument_values("SHELL");
    const auto& shell = words.front();
    if (shell == "bash") {  // lint: allow (the name of a shell whose completion is printed)
        invocation.print(kBash);
    } else if (shell == "zsh") {
        invocation.print(kZsh);
    } else if (shell == "fish") {
        invocation.print(kFish);
    } else if (shell == "words") {
        for (const auto& candidate : candidates(invocation, {words.begin() + 1, words.end()}))
            invocation.print(candidate + "\n");
    } else {
        return fail(ErrorKind::invalid, "there is no completion for " + shell,
                    "it is there for bash, zsh and fish", "usage");
    }
    return {};
}

}  // namespace

Command whoami_command() {
    return {.name = "whoami",
            .summary = "Say who you are, and in which teams",
            .help = "    loco whoami",
            .run = run_whoami,
            .aliases = {"account"}};
}

Command docs_command() {
    return {.name = "docs",
            .summary = "Read the documentation",
            .help =
                "The references as Markdown.\n\n    loco docs\n    loco docs loco.toml\n    loco "
                "docs cli\n    loco docs errors",
            .arguments = {{.name = "TOPIC", .help = "loco.toml, cli or errors"}},
            .run = run_docs};
}

Command completion_command() {
    return {.name = "completion",
            .summary = "Print the completion for a shell",
            .help =
                "Completes commands, options and names of apps.\n\n    loco completion bash > "
                "/etc/bash_completion.d/loco\n    "
                "source <(loco completion zsh)\n    loco completion fish > "
                "~/.config/fish/completions/loco.fish",
            .arguments = {{.name = "SHELL",
                           .help = "bash, zsh or fish",
                           .required = true,
                           .repeated = true}},
            .run = run_completion};
}

}  // namespace loco::cli
