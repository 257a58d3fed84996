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
#include "reconcile/plan.hpp"
#include "reconcile/reconciler.hpp"

namespace loco::reconcile {

// What this process remembers of an app between passes. Losing it costs calls, nothing else.
struct Reconciler::Memo {
    std::atomic<bool> routes_known = false;  // the sweep looks at it beside passes
    std::optional<AppRoutes> routes;
    std::optional<Error> gateway_error;
    std::set<InstanceId> terminated;
    std::map<InstanceId, StartError> start_errors;
    std::map<DeploymentId, Error> admission_errors;
    std::set<InstanceId> watched;
    std::size_t open = 0;  // deployments, when last looked at
    // Some image could not be removed: then all are looked at again. Not with the pass's backoff: what an engine or a registry
    // refuses, it refuses again.
    std::optional<SteadyTime> cleanup_again;
    bool cleanup_due = true;  // images that nothing needs
    std::set<DeploymentId>
        cleaned;  // of the newest deployments: those without a release whose image is gone
    bool forgotten = false;
};

struct Reconciler::Shared {
    explicit Shared(ReconcilerPorts p)
        : ports(std::move(p)), addresses(ports.network_range), since(ports.clock.now()) {}

    ReconcilerPorts ports;
    AddressBook addresses;
    Time since;  // when this process began
    std::mutex mutex;
    std::map<AppId, std::shared_ptr<Memo>> memos;
    std::set<TeamId> networks;  // were ensured by this process
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
    void observe_runtime();
    void observe_gateway();
    void observe_health();
    void observe_tails();
    [[nodiscard]] Result<> write(const Changes& changes);
    void after_write(const Changes& changes);

    // pass_effects.cpp
    [[nodiscard]] bool run_effects(const std::vector<Effect>& effects);
    [[nodiscard]] Result<> run(const Effect& effect);
    [[nodiscard]] Result<> operator()(const Admit& effect);
    [[nodiscard]] Result<> operator()(const StartContainer& effect);
    [[nodiscard]] Result<> operator()(const Terminate& effect);
    [[nodiscard]] Result<> operator()(const RemoveContainers& effect);
    [[nodiscard]] Result<> operator()(const ApplyRoutes& effect);
    [[nodiscard]] Result<> operator()(const RemoveRoutes& effect);
    [[nodiscard]] Result<> operator()(const Forget& effect);
    [[nodiscard]] Result<> start(const Instance& instance, const Release& release);
    [[nodiscard]] Result<> ensure_network(const TeamNetwork& network);
    [[nodiscard]] Result<Admission> admit(const Deployment& deployment);
    [[nodiscard]] Result<SecretEnv> secrets_of(const Release& release);
    [[nodiscard]] Result<std::vector<Release>> all_releases();
    [[nodiscard]] Result<std::vector<Deployment>> newest_deployments();
    [[nodiscard]] Result<> remove_image(const ImageRef& image);
    [[nodiscard]] Result<> clean_unreleased(const std::vector<Release>& releases);
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
    std::optional<Error> error_;  // the first that may go away
    std::vector<Effect> failed_;  // not tried again in this pass
    std::mutex mutex_;            // over what effects that run at once write: seen_, memo_
};

}  // namespace loco::reconcile
