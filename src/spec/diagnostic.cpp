#include "spec/diagnostic.hpp"

#include <algorithm>
#include <string_view>

#include "base/steering.hpp"

namespace loco::spec {
namespace {

constexpr std::size_t kMaxShown = 120;  // code points of a source line
constexpr std::size_t kMaxSteps = 20;

struct Style {
    std::string_view bold, red, blue, green, reset;
};
constexpr Style kPlain{"", "", "", "", ""};
constexpr Style kColor{"\x1b[1m", "\x1b[1;31m", "\x1b[1;34m", "\x1b[1;32m", "\x1b[0m"};

// Bytes of the code point that starts there; 0 if it is broken.
std::size_t code_point_length(std::string_view text) {
    const auto byte = static_cast<unsigned char>(text[0]);
    const std::size_t length = byte < 0x80                   ? 1
                               : byte >= 0xc2 && byte < 0xe0 ? 2
                               : byte >= 0xe0 && byte < 0xf0 ? 3
                               : byte >= 0xf0 && byte < 0xf5 ? 4
                                                             : 0;
    if (length == 0 || length > text.size()) return 0;
    const bool continued = std::ranges::all_of(text.substr(1, length - 1), [](char c) {
        return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
    });
    return continued ? length : 0;
}

// The line's code points, each as its bytes; control characters and broken UTF-8 as U+FFFD, a tab as
// a space.
std::vector<std::string> code_points(std::string_view line) {
    std::vector<std::string> points;
    while (!line.empty()) {
        const std::size_t length = code_point_length(line);
        const auto byte = static_cast<unsigned char>(line[0]);
        const bool control = byte < 0x20 || byte == 0x7f || steering(line) > 0;
        if (byte == '\t') {
            points.emplace_back(" ");
        } else if (length == 0 || control) {
            points.emplace_back("\u{FFFD}");
        } else {
            points.emplace_back(line.substr(0, length));
        }
        line.remove_prefix(std::max<std::size_t>(1, length));
    }
    return points;
}

struct Excerpt {
    std::string text;
    std::size_t indent = 0;  // of the underline
    std::size_t length = 1;
};

Excerpt excerpt(const Diagnostic& d) {
    const auto points = code_points(d.source_line);
    const std::size_t column =
        std::min(static_cast<std::size_t>(std::max(d.column, 1) - 1), points.size());
    std::size_t length = std::max<std::size_t>(1, static_cast<std::size_t>(std::max(d.length, 0)));
    length = std::min(length, std::max<std::size_t>(1, points.size() - column));
    std::size_t first = 0;
    std::size_t last = points.size();
    Excerpt result;
    if (points.size() > kMaxShown) {
        first = column > kMaxShown / 3 ? column - kMaxShown / 3 : 0;
        last = std::min(points.size(), first + kMaxShown);
    }
    if (first > 0) result.text += "…";
    result.indent = column - first + (first > 0 ? 1 : 0);
    for (std::size_t i = first; i < last; ++i) result.text += points[i];
    if (last < points.size()) result.text += "…";
    result.length = std::max<std::size_t>(1, std::min(length, last > column ? last - column : 1));
    return result;
}

std::string place(const Diagnostic& d) {
    if (d.line > 0) {
        return d.file + ":" + std::to_string(d.line) + ":" + std::to_string(d.column);
    }
    return d.key.empty() ? d.file : d.file + ": " + printable(d.key);
}

}  // namespace

std::string printable(std::string_view text) {
    std::string result;
    for (const auto& point : code_points(text)) result += point;
    return result;
}

std::string render(const Diagnostic& d, bool color) {
    const Style& style = color ? kColor : kPlain;
    const auto styled = [&](std::string_view begin, std::string_view text) {
        return std::string(begin) + std::string(text) + std::string(style.reset);
    };
    std::string out = styled(style.bold, place(d)) + ": " +
                      styled(style.red, d.unsupported ? "not supported:" : "error:") + " " +
                      styled(style.bold, printable(d.message)) + "\n";
    std::string gutter = "    ";
    if (d.line > 0) {
        const std::string number = std::to_string(d.line);
        gutter = std::string(std::max<std::size_t>(5, number.size() + 1), ' ');
        const auto source = excerpt(d);
        out += styled(style.blue, gutter.substr(number.size()) + number + " |") + " " +
               source.text + "\n";
        out += styled(style.blue, gutter + " |") + " " + std::string(source.indent, ' ') +
               styled(style.red, std::string(source.length, '^')) + "\n";
    }
    const auto line = [&](std::string_view label, std::string_view text) {
        out += styled(style.blue, gutter + " =") + " " + styled(style.green, label) + " " +
               printable(text) + "\n";
    };
    if (!d.expected.empty()) line("expected:", d.expected);
    if (!d.suggestion.empty()) line("help:", "did you mean " + d.suggestion + "?");
    if (!d.fix.empty()) line("fix:", d.fix);
    return out;
}

std::string summary(const Diagnostic& d) {
    std::string text = place(d) + ": " + printable(d.message);
    if (!d.suggestion.empty()) {
        text += " (did you mean " + printable(d.suggestion) + "?)";
    } else if (!d.fix.empty()) {
        text += " (" + printable(d.fix) + ")";
    }
    return text;
}

Error to_error(std::span<const Diagnostic> diagnostics) {
    Error error{.kind = ErrorKind::invalid, .message = {}, .code = "invalid_spec"};
    const bool only_unsupported =
        std::ranges::all_of(diagnostics, [](const Diagnostic& d) { return d.unsupported; });
    if (only_unsupported) error.code = "unsupported_spec";
    if (diagnostics.size() == 1) {
        const auto& d = diagnostics.front();
        if (d.missing && d.key == "build.dockerfile") error.code = "no_dockerfile";
        if (d.missing && d.key == "build.context") error.code = "no_context";
        // What is missing is told by its own name; there is no place in the text to look at.
        error.message = d.missing && d.line == 0 ? printable(d.message)
                                                 : place(d) + ": " + printable(d.message);
        error.hint = !d.suggestion.empty() ? "did you mean " + printable(d.suggestion) + "?"
                     : !d.fix.empty()      ? printable(d.fix)
                     : !d.expected.empty() ? "expected " + printable(d.expected)
                                           : "";
        return error;
    }
    const std::string file = diagnostics.empty() ? "loco.toml" : diagnostics.front().file;
    error.message = file + " has " + std::to_string(diagnostics.size()) + " mistakes";
    for (const auto& d : diagnostics) {
        if (error.next_steps.size() == kMaxSteps) break;
        error.next_steps.push_back(summary(d));
    }
    return error;
}

}  // namespace loco::spec
