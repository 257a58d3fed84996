#include "runtime/log_collector/log_follower.hpp"

#include <algorithm>
#include <functional>

namespace loco::runtime {
namespace {

// A frame is one line of at most 16 KiB in Docker; a timestamp stands before it.
constexpr std::size_t kMaxFrame = 1U << 20;
constexpr auto kDisorder = std::chrono::milliseconds(10);

}  // namespace

LineCutter::LineCutter(Sink sink)
    : sink_(std::move(sink)),
      frames_(
          [this](engine::Stream stream, std::string_view bytes) {
              Part& part = parts_[stream == engine::Stream::err ? 1 : 0];
              if (part.frame.size() + bytes.size() > kMaxFrame) {
                  broken_ = true;
              } else {
                  part.frame += bytes;
              }
          },
          [this](engine::Stream stream) { take_frame(stream); }) {}

Result<> LineCutter::feed(std::string_view bytes) {
    LOCO_TRY(frames_.feed(bytes));
    if (broken_) return fail(ErrorKind::invalid, "the engine's log stream cannot be read");
    return {};
}

void LineCutter::emit(LogStream stream, Part& part, std::size_t size) {
    sink_({.stream = stream, .at = part.at, .text = part.text.substr(0, size)});
    part.text.erase(0, size);
}

void LineCutter::take_frame(engine::Stream from) {
    const LogStream stream = from == engine::Stream::err ? LogStream::err : LogStream::out;
    Part& part = parts_[stream == LogStream::err ? 1 : 0];
    std::string frame = std::exchange(part.frame, {});
    const auto space = frame.find(' ');
    const auto at = parse_rfc3339(std::string_view(frame).substr(0, space));
    if (space == std::string::npos || !at) {
        broken_ = true;
        return;
    }
    if (!part.open) part.at = *at;
    part.open = true;
    const bool ends = frame.ends_with('\n');
    part.text.append(frame, space + 1, frame.size() - space - 1 - (ends ? 1 : 0));
    while (part.text.size() > kMaxLineBytes) emit(stream, part, kMaxLineBytes);
    if (!ends) return;
    emit(stream, part, part.text.size());
    part.open = false;
}

void LineCutter::finish() {
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        Part& part = parts_[i];
        if (!part.open) continue;
        emit(i == 1 ? LogStream::err : LogStream::out, part, part.text.size());
        part.open = false;
    }
}

Resume::Resume(const std::vector<LogLine>& kept) {
    if (kept.empty()) return;
    newest_ = kept.front().at;
    for (const auto& line : kept) newest_ = std::max(*newest_, line.at);
    since_ = *newest_ - kOverlap;
    // Before the oldest that was given there are more; the streams may be out of order by a little.
    if (static_cast<int>(kept.size()) >= kLines) {
        since_ = std::max<Time>(*since_, kept.front().at + kDisorder);
        since_ = std::min(*since_, *newest_);
    }
    for (const auto& line : kept) {
        if (line.at >= *since_) kept_.emplace(line.at, line.stream, line.text);
    }
}

bool Resume::was_kept(const RawLine& line) {
    if (kept_.empty() || line.at > *newest_) return false;
    const auto found = kept_.find(Key{line.at, line.stream, line.text});
    if (found == kept_.end()) return false;
    kept_.erase(found);
    return true;
}

bool Repeats::was_read(const RawLine& line) {
    const auto time = static_cast<std::uint64_t>(line.at.time_since_epoch().count());
    const std::uint64_t key = std::hash<std::string_view>{}(line.text) ^
                              (time * 0x9E37'79B9'7F4A'7C15U + static_cast<unsigned>(line.stream));
    if (!again_ && line.at + kDisorder < newest_) {
        known_ = ring_;
        std::ranges::sort(known_);
        again_ = true;
    }
    if (again_ && line.at > newest_) {
        again_ = false;
        known_ = {};
    }
    if (again_ && std::ranges::binary_search(known_, key)) return true;
    newest_ = std::max(newest_, line.at);
    if (ring_.size() < kLines) {
        ring_.push_back(key);
    } else {
        ring_[next_] = key;
        next_ = (next_ + 1) % kLines;
    }
    return false;
}

}  // namespace loco::runtime
