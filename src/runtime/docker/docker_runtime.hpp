// ports/runtime.hpp on the Docker Engine's socket (Podman's compatible socket too).
//
// Everything that it makes carries the labels of names.hpp and is found by them; it never looks at, let alone touches,
// what does not carry label loco.dev/instance-of with its own name. Nothing is kept here that the engine does not
// know: the caches may be lost at any time.
//
// Errors: unavailable when the engine cannot be reached (with what to do), or when the firewall's rules cannot be set:
// then nothing is started.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.hpp"
#include "ports/registry.hpp"
#include "ports/runtime.hpp"
#include "runtime/docker/container.hpp"
#include "runtime/docker/event_watcher.hpp"
#include "runtime/docker/firewall.hpp"
#include "runtime/docker/image_facts.hpp"
#include "runtime/log_collector/log_collector.hpp"

namespace loco {

struct DockerOptions {
    // The name of this Loco, made once with its data and kept there. Two Locos on one engine have different ones.
    std::string loco;
    // TCP ports of the host that containers may reach: the gateway's.
    std::vector<int> host_ports;
    // False: no rules are set, and containers reach whatever the host listens on. For machines that have other means.
    bool firewall = true;
    std::int64_t pids_limit = 512;
    // remove() waits at most so long for the rest of a container's output.
    std::chrono::milliseconds log_grace{3'000};
};

class DockerRuntime final : public Runtime {
  public:
    // All must outlive it. `logs` may be null: output is then not collected.
    DockerRuntime(engine::Engine& engine, Registry& registry, const Clock& clock,
                  DockerOptions options, runtime::LogCollector* logs);
    ~DockerRuntime() override;

    // Watches the engine from now on: listeners are told, output is collected. After on_change.
    void watch();
    // The end of it, after which it may begin again; what is collected stays where it is.
    void unwatch();
    // Everything of this Loco goes: containers, networks, images of its registry, rules. For `loco down --purge`, while
    // no loco-api runs.
    [[nodiscard]] Result<> purge();

    [[nodiscard]] Result<> ensure_network(const TeamNetwork& network) override;
    [[nodiscard]] Result<> remove_network(const TeamId& team) override;
    [[nodiscard]] Result<ImageFacts> ensure_image(const ImageRef& image) override;
    void interrupt() override { ++interruptions_; }
    [[nodiscard]] Result<> remove_image(const ImageRef& image) override;
    [[nodiscard]] Result<> remove_tag(const std::string& repository,
                                      const std::string& tag) override;
    [[nodiscard]] Result<> start(const ContainerSpec& spec) override;
    [[nodiscard]] Result<> signal(const InstanceId& instance, Signal signal) override;
    [[nodiscard]] Result<> remove(const InstanceId& instance) override;
    [[nodiscard]] Result<std::vector<ObservedContainer>> list(const AppId& app) override;
    [[nodiscard]] Result<std::vector<ObservedContainer>> list_all() override;
    [[nodiscard]] Result<std::vector<ResourceUsage>> usage(const AppId& app) override;
    [[nodiscard]] Result<MachineSize> machine() override;
    [[nodiscard]] Result<std::vector<WrittenBytes>> written() override;
    [[nodiscard]] ContainerFacts examine(const InstanceId& instance) override;
    void on_change(std::function<void(std::optional<AppId>)> listener) override;

  private:
    struct Sample {
        Time at;
        std::int64_t cpu_ns = 0;
        double cpu_millis = 0;
    };

    [[nodiscard]] engine::Labels ours() const;
    [[nodiscard]] engine::Labels ours(std::string_view label, const std::string& value) const;
    // The network's id.
    [[nodiscard]] Result<std::string> network_of(const TeamNetwork& network);
    [[nodiscard]] Result<> make_network(const TeamNetwork& network);
    [[nodiscard]] Result<> guard(const std::vector<engine::Network>& networks);
    void guard_again();
    [[nodiscard]] Result<std::vector<ObservedContainer>> observe(const engine::Labels& labels);
    [[nodiscard]] Result<> inspect_into(ObservedContainer& container);
    [[nodiscard]] Result<> remove_container(const engine::ContainerSummary& container);
    [[nodiscard]] Result<std::string> container_for(const ContainerSpec& spec);
    // What a container's limit of CPU may be at most: the engine refuses more than the machine has.
    [[nodiscard]] Result<std::int64_t> most_cpu_millis(const Instance& instance);
    void connected();
    void happened(const engine::Event& event);
    void forget(const std::string& container);

    engine::Engine& engine_;
    Registry& registry_;
    DockerOptions options_;
    runtime::LogCollector* logs_;
    runtime::Firewall firewall_;
    runtime::ImageReader images_;
    std::function<void(std::optional<AppId>)> listener_;
    std::atomic<int> interruptions_ = 0;
    std::atomic<int> cpus_ = 0;  // of the machine; 0: not asked yet

    std::mutex mutex_;  // guards what follows
    std::map<std::string, ObservedContainer>
        inspected_;                          // by id and state: it does not change any more
    std::map<std::string, Sample> samples_;  // by id
    std::set<std::string> died_;             // ids that events said have ended
    std::unique_ptr<runtime::EventWatcher> watcher_;
};

}  // namespace loco
