// One pass over one app. Private to reconcile/.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "reconcile/apply.hpp"
#include "reconcile/clock_jumps.hpp"
#include "reconcile/cluster_app.hpp"
#include "reconcile/plan.hpp"
#include "reconcile/reconciler.hpp"

namespace loco::reconcile {

// An image that is fetched beside the passes.
struct Fetch {
    std::mutex mutex;
    std::optional<Result<ImageFacts>> facts;  // none: not yet
    SteadyTime again_at;                      // after a failure
    int failures = 0;
};

// What this process remembers of an app between passes. Losing it costs calls, nothing else.
struct Reconciler::Memo {
    std::atomic<bool> routes_known = false;  // the sweep looks at it beside passes
    std::optional<AppRoutes> routes;
    std::optional<Error> gateway_error;
    std::set<InstanceId> terminated;
    std::map<InstanceId, StartError> start_errors;
    std::map<DeploymentId, Error> admission_errors;
    std::map<DeploymentId, std::shared_ptr<Fetch>> fetches;
    std::map<DeploymentId, std::set<std::string>> told_waits;
    std::set<InstanceId> watched;
    // On a cluster.
    std::atomic<bool> ordered = false;  // a pass has ended without an error
    std::optional<OrderError> order_error;
    std::optional<OrderError> command_error;
    std::set<DeploymentId> commands;
    std::optional<Time> stop_asked;
    std::optional<Time> removal_asked;
    std::map<DeploymentId, Time> command_removal_asked;
    std::vector<std::string> put_right;
    std::size_t open = 0;  // deployments, when last looked at
    // Some image could not be removed: then all are looked at again. Not with the pass's backoff: what an engine or a registry
    // refuses, it refuses again.
    std::optional<SteadyTime> cleanup_again;
    bool cleanup_due = true;  // images that nothing needs
    std::set<DeploymentId>
        cleaned;          // of the newest deployments: those without a release whose image is gone
    DeploymentId newest;  // of the deployments, when last looked at
    std::optional<Time> cleanup_at;  // a push that nobody waits for may still end before
    bool forgotten = false;
};

struct Reconciler::Shared {
    explicit Shared(ReconcilerPorts p)
        : ports(std::move(p)),
          addresses(std::holds_alternative<MachinePorts>(ports.place)
                        ? std::get<MachinePorts>(ports.place).network_range
                        : *parse_network_range(kDefaultNetworkRange)),
          since(ports.clock.now()),
          clock_jumps(ports.store, ports.clock) {}

    ReconcilerPorts ports;
    AddressBook addresses;
    Time since;  // when this process began, by the clock as it was then
    ClockJumps clock_jumps;
    std::mutex mutex;
    std::map<AppId, std::shared_ptr<Memo>> memos;
    std::set<TeamId> networks;                     // were ensured by this process
    std::atomic<bool> everything_changed = false;  // on the cluster
};

class Reconciler::Pass {
  public:
    Pass(Shared& shared, Memo& memo, AppId app)
        : shared_(shared), ports_(shared.ports), memo_(memo), app_(std::move(app)) {}
    [[nodiscard]] PassResult run();

  private:
    // One round: look, plan, write or act. false: nothing (more) to do.
    [[nodiscard]] Result<bool> round(PassResult& result);
    [[nodiscard]] Result<> load();
    void observe();
    void observe_machine();
    void observe_runtime();
    void observe_gateway();
    void observe_health();
    void observe_trouble();
    void observe_cluster();
    void observe_pod_trouble(const ObservedApp& app);
    [[nodiscard]] Result<> write(const Changes& changes);
    void after_write(const Changes& changes);

    // pass_effects.cpp, pass_cluster.cpp
    [[nodiscard]] bool run_effects(const std::vector<Effect>& effects);
    [[nodiscard]] Result<> run(const Effect& effect);
    [[nodiscard]] Result<> operator()(const Admit& effect);
    [[nodiscard]] Result<> operator()(const StartContainer& effect);
    [[nodiscard]] Result<> operator()(const Terminate& effect);
    [[nodiscard]] Result<> operator()(const RemoveContainers& effect);
    [[nodiscard]] Result<> operator()(const ApplyRoutes& effect);
    [[nodiscard]] Result<> operator()(const RemoveRoutes& effect);
    [[nodiscard]] Result<> operator()(const Forget& effect);
    [[nodiscard]] Result<> operator()(const ApplyApp& effect);
    [[nodiscard]] Result<> operator()(const StopApp& effect);
    [[nodiscard]] Result<> operator()(const RemoveApp& effect);
    [[nodiscard]] Result<> operator()(const RunCommand& effect);
    [[nodiscard]] Result<> operator()(const RemoveCommand& effect);
    [[nodiscard]] Result<ClusterApp> wanted_app(const ClusterOrder& order);
    [[nodiscard]] Result<ImageFacts> image_facts(const ImageRef& image);
    // Why there is no room for it, if so. unavailable while that can't be said.
    [[nodiscard]] Result<std::optional<Diagnosis>> refused_for_room(const Deployment& deployment);
    // What images are to be for: the machine's, or a node's.
    [[nodiscard]] Result<std::string> platform_for(const ImageFacts& facts);
    [[nodiscard]] MachinePorts& machine() { return std::get<MachinePorts>(ports_.place); }
    [[nodiscard]] Cluster* cluster() {
        auto* place = std::get_if<ClusterPorts>(&ports_.place);
        return place == nullptr ? nullptr : &place->cluster;
    }
    [[nodiscard]] Result<> start(const Instance& instance, const Release& release);
    [[nodiscard]] Result<> ensure_network(const TeamNetwork& network);
    // None: its image is being fetched.
    [[nodiscard]] Result<std::optional<Admission>> admit(const Deployment& deployment);
    // None: not yet.
    [[nodiscard]] std::optional<Result<ImageFacts>> facts_of(const Deployment& deployment);
    [[nodiscard]] Result<SecretEnv> secrets_of(const Release& release);
    [[nodiscard]] Result<std::vector<Release>> all_releases();
    [[nodiscard]] Result<std::vector<Deployment>> newest_deployments();
    [[nodiscard]] Result<> remove_image(const ImageRef& image);
    [[nodiscard]] Result<> clean_unreleased(const std::vector<Release>& releases);
    [[nodiscard]] Result<> clean_unreported(const std::vector<Release>& releases,
                                            const std::vector<Deployment>& deployments);
    [[nodiscard]] Result<> remove_tagged(const std::vector<Release>& releases,
                                         const Deployment& deployment);
    [[nodiscard]] Result<> clean_images();
    [[nodiscard]] std::string url() const;

    Shared& shared_;
    ReconcilerPorts& ports_;
    Memo& memo_;
    AppId app_;
    AppRows rows_;
    Observed seen_;
    bool runtime_fresh_ = false;
    bool gateway_fresh_ = false;
    std::optional<ClusterOrder>
        applied_;  // what the cluster has just taken: what is seen of it may be older
    std::optional<Error> error_;  // the first that may go away
    std::vector<Effect> failed_;  // not tried again in this pass
    std::mutex mutex_;            // over what effects that run at once write: seen_, memo_
};

}  // namespace loco::reconcile
