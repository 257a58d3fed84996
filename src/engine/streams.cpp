#include "engine/streams.hpp"

#include <algorithm>

#include "engine/json.hpp"

namespace loco::engine {

Result<> FrameDemuxer::feed(std::string_view bytes) {
    const auto broken = [this] {
        broken_ = true;
        return fail(ErrorKind::invalid, "the engine's stream is not made of frames");
    };
    if (broken_) return broken();
    while (!bytes.empty()) {
        if (left_ > 0) {
            const std::size_t take = std::min<std::size_t>(left_, bytes.size());
            sink_(stream_, bytes.substr(0, take));
            left_ -= static_cast<std::uint32_t>(take);
            bytes.remove_prefix(take);
            if (left_ == 0 && frame_end_) frame_end_(stream_);
            continue;
        }
        header_[have_++] = static_cast<unsigned char>(bytes.front());
        bytes.remove_prefix(1);
        if (have_ < header_.size()) continue;
        have_ = 0;
        const bool plain = header_[1] == 0 && header_[2] == 0 && header_[3] == 0;
        if (header_[0] > 2 || !plain) return broken();
        stream_ = static_cast<Stream>(header_[0]);
        left_ = static_cast<std::uint32_t>(header_[4]) << 24U |
                static_cast<std::uint32_t>(header_[5]) << 16U |
                static_cast<std::uint32_t>(header_[6]) << 8U | header_[7];
        if (left_ > kMaxFrame) return broken();
    }
    return {};
}

Result<> LineReader::feed(std::string_view bytes,
                          const std::function<Result<>(std::string_view)>& sink) {
    while (!bytes.empty()) {
        const auto end = bytes.find('\n');
        const auto piece = bytes.substr(0, end);
        if (rest_.size() + piece.size() > kMaxLine) {
            return fail(ErrorKind::too_large, "the engine sent a line of more than " +
                                                  std::to_string(kMaxLine) + " bytes");
        }
        rest_ += piece;
        if (end == std::string_view::npos) return {};
        bytes.remove_prefix(end + 1);
        LOCO_TRY(finish(sink));
    }
    return {};
}

Result<> LineReader::finish(const std::function<Result<>(std::string_view)>& sink) {
    if (rest_.ends_with('\r')) rest_.pop_back();
    const std::string line = std::exchange(rest_, {});
    if (line.empty()) return {};
    return sink(line);
}

Result<> EventReader::feed(std::string_view bytes) {
    return lines_.feed(bytes, [this](std::string_view line) -> Result<> {
        LOCO_ASSIGN(const json::value v, json::parse(line));
        const json::value& actor = json::member(v, "Actor");
        Event event{.type = json::text(v, "Type"),
                    .action = json::text(v, "Action"),
                    .actor = json::text(actor, "ID"),
                    .attributes = json::text_map(actor, "Attributes"),
                    .at = Time(std::chrono::nanoseconds(json::integer(v, "timeNano")))};
        if (event.type.empty() && event.action.empty()) {
            return fail(ErrorKind::invalid, "the engine sent no event");
        }
        sink_(event);
        return {};
    });
}

Result<> TransferReader::feed(std::string_view bytes) {
    return lines_.feed(bytes, [this](std::string_view line) { return take(line); });
}

Result<> TransferReader::take(std::string_view line) {
    LOCO_ASSIGN(const json::value v, json::parse(line));
    std::string error = json::text(json::member(v, "errorDetail"), "message");
    if (error.empty()) error = json::text(v, "error");
    if (!error.empty()) {
        failure_ = std::move(error);
        return {};
    }
    if (const json::value& aux = json::member(v, "aux"); aux.is_object()) {
        // Docker tells the push with Tag, Digest and Size; Podman with manifestDigest.
        std::string digest = json::text(aux, "Digest");
        if (digest.empty()) digest = json::text(aux, "manifestDigest");
        if (!digest.empty()) {
            result_ = {.digest = std::move(digest),
                       .tag = json::text(aux, "Tag"),
                       .manifest_bytes = json::integer(aux, "Size")};
        }
        return {};
    }
    if (!sink_) return {};
    const json::value& detail = json::member(v, "progressDetail");
    sink_({.layer = json::text(v, "id"),
           .status = json::text(v, "status"),
           .current = json::integer(detail, "current"),
           .total = json::integer(detail, "total")});
    return {};
}

Result<PushResult> TransferReader::finish() {
    LOCO_TRY(lines_.finish([this](std::string_view line) { return take(line); }));
    if (failure_.empty()) return result_;
    ErrorKind kind = ErrorKind::unavailable;
    std::string hint;
    std::string code;
    const auto says = [this](std::string_view words) {
        return failure_.find(words) != std::string::npos;
    };
    if (says("unauthorized") || says("authentication required") || says("denied")) {
        kind = ErrorKind::forbidden;
        hint = "the registry's token has expired or is for another repository";
    } else if (says("not found") || says("does not exist") || says("manifest unknown")) {
        kind = ErrorKind::not_found;
    } else if (says("no space left on device")) {
        hint = "free some disk where the registry or the engine keeps its images";
        code = "engine_disk_full";
    } else if (says("connection refused") || says("no such host") || says("i/o timeout")) {
        code = "registry_unreachable";
        hint = "is the registry running, and can the container engine reach it?";
    }
    return fail(kind, failure_, std::move(hint), std::move(code));
}

}  // namespace loco::engine
