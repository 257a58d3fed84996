// What the engine sends as streams, taken apart as it comes, in bounded memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "engine/types.hpp"

namespace loco::engine {

enum class Stream : std::uint8_t { in = 0, out = 1, err = 2 };

// Logs and attach of a container without a terminal: frames of an 8-byte header (stream, three
// zeros, big-endian length) and so many bytes. Bytes are given on as they come: a frame may be
// given in several pieces, so that nothing but the header is ever kept.
class FrameDemuxer {
  public:
    using Sink = std::function<void(Stream, std::string_view)>;
    static constexpr std::uint32_t kMaxFrame = 16U << 20;

    // `frame_end` is told after each frame: with timestamps each frame begins with one, and a frame that ends
    // without a line feed is a piece of a long line.
    explicit FrameDemuxer(Sink sink, std::function<void(Stream)> frame_end = {})
        : sink_(std::move(sink)), frame_end_(std::move(frame_end)) {}

    // invalid for what is no frame (a container with a terminal sends raw bytes); nothing more is
    // taken then.
    [[nodiscard]] Result<> feed(std::string_view bytes);
    // True between frames: a stream that ends elsewhere was cut.
    [[nodiscard]] bool complete() const { return have_ == 0 && left_ == 0; }

  private:
    Sink sink_;
    std::function<void(Stream)> frame_end_;
    std::array<unsigned char, 8> header_{};
    std::size_t have_ = 0;
    std::uint32_t left_ = 0;
    Stream stream_ = Stream::out;
    bool broken_ = false;
};

// Cuts a stream into its lines; a line beyond kMaxLine is an error.
class LineReader {
  public:
    static constexpr std::size_t kMaxLine = 1U << 20;

    // `sink` gets each whole line without its end; empty lines are left out.
    [[nodiscard]] Result<> feed(std::string_view bytes,
                                const std::function<Result<>(std::string_view)>& sink);
    // What is left without an end of line.
    [[nodiscard]] Result<> finish(const std::function<Result<>(std::string_view)>& sink);

  private:
    std::string rest_;
};

// GET /events: one JSON document a line.
class EventReader {
  public:
    explicit EventReader(std::function<void(const Event&)> sink) : sink_(std::move(sink)) {}
    // invalid for what is no event; nothing more should be fed then.
    [[nodiscard]] Result<> feed(std::string_view bytes);

  private:
    std::function<void(const Event&)> sink_;
    LineReader lines_;
};

// The body of a push or pull: one JSON document a line. An engine answers 200 and puts failures
// inside.
class TransferReader {
  public:
    explicit TransferReader(std::function<void(const TransferProgress&)> sink)
        : sink_(std::move(sink)) {}

    [[nodiscard]] Result<> feed(std::string_view bytes);
    // Once, at the end: the failure that the stream told of, or what was pushed.
    [[nodiscard]] Result<PushResult> finish();

  private:
    [[nodiscard]] Result<> take(std::string_view line);

    std::function<void(const TransferProgress&)> sink_;
    LineReader lines_;
    PushResult result_;
    std::string failure_;
};

}  // namespace loco::engine
