#include "bin/machine.hpp"

#include <condition_variable>
#include <mutex>

#include "base/log.hpp"
#include "platform/layout.hpp"
#include "spec/quantity.hpp"

namespace loco {
namespace {

constexpr auto kHouseKeeping = std::chrono::minutes(15);
constexpr auto kGarbageLook = std::chrono::milliseconds(100);
constexpr std::int64_t kBuildCacheBytes = 2LL << 30;

DockerOptions docker_options(const MachineNeeds& needs) {
    return {.loco = needs.server.instance, .host_ports = {needs.config.gateway_port}};
}

registry::CollectorOptions collector_options(const platform::ServerConfig& server) {
    registry::CollectorOptions options;
    // It was checked when the configuration was read.
    if (const auto every = spec::parse_duration(server.collect_every)) options.every = *every;
    return options;
}

// Does it every so often, until the thread that calls is asked to end.
void repeat(const std::stop_token& ended, Duration every, const std::function<void()>& work) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    while (!wake.wait_for(lock, ended, every, [&] { return ended.stop_requested(); })) work();
}

Result<> drop(auto result) {
    if (!result) return std::unexpected(std::move(result).error());
    return {};
}

}  // namespace

Result<std::unique_ptr<Machine>> Machine::make(const MachineNeeds& needs) {
    LOCO_ASSIGN(auto gateway,
                gateway::HaproxyGateway::open(platform::gateway_options(needs.server)));
    return std::unique_ptr<Machine>(new Machine(needs, std::move(gateway)));
}

Machine::Machine(const MachineNeeds& needs, std::unique_ptr<gateway::HaproxyGateway> gateway)
    : engine_is_ours_(needs.server.engine_is_ours),
      network_range_(needs.network_range),
      gateway_(std::move(gateway)),
      engine_(needs.server.engine_socket),
      collector_(engine_, needs.logs, needs.clock),
      health_(needs.clock),
      runtime_(engine_, needs.registry, needs.clock, docker_options(needs), &collector_),
      garbage_(needs.store, needs.clock, needs.pushes, needs.garbage,
               registry::Handover(platform::Layout(needs.server.data_dir).directories().run),
               collector_options(needs.server)) {
    needs.metrics.gauge("loco_gateway_reloads", "Reloads of the gateway since the start",
                        [this] { return static_cast<double>(gateway_->reloads()); });
    needs.metrics.gauge(
        "loco_registry_garbage_manifests",
        "Manifests removed since the registry's disk was last cleaned",
        [&garbage = needs.garbage] { return static_cast<double>(garbage.state().manifests); });
}

std::variant<reconcile::MachinePorts, reconcile::ClusterPorts> Machine::ports() {
    return reconcile::MachinePorts{.runtime = runtime_,
                                   .gateway = *gateway_,
                                   .health = health_,
                                   .network_range = network_range_};
}

api::Sight Machine::sight() {
    return {.usage = [this](const AppId& app) { return runtime_.usage(app); },
            .traffic = [this] { return gateway_->stats(); },
            .parts = {{"engine", [this] { return drop(runtime_.list(AppId("none"))); }},
                      {"gateway", [this] { return drop(gateway_->connections(AppId("none"))); }}}};
}

void Machine::begin() {
    garbage_.begin();
    runtime_.watch();
    garbage_thread_ =
        std::jthread([this](const std::stop_token& ended) { collect_garbage(ended); });
    janitor_ = std::jthread([this](const std::stop_token& ended) { prune(ended); });
}

void Machine::end() {
    janitor_ = {};
    garbage_thread_ = {};
    garbage_.stop();
    runtime_.unwatch();
}

// The build cache of an engine of our own has a bound; another's is not Loco's to empty.
void Machine::prune(const std::stop_token& ended) {
    if (!engine_is_ours_) return;
    repeat(ended, kHouseKeeping, [this] {
        const auto pruned = engine_.prune_build_cache(kBuildCacheBytes, std::chrono::hours(1));
        if (!pruned) log::failure("the build cache was not pruned", pruned.error());
    });
}

void Machine::collect_garbage(const std::stop_token& ended) {
    repeat(ended, kGarbageLook, [this] { garbage_.step(); });
}

}  // namespace loco
