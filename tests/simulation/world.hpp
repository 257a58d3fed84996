// A whole Loco in one thread under a simulated clock: the real use cases and the real reconciler over the simulated
// store, runtime, gateway, health and registry, each of which may fail, or take the process down, at any call.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "cluster/simulated/simulated_cluster.hpp"
#include "gateway/simulated/gateway.hpp"
#include "ports/registry.hpp"
#include "reconcile/reconciler.hpp"
#include "runtime/simulated/simulated_health.hpp"
#include "runtime/simulated/simulated_runtime.hpp"
#include "store/memory/memory_store.hpp"
#include "usecase/context.hpp"

namespace loco::simulation {

// The process dies here: thrown by a port's call, caught by the world, which starts it anew.
struct Crash {};

class SimulatedClock final : public Clock {
  public:
    [[nodiscard]] Time now() const override { return now_; }
    [[nodiscard]] SteadyTime steady() const override { return SteadyTime(now_.time_since_epoch()); }
    void move_to(Time time) { now_ = std::max(now_, time); }

  private:
    Time now_ = from_unix_ms(1'790'000'000'000);
};

// What chance decides, from one seed.
class Dice {
  public:
    explicit Dice(std::uint64_t seed) : random_(seed) {}
    [[nodiscard]] std::uint64_t below(std::uint64_t n) { return random_.next() % n; }
    [[nodiscard]] bool percent(std::uint64_t p) { return below(100) < p; }
    [[nodiscard]] Duration up_to(Duration most) {
        return Duration(
            static_cast<std::int64_t>(below(static_cast<std::uint64_t>(most.count()) + 1)));
    }
    template <class T>
    [[nodiscard]] const T& pick(const std::vector<T>& from) {
        return from[below(from.size())];
    }

  private:
    SeededRandom random_;
};

// Knows the manifests that were pushed; a runtime can only pull what is here.
class SimulatedRegistry final : public Registry {
  public:
    SimulatedRegistry(SimulatedRuntime& runtime, cluster::SimulatedCluster& cluster,
                      const Clock& clock, std::function<Result<>()> hook)
        : runtime_(runtime), cluster_(cluster), clock_(clock), hook_(std::move(hook)) {}
    void push(const ImageRef& ref, const ImageFacts& facts);
    void tag(const ImageRef& ref, const std::string& tag) {
        tags_[{ref.repository, tag}] = ref.digest;
    }
    [[nodiscard]] bool has(const std::string& repository, const std::string& digest) const {
        return manifests_.contains({repository, digest});
    }

    [[nodiscard]] std::string host() const override { return "127.0.0.1:5000"; }
    [[nodiscard]] Result<ManifestInfo> manifest(const std::string& repository,
                                                const std::string& digest) override;
    [[nodiscard]] Result<std::string> tagged(const std::string& repository,
                                             const std::string& tag) override;
    [[nodiscard]] Result<RegistryToken> push_token(const std::string& repository) override;
    [[nodiscard]] Result<RegistryToken> pull_token(const std::string& repository) override;
    [[nodiscard]] Result<> remove_manifest(const std::string& repository,
                                           const std::string& digest) override;

  private:
    SimulatedRuntime& runtime_;
    cluster::SimulatedCluster& cluster_;
    const Clock& clock_;
    std::function<Result<>()> hook_;
    std::set<std::pair<std::string, std::string>> manifests_;
    std::map<std::pair<std::string, std::string>, std::string> tags_;
};

// What a client that builds holds.
struct Build {
    DeploymentId deployment;
    AppId app;
    std::string repository;
    std::string tag;
    AppSpec spec;
};

struct Connection {
    InstanceId instance;
    Time closes_at;
};

// Where the apps run. On a cluster several servers share the store, and one of them leads; another may still believe that it does.
enum class Place : std::uint8_t { machine, cluster };

// One loco-api.
struct Process {
    std::unique_ptr<cluster::SimulatedClusterClient> cluster;  // on a cluster
    std::unique_ptr<reconcile::Reconciler> reconciler;         // none: it does not lead
    std::set<AppId> wakes;
    std::map<AppId, Time> timers;
    std::map<AppId, int> failures;
    Time next_sweep;
    bool synced = false;
    int depth = 0;  // of work in it: what happens meanwhile is nested
    bool in_pass = false;
};

class World {
  public:
    explicit World(std::uint64_t seed, Place place = Place::machine);

    // One thing happens. False when an invariant is broken (see violation()).
    bool step();
    // Faults end; everything must come to rest as the rows say. False when it does not.
    bool settle();

    [[nodiscard]] const std::string& violation() const { return violation_; }
    // A number made of all that happened: equal for equal runs.
    [[nodiscard]] std::uint64_t trace_hash() const { return trace_hash_; }
    void print_trace(bool print) { print_trace_ = print; }
    // How often each kind of thing happened, to see that the simulation tries what it should.
    [[nodiscard]] const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

  private:
    // --- world.cpp: the process and the time
    void start_process();
    void begin_term();  // of the process: it leads from now on
    [[nodiscard]] reconcile::ReconcilerPorts reconciler_ports();
    [[nodiscard]] Process& me() { return *processes_[me_]; }
    void wake(const AppId& app);  // as those do that change its rows
    bool process_step();          // of one that leads; false: nothing is due
    void run_in_process(const std::function<void()>& work);
    [[nodiscard]] Result<> port_call(const char* port, int error_percent);
    void meanwhile();  // what others do while a pass waits for a call
    void pass(const AppId& app);
    void sweep();
    void advance_time();
    [[nodiscard]] std::optional<Time> next_due() const;
    void move_clock(Time to);
    void begin_step();
    [[nodiscard]] bool wake_due_timers();
    void trace(const std::string& what);
    void count(const std::string& what) { ++counts_[what]; }
    Context context();
    [[nodiscard]] MachineView machine_view();
    // Reads without faults: for the world's own eyes.
    void look(const std::function<Result<>(const ReadTx&)>& work);

    // --- clients.cpp: what people do
    void client_step();
    void create();
    void begin_deploy(const AppId& app);
    void report(std::size_t build);
    void change_something(const AppId& app);
    [[nodiscard]] AppSpec make_spec(const std::string& name);
    [[nodiscard]] std::string make_image(const std::string& repository, const AppSpec& spec);
    [[nodiscard]] SimulatedBehaviour behaviour_of(const ContainerSpec& spec);

    // --- faults.cpp: what goes wrong
    void fault_step();
    void gateway_fault();
    void runtime_fault();
    void traffic();
    void end_faults();

    // --- on_cluster.cpp
    void cluster_fault();
    void cluster_meanwhile();
    void move_leadership();
    void end_cluster_faults();
    [[nodiscard]] cluster::SimulatedPodBehaviour pod_behaviour(const Release& release,
                                                               const std::string& process);
    [[nodiscard]] bool check_cluster();
    [[nodiscard]] bool cluster_at_rest(std::string& why);
    [[nodiscard]] bool stays_quiet();

    // --- invariants.cpp
    bool check();
    bool broken(const std::string& what);  // false, always
    void dump();
    [[nodiscard]] bool check_rows();
    [[nodiscard]] bool check_deployment(const Deployment& row, const App* app);
    [[nodiscard]] bool brought_code(const Deployment& row) const;  // made a release of its own
    [[nodiscard]] Result<> check_domains(const ReadTx& tx, const App& app,
                                         const std::vector<Deployment>& deployments);
    [[nodiscard]] bool check_room_is_kept();
    [[nodiscard]] bool check_went_live();
    [[nodiscard]] bool check_containers();
    [[nodiscard]] bool check_gateway();
    [[nodiscard]] bool check_cuts();
    [[nodiscard]] bool check_service();
    [[nodiscard]] bool at_rest(std::string& why);
    [[nodiscard]] bool app_at_rest(const reconcile::AppRows& rows, std::string& why);

    std::uint64_t seed_;
    const Place place_;
    Dice dice_;
    SeededRandom random_;
    SimulatedClock clock_;
    Config config_;
    Share size_;  // of the machine: for some seeds so small that not everything fits

    // What outlives the process.
    store::MemoryStore store_;
    SimulatedRuntime runtime_;
    gateway::SimulatedGateway gateway_;
    cluster::SimulatedCluster cluster_;
    SimulatedRegistry registry_;

    // The processes; on a machine there is one.
    std::vector<std::unique_ptr<Process>> processes_;
    std::size_t me_ = 0;  // which runs now
    std::unique_ptr<SimulatedHealth> health_;
    bool synced_now_ = false;  // in this step

    // Chance.
    int store_errors_ = 0;  // percent of calls
    int runtime_errors_ = 0;
    int gateway_errors_ = 0;
    int registry_errors_ = 0;
    int crash_in_ = -1;  // port calls until the process dies
    int cluster_errors_ = 0;
    bool cluster_away_ = false;
    bool gateway_away_ = false;
    bool runtime_away_ = false;

    // The people.
    std::vector<TeamId> teams_;
    std::vector<AppId> apps_;
    std::vector<Build> builds_;
    std::map<std::string, SimulatedBehaviour> images_;  // by digest
    std::set<std::string> flaky_images_;                // whose containers do not stay up
    int next_image_ = 0;
    int next_name_ = 0;

    // The world's own record, against which rows are checked.
    std::vector<Connection> connections_;
    std::set<InstanceId> failing_health_;
    std::map<DeploymentId, Deployment> deployments_;  // as last seen
    std::map<ReleaseId, Release> releases_;
    std::set<AppId> wanted_nothing_;  // after the last step
    std::set<AppId> went_live_;       // in this step
    std::set<AppId> given_up_;        // apps, until something of theirs is live again
    std::map<AppId, App> rows_apps_;  // of this step
    std::map<InstanceId, Instance> rows_instances_;
    std::set<AppId> acknowledged_apps_;
    std::map<DeploymentId, AppId> acknowledged_deployments_;
    std::set<std::pair<std::string, std::string>>
        unreported_;  // pushed by clients that died before they said so
    std::set<AppId> destroyed_;
    std::map<DeploymentId, int> release_commands_;  // containers started for it
    std::map<InstanceId, Instance> connected_;      // had requests in flight after the last step
    std::set<AppId> disturbed_;  // whose pods a fault has hit, until all are ready again
    std::map<AppId, int>
        ready_;                // pods that served after the last step, as far as they were wanted
    std::set<AppId> serving_;  // could answer after the last step
    std::set<AppId>
        behind_;  // whose routes the gateway had not taken over from its files when the step began
    bool step_may_cut_ = false;  // what happened may end a service: a fault, not a decision
    bool settling_ = false;

    std::string violation_;
    std::uint64_t trace_hash_ = 1469598103934665603ULL;
    bool print_trace_ = false;
    std::map<std::string, std::uint64_t> counts_;
};

}  // namespace loco::simulation
