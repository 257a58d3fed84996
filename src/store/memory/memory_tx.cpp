#include "store/memory/memory_tx.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace loco::store {
namespace {

template <class Row>
Result<Row> found(const Row* row, std::string_view what, std::string_view which) {
    if (row != nullptr) return *row;
    return fail(ErrorKind::not_found, "no " + std::string(what) + " " + std::string(which));
}

template <class Row>
Result<> parent(const Table<Row>& table, std::string_view what, const std::string& id) {
    if (table.find(id) != nullptr) return {};
    return fail(ErrorKind::not_found, "no " + std::string(what) + " " + id);
}

// Adds rows to `rows` until there are `limit`.
template <class Row>
auto collect(std::vector<Row>& rows, int limit) {
    return [&rows, limit](const Row& row) {
        if (std::ssize(rows) >= limit) return false;
        rows.push_back(row);
        return true;
    };
}

constexpr int kAll = std::numeric_limits<int>::max();

bool passes(const EventFilter& filter, const Event& event) {
    return (!filter.team || event.team == *filter.team) &&
           (!filter.app || event.app == filter.app) &&
           (!filter.deployment || event.deployment == filter.deployment);
}

}  // namespace

Result<User> MemoryTx::user(const UserId& id) const {
    return found(tables_.users.find(id.str()), "user", id.str());
}

Result<User> MemoryTx::user_by_subject(std::string_view provider, std::string_view subject) const {
    return found(tables_.users.find_by(kUserBySubject, joined(provider, subject)), "user", subject);
}

Result<Token> MemoryTx::token_by_hash(std::string_view sha256) const {
    return found(tables_.tokens.find_by(kTokenByHash, sha256), "token", "with that hash");
}

Result<std::vector<Token>> MemoryTx::tokens(const UserId& user) const {
    std::vector<Token> rows;
    tables_.tokens.ascend(kTokenByUser, user.str(), "", collect(rows, kAll));
    return rows;
}

Result<Team> MemoryTx::team(const TeamId& id) const {
    return found(tables_.teams.find(id.str()), "team", id.str());
}

Result<Team> MemoryTx::team_by_slug(std::string_view slug) const {
    return found(tables_.teams.find_by(kTeamBySlug, slug), "team", slug);
}

Result<std::vector<Team>> MemoryTx::teams() const {
    std::vector<Team> rows;
    tables_.teams.ascend(kTeamByNumber, "", "", collect(rows, kAll));
    return rows;
}

Result<std::vector<Membership>> MemoryTx::memberships(const UserId& user) const {
    std::vector<Membership> rows;
    tables_.memberships.ascend(kMembershipByUser, user.str(), "", collect(rows, kAll));
    return rows;
}

Result<std::vector<Membership>> MemoryTx::members(const TeamId& team) const {
    std::vector<Membership> rows;
    tables_.memberships.ascend(kMembershipByTeam, team.str(), "", collect(rows, kAll));
    return rows;
}

Result<App> MemoryTx::app(const AppId& id) const {
    return found(tables_.apps.find(id.str()), "app", id.str());
}

Result<App> MemoryTx::app_by_name(const TeamId& team, std::string_view name) const {
    return found(tables_.apps.find_by(kAppByName, joined(team.str(), name)), "app", name);
}

Result<std::vector<App>> MemoryTx::apps(const TeamId& team, std::string_view after,
                                        int limit) const {
    std::vector<App> rows;
    tables_.apps.ascend(kAppByName, team.str(), after, [&](const App& row) {
        return row.name == after || collect(rows, limit)(row);
    });
    return rows;
}

Result<std::vector<AppId>> MemoryTx::all_apps() const {
    std::vector<AppId> ids;
    for (const auto& [key, row] : tables_.apps.rows()) ids.push_back(row.id);
    return ids;
}

Result<EnvVersion> MemoryTx::env(const AppId& app, int version) const {
    return found(tables_.envs.find(joined(app.str(), sortable(version))), "environment version",
                 std::to_string(version));
}

Result<Deployment> MemoryTx::deployment(const DeploymentId& id) const {
    return found(tables_.deployments.find(id.str()), "deployment", id.str());
}

Result<std::vector<Deployment>> MemoryTx::deployments(const AppId& app, const DeploymentId& before,
                                                      int limit) const {
    std::vector<Deployment> rows;
    tables_.deployments.descend(kDeploymentByApp, app.str(), before.str(), collect(rows, limit));
    return rows;
}

Result<std::vector<Deployment>> MemoryTx::open_deployments(const AppId& app) const {
    std::vector<Deployment> rows;
    tables_.deployments.ascend(kOpenDeployment, app.str(), "", collect(rows, kAll));
    return rows;
}

Result<Release> MemoryTx::release(const ReleaseId& id) const {
    return found(tables_.releases.find(id.str()), "release", id.str());
}

Result<Release> MemoryTx::release_by_number(const AppId& app, int number) const {
    return found(tables_.releases.find_by(kReleaseByNumber, joined(app.str(), sortable(number))),
                 "release", release_name(number));
}

Result<std::vector<Release>> MemoryTx::releases(const AppId& app, int before, int limit) const {
    std::vector<Release> rows;
    tables_.releases.descend(kReleaseByNumber, app.str(), before == 0 ? "" : sortable(before),
                             collect(rows, limit));
    return rows;
}

Result<Instance> MemoryTx::instance(const InstanceId& id) const {
    return found(tables_.instances.find(id.str()), "instance", id.str());
}

Result<std::vector<Instance>> MemoryTx::instances(const AppId& app) const {
    std::vector<Instance> rows;
    tables_.instances.ascend(kInstanceByApp, app.str(), "", collect(rows, kAll));
    return rows;
}

Result<std::vector<Instance>> MemoryTx::all_instances() const {
    std::vector<Instance> rows;
    for (const auto& [key, row] : tables_.instances.rows()) rows.push_back(row);
    return rows;
}

Result<std::vector<std::string>> MemoryTx::addresses(const TeamId& team) const {
    std::vector<std::string> taken;
    tables_.instances.ascend(kInstanceByAddress, team.str(), "", [&](const Instance& row) {
        taken.push_back(row.address);
        return true;
    });
    return taken;
}

Result<Host> MemoryTx::host(std::string_view name) const {
    return found(tables_.hosts.find(name), "host", name);
}

Result<std::vector<Host>> MemoryTx::hosts(const AppId& app) const {
    std::vector<Host> rows;
    tables_.hosts.ascend(kHostByApp, app.str(), "", collect(rows, kAll));
    return rows;
}

Result<std::vector<Event>> MemoryTx::events(const EventFilter& filter, std::int64_t after,
                                            int limit) const {
    std::vector<Event> rows;
    const auto& all = tables_.events;
    for (auto i = static_cast<std::size_t>(std::max<std::int64_t>(after, 0));
         i < all.size() && std::ssize(rows) < limit; ++i) {
        if (is_there(filter, all[i])) rows.push_back(all[i]);
    }
    return rows;
}

bool MemoryTx::is_there(const EventFilter& filter, const Event& event) const {
    return passes(filter, event) && !tables_.events_removed.contains(event.seq);
}

Result<std::vector<Event>> MemoryTx::latest_events(const EventFilter& filter, std::int64_t before,
                                                   int limit) const {
    std::vector<Event> rows;
    const auto& all = tables_.events;
    auto end = all.size();
    if (before > 0) end = std::min(end, static_cast<std::size_t>(before - 1));
    for (auto i = end; i-- > 0 && std::ssize(rows) < limit;) {
        if (is_there(filter, all[i])) rows.push_back(all[i]);
    }
    std::ranges::reverse(rows);
    return rows;
}

Result<IdempotencyRecord> MemoryTx::idempotency(std::string_view key) const {
    return found(tables_.idempotency.find(key), "idempotency key", key);
}

Result<> MemoryTx::put(const User& row) { return tables_.users.put(row); }

Result<> MemoryTx::put(const Token& row) {
    LOCO_TRY(parent(tables_.users, "user", row.user.str()));
    if (row.team) LOCO_TRY(parent(tables_.teams, "team", row.team->str()));
    return tables_.tokens.put(row);
}

Result<> MemoryTx::put(const Team& row) { return tables_.teams.put(row); }

Result<> MemoryTx::put(const Membership& row) {
    LOCO_TRY(parent(tables_.teams, "team", row.team.str()));
    LOCO_TRY(parent(tables_.users, "user", row.user.str()));
    return tables_.memberships.put(row);
}

Result<> MemoryTx::put(const App& row) {
    LOCO_TRY(parent(tables_.teams, "team", row.team.str()));
    return tables_.apps.put(row);
}

Result<> MemoryTx::put(const EnvVersion& row) {
    LOCO_TRY(parent(tables_.apps, "app", row.app.str()));
    return tables_.envs.put(row);
}

Result<> MemoryTx::put(const Deployment& row) {
    LOCO_TRY(parent(tables_.apps, "app", row.app.str()));
    return tables_.deployments.put(row);
}

Result<> MemoryTx::put(const Release& row) {
    LOCO_TRY(parent(tables_.apps, "app", row.app.str()));
    return tables_.releases.put(row);
}

Result<> MemoryTx::put(const Instance& row) {
    LOCO_TRY(parent(tables_.apps, "app", row.app.str()));
    return tables_.instances.put(row);
}

Result<> MemoryTx::put(const Host& row) {
    LOCO_TRY(parent(tables_.teams, "team", row.team.str()));
    if (row.app) LOCO_TRY(parent(tables_.apps, "app", row.app->str()));
    const auto* old = tables_.hosts.find(row.name);
    if (old != nullptr && old->app && (row.app ? row.app != old->app : row.team != old->team)) {
        return fail(ErrorKind::conflict, "that host's name is taken");
    }
    return tables_.hosts.put(row);
}

Result<> MemoryTx::put(const IdempotencyRecord& row) { return tables_.idempotency.put(row); }

Result<> MemoryTx::remove_app(const AppId& id) {
    const auto in_use = !instances(id)->empty() || !hosts(id)->empty();
    if (in_use)
        return fail(ErrorKind::conflict, "app " + id.str() + " still has instances or hosts");
    std::vector<std::string> keys;
    tables_.envs.ascend(kEnvByApp, id.str(), "", [&](const EnvVersion& row) {
        keys.push_back(joined(id.str(), sortable(row.version)));
        return true;
    });
    for (const auto& key : std::exchange(keys, {})) tables_.envs.remove(key);
    tables_.deployments.ascend(kDeploymentByApp, id.str(), "", [&](const Deployment& row) {
        keys.push_back(row.id.str());
        return true;
    });
    for (const auto& key : std::exchange(keys, {})) tables_.deployments.remove(key);
    tables_.releases.ascend(kReleaseByNumber, id.str(), "", [&](const Release& row) {
        keys.push_back(row.id.str());
        return true;
    });
    for (const auto& key : keys) tables_.releases.remove(key);
    tables_.apps.remove(id.str());
    return {};
}

Result<> MemoryTx::remove_instance(const InstanceId& id) {
    tables_.instances.remove(id.str());
    return {};
}

Result<> MemoryTx::remove_host(std::string_view name) {
    tables_.hosts.remove(name);
    return {};
}

Result<> MemoryTx::remove_membership(const TeamId& team, const UserId& user) {
    tables_.memberships.remove(joined(team.str(), user.str()));
    return {};
}

Result<> MemoryTx::remove_idempotency_before(Time time) {
    std::vector<std::string> keys;
    for (const auto& [key, row] : tables_.idempotency.rows()) {
        if (row.created_at < time) keys.push_back(key);
    }
    for (const auto& key : keys) tables_.idempotency.remove(key);
    return {};
}

Result<> MemoryTx::trim_events(const AppId& app, int keep) {
    for (auto event = tables_.events.rbegin(); event != tables_.events.rend(); ++event) {
        if (event->app != app || tables_.events_removed.contains(event->seq)) continue;
        if (keep-- <= 0) tables_.events_removed.insert(event->seq);
    }
    return {};
}

Result<std::int64_t> MemoryTx::append(Event event) {
    event.seq = std::ssize(tables_.events) + 1;
    tables_.events.push_back(std::move(event));
    return tables_.events.back().seq;
}

}  // namespace loco::store
