#include "identity/authorization.hpp"

#include <algorithm>
#include <array>

namespace loco::identity {
namespace {

constexpr std::array kTable{
    PermissionRow{Permission::nobody_asked, "", Role::viewer},
    PermissionRow{Permission::self, "self", Role::viewer},
    PermissionRow{Permission::app_read, "app:read", Role::viewer},
    PermissionRow{Permission::logs_read, "logs:read", Role::viewer},
    PermissionRow{Permission::app_create, "app:create", Role::developer},
    PermissionRow{Permission::app_deploy, "app:deploy", Role::developer},
    PermissionRow{Permission::app_operate, "app:operate", Role::developer},
    PermissionRow{Permission::env_write, "env:write", Role::developer},
    PermissionRow{Permission::app_destroy, "app:destroy", Role::admin},
    PermissionRow{Permission::app_move, "app:move", Role::admin},
};
static_assert(kTable.size() == static_cast<std::size_t>(Permission::app_move) + 1);

}  // namespace

std::span<const PermissionRow> permission_table() { return kTable; }

const PermissionRow& row_of(Permission permission) {
    return kTable.at(static_cast<std::size_t>(permission));
}

bool scopes_allow(const Principal& principal, Permission permission) {
    if (permission == Permission::nobody_asked || permission == Permission::self) return true;
    const auto scope = row_of(permission).scope;
    return std::ranges::any_of(principal.scopes,
                               [&](const std::string& s) { return s == "*" || s == scope; });
}

bool may(const Principal& principal, const TeamId& team, std::optional<Role> role,
         Permission permission) {
    if (permission == Permission::nobody_asked || permission == Permission::self) return true;
    if (!role || *role < row_of(permission).least_role) return false;
    if (principal.only_team && *principal.only_team != team) return false;
    return scopes_allow(principal, permission);
}

}  // namespace loco::identity
