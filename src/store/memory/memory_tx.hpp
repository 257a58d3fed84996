#pragma once

#include "ports/store.hpp"
#include "store/memory/tables.hpp"

namespace loco::store {

// One read or write; who makes it holds the store's lock.
class MemoryTx final : public WriteTx {
  public:
    explicit MemoryTx(Tables& tables) : tables_(tables) {}

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

  private:
    [[nodiscard]] bool is_there(const EventFilter& filter, const Event& event) const;
    Tables& tables_;
};

}  // namespace loco::store
