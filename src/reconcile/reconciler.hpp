// Brings one app at a time to what its rows say, through the ports.
//
// Life: one for the process. Threads: any, but one pass of an app at a time, and sync_gateway() while no pass runs
// (loop.hpp sees to both). It may be killed between any two port calls: what it keeps in memory only saves calls.
// A pass never throws by itself; what a port throws passes through (the simulation's crashes).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "domain/network.hpp"
#include "ports/gateway.hpp"
#include "ports/health.hpp"
#include "ports/registry.hpp"
#include "ports/runtime.hpp"
#include "ports/store.hpp"
#include "reconcile/container.hpp"
#include "usecase/context.hpp"

namespace loco::reconcile {

struct ReconcilerPorts {
    Store& store;
    Runtime& runtime;
    Gateway& gateway;
    Registry& registry;
    HealthMonitor& health;
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
    // Runs all of them and returns when all have ended; at once where that helps. Empty: one after the other.
    std::function<void(std::vector<std::function<void()>>)> run_all;

    Subnet network_range = *parse_network_range(kDefaultNetworkRange);
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

    // Looks at everything at once, cheaply: removes Loco's containers that have no row, and names the apps whose
    // containers are not what their rows say or that something is under way for. Beside passes.
    [[nodiscard]] SweepResult sweep();

    // Tells the gateway all apps' routes at once; apps that are gone lose theirs.
    [[nodiscard]] Result<> sync_gateway();

  private:
    struct Memo;
    class Pass;

    std::shared_ptr<Memo> memo(const AppId& app);
    void forget(const AppId& app);
    [[nodiscard]] Result<bool> is_unfinished(const ReadTx& tx, const AppId& app);

    struct Shared;  // what passes of all apps share
    std::unique_ptr<Shared> shared_;
};

}  // namespace loco::reconcile
