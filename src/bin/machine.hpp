// One machine as the place where apps run: a container engine, HAProxy, and a registry whose disk `loco up` cleans.
#pragma once

#include <memory>
#include <thread>

#include "bin/place.hpp"
#include "engine/engine.hpp"
#include "gateway/haproxy/gateway.hpp"
#include "platform/housekeeping.hpp"
#include "platform/layout.hpp"
#include "platform/machine_watch.hpp"
#include "platform/server_config.hpp"
#include "registry/collector.hpp"
#include "runtime/docker/docker_runtime.hpp"
#include "runtime/health/health_monitor.hpp"
#include "runtime/log_collector/log_collector.hpp"

namespace loco {

// All must outlive the machine.
struct MachineNeeds {
    const platform::ServerConfig& server;
    const Config& config;
    const Clock& clock;
    Store& store;
    LogStore& logs;
    Registry& registry;
    registry::Garbage& garbage;
    PushGate& pushes;
    telemetry::Metrics& metrics;
    Subnet network_range;  // teams' networks are cut from it
};

class Machine final : public Place {
  public:
    // Reads the gateway's routes from its files; asks nobody.
    [[nodiscard]] static Result<std::unique_ptr<Machine>> make(const MachineNeeds& needs);

    std::variant<reconcile::MachinePorts, reconcile::ClusterPorts> ports() override;
    std::string last_words(const Instance& instance) override {
        return collector_.last_words(instance);
    }
    MachineView machine() override {
        return [this] { return watch_.facts(); };
    }
    api::Sight sight() override;

    void begin() override;
    void end() override;

  private:
    Machine(const MachineNeeds& needs, std::unique_ptr<gateway::HaproxyGateway> gateway);
    void keep_house(const std::stop_token& ended);
    void learn_size(const std::stop_token& ended);
    void add_gauges(telemetry::Metrics& metrics);
    platform::HousekeepingPorts housekeeping_ports(const MachineNeeds& needs);
    std::map<std::string, std::int64_t> measure();
    void collect_garbage(const std::stop_token& ended);

    const Clock& clock_;
    bool engine_is_ours_;
    platform::Layout layout_;
    std::string images_prefix_;  // of this Loco's images in the engine
    Subnet network_range_;
    std::unique_ptr<gateway::HaproxyGateway> gateway_;
    engine::Engine engine_;
    runtime::LogCollector collector_;
    ProbingHealthMonitor health_;
    DockerRuntime runtime_;
    registry::Collector garbage_;
    platform::MachineWatch watch_;
    platform::Housekeeping housekeeping_;
    std::jthread janitor_;
    std::jthread garbage_thread_;
    // As long as this lives, whoever leads: every server must know whether there is room.
    std::jthread disks_thread_;
    std::jthread size_thread_;
};

}  // namespace loco
