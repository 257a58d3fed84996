// The strong ids of everything that Loco keeps.
#pragma once

#include "base/id.hpp"

namespace loco {

#define LOCO_ID(Name, prefix, noun)                         \
    struct Name##Tag {                                      \
        static constexpr std::string_view kPrefix = prefix; \
        static constexpr std::string_view kNoun = noun;     \
    };                                                      \
    using Name = Id<Name##Tag>

LOCO_ID(TeamId, "team_", "team");
LOCO_ID(UserId, "usr_", "user");
LOCO_ID(AppId, "app_", "app");
LOCO_ID(DeploymentId, "dep_", "deployment");
LOCO_ID(ReleaseId, "rel_", "release");
LOCO_ID(InstanceId, "ins_", "instance");
LOCO_ID(TokenId, "tok_", "token");

#undef LOCO_ID

}  // namespace loco
