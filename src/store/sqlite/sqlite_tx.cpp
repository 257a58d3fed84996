#include "store/sqlite/sqlite_tx.hpp"

#include <algorithm>
#include <array>
#include <boost/pfr/tuple_size.hpp>
#include <limits>

#include "store/sqlite/rows.hpp"

namespace loco::store {
namespace {

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
                text.append(index > 0 ? " AND " : "").append(name) += " = ?";
            ++index;
        };
        std::apply([&](const auto&... column) { (add(column.name), ...); }, Rows<Row>::columns());
        return text;
    }();
    return sql;
}

// What SQLite calls the columns of a unique value, and what a person calls it.
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kUnique = {{
    {"users.provider, users.subject", "that user"},
    {"tokens.sha256", "that token"},
    {"teams.slug", "that team's name"},
    {"teams.number", "that team's number"},
    {"apps.team, apps.name", "that app's name"},
    {"releases.app, releases.number", "that release's number"},
    {"instances.team, instances.address", "that instance's address"},
}};

Error named(Error error) {
    for (const auto& [key, columns] : error.context) {
        if (key != sqlite::kColumns) continue;
        for (const auto& [unique, what] : kUnique) {
            if (columns == unique) error.message = std::string(what) + " is taken";
        }
    }
    return error;
}

template <class Row>
concept HasSpec = requires(Row row) { row.spec.env; };

int at_least_none(int limit) { return std::max(limit, 0); }

}  // namespace

std::unexpected<Error> SqliteTx::noted(Error error) const {
    if (sqlite::is_trouble(error) && !trouble_) trouble_ = error;
    return fail(std::move(error));
}

template <class Row>
Result<Row> SqliteTx::take_one(const sqlite::Query& query) const {
    auto row = take_row<Row>(query);
    if constexpr (HasSpec<Row>) {
        if (!row) return row;
        row->spec.env = from_kept(env_seal_, row->app, std::move(row->spec.env));
    }
    return row;
}

template <class Row, class... Values>
Result<Row> SqliteTx::one(std::string_view sql, std::string_view which,
                          const Values&... values) const {
    sqlite::Query query(database_, sql);
    (bind(query, values), ...);
    auto found = query.step();
    if (!found) return noted(std::move(found).error());
    if (!*found)
        return fail(ErrorKind::not_found,
                    "no " + std::string(Rows<Row>::kNoun) + " " + std::string(which));
    return take_one<Row>(query);
}

template <class Row, class... Values>
Result<std::vector<Row>> SqliteTx::all(std::string_view sql, const Values&... values) const {
    sqlite::Query query(database_, sql);
    (bind(query, values), ...);
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
            LOCO_ASSIGN(auto row, take_one<Row>(query));
            rows.push_back(std::move(row));
        }
    }
}

template <class Row>
Result<> SqliteTx::upsert_row(const Row& row) {
    static const std::string sql = upsert<Row>();
    sqlite::Query query(database_, sql);
    if constexpr (HasSpec<Row>) {
        auto kept = row;
        LOCO_ASSIGN(kept.spec.env, to_kept(env_seal_, row.app, row.spec.env));
        bind_row(query, kept);
    } else {
        bind_row(query, row);
    }
    auto done = query.run();
    if (!done) return noted(named(std::move(done).error()));
    return {};
}

template <class... Values>
Result<> SqliteTx::run(std::string_view sql, const Values&... values) {
    sqlite::Query query(database_, sql);
    (bind(query, values), ...);
    auto done = query.run();
    if (!done) return noted(std::move(done).error());
    return {};
}

Result<User> SqliteTx::user(const UserId& id) const {
    return one<User>(select_where_key<User>(), id.str(), id);
}

Result<User> SqliteTx::user_by_subject(std::string_view provider, std::string_view subject) const {
    static const auto sql = select_from<User>() + "WHERE provider = ? AND subject = ?";
    return one<User>(sql, subject, provider, subject);
}

Result<Token> SqliteTx::token_by_hash(std::string_view sha256) const {
    static const auto sql = select_from<Token>() + "WHERE sha256 = ?";
    return one<Token>(sql, "with that hash", sha256);
}

Result<std::vector<Token>> SqliteTx::tokens(const UserId& user) const {
    static const auto sql = select_from<Token>() + "WHERE user = ? ORDER BY id";
    return all<Token>(sql, user);
}

Result<Team> SqliteTx::team(const TeamId& id) const {
    return one<Team>(select_where_key<Team>(), id.str(), id);
}

Result<Team> SqliteTx::team_by_slug(std::string_view slug) const {
    static const auto sql = select_from<Team>() + "WHERE slug = ?";
    return one<Team>(sql, slug, slug);
}

Result<std::vector<Team>> SqliteTx::teams() const {
    static const auto sql = select_from<Team>() + "ORDER BY number";
    return all<Team>(sql);
}

Result<std::vector<Membership>> SqliteTx::memberships(const UserId& user) const {
    static const auto sql = select_from<Membership>() + "WHERE user = ? ORDER BY team";
    return all<Membership>(sql, user);
}

Result<std::vector<Membership>> SqliteTx::members(const TeamId& team) const {
    static const auto sql = select_from<Membership>() + "WHERE team = ? ORDER BY user";
    return all<Membership>(sql, team);
}

Result<App> SqliteTx::app(const AppId& id) const {
    return one<App>(select_where_key<App>(), id.str(), id);
}

Result<App> SqliteTx::app_by_name(const TeamId& team, std::string_view name) const {
    static const auto sql = select_from<App>() + "WHERE team = ? AND name = ?";
    return one<App>(sql, name, team, name);
}

Result<std::vector<App>> SqliteTx::apps(const TeamId& team, std::string_view after,
                                        int limit) const {
    static const auto sql =
        select_from<App>() + "WHERE team = ? AND name > ? ORDER BY name LIMIT ?";
    return all<App>(sql, team, after, at_least_none(limit));
}

Result<std::vector<AppId>> SqliteTx::all_apps() const {
    return all<AppId>("SELECT id FROM apps ORDER BY id");
}

Result<EnvVersion> SqliteTx::env(const AppId& app, int version) const {
    return one<EnvVersion>(select_where_key<EnvVersion>(), std::to_string(version), app, version);
}

Result<Deployment> SqliteTx::deployment(const DeploymentId& id) const {
    return one<Deployment>(select_where_key<Deployment>(), id.str(), id);
}

Result<std::vector<Deployment>> SqliteTx::deployments(const AppId& app, const DeploymentId& before,
                                                      int limit) const {
    static const auto newest = select_from<Deployment>() + "WHERE app = ? ORDER BY id DESC LIMIT ?";
    static const auto older =
        select_from<Deployment>() + "WHERE app = ? AND id < ? ORDER BY id DESC LIMIT ?";
    if (before.empty()) return all<Deployment>(newest, app, at_least_none(limit));
    return all<Deployment>(older, app, before, at_least_none(limit));
}

Result<std::vector<Deployment>> SqliteTx::open_deployments(const AppId& app) const {
    // The same condition as that of the index deployments_open, so that it is used.
    static const auto sql =
        select_from<Deployment>() +
        "WHERE app = ? AND state IN ('building', 'checking', 'releasing', 'rolling') ORDER BY id";
    return all<Deployment>(sql, app);
}

Result<Release> SqliteTx::release(const ReleaseId& id) const {
    return one<Release>(select_where_key<Release>(), id.str(), id);
}

Result<Release> SqliteTx::release_by_number(const AppId& app, int number) const {
    static const auto sql = select_from<Release>() + "WHERE app = ? AND number = ?";
    return one<Release>(sql, release_name(number), app, number);
}

Result<std::vector<Release>> SqliteTx::releases(const AppId& app, int before, int limit) const {
    static const auto sql =
        select_from<Release>() + "WHERE app = ? AND number < ? ORDER BY number DESC LIMIT ?";
    const auto bound =
        before == 0 ? std::numeric_limits<std::int64_t>::max() : std::int64_t{before};
    return all<Release>(sql, app, bound, at_least_none(limit));
}

Result<Instance> SqliteTx::instance(const InstanceId& id) const {
    return one<Instance>(select_where_key<Instance>(), id.str(), id);
}

Result<std::vector<Instance>> SqliteTx::instances(const AppId& app) const {
    static const auto sql = select_from<Instance>() + "WHERE app = ? ORDER BY id";
    return all<Instance>(sql, app);
}

Result<std::vector<Instance>> SqliteTx::all_instances() const {
    static const auto sql = select_from<Instance>() + "ORDER BY id";
    return all<Instance>(sql);
}

Result<std::vector<std::string>> SqliteTx::addresses(const TeamId& team) const {
    return all<std::string>("SELECT address FROM instances WHERE team = ? AND address <> ''", team);
}

Result<Host> SqliteTx::host(std::string_view name) const {
    return one<Host>(select_where_key<Host>(), name, name);
}

Result<std::vector<Host>> SqliteTx::hosts(const AppId& app) const {
    static const auto sql = select_from<Host>() + "WHERE app = ? ORDER BY is_primary DESC, name";
    return all<Host>(sql, app);
}

Result<std::vector<Event>> SqliteTx::select_events(const EventFilter& filter, std::string_view tail,
                                                   std::int64_t bound, int limit) const {
    // Of several conditions the narrowest finds the rows by its index; a + keeps the others' indexes out of it.
    auto sql = select_from<Event>() + "WHERE seq" + std::string(tail.substr(0, 1)) + " ?";
    std::string_view plus;
    const auto add = [&](std::string_view column, bool is_set) {
        if (!is_set) return;
        sql.append(" AND ").append(plus).append(column) += " = ?";
        plus = "+";
    };
    add("deployment", filter.deployment.has_value());
    add("app", filter.app.has_value());
    add("team", filter.team.has_value());
    sql.append(tail.substr(1)).append(" LIMIT ?");

    sqlite::Query query(database_, sql);
    query.bind(bound);
    if (filter.deployment) bind(query, *filter.deployment);
    if (filter.app) bind(query, *filter.app);
    if (filter.team) bind(query, *filter.team);
    query.bind(at_least_none(limit));
    std::vector<Event> rows;
    while (true) {
        auto more = query.step();
        if (!more) return noted(std::move(more).error());
        if (!*more) return rows;
        LOCO_ASSIGN(auto row, take_row<Event>(query));
        rows.push_back(std::move(row));
    }
}

Result<std::vector<Event>> SqliteTx::events(const EventFilter& filter, std::int64_t after,
                                            int limit) const {
    return select_events(filter, "> ORDER BY seq", after, limit);
}

Result<std::vector<Event>> SqliteTx::latest_events(const EventFilter& filter, std::int64_t before,
                                                   int limit) const {
    const auto bound = before == 0 ? std::numeric_limits<std::int64_t>::max() : before;
    LOCO_ASSIGN(auto rows, select_events(filter, "< ORDER BY seq DESC", bound, limit));
    std::ranges::reverse(rows);
    return rows;
}

Result<IdempotencyRecord> SqliteTx::idempotency(std::string_view key) const {
    return one<IdempotencyRecord>(select_where_key<IdempotencyRecord>(), key, key);
}

Result<> SqliteTx::put(const User& row) { return upsert_row(row); }
Result<> SqliteTx::put(const Token& row) { return upsert_row(row); }
Result<> SqliteTx::put(const Team& row) { return upsert_row(row); }
Result<> SqliteTx::put(const Membership& row) { return upsert_row(row); }
Result<> SqliteTx::put(const App& row) { return upsert_row(row); }
Result<> SqliteTx::put(const EnvVersion& row) { return upsert_row(row); }
Result<> SqliteTx::put(const Deployment& row) { return upsert_row(row); }
Result<> SqliteTx::put(const Release& row) { return upsert_row(row); }
Result<> SqliteTx::put(const Instance& row) { return upsert_row(row); }

Result<> SqliteTx::put(const Host& row) {
    const auto old = host(row.name);
    if (!old && old.error().kind != ErrorKind::not_found) return fail(old.error());
    if (old && old->app && (row.app ? row.app != old->app : row.team != old->team)) {
        return fail(ErrorKind::conflict, "that host's name is taken");
    }
    return upsert_row(row);
}

Result<> SqliteTx::put(const IdempotencyRecord& row) { return upsert_row(row); }

Result<> SqliteTx::remove_app(const AppId& id) {
    auto removed = run("DELETE FROM apps WHERE id = ?", id);
    if (!removed && removed.error().code == sqlite::kNoParent) {
        return fail(ErrorKind::conflict, "app " + id.str() + " still has instances or hosts");
    }
    return removed;
}

Result<> SqliteTx::remove_instance(const InstanceId& id) {
    return run("DELETE FROM instances WHERE id = ?", id);
}

Result<> SqliteTx::remove_host(std::string_view name) {
    return run("DELETE FROM hosts WHERE name = ?", name);
}

Result<> SqliteTx::remove_membership(const TeamId& team, const UserId& user) {
    return run("DELETE FROM memberships WHERE team = ? AND user = ?", team, user);
}

Result<> SqliteTx::remove_idempotency_before(Time time) {
    return run("DELETE FROM idempotency_keys WHERE created_at < ?", time);
}

Result<std::int64_t> SqliteTx::append(Event event) {
    LOCO_TRY(
        run("INSERT INTO events (team, app, deployment, actor, kind, message, data, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            event.team, event.app, event.deployment, event.actor, event.kind, event.message,
            event.data, event.at));
    event.seq = database_.last_row_id();
    appended_.push_back(std::move(event));
    return appended_.back().seq;
}

}  // namespace loco::store
