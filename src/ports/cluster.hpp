// A cluster, as the reconciler needs it. A Runtime starts single containers that Loco plans, and a Gateway is told of each;
// a cluster is told what an app should be, whole, and keeps it so by itself: it finds a node, replaces what dies, asks for
// health and moves the traffic to what is ready (docs/adr/0023-a-cluster-is-told-the-whole.md).
// Every call may be repeated: doing it twice is doing it once. Implementations: cluster/kubernetes, cluster/simulated;
// one contract suite (tests/contract/cluster).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.hpp"
#include "domain/model.hpp"
#include "ports/runtime.hpp"

namespace loco {

// So many equal pods of one process.
struct ClusterProcess {
    std::string name;                  // "web"
    bool main = false;                 // has the spec's ports, and their health
    std::vector<std::string> command;  // empty: the image's
    int replicas = 1;
    int max_replicas = 1;  // more than `replicas`: scaled between both by cpu_target
    int cpu_target = 0;    // percent of cpu_millis
    std::int64_t cpu_millis = 0;
    std::int64_t cpu_max_millis = 0;
    std::int64_t memory_bytes = 0;
};

// What an app should be. Everything derived (names, labels, manifests) is a pure function of it.
struct ClusterApp {
    AppId app;
    std::string app_name;
    TeamId team;
    std::string team_slug;
    Release release;   // image, spec, uid and gid
    DeploymentId set;  // whose pods these are: pods of another set give way to them, health-gated
    std::vector<ClusterProcess> processes;
    // Opened: [env], what `loco env` has set, PORT and LOCO_*; without LOCO_PROCESS and LOCO_INSTANCE, which differ by pod.
    std::map<std::string, Secret<>> env;
    std::vector<std::string> hosts;  // that lead to it, lower case, no port; the primary first
};

// A command that runs once, to its end, in the app's image and environment (a release command).
struct ClusterCommand {
    ClusterApp app;  // whose processes do not matter here
    std::vector<std::string> command;
    std::chrono::seconds timeout{300};
};

enum class PodState : std::uint8_t {
    pending,      // no node yet, or its image is being fetched
    starting,     // its container runs and is not ready
    ready,        // gets traffic
    waiting,      // its container has ended and is started again later (crash loop)
    terminating,  // out of rotation, told to stop
    ended,        // will not run again: a command that is done, an evicted pod
};

// One pod as it is now.
struct ObservedPod {
    InstanceId
        instance;  // made from the pod's uid and creation time: the same pod has always the same
    std::string name;  // the pod's own
    std::string node;  // empty: none yet
    std::string address;
    DeploymentId set;
    ReleaseId release;
    std::string process;  // "release" for a release command
    PodState state = PodState::pending;
    bool was_ready = false;  // at some time
    int restarts = 0;
    Time created_at;
    std::optional<Time> started_at;  // of its present container
    // How its last container ended, if one has.
    std::optional<int> exit_code;
    bool oom_killed = false;
    std::optional<Time> finished_at;
    std::optional<Duration> ran_for;
    // Of one that terminates: until then a gateway may not have heard of it and still ask it, and it answers.
    std::optional<Time> asked_until;
    // Why it is not ready, in the cluster's words made short ("0/3 nodes are available: …", "readiness: GET /healthz answered
    // 500"), and what that is: image_pull_failed, unschedulable, cannot_start, evicted, node_lost, config_error,
    // deadline; else empty.
    std::string problem;
    std::string problem_code;
    HealthCheck check;  // what the last failed probe saw, where the cluster tells
    bool operator==(const ObservedPod&) const = default;
};

// Containers of it that have ended.
[[nodiscard]] inline int ends_of(const ObservedPod& pod) {
    return pod.restarts + (pod.state == PodState::waiting ? 1 : 0);
}

// One process as the cluster keeps it (a Deployment's status).
struct ObservedProcess {
    std::string name;
    DeploymentId set;      // whose pods are wanted
    bool settled = false;  // the cluster has seen the newest order
    int wanted = 0;
    int updated = 0;  // pods of the wanted set
    int ready = 0;    // of these, ready
    int total = 0;    // of all sets, those that terminate not counted
    // Why the cluster makes no more pods of it, where it says so (a quota, a policy): there is then no pod to ask.
    std::string problem;
    bool operator==(const ObservedProcess&) const = default;
};

struct ObservedApp {
    bool exists = false;  // anything of it is there
    bool removing = false;
    std::vector<ObservedProcess> processes;  // by name
    std::vector<ObservedPod> pods;           // by instance
    // Whether the gateway takes the app's routes; false with the reason it gives, and false without one where there is no
    // route (yet).
    bool routed = false;
    std::string route_problem;
    bool operator==(const ObservedApp&) const = default;
};

struct Applied {
    int written = 0;  // objects
    // Those that had been as they are ordered now, and that somebody else has changed or removed since: "Deployment web".
    std::vector<std::string> put_right;
};

// A node as far as a deploy must know it.
struct ObservedNode {
    std::string name;
    bool ready = false;
    bool schedulable = true;
    std::int64_t cpu_millis = 0;  // that pods may have in all
    std::int64_t memory_bytes = 0;
    std::string platform;  // "linux/amd64"
    bool operator==(const ObservedNode&) const = default;
};

class Cluster {
  public:
    virtual ~Cluster() = default;

    // What the image says of itself, asked of the registry. not_found when it has none; refused when it is unusable.
    [[nodiscard]] virtual Result<ImageFacts> image_facts(const ImageRef& image) = 0;
    [[nodiscard]] virtual Result<std::vector<ObservedNode>> nodes() = 0;

    // Whether apply() would change anything, by what the watches know: costs no call. false while a cluster's copy is not
    // complete yet.
    [[nodiscard]] virtual bool differs(const ClusterApp& app) = 0;
    // Orders it; writes only what differs. Returns when the cluster has taken the order, not when it is carried out.
    // refused with the cluster's words when it does not admit it (quota, policy, invalid); it is then as it was or partly
    // ordered, and the next apply goes on.
    [[nodiscard]] virtual Result<Applied> apply(const ClusterApp& app) = 0;
    // Nothing of the app should run or be routed; its place stays (a first deploy that failed).
    [[nodiscard]] virtual Result<> stop(const AppId& app) = 0;
    // Everything of it goes. Returns at once; observe() says when nothing is left.
    [[nodiscard]] virtual Result<> remove(const AppId& app) = 0;

    // Runs it once: one pod for each set, never a second, whoever asks again. Its pod has the process "release".
    [[nodiscard]] virtual Result<> run(const ClusterCommand& command) = 0;
    // Ends it if it still runs, and takes it away.
    [[nodiscard]] virtual Result<> remove_command(const AppId& app, const DeploymentId& set) = 0;

    // By what the watches know: costs no call. unavailable while the first list has not come in, or when the cluster was
    // not heard of for longer than a minute.
    [[nodiscard]] virtual Result<ObservedApp> observe(const AppId& app) = 0;
    // The apps of which anything is there, for those that nobody knows any more.
    [[nodiscard]] virtual Result<std::vector<AppId>> apps() = 0;

    [[nodiscard]] virtual Result<std::vector<ResourceUsage>> usage(const AppId& app) = 0;

    // Called (from any thread; must not block) when something of an app changed; with no app when everything may have. Set
    // before use.
    virtual void on_change(std::function<void(std::optional<AppId>)> listener) = 0;
};

}  // namespace loco
