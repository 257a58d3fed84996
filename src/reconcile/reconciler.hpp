// Brings one app at a time to what its rows say, through the ports.
//
// Life: as long as this server leads (ports/leadership.hpp). Threads: any, but one pass of an app at a time, and sync_gateway() while no pass runs
// (loop.hpp sees to both). It may be killed between any two port calls: what it keeps in memory only saves calls.
// A pass never throws by itself; what a port throws passes through (the simulation's crashes).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "domain/network.hpp"
#include "ports/cluster.hpp"
#include "ports/gateway.hpp"
#include "ports/health.hpp"
#include "ports/registry.hpp"
#include "ports/runtime.hpp"
#include "ports/store.hpp"
#include "reconcile/container.hpp"
#include "usecase/context.hpp"

namespace loco::reconcile {

// Where apps run: on one machine, whose containers Loco starts one by one, …
struct MachinePorts {
    Runtime& runtime;
    Gateway& gateway;
    HealthMonitor& health;
    Subnet network_range = *parse_network_range(kDefaultNetworkRange);
};
// … or on a cluster, which is told what each app should be.
struct ClusterPorts {
    Cluster& cluster;
};

struct ReconcilerPorts {
    Store& store;
    Registry& registry;
    std::variant<MachinePorts, ClusterPorts> place;
    const Clock& clock;
    Random& random;
    const Config& config;

    // Opens what `loco env` sealed.
    std::function<Result<SecretEnv>(const EnvVersion&)> unseal;
    // The last lines that an instance has written, for a diagnosis; empty when there are none. May wait a little for
    // the collector to have them.
    std::function<std::string(const Instance&)> log_tail;
    // Removes what an app has logged.
    std::function<Result<>(const AppId&)> forget_logs;
    // "http://shop.localhost:8080"
    std::function<std::string(const std::string& host)> url_of;
    MachineView machine;  // empty: on a cluster
    // Runs all of them and returns when all have ended; at once where that helps. Empty: one after the other.
    std::function<void(std::vector<std::function<void()>>)> run_all;
    // Runs it on a thread that no pass needs, then gives the app a pass. What is still waiting when the process ends is dropped.
    // Empty: what would be done there is done within the pass.
    std::function<void(const AppId&, std::function<void()>)> aside = {};
};

struct PassResult {
    std::optional<Time> wake_at;  // when time alone asks for the next pass
    std::optional<Error> error;   // something failed that may succeed later: try again with backoff
    bool gone = false;            // there is no such app (any more)
};

struct SweepResult {
    std::vector<AppId> suspicious;  // apps that want a pass
    std::optional<Error> error;
};

class Reconciler {
  public:
    explicit Reconciler(ReconcilerPorts ports);
    ~Reconciler();
    Reconciler(const Reconciler&) = delete;
    Reconciler& operator=(const Reconciler&) = delete;

    [[nodiscard]] PassResult pass(const AppId& app);

    // Looks at everything at once, cheaply: removes what runs and has no row, and names the apps of which not all runs as their
    // rows say or that something is under way for. Beside passes.
    [[nodiscard]] SweepResult sweep();

    // Tells the gateway all apps' routes at once; apps that are gone lose theirs. Nothing to do on a cluster.
    [[nodiscard]] Result<> sync_gateway();

    // Called (from any thread; must not block) when something of an app has changed where it runs; with no app when everything
    // may have: then a sweep is due. Replaces the listeners of the place's ports.
    void on_change(std::function<void(std::optional<AppId>)> listener);

    // Ends what it has the health monitor ask, for another's passes follow. None of its own may run or come.
    void end();

  private:
    struct Memo;
    class Pass;

    std::shared_ptr<Memo> memo(const AppId& app);
    void forget(const AppId& app);
    [[nodiscard]] Result<bool> is_unfinished(const ReadTx& tx, const AppId& app);
    [[nodiscard]] SweepResult sweep_machine(const MachinePorts& machine);
    [[nodiscard]] SweepResult sweep_cluster(const ClusterPorts& place);

    struct Shared;                    // what passes of all apps share
    std::shared_ptr<Shared> shared_;  // listeners hold it weakly: they may outlive this
};

}  // namespace loco::reconcile
