#include "tests/contract/runtime/docker_bed.hpp"

#include <gtest/gtest.h>

namespace loco::runtime {

using std::chrono::milliseconds;

DockerBed::DockerBed(DockerWorld& world, LogStore* logs, std::vector<int> host_ports)
    : world_(world) {
    if (logs != nullptr) collector_ = std::make_unique<LogCollector>(world.engine(), *logs, clock_);
    runtime_ = std::make_unique<DockerRuntime>(
        world.engine(), world.registry(), clock_,
        DockerOptions{.loco = world.loco(), .host_ports = std::move(host_ports)}, collector_.get());
    runtime_->on_change([this](std::optional<AppId> app) {
        {
            const std::lock_guard lock(mutex_);
            changes_.push_back(std::move(app));
        }
        changed_.notify_all();
    });
    runtime_->watch();
    // Connected: the first notice is about everything.
    EXPECT_TRUE(eventually([this] { return !changes().empty(); }));
}

DockerBed::~DockerBed() {
    auto purged = runtime_->purge();
    EXPECT_TRUE(purged) << purged.error().message;
}

TeamNetwork DockerBed::team(int number) {
    const std::string prefix = world_.subnet_prefix() + std::to_string(number) + ".";
    return {.team = TeamId("team_" + world_.loco() + std::to_string(number)),
            .team_slug = "team" + std::to_string(number),
            .subnet = prefix + "0/24",
            .gateway = prefix + "1"};
}

ContainerSpec DockerBed::shell(const std::string& command, int team_number, int host) {
    ContainerSpec spec = basic_spec(team(team_number), image(), host);
    spec.command = {"/bin/busybox", "sh", "-c", command};
    return spec;
}

ContainerSpec DockerBed::spec(Does does, int team_number, int host) {
    switch (does) {
        case Does::sleep: return shell("exec /bin/busybox sleep 600", team_number, host);
        case Does::ignore_terminate:
            return shell("trap '' TERM; while true; do /bin/busybox sleep 1; done", team_number,
                         host);
        case Does::exit_3: return shell("exit 3", team_number, host);
        case Does::exhaust_memory:
            return shell("x=aaaaaaaa; while true; do x=$x$x; done", team_number, host);
        case Does::nothing_such_a_program: break;
    }
    ContainerSpec spec = shell({}, team_number, host);
    spec.command = {"/no/such/program"};
    return spec;
}

std::string DockerBed::container_of(const InstanceId& instance) {
    auto containers = runtime_->list_all();
    EXPECT_TRUE(containers) << containers.error().message;
    if (!containers) return {};
    for (const auto& container : *containers) {
        if (container.instance == instance) return container.runtime_id;
    }
    return {};
}

void DockerBed::remove_by_hand(const InstanceId& instance) {
    auto removed = world_.engine().remove_container(container_of(instance), /*force=*/true);
    EXPECT_TRUE(removed) << removed.error().message;
}

bool DockerBed::eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, milliseconds(20));
    }
    return true;
}

std::vector<std::optional<AppId>> DockerBed::changes() {
    const std::lock_guard lock(mutex_);
    return changes_;
}

int DockerBed::exit_of(const InstanceId& instance) {
    int code = -1;
    eventually([&] {
        auto containers = runtime_->list_all();
        if (!containers) return false;
        for (const auto& container : *containers) {
            if (container.instance != instance || container.state != ContainerState::exited)
                continue;
            code = container.exit_code;
            return true;
        }
        return false;
    });
    return code;
}

std::unique_ptr<Bed> make_docker_bed() {
    auto* world = DockerWorld::get();
    if (world == nullptr) return nullptr;
    return std::make_unique<DockerBed>(*world);
}

}  // namespace loco::runtime
