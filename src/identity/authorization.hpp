// Who may do what: the one table. Every route of the API names a permission; what each needs is here and nowhere else.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/model.hpp"

namespace loco::identity {

enum class Permission : std::uint8_t {
    nobody_asked,  // needs no credentials: version, the API's description
    self,          // any valid credentials: who am I, which teams have I
    app_read,      // see apps, releases, deployments, events, status, metrics, names of variables
    logs_read,
    app_create,
    app_deploy,   // deploy, redeploy, rollback, cancel, push images
    app_operate,  // restart, scale
    env_write,
    app_destroy,
    app_move,  // to and from another Loco, with the values of its variables
};

struct PermissionRow {
    Permission permission;
    std::string_view scope;  // the name that a token's scopes use
    Role least_role;         // in the team; meaningless for nobody_asked and self
};

[[nodiscard]] std::span<const PermissionRow> permission_table();
[[nodiscard]] const PermissionRow& row_of(Permission permission);

// Who a request comes from.
struct Principal {
    User user;
    TokenId token;
    std::vector<std::string> scopes;
    std::optional<TeamId> only_team;
};

// Whether the token's scopes allow it, whatever the role.
[[nodiscard]] bool scopes_allow(const Principal& principal, Permission permission);
// Whether that role in the team, with that token, may do it. `role`: none when the user is no member.
[[nodiscard]] bool may(const Principal& principal, const TeamId& team, std::optional<Role> role,
                       Permission permission);

}  // namespace loco::identity
