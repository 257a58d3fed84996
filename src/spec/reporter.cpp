#include "spec/reporter.hpp"

#include <algorithm>
#include <tuple>

namespace loco::spec {
namespace {

std::string_view line_of(std::string_view text, int line) {
    for (int i = 1; i < line; ++i) {
        const auto end = text.find('\n');
        if (end == std::string_view::npos) return {};
        text.remove_prefix(end + 1);
    }
    auto result = text.substr(0, text.find('\n'));
    if (line == 1 && result.starts_with("\xef\xbb\xbf"))
        result.remove_prefix(3);  // byte order mark
    if (result.ends_with('\r')) result.remove_suffix(1);
    return result;
}

std::size_t count_code_points(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

void Reporter::begin_variant(bool asked_for) {
    asked_for_ = asked_for;
    failed_.clear();
}

void Reporter::mistake(std::string_view key, Mark mark, const Problem& problem) {
    failed_.emplace(key);
    add(key, mark, problem, /*unsupported=*/false);
}

void Reporter::unsupported(std::string_view key, Mark mark, const Problem& problem) {
    if (asked_for_) add(key, mark, problem, /*unsupported=*/true);
}

void Reporter::add(std::string_view key, Mark mark, const Problem& problem, bool unsupported) {
    if (diagnostics_.size() >= kMaxDiagnostics) return;
    Diagnostic diagnostic{.file = file_,
                          .line = mark.line,
                          .column = mark.column,
                          .length = mark.length,
                          .source_line = {},
                          .key = printable(key),
                          .message = printable(problem.message),
                          .expected = printable(problem.expected),
                          .suggestion = printable(problem.suggestion),
                          .fix = printable(problem.fix),
                          .unsupported = unsupported,
                          .missing = problem.missing};
    if (mark.line > 0) {
        diagnostic.source_line = line_of(text_, mark.line);
        const int width = static_cast<int>(count_code_points(diagnostic.source_line));
        diagnostic.length = std::clamp(diagnostic.length, 1, std::max(1, width - mark.column + 1));
    }
    if (diagnostic.fix.empty() && !diagnostic.suggestion.empty() && !key.empty()) {
        const auto dot = key.rfind('.');
        diagnostic.fix = "write `" +
                         std::string(key.substr(dot == std::string_view::npos ? 0 : dot + 1)) +
                         " = " + diagnostic.suggestion + "`";
    }
    // What the variants share is told once.
    if (std::ranges::find(diagnostics_, diagnostic) == diagnostics_.end()) {
        diagnostics_.push_back(std::move(diagnostic));
    }
}

std::vector<Diagnostic> Reporter::take() {
    std::ranges::sort(diagnostics_, [](const Diagnostic& a, const Diagnostic& b) {
        return std::tie(a.line, a.column, a.key, a.message) <
               std::tie(b.line, b.column, b.key, b.message);
    });
    return std::move(diagnostics_);
}

}  // namespace loco::spec
