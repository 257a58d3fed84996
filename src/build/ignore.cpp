#include "build/ignore.hpp"

#include <algorithm>
#include <filesystem>

namespace loco::build {
namespace {

constexpr std::size_t kMaxRules = 10'000;
constexpr std::size_t kMaxPattern = 1'024;

std::string_view trim(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n\v\f";
    const auto first = text.find_first_not_of(kSpace);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

// Go's path.Clean.
std::string clean(std::string_view pattern) {
    std::string result = std::filesystem::path(pattern).lexically_normal().string();
    while (result.size() > 1 && result.ends_with('/')) result.pop_back();
    return result.empty() ? "." : result;
}

// One character of UTF-8; a byte that is none stands for itself, above all of Unicode.
char32_t take_character(std::string_view& text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    const std::size_t length = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    char32_t value = length == 1 ? first : first & (0xFFU >> (length + 1));
    bool valid = length == 1 || (first >= 0xC2 && first <= 0xF4 && text.size() >= length);
    for (std::size_t i = 1; valid && i < length; ++i) {
        valid = (byte(i) & 0xC0U) == 0x80;
        value = (value << 6U) | (byte(i) & 0x3FU);
    }
    if (!valid) {
        text.remove_prefix(1);
        return 0x110000U + first;
    }
    text.remove_prefix(length);
    return value;
}

}  // namespace

Result<IgnoreRules> IgnoreRules::parse(std::string_view text, std::string_view file) {
    IgnoreRules rules;
    if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
    int line = 0;
    while (!text.empty()) {
        const auto end = text.find('\n');
        std::string_view pattern = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        ++line;
        if (pattern.starts_with('#')) continue;  // a comment only at the very start of its line
        pattern = trim(pattern);
        if (pattern.empty()) continue;
        const auto refuse = [&](const std::string& why) {
            return fail(ErrorKind::invalid,
                        std::string(file) + " line " + std::to_string(line) + ": " + why,
                        "see https://docs.docker.com/build/concepts/context/#dockerignore-files",
                        "ignore_file_invalid");
        };
        const std::string written(pattern);
        const bool negated = pattern.starts_with('!');
        if (negated) pattern = trim(pattern.substr(1));
        if (pattern.empty()) return refuse("\"!\" names nothing");
        if (pattern.size() > kMaxPattern) return refuse("a pattern is too long");
        if (rules.patterns_.size() >= kMaxRules) return refuse("too many patterns");
        std::string cleaned = clean(pattern);
        if (cleaned.size() > 1 && cleaned.starts_with('/')) cleaned.erase(0, 1);
        auto compiled = compile(std::move(cleaned));
        if (!compiled) return refuse("`" + written + "`: " + compiled.error().message);
        compiled->rule = {.pattern = written, .line = line};
        compiled->negated = negated;
        rules.patterns_.push_back(*std::move(compiled));
    }
    return rules;
}

Result<IgnoreRules::Pattern> IgnoreRules::compile(std::string cleaned) {
    using Kind = Token::Kind;
    Pattern result;
    bool plain = true;  // no wildcard but a "**" at the start or the end
    bool starts_deep = false;
    std::string_view left = cleaned;
    const auto add = [&](Kind kind, char32_t value = 0) {
        result.tokens.push_back({.kind = kind, .value = value});
    };
    while (!left.empty()) {
        const bool at_start = left.size() == cleaned.size();
        if (left.starts_with("**")) {
            left.remove_prefix(2);
            if (left.starts_with('/')) left.remove_prefix(1);
            add(left.empty() ? Kind::rest : Kind::deep);
            if (at_start) {
                starts_deep = true;
            } else if (left.empty() && plain && !starts_deep) {
                result.match = Match::prefix;
            } else {
                plain = false;
            }
            continue;
        }
        const char32_t c = take_character(left);
        if (c == '*' || c == '?') {
            add(c == '*' ? Kind::star : Kind::any);
            plain = false;
        } else if (c == '\\') {
            if (left.empty()) return fail(ErrorKind::invalid, "nothing follows the backslash");
            add(Kind::literal, take_character(left));
            plain = false;
        } else if (c == '[') {
            Token set{.kind = Kind::set};
            if (left.starts_with('^')) {
                set.negated = true;
                left.remove_prefix(1);
            }
            const auto take = [&]() -> Result<char32_t> {
                if (left.starts_with('\\')) left.remove_prefix(1);
                if (left.empty()) return fail(ErrorKind::invalid, "`[` is not closed");
                return take_character(left);
            };
            do {
                LOCO_ASSIGN(const char32_t low, take());
                char32_t high = low;
                if (left.size() > 1 && left[0] == '-' && left[1] != ']') {
                    left.remove_prefix(1);
                    LOCO_ASSIGN(high, take());
                }
                set.ranges.emplace_back(low, high);
            } while (!left.empty() && left[0] != ']');
            if (left.empty()) return fail(ErrorKind::invalid, "`[` is not closed");
            left.remove_prefix(1);
            result.tokens.push_back(std::move(set));
            plain = false;
        } else {
            add(Kind::literal, c);
        }
    }
    if (!plain) {
        result.match = Match::glob;
    } else if (starts_deep) {
        result.match = Match::suffix;
    }
    result.cleaned = std::move(cleaned);
    return result;
}

bool IgnoreRules::Pattern::matches(std::string_view path) const {
    switch (match) {
        case Match::exact: return path == cleaned;
        case Match::prefix:
            return path.starts_with(std::string_view(cleaned).substr(0, cleaned.size() - 2));
        case Match::suffix: {
            const auto suffix = std::string_view(cleaned).substr(2);
            return path.ends_with(suffix) || (suffix.starts_with('/') && path == suffix.substr(1));
        }
        case Match::glob: break;
    }
    // All positions in the pattern that what was read of the path can have reached.
    using Kind = Token::Kind;
    std::vector<char> now(tokens.size() + 1, 0);
    std::vector<char> next(tokens.size() + 1, 0);
    const auto enter = [this](std::vector<char>& at, std::size_t i) {
        at[i] = 1;
        while (i < tokens.size() && (tokens[i].kind == Kind::star || tokens[i].kind == Kind::deep ||
                                     tokens[i].kind == Kind::rest)) {
            at[++i] = 1;
        }
    };
    enter(now, 0);
    while (!path.empty()) {
        const char32_t c = take_character(path);
        std::ranges::fill(next, 0);
        for (std::size_t i = 0; i < tokens.size(); ++i) {
            if (now[i] == 0) continue;
            const Token& token = tokens[i];
            switch (token.kind) {
                case Kind::literal:
                    if (c == token.value) enter(next, i + 1);
                    break;
                case Kind::any:
                    if (c != '/') enter(next, i + 1);
                    break;
                case Kind::star:
                    if (c != '/') enter(next, i);
                    break;
                case Kind::set: {
                    const bool in = std::ranges::any_of(token.ranges, [c](const auto& range) {
                        return range.first <= c && c <= range.second;
                    });
                    if (in != token.negated) enter(next, i + 1);
                    break;
                }
                case Kind::deep:  // left only behind a '/'
                    next[i] = 1;
                    if (c == '/') enter(next, i + 1);
                    break;
                case Kind::rest: enter(next, i); break;
            }
        }
        now.swap(next);
    }
    return now.back() != 0;
}

bool IgnoreRules::Pattern::matches_it_or_parent(std::string_view path) const {
    for (auto slash = path.find('/'); slash != std::string_view::npos;
         slash = path.find('/', slash + 1)) {
        if (matches(path.substr(0, slash))) return true;
    }
    return matches(path);
}

// The folders at the start of the pattern that hold no wildcard: all that it can match is in there.
std::string_view IgnoreRules::Pattern::literal_prefix() const {
    const std::string_view all = cleaned;
    const auto wild = all.find_first_of("*?[\\");
    if (wild == std::string_view::npos) return all;
    const auto slash = all.rfind('/', wild);
    return slash == std::string_view::npos ? std::string_view() : all.substr(0, slash);
}

IgnoreRules::Decision IgnoreRules::decide(std::string_view path) const {
    Decision decision;
    for (const Pattern& pattern : patterns_) {
        // A negation decides only what is ignored so far, and the others only what is not.
        if (pattern.negated != decision.ignored) continue;
        if (!pattern.matches_it_or_parent(path)) continue;
        decision = {.ignored = !pattern.negated, .rule = &pattern.rule};
    }
    return decision;
}

bool IgnoreRules::may_take_back_below(std::string_view path) const {
    return std::ranges::any_of(patterns_, [path](const Pattern& pattern) {
        if (!pattern.negated) return false;
        const std::string_view prefix = pattern.literal_prefix();
        const auto inside = [](std::string_view inner, std::string_view outer) {
            return outer.empty() || inner == outer ||
                   (inner.starts_with(outer) && inner[outer.size()] == '/');
        };
        // "**foo" has the empty prefix; "a**" can reach beyond its own folder.
        return inside(prefix, path) || inside(path, prefix);
    });
}

bool IgnoreRules::names(std::string_view path) const {
    return std::ranges::any_of(patterns_, [path](const Pattern& pattern) {
        return pattern.negated && pattern.match == Match::exact && pattern.cleaned == path;
    });
}

bool IgnoreRules::names_below(std::string_view path) const {
    return std::ranges::any_of(patterns_, [path](const Pattern& pattern) {
        return pattern.negated && pattern.match == Match::exact &&
               pattern.cleaned.size() > path.size() + 1 && pattern.cleaned.starts_with(path) &&
               pattern.cleaned[path.size()] == '/';
    });
}

}  // namespace loco::build
