// BuildKit's plain progress (`--progress=plain`), of Docker 20.10 and newer, as events. Bounded: lines and
// what is kept of a step's output are cut, steps are counted.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace loco::build {

struct StepEvent {
    enum class Kind : std::uint8_t {
        started,  // name is known
        output,   // a line that the step's command wrote
        status,   // what BuildKit does: "exporting layers", "sha256:… 3MB / 30MB"
        cached,
        done,
        cancelled,
        failed,  // text: why
    } kind;
    int step = 0;           // BuildKit's "#5"
    std::string_view name;  // "[build 2/4] RUN npm ci", "[internal] load build context"
    std::string_view text;  // printable: no control characters but tab
    double seconds = 0;     // of done: how long; of output: since the step began
};

class PlainProgress {
  public:
    static constexpr std::size_t kMaxLine = 16U << 10;
    static constexpr std::size_t kMaxSteps = 5'000;
    static constexpr std::size_t kTailLines = 20;
    static constexpr std::size_t kTailLine = 1'000;

    struct Step {
        std::string name;
        std::deque<std::string> tail;  // its last output lines
        std::string error;             // why it failed; empty: it did not
        bool cached = false;
        bool done = false;
        double seconds = 0;
    };

    explicit PlainProgress(std::function<void(const StepEvent&)> sink = {})
        : sink_(std::move(sink)) {}

    void feed(std::string_view bytes);
    void finish();  // the last line had no end

    [[nodiscard]] const std::map<int, Step>& steps() const { return steps_; }
    // The step that failed first; nullptr when none did.
    [[nodiscard]] const Step* failed() const;
    // What stands outside of any step: the reason at the end, "Dockerfile:12" and its lines. The last 100.
    [[nodiscard]] const std::deque<std::string>& remarks() const { return remarks_; }

  private:
    void line(std::string_view text);
    void of_step(int number, std::string_view text);
    void tell(StepEvent::Kind kind, int number, const Step& step, std::string_view text = {},
              double seconds = 0) const;

    std::function<void(const StepEvent&)> sink_;
    std::string rest_;
    std::map<int, Step> steps_;
    int failed_ = 0;
    std::deque<std::string> remarks_;
};

// Without escape sequences and control characters; what a carriage return had overwritten goes too.
[[nodiscard]] std::string printable(std::string_view line);

}  // namespace loco::build
