// Who an image's USER is, in the image's own /etc/passwd and /etc/group: read as runc reads it
// (libcontainer/user, GetExecUser), for what Loco takes for harmless must be what runc would run.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace loco {

struct ResolvedUser {
    std::int64_t uid = 0;
    std::int64_t gid = 0;
    bool operator==(const ResolvedUser&) const = default;
};

// `user` is "", "name", "uid", "name:group", "uid:gid" and any mixture; `passwd` and `group` the files' contents, empty
// where there is none. Nothing when a name is in neither, or an id out of range.
[[nodiscard]] std::optional<ResolvedUser> resolve_user(std::string_view user,
                                                       std::string_view passwd,
                                                       std::string_view group);

// Which of the two files resolve_user() would look into to any effect.
struct UserFiles {
    bool passwd = false;
    bool group = false;
};
[[nodiscard]] UserFiles files_needed(std::string_view user);

}  // namespace loco
