#include "kubernetes/watch_decoder.hpp"

#include <array>
#include <utility>

namespace loco::kubernetes {
namespace {

using Type = WatchEvent::Type;

constexpr std::array<std::pair<std::string_view, Type>, 5> kTypes{{
    {"ADDED", Type::added},
    {"MODIFIED", Type::modified},
    {"DELETED", Type::deleted},
    {"BOOKMARK", Type::bookmark},
    {"ERROR", Type::error},
}};

Result<WatchEvent> decode(std::string_view line) {
    LOCO_ASSIGN(auto event, parse_object(line));
    const auto name = text(event, "type");
    for (const auto& [word, type] : kTypes) {
        if (name != word) continue;
        auto* fields = event.if_object();
        WatchEvent result{.type = type, .object = {}};
        if (auto* object = fields->if_contains("object")) result.object = std::move(*object);
        if (type != Type::error && resource_version_of(result.object).empty()) {
            return fail(ErrorKind::invalid, "an event without a resourceVersion");
        }
        return result;
    }
    return fail(ErrorKind::invalid, "an event of an unknown type");
}

}  // namespace

Result<> WatchDecoder::feed(std::string_view piece,
                            const std::function<void(WatchEvent)>& on_event) {
    while (!piece.empty()) {
        const auto end = piece.find('\n');
        const auto part = piece.substr(0, end);
        if (pending_.size() + part.size() > max_) {
            return fail(ErrorKind::too_large,
                        "an event of more than " + std::to_string(max_) + " bytes");
        }
        if (end == std::string_view::npos) {
            pending_ += part;
            return {};
        }
        piece.remove_prefix(end + 1);
        const bool whole = pending_.empty();
        if (!whole) pending_ += part;
        const std::string_view line = whole ? part : std::string_view(pending_);
        if (!line.empty() && line != "\r") {
            LOCO_ASSIGN(auto event, decode(line));
            on_event(std::move(event));
        }
        pending_.clear();
    }
    return {};
}

}  // namespace loco::kubernetes
