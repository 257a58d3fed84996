// One read or write in a SQL database: the statements, the same for all of them. What differs comes from `Sql`
// (store/sqlite/sqlite_sql.hpp, store/postgres/postgres_sql.hpp):
//   Database, Query         a connection and one execution of a statement, with ? for its values
//   kNoIndex                put before a column, keeps its index from being used
//   kNoParent, kColumns     how a missing parent and a taken unique value are told
//   run(query)              a statement without rows; when it fails, the transaction goes on without it
//   is_trouble(error)       whether the database itself is in trouble
// Instantiated where sql_tx_impl.hpp is included: one source file per database.
#pragma once

#include <optional>
#include <vector>

#include "ports/store.hpp"
#include "store/common/env_seal.hpp"

namespace loco::store {

// On one connection, inside a transaction that its maker begins and ends.
template <class Sql>
class SqlTx final : public WriteTx {
  public:
    // Both must outlive it.
    SqlTx(typename Sql::Database& database, const EnvSeal& env_seal)
        : database_(database), env_seal_(env_seal) {}

    [[nodiscard]] Result<User> user(const UserId& id) const override;
    [[nodiscard]] Result<User> user_by_subject(std::string_view provider,
                                               std::string_view subject) const override;
    [[nodiscard]] Result<Token> token_by_hash(std::string_view sha256) const override;
    [[nodiscard]] Result<std::vector<Token>> tokens(const UserId& user) const override;
    [[nodiscard]] Result<Team> team(const TeamId& id) const override;
    [[nodiscard]] Result<Team> team_by_slug(std::string_view slug) const override;
    [[nodiscard]] Result<std::vector<Team>> teams() const override;
    [[nodiscard]] Result<std::vector<Membership>> memberships(const UserId& user) const override;
    [[nodiscard]] Result<std::vector<Membership>> members(const TeamId& team) const override;

    [[nodiscard]] Result<App> app(const AppId& id) const override;
    [[nodiscard]] Result<App> app_by_name(const TeamId& team, std::string_view name) const override;
    [[nodiscard]] Result<std::vector<App>> apps(const TeamId& team, std::string_view after,
                                                int limit) const override;
    [[nodiscard]] Result<std::vector<AppId>> all_apps() const override;
    [[nodiscard]] Result<EnvVersion> env(const AppId& app, int version) const override;

    [[nodiscard]] Result<Deployment> deployment(const DeploymentId& id) const override;
    [[nodiscard]] Result<std::vector<Deployment>> deployments(const AppId& app,
                                                              const DeploymentId& before,
                                                              int limit) const override;
    [[nodiscard]] Result<std::vector<Deployment>> open_deployments(const AppId& app) const override;

    [[nodiscard]] Result<Release> release(const ReleaseId& id) const override;
    [[nodiscard]] Result<Release> release_by_number(const AppId& app, int number) const override;
    [[nodiscard]] Result<std::vector<Release>> releases(const AppId& app, int before,
                                                        int limit) const override;

    [[nodiscard]] Result<Instance> instance(const InstanceId& id) const override;
    [[nodiscard]] Result<std::vector<Instance>> instances(const AppId& app) const override;
    [[nodiscard]] Result<std::vector<Instance>> all_instances() const override;
    [[nodiscard]] Result<std::vector<std::string>> addresses(const TeamId& team) const override;

    [[nodiscard]] Result<Host> host(std::string_view name) const override;
    [[nodiscard]] Result<std::vector<Host>> hosts(const AppId& app) const override;

    [[nodiscard]] Result<std::vector<Event>> events(const EventFilter& filter, std::int64_t after,
                                                    int limit) const override;
    [[nodiscard]] Result<std::vector<Event>> latest_events(const EventFilter& filter,
                                                           std::int64_t before,
                                                           int limit) const override;

    [[nodiscard]] Result<IdempotencyRecord> idempotency(std::string_view key) const override;

    [[nodiscard]] Result<> put(const User& row) override;
    [[nodiscard]] Result<> put(const Token& row) override;
    [[nodiscard]] Result<> put(const Team& row) override;
    [[nodiscard]] Result<> put(const Membership& row) override;
    [[nodiscard]] Result<> put(const App& row) override;
    [[nodiscard]] Result<> put(const EnvVersion& row) override;
    [[nodiscard]] Result<> put(const Deployment& row) override;
    [[nodiscard]] Result<> put(const Release& row) override;
    [[nodiscard]] Result<> put(const Instance& row) override;
    [[nodiscard]] Result<> put(const Host& row) override;
    [[nodiscard]] Result<> put(const IdempotencyRecord& row) override;

    [[nodiscard]] Result<> remove_app(const AppId& id) override;
    [[nodiscard]] Result<> remove_instance(const InstanceId& id) override;
    [[nodiscard]] Result<> remove_host(std::string_view name) override;
    [[nodiscard]] Result<> remove_membership(const TeamId& team, const UserId& user) override;
    [[nodiscard]] Result<> remove_idempotency_before(Time time) override;
    [[nodiscard]] Result<> trim_events(const AppId& app, int keep) override;
    [[nodiscard]] Result<std::int64_t> append(Event event) override;

    // The database's own trouble (full, unreadable, …) if a call met some, whatever the work made of it: what it
    // wrote can't be trusted to be whole.
    [[nodiscard]] const std::optional<Error>& trouble() const { return trouble_; }
    [[nodiscard]] std::vector<Event> take_events() { return std::move(appended_); }

  private:
    using Query = typename Sql::Query;
    // The one row, or not_found; all rows.
    template <class Row, class... Values>
    [[nodiscard]] Result<Row> one(std::string_view sql, std::string_view which,
                                  const Values&... values) const;
    template <class Row, class... Values>
    [[nodiscard]] Result<std::vector<Row>> all(std::string_view sql, const Values&... values) const;
    template <class Row>
    [[nodiscard]] Result<Row> take_one(const Query& query) const;
    template <class Row>
    [[nodiscard]] Result<> upsert_row(const Row& row);
    template <class... Values>
    [[nodiscard]] Result<> run(std::string_view sql, const Values&... values);
    [[nodiscard]] Result<std::vector<Event>> select_events(const EventFilter& filter,
                                                           std::string_view tail,
                                                           std::int64_t bound, int limit) const;
    [[nodiscard]] std::unexpected<Error> noted(Error error) const;

    typename Sql::Database& database_;
    const EnvSeal& env_seal_;
    std::vector<Event> appended_;
    mutable std::optional<Error> trouble_;
};

}  // namespace loco::store
