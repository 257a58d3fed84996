#include "build/dockerfile.hpp"

#include <algorithm>
#include <cctype>

namespace loco::build {
namespace {

constexpr std::size_t kMaxLines = 20'000;
constexpr std::size_t kMaxText = 16U << 10;

using Arguments = std::map<std::string, std::string>;

bool is_space(char c) { return c == ' ' || c == '\t'; }

std::string_view trim(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

std::string change_case(std::string_view text, int (*change)(int)) {
    std::string result(text);
    for (char& c : result) c = static_cast<char>(change(static_cast<unsigned char>(c)));
    return result;
}

std::vector<std::string_view> words(std::string_view text) {
    std::vector<std::string_view> result;
    for (text = trim(text); !text.empty(); text = trim(text)) {
        const auto end = std::min(text.find_first_of(" \t"), text.size());
        result.push_back(text.substr(0, end));
        text.remove_prefix(end);
    }
    return result;
}

std::vector<std::string> split_lines(std::string_view text) {
    std::vector<std::string> lines;
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    while (!text.empty() && lines.size() < kMaxLines) {
        const auto end = text.find('\n');
        std::string_view line = text.substr(0, end);
        if (line.ends_with('\r')) line.remove_suffix(1);
        lines.emplace_back(line);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return lines;
}

// $NAME, ${NAME}, ${NAME:-default}; what has no value stays as it is.
std::string expand(std::string_view text, const Arguments& arguments) {
    std::string result;
    while (!text.empty()) {
        const auto dollar = text.find('$');
        result += text.substr(0, dollar);
        if (dollar == std::string_view::npos) return result;
        text.remove_prefix(dollar + 1);
        const bool braces = text.starts_with('{');
        if (braces) text.remove_prefix(1);
        std::size_t end = 0;
        while (end < text.size() &&
               (std::isalnum(static_cast<unsigned char>(text[end])) != 0 || text[end] == '_')) {
            ++end;
        }
        const std::string name(text.substr(0, end));
        text.remove_prefix(end);
        std::string_view fallback;
        if (braces) {
            const auto close = std::min(text.find('}'), text.size());
            if (text.starts_with(":-")) fallback = text.substr(2, close < 2 ? 0 : close - 2);
            text.remove_prefix(std::min(close + 1, text.size()));
        }
        const auto value = arguments.find(name);
        if (value != arguments.end()) {
            result += value->second;
        } else {
            result += fallback.empty() ? "$" + name : std::string(fallback);
        }
    }
    return result;
}

struct Heredoc {
    std::string end;
    bool strip_tabs = false;
};

// "<<EOF", "<<-EOF", "<<'EOF'"; "<<<" is none.
std::vector<Heredoc> heredocs(std::string_view text) {
    std::vector<Heredoc> result;
    for (auto at = text.find("<<"); at != std::string_view::npos; at = text.find("<<", at)) {
        at += 2;
        if (at < text.size() && text[at] == '<') {
            at = std::min(text.find_first_not_of('<', at), text.size());
            continue;
        }
        Heredoc doc;
        if (at < text.size() && text[at] == '-') {
            doc.strip_tabs = true;
            ++at;
        }
        const char quote = at < text.size() && (text[at] == '"' || text[at] == '\'') ? text[at] : 0;
        if (quote != 0) ++at;
        while (at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) != 0 ||
                                    text[at] == '_' || text[at] == '.' || text[at] == '-')) {
            doc.end += text[at++];
        }
        if (!doc.end.empty()) result.push_back(std::move(doc));
    }
    return result;
}

// "# name=value" in the lines before anything else.
std::string directive(std::string_view line, std::string_view name) {
    if (!line.starts_with('#')) return {};
    line = trim(line.substr(1));
    const auto equals = line.find('=');
    if (equals == std::string_view::npos) return {};
    if (change_case(trim(line.substr(0, equals)), std::tolower) != name) return {};
    return std::string(trim(line.substr(equals + 1)));
}

class Parser {
  public:
    Parser(std::string_view text, const Arguments& given) : given_(given) {
        result_.lines = split_lines(text);
    }

    Dockerfile run() {
        directives();
        while (at_ < result_.lines.size()) {
            const auto line = trim(result_.lines[at_]);
            if (line.empty() || line.starts_with('#')) {
                ++at_;
            } else {
                instruction();
            }
        }
        return std::move(result_);
    }

  private:
    void directives() {
        for (const auto& line : result_.lines) {
            if (!line.starts_with('#') || line.find('=') == std::string::npos) return;
            if (auto syntax = directive(line, "syntax"); !syntax.empty()) result_.syntax = syntax;
            if (directive(line, "escape") == "`") escape_ = '`';
        }
    }

    // Joined as BuildKit does: the escape and what follows it go, comments and empty lines between go,
    // leading space of the next line stays.
    void instruction() {
        Instruction made{.line = static_cast<int>(at_) + 1};
        std::string_view next = result_.lines[at_];
        while (!next.empty() && is_space(next.front())) next.remove_prefix(1);
        bool more = true;
        while (more) {
            std::string_view line = next;
            const auto last = line.find_last_not_of(" \t");
            more = last != std::string_view::npos && line[last] == escape_;
            if (more) line = line.substr(0, last);
            if (made.text.size() < kMaxText) made.text += line;
            ++at_;
            if (!more) break;
            while (at_ < result_.lines.size()) {
                const auto inner = trim(result_.lines[at_]);
                if (!inner.empty() && !inner.starts_with('#')) break;
                ++at_;
            }
            if (at_ >= result_.lines.size()) break;
            next = result_.lines[at_];
        }
        made.text = trim(made.text);
        made.keyword = change_case(
            std::string_view(made.text).substr(0, made.text.find_first_of(" \t")), std::toupper);
        if (made.keyword == "RUN" || made.keyword == "COPY" || made.keyword == "ADD") {
            for (const auto& doc : heredocs(made.text)) skip(doc, made.line);
        }
        made.last_line = static_cast<int>(at_);
        if (made.keyword == "FROM") {
            stage(made);
        } else if (made.keyword == "ARG" && result_.stages.empty()) {
            argument(made);
        }
        made.stage = static_cast<int>(result_.stages.size()) - 1;
        result_.instructions.push_back(std::move(made));
    }

    void skip(const Heredoc& doc, int line) {
        if (result_.heredoc_line == 0) result_.heredoc_line = line;
        while (at_ < result_.lines.size()) {
            std::string_view text = result_.lines[at_++];
            while (doc.strip_tabs && text.starts_with('\t')) text.remove_prefix(1);
            if (text == doc.end) return;
        }
    }

    void argument(const Instruction& made) {
        for (const auto word : words(std::string_view(made.text).substr(3))) {
            const auto equals = word.find('=');
            const std::string name(word.substr(0, equals));
            if (const auto value = given_.find(name); value != given_.end()) {
                arguments_[name] = value->second;
            } else if (equals != std::string_view::npos) {
                std::string_view value_text = word.substr(equals + 1);
                if (value_text.size() > 1 && value_text.front() == '"' &&
                    value_text.back() == '"') {
                    value_text = value_text.substr(1, value_text.size() - 2);
                }
                arguments_[name] = expand(value_text, arguments_);
            }
        }
    }

    void stage(const Instruction& made) {
        auto parts = words(made.text);
        std::erase_if(parts, [](std::string_view word) { return word.starts_with("--"); });
        Stage next{.name = "stage-" + std::to_string(result_.stages.size()), .line = made.line};
        if (parts.size() > 1) next.base = expand(parts[1], arguments_);
        if (parts.size() > 3 && change_case(parts[2], std::tolower) == "as") {
            next.name = change_case(parts[3], std::tolower);
            next.named = true;
        }
        next.from_stage = next.base == "scratch";
        for (const auto& earlier : result_.stages) {
            if (earlier.named && earlier.name == change_case(next.base, std::tolower)) {
                next.from_stage = true;
            }
        }
        result_.stages.push_back(std::move(next));
    }

    const Arguments& given_;
    Arguments arguments_;
    Dockerfile result_;
    std::size_t at_ = 0;
    char escape_ = '\\';
};

// BuildKit gives a number to these only, and to a FROM that brings an image.
bool is_step(const Dockerfile& dockerfile, const Instruction& i) {
    if (i.keyword == "FROM") {
        return i.stage >= 0 && !dockerfile.stages[static_cast<std::size_t>(i.stage)].from_stage;
    }
    return i.keyword == "RUN" || i.keyword == "COPY" || i.keyword == "ADD" ||
           i.keyword == "WORKDIR";
}

std::string squeeze(std::string_view text) {
    std::string result;
    for (const auto word : words(text)) {
        if (!result.empty()) result += ' ';
        result += word;
    }
    return result;
}

std::string_view keyword_of(std::string_view text) {
    return text.substr(0, text.find_first_of(" \t"));
}

// "debian:12" and "docker.io/library/debian:12@sha256:…" are one image.
std::string normal_image(std::string_view image) {
    std::string result(image.substr(0, image.find('@')));
    for (const std::string_view prefix : {"docker.io/", "library/"}) {
        if (result.starts_with(prefix)) result.erase(0, prefix.size());
    }
    const auto slash = result.rfind('/');
    const auto colon = result.rfind(':');
    const bool tagged = colon != std::string::npos && (slash == std::string::npos || colon > slash);
    return tagged ? result : result + ":latest";
}

}  // namespace

Dockerfile parse_dockerfile(std::string_view text, const Arguments& args) {
    return Parser(text, args).run();
}

StepName parse_step_name(std::string_view name) {
    StepName result;
    const auto close = name.find(']');
    if (!name.starts_with('[') || close == std::string_view::npos) return result;
    auto parts = words(name.substr(1, close - 1));
    if (parts.empty()) return result;
    const auto number = [](std::string_view digits) {
        int value = 0;
        if (digits.empty() || digits.size() > 6) return 0;
        for (const char c : digits) {
            if (c < '0' || c > '9') return 0;
            value = value * 10 + (c - '0');
        }
        return value;
    };
    const auto slash = parts.back().find('/');
    if (slash == std::string_view::npos) return result;
    result.number = number(parts.back().substr(0, slash));
    const int total = number(parts.back().substr(slash + 1));
    if (result.number == 0 || total == 0) return StepName{};
    result.total = total;
    parts.pop_back();
    for (const auto part : parts) {
        (part.find('/') != std::string_view::npos ? result.platform : result.stage) = part;
    }
    result.text = trim(name.substr(close + 1));
    return result;
}

const Instruction* locate(const Dockerfile& dockerfile, std::string_view step) {
    const StepName name = parse_step_name(step);
    if (name.total == 0) return nullptr;
    std::vector<const Instruction*> steps;
    for (const auto& i : dockerfile.instructions) {
        if (i.stage < 0 || !is_step(dockerfile, i)) continue;
        const auto& stage = dockerfile.stages[static_cast<std::size_t>(i.stage)];
        if (name.stage.empty() || stage.name == name.stage) steps.push_back(&i);
    }
    // The text is unchanged but for arguments; the number is right but for what a base image's ONBUILD
    // adds in front. What agrees in both is it; else the only one with the text, else the number.
    const std::string text = squeeze(name.text);
    const auto same = [&](const Instruction* i) { return squeeze(i->text) == text; };
    const auto index = static_cast<std::size_t>(name.number) - 1;
    const Instruction* numbered = index < steps.size() ? steps[index] : nullptr;
    if (numbered != nullptr && same(numbered)) return numbered;
    if (std::ranges::count_if(steps, same) >= 1) return *std::ranges::find_if(steps, same);
    const std::string keyword = change_case(keyword_of(name.text), std::toupper);
    if (numbered != nullptr && numbered->keyword == keyword) return numbered;
    return nullptr;
}

const Instruction* locate_image(const Dockerfile& dockerfile, std::string_view image) {
    const std::string wanted = normal_image(image);
    for (const auto& i : dockerfile.instructions) {
        if (i.keyword == "FROM" && i.stage >= 0) {
            const auto& stage = dockerfile.stages[static_cast<std::size_t>(i.stage)];
            if (normal_image(stage.base) == wanted) return &i;
        }
        if (i.keyword != "COPY" && i.keyword != "RUN") continue;
        for (const auto word : words(i.text)) {
            const auto from = word.find("from=");
            if (!word.starts_with("--") || from == std::string_view::npos) continue;
            const auto value = word.substr(from + 5);
            if (normal_image(value.substr(0, value.find(','))) == wanted) return &i;
        }
    }
    return nullptr;
}

std::vector<std::string> copy_sources(const Instruction& instruction) {
    std::string_view rest = instruction.text;
    rest.remove_prefix(std::min(instruction.keyword.size(), rest.size()));
    std::vector<std::string> result;
    rest = trim(rest);
    while (rest.starts_with("--")) {
        rest.remove_prefix(std::min(rest.find_first_of(" \t"), rest.size()));
        rest = trim(rest);
    }
    if (rest.starts_with('[')) {
        for (auto open = rest.find('"'); open != std::string_view::npos;
             open = rest.find('"', open)) {
            const auto close = rest.find('"', open + 1);
            if (close == std::string_view::npos) break;
            result.emplace_back(rest.substr(open + 1, close - open - 1));
            open = close + 1;
        }
    } else {
        for (const auto word : words(rest)) result.emplace_back(word);
    }
    if (!result.empty()) result.pop_back();  // where to
    return result;
}

}  // namespace loco::build
