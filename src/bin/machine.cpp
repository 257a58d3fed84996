#include "bin/machine.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>

#include "base/log.hpp"
#include "os/disk.hpp"
#include "platform/layout.hpp"
#include "spec/quantity.hpp"

namespace loco {
namespace {

constexpr auto kLookAtDisks = std::chrono::seconds(2);
constexpr auto kAskForSize = std::chrono::seconds(2);
constexpr auto kAskForSizeAgain = std::chrono::minutes(1);  // a machine may be given more
constexpr auto kGarbageLook = std::chrono::milliseconds(100);
constexpr std::int64_t kBuildCacheBytes = 2LL << 30;
constexpr auto kBuildCacheUnused = std::chrono::hours(1);
// Of a disk that is short of room only what a build may be using stays.
constexpr auto kBuildCacheUnusedWhenLow = std::chrono::minutes(5);

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

platform::HousekeepingOptions housekeeping_options(const platform::ServerConfig& server) {
    platform::HousekeepingOptions options;
    if (const auto most = spec::parse_memory(server.writable_max)) options.writable_max = *most;
    return options;
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
    : clock_(needs.clock),
      engine_is_ours_(needs.server.engine_is_ours),
      layout_(needs.server.data_dir),
      images_prefix_(needs.registry.host() + "/"),
      network_range_(needs.network_range),
      gateway_(std::move(gateway)),
      engine_(needs.server.engine_socket),
      collector_(engine_, needs.logs, needs.clock),
      health_(needs.clock),
      runtime_(engine_, needs.registry, needs.clock, docker_options(needs), &collector_),
      garbage_(needs.store, needs.clock, needs.pushes, needs.garbage,
               registry::Handover(platform::Layout(needs.server.data_dir).directories().run),
               collector_options(needs.server)),
      watch_(platform::watched_folders(needs.server), platform::capacity_policy(needs.server),
             platform::disk_policy(needs.server)),
      housekeeping_(housekeeping_ports(needs), housekeeping_options(needs.server)) {
    add_gauges(needs.metrics);
    needs.metrics.gauge("loco_gateway_reloads", "Reloads of the gateway since the start",
                        [this] { return static_cast<double>(gateway_->reloads()); });
    needs.metrics.gauge(
        "loco_registry_garbage_manifests",
        "Manifests removed since the registry's disk was last cleaned",
        [&garbage = needs.garbage] { return static_cast<double>(garbage.state().manifests); });
    disks_thread_ = std::jthread([this](const std::stop_token& ended) {
        repeat(ended, kLookAtDisks, [this] { watch_.look(); });
    });
    size_thread_ = std::jthread([this](const std::stop_token& ended) { learn_size(ended); });
}

void Machine::add_gauges(telemetry::Metrics& metrics) {
    const auto worst = [this](auto of) {
        return [this, of] {
            std::optional<double> least;
            for (const auto& one : watch_.facts().disks)
                least = std::min(least.value_or(of(one)), of(one));
            return least.value_or(0);
        };
    };
    metrics.gauge("loco_disk_state",
                  "0: the disks have room, 1: one is nearly full, 2: one is full",
                  [this] { return static_cast<double>(watch_.facts().disk_state()); });
    metrics.gauge(
        "loco_disk_free_bytes", "Free on the disk that has the least",
        worst([](const WatchedDisk& one) { return static_cast<double>(one.disk.free_bytes); }));
    const auto of_machine = [this](auto value) {
        return [this, value] {
            const auto facts = watch_.facts();
            return facts.size ? static_cast<double>(value(room_of(*facts.size, facts.policy))) : 0;
        };
    };
    metrics.gauge("loco_memory_for_apps_bytes", "Memory that apps may be given together",
                  of_machine([](const Share& room) { return room.memory_bytes; }));
    metrics.gauge("loco_cpu_for_apps_millis",
                  "Thousandths of a core that apps may be given together",
                  of_machine([](const Share& room) { return room.cpu_millis; }));
}

platform::HousekeepingPorts Machine::housekeeping_ports(const MachineNeeds& needs) {
    platform::HousekeepingPorts ports{.store = needs.store,
                                      .clock = needs.clock,
                                      .runtime = runtime_,
                                      .machine = machine(),
                                      .prune_builds = {},
                                      .collect_garbage = [this] { garbage_.hurry(); },
                                      .measure = [this] { return measure(); }};
    // The build cache of an engine of our own has a bound; another's is not Loco's to empty.
    if (engine_is_ours_) {
        ports.prune_builds = [this](bool short_of_room) {
            return drop(short_of_room
                            ? engine_.prune_build_cache(0, kBuildCacheUnusedWhenLow)
                            : engine_.prune_build_cache(kBuildCacheBytes, kBuildCacheUnused));
        };
    }
    return ports;
}

std::map<std::string, std::int64_t> Machine::measure() {
    std::map<std::string, std::int64_t> held{{"database", os::bytes_below(layout_.database())},
                                             {"app_logs", os::bytes_below(layout_.app_logs())},
                                             {"registry", os::bytes_below(layout_.registry())},
                                             {"logs", os::bytes_below(layout_.directories().log)}};
    if (engine_is_ours_) {
        if (const auto usage = engine_.disk_usage()) {
            held["images"] = usage->layers_bytes;
            held["build_cache"] = usage->build_cache_bytes;
            held["volumes"] = usage->volumes_bytes;
        }
    } else if (const auto images = engine_.list_images({})) {
        // Layers that several have are counted for each.
        auto& sum = held["images"];
        for (const auto& image : *images) {
            const auto is_ours = [&](const std::string& name) {
                return name.starts_with(images_prefix_);
            };
            if (std::ranges::any_of(image.tags, is_ours) ||
                std::ranges::any_of(image.digests, is_ours))
                sum += image.size_bytes;
        }
    }
    return held;
}

// Asked of the engine apart from the disks: it may not answer for long.
void Machine::learn_size(const std::stop_token& ended) {
    SteadyTime next;
    const auto ask = [&] {
        if (clock_.steady() < next) return;
        const auto size = runtime_.machine();
        if (!size) return;
        watch_.learn(*size);
        next = clock_.steady() + kAskForSizeAgain;
    };
    ask();
    repeat(ended, kAskForSize, ask);
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
            .machine =
                [this] {
                    return api::MachineReport{.facts = watch_.facts(),
                                              .held = housekeeping_.held()};
                },
            .parts = {{"engine", [this] { return drop(runtime_.list(AppId("none"))); }},
                      {"gateway", [this] { return drop(gateway_->connections(AppId("none"))); }}}};
}

void Machine::begin() {
    garbage_.begin();
    runtime_.watch();
    garbage_thread_ =
        std::jthread([this](const std::stop_token& ended) { collect_garbage(ended); });
    janitor_ = std::jthread([this](const std::stop_token& ended) { keep_house(ended); });
}

void Machine::end() {
    janitor_ = {};
    garbage_thread_ = {};
    garbage_.stop();
    runtime_.unwatch();
}

void Machine::keep_house(const std::stop_token& ended) {
    repeat(ended, kLookAtDisks, [this] { housekeeping_.step(); });
}

void Machine::collect_garbage(const std::stop_token& ended) {
    repeat(ended, kGarbageLook, [this] { garbage_.step(); });
}

}  // namespace loco
