#include "domain/image_user.hpp"

#include <array>
#include <charconv>

namespace loco {
namespace {

constexpr std::int64_t kMaxId = 2'147'483'647;  // runc's

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n\v\f";
    const auto from = text.find_first_not_of(kSpace);
    if (from == std::string_view::npos) return {};
    return text.substr(from, text.find_last_not_of(kSpace) - from + 1);
}

// As Go's strconv.Atoi: a sign and decimal digits, leading zeros welcome ("00" is 0). An overflow is a number out of
// range, no name.
std::optional<std::int64_t> number(std::string_view text) {
    const bool negative = text.starts_with('-');
    if (negative || text.starts_with('+')) text.remove_prefix(1);
    if (text.empty()) return {};
    std::int64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return {};
        if (value <= kMaxId) value = value * 10 + (c - '0');
    }
    return negative ? -value : value;
}

// The first `N` fields of "a:b:c"; those that are not there are empty.
template <std::size_t N>
std::array<std::string_view, N> fields(std::string_view line) {
    std::array<std::string_view, N> result;
    for (auto& field : result) {
        const auto colon = line.find(':');
        field = line.substr(0, colon);
        if (colon == std::string_view::npos) break;
        line.remove_prefix(colon + 1);
    }
    return result;
}

// runc takes an id that is no number for 0: root.
std::int64_t id_field(std::string_view text) { return number(text).value_or(0); }

template <class Fn>
void each_line(std::string_view text, const Fn& fn) {
    while (!text.empty()) {
        const auto end = text.find('\n');
        const auto line = trimmed(text.substr(0, end));
        if (!line.empty() && fn(line)) return;
        if (end == std::string_view::npos) return;
        text.remove_prefix(end + 1);
    }
}

bool in_range(std::int64_t id) { return id >= 0 && id <= kMaxId; }

}  // namespace

std::optional<ResolvedUser> resolve_user(std::string_view user, std::string_view passwd,
                                         std::string_view group) {
    const auto colon = user.find(':');
    const std::string_view user_part = user.substr(0, colon);
    const std::string_view group_part =
        colon == std::string_view::npos ? std::string_view() : user.substr(colon + 1);
    const auto user_number = number(user_part);
    const auto group_number = number(group_part);

    ResolvedUser result;
    bool found = false;
    each_line(passwd, [&](std::string_view line) {
        const auto entry = fields<4>(line);  // name:password:uid:gid
        const std::int64_t uid = id_field(entry[2]);
        const bool match = user_part.empty() ? uid == 0
                           : user_number     ? uid == *user_number
                                             : entry[0] == user_part;
        if (!match) return false;
        found = true;
        result = {.uid = uid, .gid = id_field(entry[3])};
        return true;
    });
    if (!found && !user_part.empty()) {
        if (!user_number) return {};
        result.uid = *user_number;
    }
    if (!group_part.empty()) {
        bool group_found = false;
        each_line(group, [&](std::string_view line) {
            const auto entry = fields<3>(line);  // name:password:gid:members
            const std::int64_t gid = id_field(entry[2]);
            if (group_number ? gid != *group_number : entry[0] != group_part) return false;
            group_found = true;
            result.gid = gid;
            return true;
        });
        if (!group_found) {
            if (!group_number) return {};
            result.gid = *group_number;
        }
    }
    if (!in_range(result.uid) || !in_range(result.gid)) return {};
    return result;
}

UserFiles files_needed(std::string_view user) {
    const auto colon = user.find(':');
    const std::string_view group =
        colon == std::string_view::npos ? std::string_view() : user.substr(colon + 1);
    return {.passwd = group.empty() || !number(user.substr(0, colon)),
            .group = !group.empty() && !number(group)};
}

}  // namespace loco
