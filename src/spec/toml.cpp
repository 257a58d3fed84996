#include "spec/toml.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "spec/toml_library.hpp"

namespace loco::spec {
namespace {

Mark to_mark(const toml::source_region& region) {
    Mark mark;
    mark.line = static_cast<int>(region.begin.line);
    mark.column = static_cast<int>(region.begin.column);
    // What goes on over several lines is underlined to the end of its first.
    mark.length = region.end.line == region.begin.line
                      ? static_cast<int>(region.end.column) - mark.column
                      : 0x7fff;
    return mark;
}

Node convert(const toml::node& node);

Node convert_table(const toml::table& table) {
    Node result;
    for (const auto& [key, value] : table) {
        Member member;
        member.key = std::string(key.str());
        member.mark = to_mark(key.source());
        member.value = convert(value);
        result.members.push_back(std::move(member));
    }
    // The library sorts by key; people think in the order of their file.
    std::ranges::sort(result.members, [](const Member& a, const Member& b) {
        return std::pair(a.mark.line, a.mark.column) < std::pair(b.mark.line, b.mark.column);
    });
    return result;
}

Node convert(const toml::node& node) {
    Node result;
    if (const auto* table = node.as_table()) {
        result = convert_table(*table);
    } else if (const auto* array = node.as_array()) {
        result.kind = Node::Kind::array;
        for (const auto& item : *array) result.items.push_back(convert(item));
    } else if (const auto* text = node.as_string()) {
        result = string_node(text->get());
    } else if (const auto* integer = node.as_integer()) {
        result = integer_node(integer->get());
    } else if (const auto* boolean = node.as_boolean()) {
        result = boolean_node(boolean->get());
    } else if (node.is_floating_point()) {
        result.kind = Node::Kind::floating;
        result.text = fmt::format("{}", node.as_floating_point()->get());
    } else {
        result.kind = Node::Kind::other;
    }
    result.mark = to_mark(node.source());
    return result;
}

// The library follows dotted keys as deep as they go, and its tables are freed by recursion: hostile keys
// would overflow the stack. refuse_early knows no more of TOML than strings and comments; where the text is
// malformed, the library stops before that scan is wrong.
constexpr int kMaxDots = 8;

std::size_t end_of_string(std::string_view text, std::size_t begin) {
    const char quote = text[begin];
    const std::string triple(3, quote);
    const bool multi_line = text.substr(begin, 3) == triple;
    std::size_t i = begin + (multi_line ? 3 : 1);
    for (; i < text.size(); ++i) {
        if (quote == '"' && text[i] == '\\') {
            ++i;
        } else if (multi_line ? text.substr(i, 3) == triple : text[i] == quote) {
            i += multi_line ? 3 : 1;
            // Up to two more quotes belong to the string.
            while (multi_line && i < text.size() && text[i] == quote) ++i;
            return i;
        } else if (!multi_line && text[i] == '\n') {
            return i;
        }
    }
    return text.size();
}

// Where the byte at `offset` is, as a Mark of one character.
Mark mark_at(std::string_view text, std::size_t offset) {
    const auto before = text.substr(0, offset);
    const auto newline = before.rfind('\n');
    const auto on_line = before.substr(newline == std::string_view::npos ? 0 : newline + 1);
    const auto is_start = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
    return Mark{1 + static_cast<int>(std::ranges::count(before, '\n')),
                1 + static_cast<int>(std::ranges::count_if(on_line, is_start)), 1};
}

bool is_forbidden_control(char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n' && c != '\r') ||
           c == 0x7f;
}

// What the library is not asked about: control characters anywhere, other than ASCII outside strings and
// comments, keys with too many dots.
std::optional<SyntaxError> refuse_early(std::string_view text) {
    const auto control = std::ranges::find_if(text, is_forbidden_control);
    if (control != text.end()) {
        const auto offset = static_cast<std::size_t>(control - text.begin());
        return SyntaxError{mark_at(text, offset), "there is a control character here", "remove it"};
    }
    int dots = 0;
    for (std::size_t i = text.starts_with("\xef\xbb\xbf") ? 3 : 0; i < text.size();) {
        const char c = text[i];
        if (c == '"' || c == '\'') {
            i = end_of_string(text, i);
            continue;
        }
        if (c == '#') {
            i = std::min(text.find('\n', i), text.size());
            continue;
        }
        if (static_cast<unsigned char>(c) >= 0x80) {
            return SyntaxError{mark_at(text, i),
                               "only plain letters, digits, - and _ can be outside quotes",
                               "put the text in quotes"};
        }
        if (std::string_view("\n=[]{},").find(c) != std::string_view::npos) dots = 0;
        if (c == '.' && ++dots > kMaxDots) {
            return SyntaxError{
                mark_at(text, i), "the key has more parts than any that there is", {}};
        }
        ++i;
    }
    return std::nullopt;
}

void replace(std::string& text, std::string_view from, std::string_view to) {
    if (const auto at = text.find(from); at != std::string::npos) text.replace(at, from.size(), to);
}

// The library's words, made ours: "Error while parsing key-value pair: expected value, saw '\n'" is
// "expected a value, saw the end of the line".
SyntaxError in_plain_words(std::string_view description, Mark mark) {
    SyntaxError error{.mark = mark, .message = std::string(description), .fix = {}};
    error.mark.length = 1;
    std::string& text = error.message;
    if (text.starts_with("Error while parsing ")) {
        if (const auto colon = text.find(": "); colon != std::string::npos)
            text.erase(0, colon + 2);
    }
    if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z')
        text[0] = static_cast<char>(text[0] - 'A' + 'a');
    replace(text, "'\\n'", "the end of the line");
    replace(text, "'\\r'", "the end of the line");
    replace(text, "expected value", "expected a value");
    replace(text, "expected bare key starting character or string delimiter", "expected a key");
    replace(text, "tables with blank bare keys are explicitly prohibited",
            "the section has no name");
    if (text == "could not determine value type") {
        text = "this is no TOML value";
        error.fix = "put text in quotes: \"…\"";
        error.mark.length = 0x7fff;
    } else if (text.starts_with("unescaped control characters")) {
        text = "the string has no closing quote on its line, or a control character in it";
        error.fix = "close it with a quote";
    } else if (text.starts_with("cannot redefine existing")) {
        const auto quote = text.find('\'');
        text = (quote == std::string::npos ? "this" : text.substr(quote)) + " is there already";
        error.fix = "keep one of the two";
    }
    return error;
}

}  // namespace

std::expected<Node, SyntaxError> parse_toml(std::string_view text) {
    if (auto error = refuse_early(text)) return std::unexpected(std::move(*error));
    const auto parsed = toml::parse(text);
    if (parsed) return convert_table(parsed.table());
    return std::unexpected(
        in_plain_words(parsed.error().description(), to_mark(parsed.error().source())));
}

}  // namespace loco::spec
