// What to do next for an app: a pure function of what should be (rows), what is (observed) and the time.
//
// A plan first brings the rows up to what was observed, in one write; only when there is nothing to write does it ask for
// effects. Who executes it plans again afterwards, until a plan is empty, so that every decision is made from what is
// stored and seen, and being killed anywhere in between loses nothing: the next plan finds the same thing undone.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "ports/cluster.hpp"
#include "ports/gateway.hpp"
#include "ports/health.hpp"
#include "ports/runtime.hpp"
#include "reconcile/rows.hpp"

namespace loco::reconcile {

// The answer to whether a deployment's image may run.
struct Admission {
    std::optional<Diagnosis> refusal;
    // When it is not refused:
    ReleaseId release;  // an id for the release to record
    std::string image_id;
    std::int64_t uid = 0;
    std::int64_t gid = 0;
};

struct StartError {
    int attempt = 0;
    Error error;
};

// Why the cluster was not told something.
struct OrderError {
    DeploymentId set;
    Error error;
};

// What is seen of an app where it runs on a cluster.
struct ClusterView {
    // None: the cluster's state is not known, and nothing is concluded.
    std::optional<ObservedApp> app;
    bool differs = true;  // what is ordered from what the rows want
    // Only while a deployment is under way, and when they are known.
    std::optional<std::vector<ObservedNode>> nodes;
    std::optional<OrderError> order_error;    // of the last try, when that failed
    std::optional<OrderError> command_error;  // of a release command
    std::set<DeploymentId> commands;          // were ordered by this process
    // When this process has asked for it last.
    std::optional<Time> stop_asked;
    std::optional<Time> removal_asked;
    std::map<DeploymentId, Time> command_removal_asked;
    std::vector<std::string> put_right;  // by the last order, and not told yet
};

struct Observed {
    std::optional<ClusterView> cluster;  // none: apps run on one machine
    bool runtime_known =
        false;  // false: the runtime did not answer, nothing is concluded from `containers`
    std::vector<ObservedContainer> containers;
    Time
        since;  // when this process began: what had ended before it ended with the machine, the engine or `loco down`
    // What the gateway knows and what is in flight; none: not asked, or it did not answer.
    std::optional<std::map<InstanceId, int>> connections;
    std::map<InstanceId, HealthView> health;
    // What the gateway has confirmed last; known and none: that it has no routes of the app.
    bool routes_known = false;
    std::optional<AppRoutes> routes;
    std::optional<Error> gateway_error;  // of the last try, when that failed
    std::set<InstanceId> terminated;     // were sent SIGTERM by this process
    // What this process has told of what open deployments wait for.
    std::map<DeploymentId, std::set<std::string>> told_waits;
    std::map<DeploymentId, Admission> admissions;
    std::map<DeploymentId, Error> admission_errors;  // why there is no answer yet
    std::map<InstanceId, StartError> start_errors;
    // Of what is not as it should be: its last output lines, and what a closer look has found.
    std::map<InstanceId, std::string> tails;
    std::map<InstanceId, ContainerFacts> looks;
    std::optional<Error> placement_error;  // why new instances got no address
    bool forgotten = false;                // destroying: images and logs are gone
};

template <class T>
struct RowChange {
    T before;  // what the row must still be, or the whole write is dropped
    T after;
};

struct Changes {
    std::optional<RowChange<App>> app;
    std::vector<RowChange<Deployment>> deployments;
    std::vector<RowChange<Release>> releases;
    std::vector<RowChange<Instance>> instances;
    std::vector<Release> new_releases;
    // Of one machine: id and address are given when they are written. Of a cluster they have the id of their pod, and no address.
    std::vector<Instance> new_instances;
    std::vector<Instance> gone_instances;
    std::vector<Event> events;
    // Set when a release went live: its further host names.
    std::optional<std::vector<std::string>> live_domains;
    bool finish_destroy = false;

    [[nodiscard]] bool empty() const;
};

struct Admit {
    DeploymentId deployment;
    bool operator==(const Admit&) const = default;
};
struct StartContainer {
    InstanceId instance;
    int attempt = 0;
    bool operator==(const StartContainer&) const = default;
};
struct Terminate {
    InstanceId instance;
    bool operator==(const Terminate&) const = default;
};
// Kills what still runs of it and removes it.
struct RemoveContainers {
    InstanceId instance;
    bool operator==(const RemoveContainers&) const = default;
};
struct ApplyRoutes {
    AppRoutes routes;
    bool operator==(const ApplyRoutes&) const = default;
};
struct RemoveRoutes {
    bool operator==(const RemoveRoutes&) const = default;
};
// Images and logs of an app that is being destroyed.
struct Forget {
    bool operator==(const Forget&) const = default;
};
// Orders from the cluster what the rows want of the app: that set.
struct ApplyApp {
    DeploymentId set;
    bool operator==(const ApplyApp&) const = default;
};
// Nothing of it should run on the cluster.
struct StopApp {
    bool operator==(const StopApp&) const = default;
};
struct RemoveApp {
    bool operator==(const RemoveApp&) const = default;
};
struct RunCommand {
    DeploymentId deployment;
    bool operator==(const RunCommand&) const = default;
};
struct RemoveCommand {
    DeploymentId deployment;
    bool operator==(const RemoveCommand&) const = default;
};
// Independent of each other: may run in any order, or at once.
using Effect =
    std::variant<Admit, StartContainer, Terminate, RemoveContainers, ApplyRoutes, RemoveRoutes,
                 Forget, ApplyApp, StopApp, RemoveApp, RunCommand, RemoveCommand>;

struct Plan {
    Changes changes;
    std::vector<Effect> effects;  // empty while there are changes
    std::optional<Time> wake_at;  // when it may come out different by time alone
    [[nodiscard]] bool empty() const { return changes.empty() && effects.empty(); }
};

// What keeps a deployment from going on is told when it has waited that long in its phase, and looked for again as often.
inline constexpr auto kTellWaitEvery = std::chrono::seconds(10);

// The kind of the event that says what a deployment waits for.
inline constexpr std::string_view kWaiting = "deployment.waiting";

[[nodiscard]] Plan plan(const AppRows& rows, const Observed& observed, Time now);

// Whether the plan needs Observed::connections.
[[nodiscard]] bool needs_connections(const AppRows& rows);

// Crash n (from 1) waits that long before the next start: 1 s, 2 s, 4 s, … 60 s.
[[nodiscard]] Duration restart_delay(int crashes);

}  // namespace loco::reconcile
