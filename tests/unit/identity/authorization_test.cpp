#include "identity/authorization.hpp"

#include <gtest/gtest.h>

namespace loco::identity {
namespace {

Principal with_scopes(std::vector<std::string> scopes) {
    return {.user = {}, .token = {}, .scopes = std::move(scopes)};
}

TEST(Authorization, ARoleMayWhatItsRowSaysAndNoRoleMayNothing) {
    const TeamId team("team_a");
    const auto everything = with_scopes({"*"});
    for (const auto& row : permission_table()) {
        const bool open =
            row.permission == Permission::nobody_asked || row.permission == Permission::self;
        EXPECT_EQ(may(everything, team, std::nullopt, row.permission), open) << row.scope;
        for (const auto role : {Role::viewer, Role::developer, Role::admin, Role::owner}) {
            EXPECT_EQ(may(everything, team, role, row.permission), open || role >= row.least_role)
                << row.scope << " as " << to_string(role);
        }
    }
}

TEST(Authorization, ATokenMayOnlyWhatItsScopesName) {
    const TeamId team("team_a");
    const auto reader = with_scopes({"app:read", "logs:read"});
    EXPECT_TRUE(may(reader, team, Role::owner, Permission::app_read));
    EXPECT_TRUE(may(reader, team, Role::owner, Permission::logs_read));
    EXPECT_FALSE(may(reader, team, Role::owner, Permission::app_deploy));
    EXPECT_FALSE(may(with_scopes({}), team, Role::owner, Permission::app_read));
}

TEST(Authorization, ATokenOfOneTeamIsWorthNothingInAnother) {
    auto principal = with_scopes({"*"});
    principal.only_team = TeamId("team_a");
    EXPECT_TRUE(may(principal, TeamId("team_a"), Role::owner, Permission::app_destroy));
    EXPECT_FALSE(may(principal, TeamId("team_b"), Role::owner, Permission::app_read));
}

TEST(Authorization, EveryPermissionHasARowOfItsOwn) {
    for (std::size_t i = 0; i < permission_table().size(); ++i) {
        EXPECT_EQ(static_cast<std::size_t>(permission_table()[i].permission), i);
    }
}

}  // namespace
}  // namespace loco::identity
