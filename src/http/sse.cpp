#include "http/sse.hpp"

#include <algorithm>
#include <charconv>

namespace loco::http {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

void append_field(std::string& out, std::string_view name, std::string_view value) {
    out += name;
    out += ": ";
    std::ranges::copy_if(value, std::back_inserter(out),
                         [](char c) { return c != '\r' && c != '\n' && c != '\0'; });
    out += '\n';
}

}  // namespace

std::string format_sse(const SseEvent& event) {
    std::string out;
    out.reserve(event.data.size() + event.id.size() + event.event.size() + 32);
    if (!event.id.empty()) append_field(out, "id", event.id);
    if (!event.event.empty()) append_field(out, "event", event.event);
    std::string_view rest = event.data;
    while (true) {
        const auto end = rest.find_first_of("\r\n");
        out += "data: ";
        out += rest.substr(0, end);
        out += '\n';
        if (end == std::string_view::npos) break;
        rest.remove_prefix(end + (rest.substr(end).starts_with("\r\n") ? 2 : 1));
    }
    out += '\n';
    return out;
}

SseParser::SseParser(std::function<void(SseEvent)> on_event, Limits limits)
    : on_event_(std::move(on_event)), limits_(limits) {}

Result<> SseParser::feed(std::string_view piece) {
    while (!piece.empty()) {
        if (std::exchange(after_cr_, false) && piece.front() == '\n') {
            piece.remove_prefix(1);
            continue;
        }
        const auto end = piece.find_first_of("\r\n");
        const auto part = piece.substr(0, end);
        if (line_.size() + part.size() > limits_.max_line) {
            return fail(ErrorKind::too_large, "a line of the event stream is longer than " +
                                                  std::to_string(limits_.max_line) + " bytes");
        }
        line_ += part;
        if (end == std::string_view::npos) return {};
        after_cr_ = piece[end] == '\r';
        piece.remove_prefix(end + 1);
        LOCO_TRY(end_line());
    }
    return {};
}

Result<> SseParser::end_line() {
    std::string_view line = line_;
    if (std::exchange(at_start_, false) && line.starts_with(kByteOrderMark)) {
        line.remove_prefix(kByteOrderMark.size());
    }
    Result<> taken;
    if (line.empty()) {
        dispatch();
    } else if (const auto colon = line.find(':'); colon == std::string_view::npos) {
        taken = take_field(line, {});
    } else if (colon > 0) {  // else a comment
        auto value = line.substr(colon + 1);
        if (value.starts_with(' ')) value.remove_prefix(1);
        taken = take_field(line.substr(0, colon), value);
    }
    line_.clear();
    return taken;
}

Result<> SseParser::take_field(std::string_view name, std::string_view value) {
    if (name == "event") {
        event_ = value;
    } else if (name == "data") {
        if (data_.size() + value.size() + 1 > limits_.max_event) {
            return fail(ErrorKind::too_large, "an event of the stream is larger than " +
                                                  std::to_string(limits_.max_event) + " bytes");
        }
        if (has_data_) data_ += '\n';
        data_ += value;
        has_data_ = true;
    } else if (name == "id") {
        if (value.find('\0') == std::string_view::npos) last_id_ = value;
    } else if (name == "retry") {
        std::uint32_t milliseconds = 0;
        const auto [end, error] =
            std::from_chars(value.data(), value.data() + value.size(), milliseconds);
        if (error == std::errc() && end == value.data() + value.size()) {
            retry_ = std::chrono::milliseconds(milliseconds);
        }
    }
    return {};
}

void SseParser::dispatch() {
    auto name = std::exchange(event_, {});
    if (!std::exchange(has_data_, false)) return;
    on_event_({.id = last_id_, .event = std::move(name), .data = std::exchange(data_, {})});
}

}  // namespace loco::http
