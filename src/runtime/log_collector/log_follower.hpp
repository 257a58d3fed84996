// One container's output, from the engine's frames to lines. Knows nothing of threads or stores.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "engine/streams.hpp"
#include "ports/log_store.hpp"

namespace loco::runtime {

inline constexpr std::size_t kMaxLineBytes = 64U << 10;

struct RawLine {
    LogStream stream = LogStream::out;
    Time at;
    std::string text;
};

// Cuts the body of GET /containers/{id}/logs?timestamps=1 into lines. A line longer than kMaxLineBytes comes in pieces
// of that size; the cut depends on nothing but the bytes, so that reading again gives the same pieces.
class LineCutter {
  public:
    using Sink = std::function<void(RawLine)>;
    explicit LineCutter(Sink sink);

    // invalid for what is no log stream; nothing more should be fed then.
    [[nodiscard]] Result<> feed(std::string_view bytes);
    // What was written without a line feed at its end: only when the container has ended.
    void finish();

  private:
    struct Part {
        std::string frame;  // of the current frame, its timestamp included
        std::string text;   // of the current line
        Time at;            // of the line's first frame
        bool open = false;  // a line has begun
    };
    void take_frame(engine::Stream stream);
    void emit(LogStream stream, Part& part, std::size_t size);

    Sink sink_;
    std::array<Part, 2> parts_;  // out, err
    bool broken_ = false;
    engine::FrameDemuxer frames_;
};

// Tells lines that were kept already from new ones, after a break: reading begins again a little before the newest
// line, because the two streams of a container may be written a little out of the order of their times.
class Resume {
  public:
    static constexpr int kLines = 2000;
    static constexpr auto kOverlap = std::chrono::seconds(1);

    Resume() = default;
    // `kept`: the newest lines of the instance, at most kLines, in order of time.
    explicit Resume(const std::vector<LogLine>& kept);

    // Where to begin reading; nothing: at the start.
    [[nodiscard]] const std::optional<Time>& since() const { return since_; }
    // True once for each line that was kept.
    [[nodiscard]] bool was_kept(const RawLine& line);

  private:
    using Key = std::tuple<Time, LogStream, std::string>;
    std::optional<Time> since_;
    std::optional<Time> newest_;
    std::multiset<Key> kept_;
};

// Tells lines that the engine sends a second time. Docker's json-file driver does, to a follower that is behind when it
// rotates the file: at the end of the new file it begins that file once more (seen with 20.10). What was sent has the
// nanosecond, stream and text of a line that was read before, so a clock that is set back is not mistaken for it.
class Repeats {
  public:
    // What a file of 10 MB can hold of the shortest lines.
    static constexpr std::size_t kLines = 1U << 17;

    // Notes the line, unless it was read before.
    [[nodiscard]] bool was_read(const RawLine& line);

  private:
    std::vector<std::uint64_t> ring_;  // of what was read last; grows up to kLines
    std::size_t next_ = 0;
    Time newest_;
    bool again_ = false;                // since a line that was older than it can be
    std::vector<std::uint64_t> known_;  // sorted: the ring as it was then
};

}  // namespace loco::runtime
