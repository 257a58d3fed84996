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

struct Observed {
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
    std::map<DeploymentId, Admission> admissions;
    std::map<DeploymentId, Error> admission_errors;  // why there is no answer yet
    std::map<InstanceId, StartError> start_errors;
    std::map<InstanceId, std::string> tails;  // last output lines of what matters to a diagnosis
    std::optional<Error> placement_error;     // why new instances got no address
    bool forgotten = false;                   // destroying: images and logs are gone
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
    std::vector<Instance> new_instances;  // id and address are given when they are written
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
// Independent of each other: may run in any order, or at once.
using Effect = std::variant<Admit, StartContainer, Terminate, RemoveContainers, ApplyRoutes,
                            RemoveRoutes, Forget>;

struct Plan {
    Changes changes;
    std::vector<Effect> effects;  // empty while there are changes
    std::optional<Time> wake_at;  // when it may come out different by time alone
    [[nodiscard]] bool empty() const { return changes.empty() && effects.empty(); }
};

[[nodiscard]] Plan plan(const AppRows& rows, const Observed& observed, Time now);

// Whether the plan needs Observed::connections.
[[nodiscard]] bool needs_connections(const AppRows& rows);

// Crash n (from 1) waits that long before the next start: 1 s, 2 s, 4 s, … 60 s.
[[nodiscard]] Duration restart_delay(int crashes);

}  // namespace loco::reconcile
