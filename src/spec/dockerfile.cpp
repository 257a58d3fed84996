#include "spec/dockerfile.hpp"

#include <algorithm>
#include <map>
#include <optional>

namespace loco::spec {
namespace {

constexpr std::size_t kMaxValue = 4096;  // of a variable, so that expansion cannot grow without end

std::string_view trim(std::string_view text) {
    const auto begin = text.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

std::string upper(std::string_view text) {
    std::string result;
    for (const char c : text) result += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    return result;
}

std::vector<std::string_view> words(std::string_view text) {
    std::vector<std::string_view> result;
    while (!(text = trim(text)).empty()) {
        const auto end = std::min(text.find_first_of(" \t"), text.size());
        result.push_back(text.substr(0, end));
        text.remove_prefix(end);
    }
    return result;
}

bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

struct Instruction {
    std::string word;  // in upper case
    std::string rest;
    int line = 0;
};

// Instructions with their continuation lines joined, without comments and here-documents.
class Lines {
  public:
    explicit Lines(std::string_view text) : text_(text) {}

    std::optional<Instruction> next() {
        std::string joined;
        int first = 0;
        while (auto line = next_line()) {
            const auto content = trim(*line);
            if (content.starts_with('#')) {
                if (first == 0) read_directive(content);
                continue;
            }
            if (content.empty()) continue;
            directives_ = false;
            if (first == 0) first = line_;
            if (content.back() == escape_) {
                joined += content.substr(0, content.size() - 1);
                joined += ' ';
                continue;
            }
            joined += content;
            break;
        }
        if (first == 0) return std::nullopt;
        const auto space = std::min(joined.find_first_of(" \t"), joined.size());
        Instruction instruction{upper(joined.substr(0, space)),
                                std::string(trim(joined.substr(space))), first};
        if (instruction.word == "RUN" || instruction.word == "COPY" || instruction.word == "ADD") {
            skip_here_documents(instruction.rest);
        }
        return instruction;
    }

  private:
    std::optional<std::string_view> next_line() {
        if (text_.empty()) return std::nullopt;
        const auto end = text_.find('\n');
        const auto line = text_.substr(0, end);
        text_.remove_prefix(end == std::string_view::npos ? text_.size() : end + 1);
        ++line_;
        return line;
    }

    // "# escape=`", only before anything else.
    void read_directive(std::string_view comment) {
        if (!directives_) return;
        const auto equals = comment.find('=');
        if (equals == std::string_view::npos) {
            directives_ = false;
            return;
        }
        const auto value = trim(comment.substr(equals + 1));
        if (upper(trim(comment.substr(1, equals - 1))) == "ESCAPE" && value.size() == 1)
            escape_ = value[0];
    }

    // <<EOF, <<-EOF, <<"EOF": the lines up to EOF are data.
    void skip_here_documents(std::string_view rest) {
        for (auto at = rest.find("<<"); at != std::string_view::npos;
             at = rest.find("<<", at + 2)) {
            auto begin = at + 2;
            if (begin < rest.size() && rest[begin] == '-') ++begin;
            if (begin < rest.size() && (rest[begin] == '"' || rest[begin] == '\'')) ++begin;
            auto end = begin;
            while (end < rest.size() && is_name_char(rest[end])) ++end;
            const auto word = rest.substr(begin, end - begin);
            if (word.empty()) continue;
            while (auto line = next_line()) {
                if (trim(*line) == word) break;
            }
        }
    }

    std::string_view text_;
    int line_ = 0;
    char escape_ = '\\';
    bool directives_ = true;
};

using Variables = std::map<std::string, std::string, std::less<>>;

// $NAME, ${NAME}, ${NAME:-word}; what is unknown is empty.
std::string expand(std::string_view text, const Variables& variables) {
    std::string result;
    const auto value = [&](std::string_view name) {
        const auto found = variables.find(name);
        return found == variables.end() ? std::string() : found->second;
    };
    for (std::size_t i = 0; i < text.size() && result.size() < kMaxValue;) {
        if (text[i] != '$' || i + 1 == text.size()) {
            result += text[i++];
        } else if (text[i + 1] == '{') {
            const auto end = text.find('}', i);
            if (end == std::string_view::npos) break;
            const auto inner = text.substr(i + 2, end - i - 2);
            const auto colon = inner.find(":-");
            auto known = value(inner.substr(0, std::min(inner.find(':'), inner.size())));
            if (known.empty() && colon != std::string_view::npos) known = inner.substr(colon + 2);
            result += known;
            i = end + 1;
        } else {
            auto end = i + 1;
            while (end < text.size() && is_name_char(text[end])) ++end;
            result += value(text.substr(i + 1, end - i - 1));
            i = std::max(end, i + 1);
        }
    }
    return result;
}

std::string unquoted(std::string_view text) {
    if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
        text.back() == text.front()) {
        text = text.substr(1, text.size() - 2);
    }
    return std::string(text);
}

// "ENV A=1 B=2", "ENV A 1", "ARG A=1".
void set_variables(const Instruction& instruction, Variables& variables) {
    const auto parts = words(instruction.rest);
    if (parts.empty()) return;
    if (instruction.word == "ENV" && parts[0].find('=') == std::string_view::npos) {
        const auto after = std::string_view(instruction.rest).substr(parts[0].size());
        variables[std::string(parts[0])] = expand(unquoted(trim(after)), variables);
        return;
    }
    for (const auto part : parts) {
        const auto equals = part.find('=');
        if (equals == std::string_view::npos) continue;
        variables[std::string(part.substr(0, equals))] =
            expand(unquoted(part.substr(equals + 1)), variables);
    }
}

// "8080", "8080/tcp", "8000-8010"; not UDP.
std::optional<int> tcp_port(std::string_view text) {
    const auto slash = text.find('/');
    if (slash != std::string_view::npos && upper(text.substr(slash + 1)) != "TCP")
        return std::nullopt;
    text = text.substr(0, std::min(text.find_first_of("/-"), text.size()));
    if (text.empty() || text.size() > 5) return std::nullopt;
    int port = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        port = port * 10 + (c - '0');
    }
    if (port < 1 || port > 65535) return std::nullopt;
    return port;
}

struct Stage {
    std::string name;
    DockerfileFacts facts;
    Variables variables;
};

Stage new_stage(const Instruction& from, const std::vector<Stage>& stages,
                const Variables& global) {
    auto parts = words(from.rest);
    std::erase_if(parts, [](std::string_view part) { return part.starts_with("--"); });
    Stage stage;
    stage.variables = global;
    stage.facts.has_stage = true;
    if (parts.empty()) return stage;
    const std::string base = expand(parts[0], global);
    // A later stage starts as what an earlier one was.
    for (const auto& earlier : stages) {
        if (!earlier.name.empty() && upper(earlier.name) == upper(base)) stage = earlier;
    }
    if (stage.facts.base.empty()) stage.facts.base = base;
    stage.name = parts.size() >= 3 && upper(parts[1]) == "AS" ? std::string(parts[2]) : "";
    return stage;
}

void expose(const Instruction& instruction, Stage& stage) {
    const std::string expanded = expand(instruction.rest, stage.variables);
    for (const auto part : words(expanded)) {
        const auto port = tcp_port(part);
        auto& ports = stage.facts.ports;
        if (port && std::ranges::find(ports, *port) == ports.end()) ports.push_back(*port);
    }
}

}  // namespace

DockerfileFacts read_dockerfile(std::string_view text) {
    constexpr std::size_t kMaxStages = 100;
    Lines lines(text);
    std::vector<Stage> stages;
    Variables global;
    while (const auto instruction = lines.next()) {
        if (instruction->word == "FROM") {
            if (stages.size() == kMaxStages) break;
            stages.push_back(new_stage(*instruction, stages, global));
        } else if (stages.empty()) {
            if (instruction->word == "ARG") set_variables(*instruction, global);
        } else if (instruction->word == "ARG" || instruction->word == "ENV") {
            set_variables(*instruction, stages.back().variables);
        } else if (instruction->word == "EXPOSE") {
            expose(*instruction, stages.back());
        } else if (instruction->word == "USER") {
            stages.back().facts.user = expand(unquoted(instruction->rest), stages.back().variables);
            stages.back().facts.user_line = instruction->line;
        }
    }
    return stages.empty() ? DockerfileFacts{} : stages.back().facts;
}

}  // namespace loco::spec
