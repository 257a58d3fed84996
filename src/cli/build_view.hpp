// A build's progress: on a terminal each step as it ends under one line that lives; elsewhere plain lines.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "build/builder.hpp"
#include "cli/invocation.hpp"

namespace loco::cli {

class BuildView {
  public:
    explicit BuildView(Invocation& invocation);
    ~BuildView();  // takes the living line away
    BuildView(const BuildView&) = delete;
    BuildView& operator=(const BuildView&) = delete;

    void context(const build::ContextSummary& summary);
    void event(const build::StepEvent& event);
    // The living line, e.g. "pushing 12 of 40 MB"; only on a terminal.
    void status(std::string_view text);
    // A line that stays.
    void line(std::string_view text);
    // Takes the living line away, before others write.
    void clear();
    // Whether all that the build writes stays to be read: without a terminal. On one it is drawn over, with --quiet not shown.
    [[nodiscard]] bool streams() const { return shown_ && !live_; }

  private:
    Invocation& invocation_;
    bool shown_ = false;  // nothing is, with --quiet and --json
    bool live_ = false;   // stderr is a terminal
    bool drawn_ = false;  // the living line is on the screen
    std::chrono::steady_clock::time_point drawn_at_;
};

// "12.3 MB"
[[nodiscard]] std::string megabytes(std::uint64_t bytes);

}  // namespace loco::cli
