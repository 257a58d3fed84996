// Server-sent events (WHATWG HTML, section 9.2): writing them, and reading them as they arrive in pieces.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace loco::http {

struct SseEvent {
    std::string id = {};     // empty: none; as the reader gives it: the last one that was seen
    std::string event = {};  // empty: "message"
    std::string data = {};   // may hold line breaks, each LF
};

// The bytes of one event. Line breaks in id and event, which cannot be sent, are left out.
[[nodiscard]] std::string format_sse(const SseEvent& event);

// What BodyStream::keep_alive() gives for such a stream.
inline constexpr std::string_view kSseComment = ": keep-alive\n\n";

// Feeds on pieces of any size; an event that is not yet complete waits for the next piece.
class SseParser {
  public:
    struct Limits {
        std::size_t max_line = 1U << 20;   // bytes of one line
        std::size_t max_event = 4U << 20;  // bytes of one event's data
    };
    explicit SseParser(std::function<void(SseEvent)> on_event)
        : SseParser(std::move(on_event), Limits{}) {}
    SseParser(std::function<void(SseEvent)> on_event, Limits limits);

    // too_large when a line or an event is beyond its limit; the parser is of no use afterwards.
    [[nodiscard]] Result<> feed(std::string_view piece);

    // For Last-Event-ID when the connection is made again.
    [[nodiscard]] const std::string& last_event_id() const { return last_id_; }
    // What the server asked for with `retry:`.
    [[nodiscard]] std::optional<std::chrono::milliseconds> retry() const { return retry_; }

  private:
    [[nodiscard]] Result<> end_line();
    [[nodiscard]] Result<> take_field(std::string_view name, std::string_view value);
    void dispatch();

    std::function<void(SseEvent)> on_event_;
    Limits limits_;
    std::string line_;
    std::string event_;
    std::string data_;
    std::string last_id_;
    std::optional<std::chrono::milliseconds> retry_;
    bool has_data_ = false;
    bool after_cr_ = false;  // a LF that follows belongs to that CR
    bool at_start_ = true;   // where a byte order mark may be
};

}  // namespace loco::http
