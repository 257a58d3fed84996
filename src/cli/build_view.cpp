#include "cli/build_view.hpp"

#include <fmt/format.h>

namespace loco::cli {
namespace {

constexpr auto kRedrawAfter = std::chrono::milliseconds(50);

// BuildKit's own steps ("[internal] load build definition") tell a user nothing.
bool is_internal(std::string_view name) {
    return name.starts_with("[internal]") || name.starts_with("[auth]") ||
           name.starts_with("exporting") || name == "copy /context /";
}

// As much of the text as fits on the rest of a line; counts bytes, which cuts early rather than late.
std::string fit(std::string_view text, int width, std::size_t used) {
    const auto room =
        static_cast<std::size_t>(std::max(20, width)) - std::min<std::size_t>(used + 1, 19);
    if (text.size() <= room) return std::string(text);
    auto cut = text.substr(0, room - 1);
    while (!cut.empty() && (static_cast<unsigned char>(cut.back()) & 0xC0) == 0x80)
        cut.remove_suffix(1);
    if (!cut.empty() && (static_cast<unsigned char>(cut.back()) & 0x80) != 0) cut.remove_suffix(1);
    return std::string(cut) + "…";
}

}  // namespace

std::string megabytes(std::uint64_t bytes) {
    if (bytes < 1'000'000) return fmt::format("{} kB", (bytes + 999) / 1000);
    return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

BuildView::BuildView(Invocation& invocation)
    : invocation_(invocation),
      shown_(!invocation.quiet() && !invocation.json()),
      live_(shown_ && invocation.terminal().err_is_terminal()) {}

BuildView::~BuildView() { clear(); }

void BuildView::clear() {
    if (drawn_) invocation_.terminal().err("\r\x1b[K");
    drawn_ = false;
}

void BuildView::line(std::string_view text) {
    if (!shown_) return;
    clear();
    invocation_.terminal().err(std::string(text) + "\n");
}

void BuildView::status(std::string_view text) {
    const auto now = std::chrono::steady_clock::now();
    if (!live_ || (drawn_ && now - drawn_at_ < kRedrawAfter)) return;
    clear();
    invocation_.terminal().err(
        styled(fit("  " + harmless(text, false), invocation_.terminal().width(), 0), Style::dim,
               invocation_.colour_err()));
    drawn_ = true;
    drawn_at_ = now;
}

void BuildView::context(const build::ContextSummary& summary) {
    const bool colour = invocation_.colour_err();
    line(styled("•", Style::blue, colour) +
         fmt::format(" context: {} files, {}", summary.files, megabytes(summary.bytes)));
    for (const auto& left_out : summary.left_out) {
        line(fmt::format("  {} left out: it is {}", harmless(left_out.path, false), left_out.why));
    }
    if (summary.bytes < build::kLargeContext) return;
    line(styled("  that is large; the largest are", Style::yellow, colour));
    for (const auto& offender : summary.largest) {
        line(
            fmt::format("  {:>10}  {}", megabytes(offender.bytes), harmless(offender.path, false)));
    }
    line("  leave out what the build does not need with a .dockerignore");
}

void BuildView::event(const build::StepEvent& event) {
    using Kind = build::StepEvent::Kind;
    if (!shown_ || is_internal(event.name)) return;
    const bool colour = invocation_.colour_err();
    const auto name = harmless(event.name, false);
    switch (event.kind) {
        case Kind::started:
            if (live_) {
                status(name);
            } else {
                line("• " + name);
            }
            break;
        case Kind::output:
            if (live_) {
                status(event.text);
            } else {
                line("    " + harmless(event.text, false));
            }
            break;
        case Kind::status: status(name + ": " + harmless(event.text, false)); break;
        case Kind::cached:
            line(styled("✓", Style::green, colour) + " " + name +
                 styled("  cached", Style::dim, colour));
            break;
        case Kind::done:
            line(styled("✓", Style::green, colour) + " " + name +
                 styled(fmt::format("  {:.1f} s", event.seconds), Style::dim, colour));
            break;
        case Kind::cancelled: break;
        case Kind::failed: line(styled("✗", Style::red, colour) + " " + name); break;
    }
}

}  // namespace loco::cli
