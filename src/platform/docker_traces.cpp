#include "platform/docker_traces.hpp"

#include <algorithm>

namespace loco::platform {
namespace {

constexpr std::string_view kUserChain = "DOCKER-USER";

std::vector<std::string> words_of(std::string_view line) {
    std::vector<std::string> words;
    while (!line.empty()) {
        const auto end = line.find(' ');
        if (end != 0) words.emplace_back(line.substr(0, end));
        line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
    }
    return words;
}

bool is_dockers(const std::vector<std::string>& rule) {
    return std::ranges::find(rule, "--comment") == rule.end() &&
           std::ranges::any_of(rule, [](const std::string& word) {
               return word == "docker0" || word == "DOCKER" || word.starts_with("DOCKER-");
           });
}

bool is_in_user_chain(const std::vector<std::string>& rule) { return rule[1] == kUserChain; }

// `-A DOCKER-USER -j RETURN`: the one that Docker itself puts there.
bool is_empty_return(const std::vector<std::string>& rule) {
    return rule.size() == 4 && rule[2] == "-j" && rule[3] == "RETURN";
}

}  // namespace

std::vector<std::vector<std::string>> removal_of_docker_rules(std::string_view table,
                                                              std::string_view saved) {
    std::vector<std::vector<std::string>> rules;
    std::vector<std::string> chains;
    while (!saved.empty()) {
        const auto end = saved.find('\n');
        const auto line = saved.substr(0, end);
        saved.remove_prefix(end == std::string_view::npos ? saved.size() : end + 1);
        auto words = words_of(line);
        if (words.size() > 2 && words[0] == "-A")
            rules.push_back(std::move(words));
        else if (line.starts_with(":DOCKER"))
            chains.push_back(words[0].substr(1));
    }
    const bool used = std::ranges::any_of(
        rules, [](const auto& rule) { return is_in_user_chain(rule) && !is_empty_return(rule); });
    std::vector<std::vector<std::string>> calls;
    const auto call = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {"-w", "-t", std::string(table)});
        calls.push_back(std::move(arguments));
    };
    for (auto& rule : rules) {
        if (!is_dockers(rule)) continue;
        if (used && (is_in_user_chain(rule) || rule.back() == kUserChain)) continue;
        rule[0] = "-D";
        call(rule);
    }
    for (const auto& chain : chains) {
        if (!used || chain != kUserChain) call({"-X", chain});
    }
    return calls;
}

}  // namespace loco::platform
