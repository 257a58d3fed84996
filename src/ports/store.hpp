// The store: what should be, and what has happened. One implementation per database, one contract suite for all
// (tests/contract/store).
//
// Writes are serialised: each runs alone, sees all before it, and happens whole or not at all. Many are committed
// together (group commit, a savepoint each); write() returns when its own is durable, so that what was
// acknowledged is never lost. A write must not block on anything else: no I/O, no locks, inside. Several servers may share
// one database: their writes are serialised all the same.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/model.hpp"

namespace loco {

struct EventFilter {
    std::optional<TeamId> team = {};
    std::optional<AppId> app = {};
    std::optional<DeploymentId> deployment = {};
};

// A consistent view. Getters give not_found where there is no such row; lists are in the stated order, and hold at
// most `limit` rows where they have one.
class ReadTx {
  public:
    virtual ~ReadTx() = default;

    [[nodiscard]] virtual Result<User> user(const UserId& id) const = 0;
    [[nodiscard]] virtual Result<User> user_by_subject(std::string_view provider,
                                                       std::string_view subject) const = 0;
    [[nodiscard]] virtual Result<Token> token_by_hash(std::string_view sha256) const = 0;
    [[nodiscard]] virtual Result<std::vector<Token>> tokens(const UserId& user) const = 0;  // by id
    [[nodiscard]] virtual Result<Team> team(const TeamId& id) const = 0;
    [[nodiscard]] virtual Result<Team> team_by_slug(std::string_view slug) const = 0;
    [[nodiscard]] virtual Result<std::vector<Team>> teams() const = 0;  // by number
    [[nodiscard]] virtual Result<std::vector<Membership>> memberships(const UserId& user) const = 0;
    [[nodiscard]] virtual Result<std::vector<Membership>> members(const TeamId& team) const = 0;

    [[nodiscard]] virtual Result<App> app(const AppId& id) const = 0;
    [[nodiscard]] virtual Result<App> app_by_name(const TeamId& team,
                                                  std::string_view name) const = 0;
    // By name, those after `after` (a name; empty: from the start).
    [[nodiscard]] virtual Result<std::vector<App>> apps(const TeamId& team, std::string_view after,
                                                        int limit) const = 0;
    [[nodiscard]] virtual Result<std::vector<AppId>> all_apps() const = 0;
    [[nodiscard]] virtual Result<EnvVersion> env(const AppId& app, int version) const = 0;

    [[nodiscard]] virtual Result<Deployment> deployment(const DeploymentId& id) const = 0;
    // Newest first, those older than `before` (empty: from the newest).
    [[nodiscard]] virtual Result<std::vector<Deployment>> deployments(const AppId& app,
                                                                      const DeploymentId& before,
                                                                      int limit) const = 0;
    // All that have not ended, of one app; oldest first.
    [[nodiscard]] virtual Result<std::vector<Deployment>> open_deployments(
        const AppId& app) const = 0;

    [[nodiscard]] virtual Result<Release> release(const ReleaseId& id) const = 0;
    [[nodiscard]] virtual Result<Release> release_by_number(const AppId& app, int number) const = 0;
    // Newest first, numbers below `before` (0: from the newest).
    [[nodiscard]] virtual Result<std::vector<Release>> releases(const AppId& app, int before,
                                                                int limit) const = 0;

    [[nodiscard]] virtual Result<Instance> instance(const InstanceId& id) const = 0;
    [[nodiscard]] virtual Result<std::vector<Instance>> instances(
        const AppId& app) const = 0;  // by id
    [[nodiscard]] virtual Result<std::vector<Instance>> all_instances() const = 0;
    [[nodiscard]] virtual Result<std::vector<std::string>> addresses(
        const TeamId& team) const = 0;  // taken

    [[nodiscard]] virtual Result<Host> host(std::string_view name) const = 0;
    [[nodiscard]] virtual Result<std::vector<Host>> hosts(
        const AppId& app) const = 0;  // the primary first, then by name

    // Oldest first, those with seq > after.
    [[nodiscard]] virtual Result<std::vector<Event>> events(const EventFilter& filter,
                                                            std::int64_t after,
                                                            int limit) const = 0;
    // The newest `limit`, oldest first, those with seq < before (0: from the newest).
    [[nodiscard]] virtual Result<std::vector<Event>> latest_events(const EventFilter& filter,
                                                                   std::int64_t before,
                                                                   int limit) const = 0;

    [[nodiscard]] virtual Result<IdempotencyRecord> idempotency(std::string_view key) const = 0;
};

// put inserts or replaces the row of that id. conflict where another row has a value that must be unique (a user's
// provider and subject, token hash, team slug and number, app name in its team, release number in its app, instance
// address in its team unless empty), and where a host already leads to another app or, when it is being freed, belongs to
// another team. not_found where a row that it belongs to (its user, team, app) is not there.
// What is refused changes nothing; what the same write did before stays. Removing what is not there is fine.
class WriteTx : public ReadTx {
  public:
    [[nodiscard]] virtual Result<> put(const User& row) = 0;
    [[nodiscard]] virtual Result<> put(const Token& row) = 0;
    [[nodiscard]] virtual Result<> put(const Team& row) = 0;
    [[nodiscard]] virtual Result<> put(const Membership& row) = 0;
    [[nodiscard]] virtual Result<> put(const App& row) = 0;
    [[nodiscard]] virtual Result<> put(const EnvVersion& row) = 0;
    [[nodiscard]] virtual Result<> put(const Deployment& row) = 0;
    [[nodiscard]] virtual Result<> put(const Release& row) = 0;
    [[nodiscard]] virtual Result<> put(const Instance& row) = 0;
    [[nodiscard]] virtual Result<> put(const Host& row) = 0;
    [[nodiscard]] virtual Result<> put(const IdempotencyRecord& row) = 0;

    // The app's row with its env versions, deployments and releases. Instances and hosts must be gone (or freed)
    // already: conflict. Its events stay.
    [[nodiscard]] virtual Result<> remove_app(const AppId& id) = 0;
    [[nodiscard]] virtual Result<> remove_instance(const InstanceId& id) = 0;
    [[nodiscard]] virtual Result<> remove_host(std::string_view name) = 0;
    [[nodiscard]] virtual Result<> remove_membership(const TeamId& team, const UserId& user) = 0;
    [[nodiscard]] virtual Result<> remove_idempotency_before(Time time) = 0;
    // Of an app's events only the newest `keep` stay; the numbers of the others are not given again.
    [[nodiscard]] virtual Result<> trim_events(const AppId& app, int keep) = 0;

    // Gives the event its seq.
    [[nodiscard]] virtual Result<std::int64_t> append(Event event) = 0;
};

class Store {
  public:
    virtual ~Store() = default;

    using ReadFn = std::function<Result<>(const ReadTx&)>;
    using WriteFn = std::function<Result<>(WriteTx&)>;

    // unavailable when the database can't be read or written (locked, disk full, …), with the reason.
    [[nodiscard]] virtual Result<> read(const ReadFn& work) = 0;
    // When work gives an error nothing of it is kept and the error is returned. Neither may be called from inside
    // another read's or write's work. Work may be called again when the database took its transaction back for
    // another's sake (a deadlock): what it leaves behind outside of the store must be that of its last call.
    [[nodiscard]] virtual Result<> write(const WriteFn& work) = 0;

    // A number that is another one as soon as anything that a read gives may be another: what a read that began after it was
    // asked for has given, further reads give for as long as it stays. None where only the database could say so (it is
    // shared with other servers, or in trouble).
    [[nodiscard]] virtual std::optional<std::uint64_t> version() { return std::nullopt; }

    // Called after each commit with the events that became visible, in order, on the writer's thread, before the
    // write() that made them returns; must not block, nor write.
    // One listener; set before use.
    virtual void on_events(std::function<void(const std::vector<Event>&)> listener) = 0;

    // The same for a database that several servers share, with the events of all of them (this one's own, too), in order,
    // none left out, on a thread of the store's, soon after they became visible. Not called where there is only one.
    // An empty one ends it: then the last call has returned.
    virtual void on_events_of_all(std::function<void(const std::vector<Event>&)> /*listener*/) {}

    // Tells the other servers on the database that there may be work to do for that app, also where no event says so; as
    // soon as its database answers. Any thread; does not block. Nothing where there is only one, or on_events_of_all has
    // no listener.
    virtual void wake_others(const AppId& /*app*/) {}
    // What others tell by wake_others; without an app when something may have been missed, and every app may want a look.
    // On the thread of on_events_of_all; set before that.
    virtual void on_wakes_of_others(std::function<void(const std::optional<AppId>&)> /*listener*/) {
    }
};

}  // namespace loco
