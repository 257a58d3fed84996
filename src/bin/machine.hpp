// One machine as the place where apps run: a container engine, HAProxy, and a registry whose disk `loco up` cleans.
#pragma once

#include <memory>
#include <thread>

#include "bin/place.hpp"
#include "engine/engine.hpp"
#include "gateway/haproxy/gateway.hpp"
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
    api::Sight sight() override;

    void begin() override;
    void end() override;

  private:
    Machine(const MachineNeeds& needs, std::unique_ptr<gateway::HaproxyGateway> gateway);
    void prune(const std::stop_token& ended);
    void collect_garbage(const std::stop_token& ended);

    bool engine_is_ours_;
    Subnet network_range_;
    std::unique_ptr<gateway::HaproxyGateway> gateway_;
    engine::Engine engine_;
    runtime::LogCollector collector_;
    ProbingHealthMonitor health_;
    DockerRuntime runtime_;
    registry::Collector garbage_;
    std::jthread janitor_;
    std::jthread garbage_thread_;
};

}  // namespace loco
