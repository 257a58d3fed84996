#include "cluster/kubernetes/pod_log_text.hpp"

#include <algorithm>

namespace loco::cluster {
namespace {

constexpr std::size_t kMaxStamp = 40;  // "2026-11-23T12:00:00.123456789+01:00"
constexpr auto kDisorder = std::chrono::milliseconds(10);

}  // namespace

void PodLogCutter::feed(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto end = bytes.find('\n');
        add(bytes.substr(0, end));
        if (end == std::string_view::npos) return;
        end_line();
        bytes.remove_prefix(end + 1);
    }
}

void PodLogCutter::add(std::string_view bytes) {
    if (own_words_) return;
    text_ += bytes;
    if (!at_) {
        const auto space = text_.find(' ');
        if (space == std::string::npos) {
            own_words_ = text_.size() > kMaxStamp;
            if (own_words_) text_.clear();
            return;
        }
        const auto at = parse_rfc3339(std::string_view(text_).substr(0, space));
        if (!at) {
            own_words_ = true;
            text_.clear();
            return;
        }
        at_ = *at;
        text_.erase(0, space + 1);
    }
    while (text_.size() > kMaxLogLine) {
        sink_({.at = *at_, .text = text_.substr(0, kMaxLogLine)});
        text_.erase(0, kMaxLogLine);
    }
}

void PodLogCutter::end_line() {
    // An empty line may come without the space behind its timestamp.
    if (!at_ && !own_words_) {
        if (const auto at = parse_rfc3339(text_)) {
            at_ = *at;
            text_.clear();
        }
    }
    if (at_) sink_({.at = *at_, .text = std::move(text_)});
    text_.clear();
    at_.reset();
    own_words_ = false;
}

void PodLogCutter::finish() {
    if (at_ || own_words_ || !text_.empty()) end_line();
}

PodResume::PodResume(const std::vector<LogLine>& kept) {
    if (kept.empty()) return;
    newest_ = std::ranges::max_element(kept, {}, &LogLine::at)->at;
    all_before_ = *newest_ - kDisorder;
    for (const auto& line : kept) {
        if (line.at >= all_before_) kept_.emplace(line.at, line.text);
    }
}

bool PodResume::was_kept(const PodLine& line) {
    if (!newest_ || line.at > *newest_) return false;
    if (line.at < all_before_) return true;
    const auto found = kept_.find({line.at, line.text});
    if (found == kept_.end()) return false;
    kept_.erase(found);
    return true;
}

}  // namespace loco::cluster
