#include "usecase/move.hpp"

#include <algorithm>
#include <set>

#include "domain/names.hpp"
#include "usecase/deployments.hpp"

namespace loco {
namespace {

constexpr int kReleasesToLook = 200;

Event event_of_move(const App& app, const Actor& actor, std::string kind, std::string message,
                    Time now) {
    return {.team = app.team,
            .app = app.id,
            .deployment = {},
            .actor = actor.login,
            .kind = std::move(kind),
            .message = std::move(message),
            .data = {},
            .at = now};
}

MovedRelease moved_release(const Release& release) {
    return {.number = release.number,
            .digest = release.digest,
            .image_id = release.image_id,
            .spec = release.spec,
            .env_version = release.env_version,
            .uid = release.uid,
            .gid = release.gid,
            .actor = release.actor,
            .created_at = release.created_at,
            .live_at = *release.live_at};
}

std::string names_of(const std::vector<MovedRelease>& releases) {
    std::string names;
    for (const auto& release : releases)
        names += (names.empty() ? "" : ", ") + release_name(release.number);
    return names;
}

std::unexpected<Error> unfit(const std::string& what) {
    return fail(ErrorKind::invalid, "what was exported does not hold together: " + what,
                "export the app again", "invalid_export");
}

Result<> check_release(const MovedApp& moved, const MovedRelease& release) {
    const auto name = release_name(release.number);
    if (release.number < 1) return unfit("a release has no number");
    if (release.spec.name != moved.name) return unfit(name + " is of another app");
    if (release.env_version != 0 && !moved.envs.contains(release.env_version))
        return unfit("the variables of " + name + " are not there");
    if (release.uid <= 0 || release.gid < 0) return unfit(name + " would run as root");
    return {};
}

Result<> check_moved(const Context& context, const App& app, const MovedApp& moved) {
    if (moved.name != app.name)
        return fail(ErrorKind::invalid,
                    "the export is of \"" + moved.name + "\", the app is \"" + app.name + "\"", {},
                    "name_mismatch");
    if (moved.releases.empty()) return unfit("nothing is live");
    if (moved.releases.size() > kMaxMovedReleases) return unfit("it has too many releases");
    if (moved.env_version != 0 && !moved.envs.contains(moved.env_version))
        return unfit("the newest variables are not there");
    int before = 0;
    for (const auto& release : moved.releases) {
        LOCO_TRY(check_release(moved, release));
        if (release.number <= before) return unfit("its releases are not in order");
        before = release.number;
    }
    for (const auto& [version, env] : moved.envs) {
        if (version < 1 || version > moved.env_version) return unfit("it has variables too many");
        if (env.size() > kMaxEnvNames) return unfit("it has more variables than an app can have");
    }
    return spec::check_runtime(moved.releases.back().spec, context.config.runtime);
}

// The variables of each version, sealed for this app: before the write.
Result<std::map<int, std::map<std::string, std::string>>> seal_envs(const AppId& app,
                                                                    const MovedApp& moved,
                                                                    const SealFn& seal) {
    std::map<int, std::map<std::string, std::string>> sealed;
    for (const auto& [version, env] : moved.envs) {
        auto& into = sealed[version];
        for (const auto& [name, value] : env) {
            LOCO_TRY(check_env_value(name, value));
            LOCO_ASSIGN(into[name], seal(app, name, value));
        }
    }
    return sealed;
}

std::unexpected<Error> in_use(const App& app, const std::string& why) {
    return fail(ErrorKind::conflict, "there is an app " + app.name + " here already: " + why,
                "remove it first, if it is not needed: loco destroy " + app.name, "app_in_use");
}

Result<> put_release(WriteTx& tx, Context& context, const App& app, const MovedRelease& moved) {
    Release release{.id = ReleaseId::make(context.clock, context.random),
                    .app = app.id,
                    .number = moved.number,
                    .repository = repository_of(app.id),
                    .digest = moved.digest,
                    .image_id = moved.image_id,
                    .spec = moved.spec,
                    .env_version = moved.env_version,
                    .uid = moved.uid,
                    .gid = moved.gid,
                    .deployment = {},
                    .actor = moved.actor,
                    .created_at = moved.created_at,
                    .live_at = moved.live_at};
    const auto known = tx.release_by_number(app.id, moved.number);
    if (!known && known.error().kind != ErrorKind::not_found) return fail(known.error());
    if (known) {
        if (!known->deployment.empty() || known->digest != moved.digest)
            return in_use(app, "its " + release_name(moved.number) + " is another");
        release.id = known->id;
    }
    return tx.put(release);
}

}  // namespace

Result<MovedApp> export_app(Context& context, const Actor& actor, const AppId& id,
                            const UnsealFn& unseal) {
    MovedApp moved;
    std::vector<EnvVersion> envs;
    LOCO_TRY(context.store.write([&](WriteTx& tx) -> Result<> {
        moved = {};
        envs.clear();
        LOCO_ASSIGN(const auto app, tx.app(id));
        if (app.destroying || !app.live_release) {
            return fail(ErrorKind::not_found, "app " + app.name + " has no release that is live",
                        "only what is live can be moved", "nothing_live");
        }
        LOCO_ASSIGN(const auto live, tx.release(*app.live_release));
        LOCO_ASSIGN(const auto all, tx.releases(id, live.number + 1, kReleasesToLook));
        moved.name = app.name;
        moved.scale = app.scale;
        moved.env_version = app.env_version;
        std::set<int> versions;
        for (const auto& release : all) {  // the newest first
            if (release.id != live.id && (!release.live_at || !release.image_kept)) continue;
            if (std::ssize(moved.releases) == kMaxMovedReleases) break;
            moved.releases.insert(moved.releases.begin(), moved_release(release));
            versions.insert(release.env_version);
        }
        versions.insert(app.env_version);
        versions.erase(0);
        for (const int version : versions) {
            LOCO_ASSIGN(auto env, tx.env(id, version));
            envs.push_back(std::move(env));
        }
        LOCO_TRY(tx.append(event_of_move(app, actor, "app.exported",
                                         actor.login + " takes " + names_of(moved.releases) +
                                             " with their variables to another Loco",
                                         context.clock.now())));
        return {};
    }));
    for (const auto& env : envs) {
        LOCO_ASSIGN(moved.envs[env.version], unseal(env));
    }
    return moved;
}

Result<> import_app(Context& context, const Actor& actor, const AppId& id, const MovedApp& moved,
                    const SealFn& seal) {
    LOCO_ASSIGN(const auto sealed, seal_envs(id, moved, seal));
    return context.store.write([&](WriteTx& tx) -> Result<> {
        LOCO_ASSIGN(auto app, tx.app(id));
        if (app.destroying)
            return fail(ErrorKind::not_found, "app " + app.name + " is being removed", {},
                        "app_being_destroyed");
        LOCO_TRY(check_moved(context, app, moved));
        const auto& live = moved.releases.back();
        if (app.live_release) return in_use(app, "it has a release that is live");
        if (app.env_version != 0 && app.env_version != moved.env_version)
            return in_use(app, "it has variables of its own");
        const auto now = context.clock.now();
        for (const auto& [version, values] : sealed) {
            LOCO_TRY(tx.put(
                EnvVersion{.app = id, .version = version, .sealed = values, .created_at = now}));
        }
        for (const auto& release : moved.releases) {
            if (&release != &live) LOCO_TRY(put_release(tx, context, app, release));
        }
        app.env_version = moved.env_version;
        app.scale = moved.scale;
        app.next_release = std::max(app.next_release, live.number);
        LOCO_TRY(tx.put(app));
        LOCO_TRY(tx.append(event_of_move(app, actor, "app.imported",
                                         actor.login + " brings " + names_of(moved.releases) +
                                             " with their variables from another Loco",
                                         now)));
        return {};
    });
}

}  // namespace loco
