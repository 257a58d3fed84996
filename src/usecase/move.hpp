// `loco move`: an app goes from one Loco to another without a new build: its releases that can be rolled back to, the values
// of its variables, its scale and, by its releases' specifications, its host names. Images travel beside (registry/).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/secret.hpp"
#include "usecase/context.hpp"
#include "usecase/env.hpp"

namespace loco {

// More of them are left behind, the oldest first.
inline constexpr int kMaxMovedReleases = 20;

struct MovedRelease {
    int number = 0;
    std::string digest;
    std::string image_id;
    AppSpec spec;
    int env_version = 0;
    std::int64_t uid = 0;
    std::int64_t gid = 0;
    std::string actor;
    Time created_at;
    Time live_at;
};

using MovedEnv = std::map<std::string, Secret<>>;

struct MovedApp {
    std::string name;
    std::vector<MovedRelease> releases;  // by number; the last is what is live
    std::map<std::string, ScaleOverride> scale;
    int env_version = 0;           // the newest
    std::map<int, MovedEnv> envs;  // by version: those that the releases run with, and the newest
};

using UnsealFn = std::function<Result<MovedEnv>(const EnvVersion&)>;

// Tells of it in the app's events. not_found (code nothing_live) when nothing is live.
[[nodiscard]] Result<MovedApp> export_app(Context& context, const Actor& actor, const AppId& app,
                                          const UnsealFn& unseal);

// Into an app that has nothing of its own yet. All but what is live becomes a release here, and that is deployed next, as the
// release of the same number. May be repeated. conflict (code app_in_use) when the app here has releases or variables that
// came from elsewhere; invalid for what no Loco has exported; refused for what this one's runtime cannot do.
[[nodiscard]] Result<> import_app(Context& context, const Actor& actor, const AppId& app,
                                  const MovedApp& moved, const SealFn& seal);

}  // namespace loco
