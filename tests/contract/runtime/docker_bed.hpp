#pragma once

#include <condition_variable>
#include <mutex>

#include "runtime/docker/docker_runtime.hpp"
#include "tests/contract/runtime/bed.hpp"
#include "tests/contract/runtime/docker_world.hpp"

namespace loco::runtime {

class DockerBed final : public Bed {
  public:
    explicit DockerBed(DockerWorld& world, LogStore* logs = nullptr,
                       std::vector<int> host_ports = {});
    ~DockerBed() override;

    Runtime& runtime() override { return *runtime_; }
    DockerRuntime& docker() { return *runtime_; }
    LogCollector* collector() { return collector_.get(); }
    ImageRef image() override { return {.repository = "contract", .digest = world_.digest()}; }
    TeamNetwork team(int number) override;
    ContainerSpec spec(Does does, int team_number, int host) override;
    // Running `command` of busybox's sh.
    ContainerSpec shell(const std::string& command, int team_number, int host);
    // The engine's container of an instance; empty when there is none.
    [[nodiscard]] std::string container_of(const InstanceId& instance);
    void remove_by_hand(const InstanceId& instance) override;
    bool eventually(const std::function<bool()>& condition) override;
    std::vector<std::optional<AppId>> changes() override;
    // Its exit code, once it has ended; -1 when it did not.
    int exit_of(const InstanceId& instance);

  private:
    DockerWorld& world_;
    SystemClock clock_;
    std::unique_ptr<LogCollector> collector_;
    std::unique_ptr<DockerRuntime> runtime_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::optional<AppId>> changes_;
};

}  // namespace loco::runtime
