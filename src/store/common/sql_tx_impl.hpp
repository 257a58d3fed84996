// The body of SqlTx; for the one source file per database that instantiates it.
#pragma once

#include <algorithm>
#include <array>
#include <boost/pfr/tuple_size.hpp>
#include <limits>

#include "store/common/rows.hpp"
#include "store/common/sql_tx.hpp"

namespace loco::store {
namespace detail {

template <class... Row>
constexpr bool all_members_have_columns() {
    return ((std::tuple_size_v<decltype(Rows<Row>::columns())> == boost::pfr::tuple_size_v<Row>) &&
            ...);
}
static_assert(all_members_have_columns<User, Team, Membership, Token, App, EnvVersion, Deployment,
                                       Release, Instance, Host, IdempotencyRecord, Event>(),
              "a member of a row has no column in rows.hpp: it would not be kept");

// Made once each; the connection keeps the statement by its text.
template <class Row>
const std::string& select_where_key() {
    static const std::string sql = [] {
        auto text = select_from<Row>() + "WHERE ";
        int index = 0;
        const auto add = [&](std::string_view name) {
            if (index < Rows<Row>::kKeys)
                text.append(index > 0 ? " AND \"" : "\"").append(name) += "\" = ?";
            ++index;
        };
        std::apply([&](const auto&... column) { (add(column.name), ...); }, Rows<Row>::columns());
        return text;
    }();
    return sql;
}

struct Unique {
    std::string_view columns;     // SQLite tells these
    std::string_view constraint;  // PostgreSQL this
    std::string_view what;        // as a person calls it
};
constexpr std::array<Unique, 7> kUnique = {{
    {"users.provider, users.subject", "users_provider_subject_key", "that user"},
    {"tokens.sha256", "tokens_sha256_key", "that token"},
    {"teams.slug", "teams_slug_key", "that team's name"},
    {"teams.number", "teams_number_key", "that team's number"},
    {"apps.team, apps.name", "apps_team_name_key", "that app's name"},
    {"releases.app, releases.number", "releases_app_number_key", "that release's number"},
    {"instances.team, instances.address", "instances_address", "that instance's address"},
}};

inline Error named(Error error, std::string_view columns_key) {
    for (const auto& [key, columns] : error.context) {
        if (key != columns_key) continue;
        for (const auto& unique : kUnique) {
            if (columns == unique.columns || columns == unique.constraint)
                error.message = std::string(unique.what) + " is taken";
        }
    }
    return error;
}

template <class Row>
concept HasSpec = requires(Row row) { row.spec.env; };

inline int at_least_none(int limit) { return std::max(limit, 0); }

}  // namespace detail

template <class Sql>
std::unexpected<Error> SqlTx<Sql>::noted(Error error) const {
    if (Sql::is_trouble(error) && !trouble_) trouble_ = error;
    return fail(std::move(error));
}

template <class Sql>
template <class Row>
Result<Row> SqlTx<Sql>::take_one(const Query& query) const {
    auto row = take_row<Row>(query);
    if constexpr (detail::HasSpec<Row>) {
        if (!row) return row;
        row->spec.env = from_kept(env_seal_, row->app, std::move(row->spec.env));
    }
    return row;
}

template <class Sql>
template <class Row, class... Values>
Result<Row> SqlTx<Sql>::one(std::string_view sql, std::string_view which,
                            const Values&... values) const {
    Query query(database_, sql);
    (bind_value(query, values), ...);
    auto found = query.step();
    if (!found) return noted(std::move(found).error());
    if (!*found)
        return fail(ErrorKind::not_found,
                    "no " + std::string(Rows<Row>::kNoun) + " " + std::string(which));
    return this->template take_one<Row>(query);
}

template <class Sql>
template <class Row, class... Values>
Result<std::vector<Row>> SqlTx<Sql>::all(std::string_view sql, const Values&... values) const {
    Query query(database_, sql);
    (bind_value(query, values), ...);
    std::vector<Row> rows;
    while (true) {
        auto more = query.step();
        if (!more) return noted(std::move(more).error());
        if (!*more) return rows;
        if constexpr (std::is_same_v<Row, std::string>) {
            rows.emplace_back(query.text(0));
        } else if constexpr (IsId<Row>::value) {
            rows.emplace_back(std::string(query.text(0)));
        } else {
            LOCO_ASSIGN(auto row, this->template take_one<Row>(query));
            rows.push_back(std::move(row));
        }
    }
}

template <class Sql>
template <class Row>
Result<> SqlTx<Sql>::upsert_row(const Row& row) {
    static const std::string sql = upsert<Row>();
    Query query(database_, sql);
    if constexpr (detail::HasSpec<Row>) {
        auto kept = row;
        LOCO_ASSIGN(kept.spec.env, to_kept(env_seal_, row.app, row.spec.env));
        bind_row(query, kept);
    } else {
        bind_row(query, row);
    }
    auto done = Sql::run(query);
    if (!done) return noted(detail::named(std::move(done).error(), Sql::kColumns));
    return {};
}

template <class Sql>
template <class... Values>
Result<> SqlTx<Sql>::run(std::string_view sql, const Values&... values) {
    Query query(database_, sql);
    (bind_value(query, values), ...);
    auto done = Sql::run(query);
    if (!done) return noted(std::move(done).error());
    return {};
}

template <class Sql>
Result<User> SqlTx<Sql>::user(const UserId& id) const {
    return this->template one<User>(detail::select_where_key<User>(), id.str(), id);
}

template <class Sql>
Result<User> SqlTx<Sql>::user_by_subject(std::string_view provider,
                                         std::string_view subject) const {
    static const auto sql = select_from<User>() + "WHERE provider = ? AND subject = ?";
    return this->template one<User>(sql, subject, provider, subject);
}

template <class Sql>
Result<Token> SqlTx<Sql>::token_by_hash(std::string_view sha256) const {
    static const auto sql = select_from<Token>() + "WHERE sha256 = ?";
    return this->template one<Token>(sql, "with that hash", sha256);
}

template <class Sql>
Result<std::vector<Token>> SqlTx<Sql>::tokens(const UserId& user) const {
    static const auto sql = select_from<Token>() + R"(WHERE "user" = ? ORDER BY id)";
    return this->template all<Token>(sql, user);
}

template <class Sql>
Result<Team> SqlTx<Sql>::team(const TeamId& id) const {
    return this->template one<Team>(detail::select_where_key<Team>(), id.str(), id);
}

template <class Sql>
Result<Team> SqlTx<Sql>::team_by_slug(std::string_view slug) const {
    static const auto sql = select_from<Team>() + "WHERE slug = ?";
    return this->template one<Team>(sql, slug, slug);
}

template <class Sql>
Result<std::vector<Team>> SqlTx<Sql>::teams() const {
    static const auto sql = select_from<Team>() + "ORDER BY number";
    return this->template all<Team>(sql);
}

template <class Sql>
Result<std::vector<Membership>> SqlTx<Sql>::memberships(const UserId& user) const {
    static const auto sql = select_from<Membership>() + R"(WHERE "user" = ? ORDER BY team)";
    return this->template all<Membership>(sql, user);
}

template <class Sql>
Result<std::vector<Membership>> SqlTx<Sql>::members(const TeamId& team) const {
    static const auto sql = select_from<Membership>() + R"(WHERE team = ? ORDER BY "user")";
    return this->template all<Membership>(sql, team);
}

template <class Sql>
Result<App> SqlTx<Sql>::app(const AppId& id) const {
    return this->template one<App>(detail::select_where_key<App>(), id.str(), id);
}

template <class Sql>
Result<App> SqlTx<Sql>::app_by_name(const TeamId& team, std::string_view name) const {
    static const auto sql = select_from<App>() + "WHERE team = ? AND name = ?";
    return this->template one<App>(sql, name, team, name);
}

template <class Sql>
Result<std::vector<App>> SqlTx<Sql>::apps(const TeamId& team, std::string_view after,
                                          int limit) const {
    static const auto sql =
        select_from<App>() + "WHERE team = ? AND name > ? ORDER BY name LIMIT ?";
    return this->template all<App>(sql, team, after, detail::at_least_none(limit));
}

template <class Sql>
Result<std::vector<AppId>> SqlTx<Sql>::all_apps() const {
    return this->template all<AppId>("SELECT id FROM apps ORDER BY id");
}

template <class Sql>
Result<EnvVersion> SqlTx<Sql>::env(const AppId& app, int version) const {
    return this->template one<EnvVersion>(detail::select_where_key<EnvVersion>(),
                                          std::to_string(version), app, version);
}

template <class Sql>
Result<Deployment> SqlTx<Sql>::deployment(const DeploymentId& id) const {
    return this->template one<Deployment>(detail::select_where_key<Deployment>(), id.str(), id);
}

template <class Sql>
Result<std::vector<Deployment>> SqlTx<Sql>::deployments(const AppId& app,
                                                        const DeploymentId& before,
                                                        int limit) const {
    static const auto newest = select_from<Deployment>() + "WHERE app = ? ORDER BY id DESC LIMIT ?";
    static const auto older =
        select_from<Deployment>() + "WHERE app = ? AND id < ? ORDER BY id DESC LIMIT ?";
    if (before.empty())
        return this->template all<Deployment>(newest, app, detail::at_least_none(limit));
    return this->template all<Deployment>(older, app, before, detail::at_least_none(limit));
}

template <class Sql>
Result<std::vector<Deployment>> SqlTx<Sql>::open_deployments(const AppId& app) const {
    // The same condition as that of the index deployments_open, so that it is used.
    static const auto sql =
        select_from<Deployment>() +
        "WHERE app = ? AND state IN ('building', 'checking', 'releasing', 'rolling') ORDER BY id";
    return this->template all<Deployment>(sql, app);
}

template <class Sql>
Result<Release> SqlTx<Sql>::release(const ReleaseId& id) const {
    return this->template one<Release>(detail::select_where_key<Release>(), id.str(), id);
}

template <class Sql>
Result<Release> SqlTx<Sql>::release_by_number(const AppId& app, int number) const {
    static const auto sql = select_from<Release>() + "WHERE app = ? AND number = ?";
    return this->template one<Release>(sql, release_name(number), app, number);
}

template <class Sql>
Result<std::vector<Release>> SqlTx<Sql>::releases(const AppId& app, int before, int limit) const {
    static const auto sql =
        select_from<Release>() + "WHERE app = ? AND number < ? ORDER BY number DESC LIMIT ?";
    const auto bound =
        before == 0 ? std::numeric_limits<std::int64_t>::max() : std::int64_t{before};
    return this->template all<Release>(sql, app, bound, detail::at_least_none(limit));
}

template <class Sql>
Result<Instance> SqlTx<Sql>::instance(const InstanceId& id) const {
    return this->template one<Instance>(detail::select_where_key<Instance>(), id.str(), id);
}

template <class Sql>
Result<std::vector<Instance>> SqlTx<Sql>::instances(const AppId& app) const {
    static const auto sql = select_from<Instance>() + "WHERE app = ? ORDER BY id";
    return this->template all<Instance>(sql, app);
}

template <class Sql>
Result<std::vector<Instance>> SqlTx<Sql>::all_instances() const {
    static const auto sql = select_from<Instance>() + "ORDER BY id";
    return this->template all<Instance>(sql);
}

template <class Sql>
Result<std::vector<std::string>> SqlTx<Sql>::addresses(const TeamId& team) const {
    return all<std::string>("SELECT address FROM instances WHERE team = ? AND address <> ''", team);
}

template <class Sql>
Result<Host> SqlTx<Sql>::host(std::string_view name) const {
    return this->template one<Host>(detail::select_where_key<Host>(), name, name);
}

template <class Sql>
Result<std::vector<Host>> SqlTx<Sql>::hosts(const AppId& app) const {
    static const auto sql = select_from<Host>() + "WHERE app = ? ORDER BY is_primary DESC, name";
    return this->template all<Host>(sql, app);
}

template <class Sql>
Result<std::vector<Event>> SqlTx<Sql>::select_events(const EventFilter& filter,
                                                     std::string_view tail, std::int64_t bound,
                                                     int limit) const {
    // Of several conditions the narrowest finds the rows by its index; the others' are kept out of it.
    auto sql = select_from<Event>() + "WHERE seq" + std::string(tail.substr(0, 1)) + " ?";
    std::string_view no_index;
    const auto add = [&](std::string_view column, bool is_set) {
        if (!is_set) return;
        sql.append(" AND ").append(no_index).append(column) += " = ?";
        no_index = Sql::kNoIndex;
    };
    add("deployment", filter.deployment.has_value());
    add("app", filter.app.has_value());
    add("team", filter.team.has_value());
    sql.append(tail.substr(1)).append(" LIMIT ?");

    Query query(database_, sql);
    query.bind(bound);
    if (filter.deployment) bind_value(query, *filter.deployment);
    if (filter.app) bind_value(query, *filter.app);
    if (filter.team) bind_value(query, *filter.team);
    query.bind(detail::at_least_none(limit));
    std::vector<Event> rows;
    while (true) {
        auto more = query.step();
        if (!more) return noted(std::move(more).error());
        if (!*more) return rows;
        LOCO_ASSIGN(auto row, take_row<Event>(query));
        rows.push_back(std::move(row));
    }
}

template <class Sql>
Result<std::vector<Event>> SqlTx<Sql>::events(const EventFilter& filter, std::int64_t after,
                                              int limit) const {
    return select_events(filter, "> ORDER BY seq", after, limit);
}

template <class Sql>
Result<std::vector<Event>> SqlTx<Sql>::latest_events(const EventFilter& filter, std::int64_t before,
                                                     int limit) const {
    const auto bound = before == 0 ? std::numeric_limits<std::int64_t>::max() : before;
    LOCO_ASSIGN(auto rows, select_events(filter, "< ORDER BY seq DESC", bound, limit));
    std::ranges::reverse(rows);
    return rows;
}

template <class Sql>
Result<IdempotencyRecord> SqlTx<Sql>::idempotency(std::string_view key) const {
    return this->template one<IdempotencyRecord>(detail::select_where_key<IdempotencyRecord>(), key,
                                                 key);
}

template <class Sql>
Result<> SqlTx<Sql>::put(const User& row) {
    return upsert_row(row);
}
template <class Sql>
Result<> SqlTx<Sql>::put(const Token& row) {
    return upsert_row(row);
}
template <class Sql>
Result<> SqlTx<Sql>::put(const Team& row) {
    return upsert_row(row);
}
template <class Sql>
Result<> SqlTx<Sql>::put(const Membership& row) {
    return upsert_row(row);
}
template <class Sql>
Result<> SqlTx<Sql>::put(const App& row) {
    return upsert_row(row);
}
template <class Sql>
Result<> SqlTx<Sql>::put(const EnvVersion& row) {
    return upsert_row(row);
}
template <class Sql>
Result<> SqlTx<Sql>::put(const Deployment& row) {
    return upsert_row(row);
}
template <class Sql>
Result<> SqlTx<Sql>::put(const Release& row) {
    return upsert_row(row);
}
template <class Sql>
Result<> SqlTx<Sql>::put(const Instance& row) {
    return upsert_row(row);
}

template <class Sql>
Result<> SqlTx<Sql>::put(const Host& row) {
    const auto old = host(row.name);
    if (!old && old.error().kind != ErrorKind::not_found) return fail(old.error());
    if (old && old->app && (row.app ? row.app != old->app : row.team != old->team)) {
        return fail(ErrorKind::conflict, "that host's name is taken");
    }
    return upsert_row(row);
}

template <class Sql>
Result<> SqlTx<Sql>::put(const IdempotencyRecord& row) {
    return upsert_row(row);
}

template <class Sql>
Result<> SqlTx<Sql>::remove_app(const AppId& id) {
    auto removed = run("DELETE FROM apps WHERE id = ?", id);
    if (!removed && removed.error().code == Sql::kNoParent) {
        return fail(ErrorKind::conflict, "app " + id.str() + " still has instances or hosts");
    }
    return removed;
}

template <class Sql>
Result<> SqlTx<Sql>::remove_instance(const InstanceId& id) {
    return run("DELETE FROM instances WHERE id = ?", id);
}

template <class Sql>
Result<> SqlTx<Sql>::remove_host(std::string_view name) {
    return run("DELETE FROM hosts WHERE name = ?", name);
}

template <class Sql>
Result<> SqlTx<Sql>::remove_membership(const TeamId& team, const UserId& user) {
    return run(R"(DELETE FROM memberships WHERE team = ? AND "user" = ?)", team, user);
}

template <class Sql>
Result<> SqlTx<Sql>::remove_idempotency_before(Time time) {
    return run("DELETE FROM idempotency_keys WHERE created_at < ?", time);
}

template <class Sql>
Result<> SqlTx<Sql>::trim_events(const AppId& app, int keep) {
    return run(
        "DELETE FROM events WHERE app = ? AND seq <= (SELECT seq FROM events WHERE app = ?"
        " ORDER BY seq DESC LIMIT 1 OFFSET ?)",
        app, app, static_cast<std::int64_t>(keep));
}

template <class Sql>
Result<std::int64_t> SqlTx<Sql>::append(Event event) {
    Query query(database_,
                "INSERT INTO events (team, app, deployment, actor, kind, message, data, at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING seq");
    bind_value(query, event.team);
    bind_value(query, event.app);
    bind_value(query, event.deployment);
    bind_value(query, event.actor);
    bind_value(query, event.kind);
    bind_value(query, event.message);
    bind_value(query, event.data);
    bind_value(query, event.at);
    auto inserted = query.step();
    if (!inserted) return noted(std::move(inserted).error());
    event.seq = query.integer(0);
    appended_.push_back(std::move(event));
    return appended_.back().seq;
}

}  // namespace loco::store
