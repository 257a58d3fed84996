#include "usecase/apps.hpp"

#include <set>

#include "domain/deployment.hpp"
#include "domain/hosts.hpp"
#include "domain/names.hpp"

namespace loco {
namespace {

// Whether an app of that team may take the host now.
Result<bool> is_free(const ReadTx& tx, const std::string& host, const TeamId& team, Time now) {
    const auto row = tx.host(host);
    if (!row) {
        if (row.error().kind == ErrorKind::not_found) return true;
        return fail(row.error());
    }
    if (row->app) return false;
    return row->team == team || !row->reserved_until || *row->reserved_until <= now;
}

Result<> give_host(WriteTx& tx, const App& app, const Team& team, const Config& config, Time now) {
    for (const auto& name : host_candidates(app, team, config.base_domain)) {
        LOCO_ASSIGN(const bool free, is_free(tx, name, team.id, now));
        if (!free) continue;
        return tx.put(Host{
            .name = name, .team = team.id, .app = app.id, .primary = true, .reserved_until = {}});
    }
    return fail(ErrorKind::conflict, "every host name for " + app.name + " is taken",
                "choose another name", "host_taken");
}

Event app_event(const App& app, const std::string& actor, std::string kind, std::string message,
                Time now) {
    return Event{.team = app.team,
                 .app = app.id,
                 .deployment = {},
                 .actor = actor,
                 .kind = std::move(kind),
                 .message = std::move(message),
                 .data = {},
                 .at = now};
}

Result<> reserve(WriteTx& tx, Host host, Time now) {
    host.app.reset();
    host.primary = false;
    host.reserved_until = now + kHostReservation;
    return tx.put(host);
}

}  // namespace

Result<App> create_app(Context& context, const Actor& actor, const TeamId& team_id,
                       const std::string& name) {
    LOCO_TRY(check_app_name(name));
    App app{.id = AppId::make(context.clock, context.random),
            .team = team_id,
            .name = name,
            .created_at = context.clock.now()};
    const auto now = app.created_at;
    LOCO_TRY(context.store.write([&](WriteTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto team, tx.team(team_id));
        if (const auto taken = tx.app_by_name(team_id, name)) {
            return fail(ErrorKind::conflict,
                        taken->destroying
                            ? "app " + name + " is still being removed"
                            : "team " + team.slug + " has an app " + name + " already",
                        taken->destroying ? "try again in a moment"
                                          : "deploy to it, or choose another name",
                        taken->destroying ? "name_being_freed" : "app_exists");
        }
        LOCO_ASSIGN(const auto existing, tx.apps(team_id, "", context.config.max_apps_per_team));
        if (static_cast<int>(existing.size()) >= context.config.max_apps_per_team) {
            return fail(ErrorKind::refused,
                        "team " + team.slug + " has " + std::to_string(existing.size()) +
                            " apps, as many as it may",
                        "remove one with `loco destroy`", "app_quota");
        }
        LOCO_TRY(tx.put(app));
        LOCO_TRY(give_host(tx, app, team, context.config, now));
        LOCO_TRY(tx.append(
            app_event(app, actor.login, "app.created", "app " + name + " was created", now)));
        return {};
    }));
    return app;
}

Result<> destroy_app(Context& context, const Actor& actor, const AppId& id) {
    LOCO_TRY(context.store.write([&](WriteTx& tx) -> Result<> {
        LOCO_ASSIGN(auto app, tx.app(id));
        if (app.destroying) return {};
        const auto now = context.clock.now();
        app.destroying = true;
        LOCO_ASSIGN(auto open, tx.open_deployments(id));
        for (auto& deployment : open) {
            LOCO_TRY(enter(deployment, DeploymentState::cancelled, now));
            LOCO_TRY(tx.put(deployment));
            LOCO_TRY(
                tx.append(event_of(deployment, app, "cancelled: the app is being removed", now)));
        }
        app.lock.reset();
        LOCO_TRY(tx.put(app));
        LOCO_TRY(tx.append(app_event(app, actor.login, "app.destroying",
                                     "app " + app.name + " is being removed", now)));
        return {};
    }));
    context.wake(id);
    return {};
}

Result<> finish_destroy(WriteTx& tx, const App& app, Time now) {
    LOCO_ASSIGN(const auto hosts, tx.hosts(app.id));
    for (const auto& host : hosts) LOCO_TRY(reserve(tx, host, now));
    LOCO_TRY(tx.append(
        app_event(app, "loco", "app.destroyed", "app " + app.name + " was removed", now)));
    return tx.remove_app(app.id);
}

Result<> check_domains(const ReadTx& tx, const App& app, const std::vector<std::string>& domains,
                       const std::string& base_domain) {
    for (const auto& domain : domains) {
        if (domain != base_domain && !domain.ends_with("." + base_domain)) continue;
        if (const auto row = tx.host(domain); row && row->app == app.id && row->primary) continue;
        return fail(ErrorKind::invalid,
                    "[http] domains names " + domain + ": the hosts under " + base_domain +
                        " are given by Loco",
                    "remove it; the app has a host under " + base_domain + " already",
                    "host_under_base_domain");
    }
    return {};
}

Result<> claim_domains(WriteTx& tx, const App& app, const std::vector<std::string>& domains,
                       Time now) {
    for (const auto& domain : domains) {
        if (const auto row = tx.host(domain); row && row->app == app.id) continue;
        LOCO_ASSIGN(const bool free, is_free(tx, domain, app.team, now));
        if (!free) {
            return fail(ErrorKind::conflict, "the host name " + domain + " belongs to another app",
                        "take it out of [http] domains, or free it at the other app first",
                        "host_taken");
        }
        LOCO_TRY(tx.put(Host{.name = domain,
                             .team = app.team,
                             .app = app.id,
                             .primary = false,
                             .reserved_until = {}}));
    }
    return {};
}

Result<> free_unused_domains(WriteTx& tx, const AppId& id, Time now) {
    LOCO_ASSIGN(const auto app, tx.app(id));
    std::set<std::string> used;
    for (const auto& release_id : {app.live_release, app.previous_release}) {
        if (!release_id) continue;
        LOCO_ASSIGN(const auto release, tx.release(*release_id));
        used.insert(release.spec.domains.begin(), release.spec.domains.end());
    }
    LOCO_ASSIGN(const auto open, tx.open_deployments(id));
    for (const auto& deployment : open)
        used.insert(deployment.spec.domains.begin(), deployment.spec.domains.end());
    LOCO_ASSIGN(const auto hosts, tx.hosts(id));
    for (const auto& host : hosts) {
        if (!host.primary && !used.contains(host.name)) LOCO_TRY(reserve(tx, host, now));
    }
    return {};
}

}  // namespace loco
