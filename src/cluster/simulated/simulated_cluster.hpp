// A cluster in memory, for the simulation and for tests of what stands above it: pods take time to be fetched, started and
// ready, Deployments roll without a gap, and what Kubernetes would do by itself happens when the clock has moved.
// SimulatedCluster is the cluster; each server that uses it has a SimulatedClusterClient, whose view may be old.
// Deterministic; one thread at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "ports/cluster.hpp"

namespace loco::cluster {

// What the pods of an image do.
struct SimulatedPodBehaviour {
    std::optional<Duration> ready_after = Duration{0};  // since its start; none: never
    std::optional<Duration> exits_after;                // by itself, since its start
    int exit_code = 0;
    bool oom_killed = false;    // the exit above is a kill for memory (137)
    std::string problem;        // not empty: it can't be started, with these words …
    std::string problem_code;   // … and this code
    std::string unready_words;  // what its failing health check says
    Duration stops_after{0};    // from being told to stop to its end
};

class SimulatedClusterClient;

class SimulatedCluster {
  public:
    using Behave = std::function<SimulatedPodBehaviour(const Release&, const std::string& process)>;

    struct Pod {
        ObservedPod seen;
        AppId app;
        ClusterProcess process;
        SimulatedPodBehaviour behaviour;
        Time starts_at;  // when its image is there
        std::optional<Time> restarts_at;
        std::optional<Time> crashes_at;  // by somebody's will
        int crash_code = 0;
        bool crash_oom = false;
        std::optional<Time> gone_at;  // told to stop
    };

    explicit SimulatedCluster(const Clock& clock) : clock_(clock) {}

    // ---- what a test sets

    void add_image(const ImageRef& ref, const ImageFacts& facts);
    void forget_image(const ImageRef& ref);
    void set_behave(Behave behave) { behave_ = std::move(behave); }
    void add_node(const ObservedNode& node);
    // A quota: apply() and run() of what asks for more is refused. 0: none.
    void set_memory_quota(std::int64_t bytes) { memory_quota_ = bytes; }

    // ---- what happens by itself

    // Lets everything happen that is due at the clock's now.
    void advance();
    [[nodiscard]] std::optional<Time> next_due() const;
    // False when it does not run.
    bool crash(const InstanceId& pod, int exit_code, bool oom_killed);
    // As `kubectl delete pod`.
    bool delete_pod(const InstanceId& pod);
    // The node is lost with its pods, or comes back.
    void set_node_ready(const std::string& node, bool ready);
    // Somebody changes what Loco keeps.
    bool change_by_hand(const AppId& app);
    // … as `kubectl scale deployment` and `kubectl delete deployment` do.
    void scale_by_hand(const AppId& app, const std::string& process, int replicas);
    void remove_by_hand(const AppId& app, const std::string& process);
    // The API server does not answer: pods run on, clients see what they saw last.
    void set_away(bool away);

    // ---- what a test looks at

    [[nodiscard]] std::vector<Pod> pods() const;
    [[nodiscard]] std::vector<AppId> apps() const;
    [[nodiscard]] const std::vector<ObservedNode>& nodes() const { return nodes_; }
    // Pods that were started for a release command of that set.
    [[nodiscard]] const std::map<DeploymentId, int>& commands() const { return commands_; }
    // So many of that process are ready and get traffic.
    [[nodiscard]] int ready(const AppId& app, const std::string& process) const;
    // What was ordered last; none: nothing, or it was stopped.
    [[nodiscard]] const ClusterApp* ordered(const AppId& app) const;
    [[nodiscard]] bool changed_by_hand(const AppId& app) const;
    [[nodiscard]] std::size_t writes() const { return writes_; }  // objects, since the beginning

  private:
    friend class SimulatedClusterClient;
    struct Deployment {
        ClusterProcess process;
        Release release;
        DeploymentId set;
        Time settles_at;
    };
    struct App {
        std::string owner;  // which Loco's
        std::optional<ClusterApp> ordered;
        std::string fingerprint;
        std::map<std::string, Deployment> deployments;
        std::set<DeploymentId> commands;            // whose Job is there
        std::optional<DeploymentId> commands_done;  // up to this set all were taken away
        std::vector<Pod> pods;
        std::set<std::string> drifted;  // objects that a stranger has changed
        std::optional<Time> routed_at;
        std::optional<Time> gone_at;  // being removed
        ObservedApp told;             // as clients were last told
    };

    // controllers.cpp
    void roll(App& app, Deployment& deployment);
    void run(Pod& pod);
    bool step();
    void start(App& app, const Deployment& deployment);
    void stop(Pod& pod);
    [[nodiscard]] const ObservedNode* node_for(const ClusterProcess& process) const;
    [[nodiscard]] Pod make_pod(const AppId& app, const Release& release, const DeploymentId& set,
                               const ClusterProcess& process);
    [[nodiscard]] Duration some(std::int64_t most_ms);

    // simulated_cluster.cpp
    // The place of the app, taken by that Loco if nobody has it.
    [[nodiscard]] Result<App*> place_of(const std::string& loco, const AppId& app);
    [[nodiscard]] bool is_of(const std::string& loco, const AppId& app) const;
    [[nodiscard]] Result<Applied> apply(const std::string& loco, const ClusterApp& app);
    [[nodiscard]] Result<> run(const std::string& loco, const ClusterCommand& command);
    void stop(const AppId& app);
    void remove(const AppId& app);
    void remove_command(const AppId& app, const DeploymentId& set);
    [[nodiscard]] ObservedApp observe(const AppId& app) const;
    [[nodiscard]] static std::string fingerprint(const ClusterApp& app);
    [[nodiscard]] Pod* find(const InstanceId& pod);
    void tell(const AppId& app);

    const Clock& clock_;
    Behave behave_;
    std::map<std::pair<std::string, std::string>, ImageFacts> images_;
    std::vector<ObservedNode> nodes_;
    std::map<AppId, App> apps_;
    std::map<DeploymentId, int> commands_;
    std::vector<SimulatedClusterClient*> clients_;
    std::int64_t memory_quota_ = 0;
    std::optional<Time> away_since_;
    std::uint64_t made_ = 0;
    std::size_t writes_ = 0;
};

// The port, as one server has it. Must not outlive its cluster.
class SimulatedClusterClient final : public Cluster {
  public:
    enum class When : std::uint8_t { before, after };
    // Asked around each call that reaches the API server, with its name. With `before` nothing was done, with `after` only the
    // answer is lost. It may throw.
    using Hook = std::function<Result<>(When, std::string_view call)>;

    // `loco`: which of several on the cluster; servers of one have the same.
    explicit SimulatedClusterClient(SimulatedCluster& cluster, std::string loco = "loco");
    ~SimulatedClusterClient() override;
    SimulatedClusterClient(const SimulatedClusterClient&) = delete;
    SimulatedClusterClient& operator=(const SimulatedClusterClient&) = delete;

    void set_hook(Hook hook) { hook_ = std::move(hook); }
    // Its watches bring nothing more: it sees what it saw. Back again, it is told that everything may have changed.
    void set_stale(bool stale);
    [[nodiscard]] bool stale() const { return view_.has_value(); }

    // ---- the port
    [[nodiscard]] Result<ImageFacts> image_facts(const ImageRef& image) override;
    [[nodiscard]] Result<std::vector<ObservedNode>> nodes() override;
    [[nodiscard]] bool differs(const ClusterApp& app) override;
    [[nodiscard]] Result<Applied> apply(const ClusterApp& app) override;
    [[nodiscard]] Result<> stop(const AppId& app) override;
    [[nodiscard]] Result<> remove(const AppId& app) override;
    [[nodiscard]] Result<> run(const ClusterCommand& command) override;
    [[nodiscard]] Result<> remove_command(const AppId& app, const DeploymentId& set) override;
    [[nodiscard]] Result<ObservedApp> observe(const AppId& app) override;
    [[nodiscard]] Result<std::vector<AppId>> apps() override;
    [[nodiscard]] Result<std::vector<ResourceUsage>> usage(const AppId& app) override;
    void on_change(std::function<void(std::optional<AppId>)> listener) override;

  private:
    friend class SimulatedCluster;
    struct Seen {
        ObservedApp app;
        std::string fingerprint;  // empty: differs from whatever is wanted
    };
    template <class Work>
    auto call(std::string_view name, const Work& work) -> decltype(work());
    [[nodiscard]] Seen see(const AppId& app) const;
    [[nodiscard]] std::map<AppId, Seen> see_all() const;
    void tell(const std::optional<AppId>& app);

    SimulatedCluster& cluster_;
    const std::string loco_;
    Hook hook_;
    std::function<void(std::optional<AppId>)> listener_;
    std::optional<std::map<AppId, Seen>> view_;  // when stale
};

}  // namespace loco::cluster
