#include "build/progress.hpp"

#include <charconv>
#include <optional>
#include <utility>

namespace loco::build {
namespace {

constexpr std::size_t kMaxRemarks = 100;

// "12.345" as seconds; the rest after one space is left in `text`.
std::optional<double> take_time(std::string_view& text) {
    const auto end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    const auto dot = word.find('.');
    if (dot == std::string_view::npos || dot == 0 || word.size() - dot != 4 || word.size() > 12) {
        return std::nullopt;
    }
    double value = 0;
    const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error != std::errc() || stop != word.data() + word.size() || value < 0) return std::nullopt;
    text.remove_prefix(std::min(end + 1, text.size()));
    return value;
}

// "DONE 0.4s"
double seconds_of(std::string_view text) {
    double value = 0;
    if (text.ends_with('s')) text.remove_suffix(1);
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value >= 0 && value < 1e9 ? value : 0;
}

// Older BuildKits print each step's digest, which says nothing to a person.
bool is_digest(std::string_view text) {
    return text.size() == 71 && text.starts_with("sha256:") &&
           text.find_first_not_of("0123456789abcdef", 7) == std::string_view::npos;
}

}  // namespace

std::string printable(std::string_view line) {
    while (line.ends_with('\r')) line.remove_suffix(1);
    if (const auto back = line.rfind('\r'); back != std::string_view::npos) {
        line.remove_prefix(back + 1);
    }
    std::string result;
    result.reserve(line.size());
    for (std::size_t i = 0; i < line.size(); ++i) {
        const auto c = static_cast<unsigned char>(line[i]);
        if (c == 0x1B) {  // ECMA-48: CSI … final byte; OSC … BEL or ESC \; else two bytes
            if (++i >= line.size()) break;
            if (line[i] == '[') {
                while (++i < line.size() && (line[i] < 0x40 || line[i] > 0x7E)) {
                }
            } else if (line[i] == ']') {
                while (++i < line.size() && line[i] != 0x07 && line[i] != 0x1B) {
                }
                if (i < line.size() && line[i] == 0x1B) ++i;
            }
        } else if (c == '\t' || (c >= 0x20 && c != 0x7F)) {
            result += line[i];
        }
    }
    return result;
}

void PlainProgress::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto end = bytes.find('\n');
        const auto piece = bytes.substr(0, end);
        // What goes beyond the bound is dropped up to the end of its line.
        rest_ += piece.substr(0, kMaxLine - std::min(rest_.size(), kMaxLine));
        if (end == std::string_view::npos) return;
        bytes.remove_prefix(end + 1);
        line(std::exchange(rest_, {}));
    }
}

void PlainProgress::finish() {
    if (!rest_.empty()) line(std::exchange(rest_, {}));
}

void PlainProgress::line(std::string_view text) {
    int number = 0;
    const auto space = text.find(' ');
    if (text.starts_with('#') && space != std::string_view::npos) {
        const auto [stop, error] = std::from_chars(text.data() + 1, text.data() + space, number);
        if (error != std::errc() || stop != text.data() + space || number < 0) number = 0;
    }
    if (number > 0) {
        of_step(number, text.substr(space + 1));
        return;
    }
    std::string remark = printable(text).substr(0, kTailLine);
    if (remark.empty()) return;
    remarks_.push_back(std::move(remark));
    if (remarks_.size() > kMaxRemarks) remarks_.pop_front();
}

void PlainProgress::of_step(int number, std::string_view text) {
    using Kind = StepEvent::Kind;
    const auto found = steps_.find(number);
    if (found == steps_.end()) {
        if (steps_.size() >= kMaxSteps) return;
        Step& step = steps_[number];
        step.name = printable(text).substr(0, 4 * kTailLine);
        tell(Kind::started, number, step);
        return;
    }
    Step& step = found->second;
    if (text.empty() || text == "..." || is_digest(text)) return;
    if (text == "CACHED") {
        step.cached = step.done = true;
        tell(Kind::cached, number, step);
    } else if (text.starts_with("DONE ")) {
        step.done = true;
        step.seconds = seconds_of(text.substr(5));
        tell(Kind::done, number, step, {}, step.seconds);
    } else if (text == "CANCELED") {
        step.done = true;
        tell(Kind::cancelled, number, step);
    } else if (text.starts_with("ERROR: ") || text.starts_with("ERROR ")) {
        step.error = printable(text.substr(text.find(' ') + 1)).substr(0, 4 * kTailLine);
        if (failed_ == 0) failed_ = number;
        tell(Kind::failed, number, step, step.error);
    } else if (const auto seconds = take_time(text)) {
        std::string said = printable(text);
        tell(Kind::output, number, step, said, *seconds);
        step.tail.push_back(said.substr(0, kTailLine));
        if (step.tail.size() > kTailLines) step.tail.pop_front();
    } else if (const std::string said = printable(text); said != step.name) {
        tell(Kind::status, number, step, said);  // the name again: back from another step's output
    }
}

void PlainProgress::tell(StepEvent::Kind kind, int number, const Step& step, std::string_view text,
                         double seconds) const {
    if (!sink_) return;
    sink_({.kind = kind, .step = number, .name = step.name, .text = text, .seconds = seconds});
}

const PlainProgress::Step* PlainProgress::failed() const {
    const auto found = steps_.find(failed_);
    return found == steps_.end() ? nullptr : &found->second;
}

}  // namespace loco::build
