#include <algorithm>
#include <mutex>

#include "runtime/simulated/simulated_runtime.hpp"
#include "tests/contract/runtime/bed.hpp"

namespace loco::runtime {
namespace {

using std::chrono::milliseconds;

class ManualClock final : public Clock {
  public:
    [[nodiscard]] Time now() const override { return now_; }
    [[nodiscard]] SteadyTime steady() const override { return SteadyTime(now_.time_since_epoch()); }
    void move(Duration by) { now_ += by; }

  private:
    Time now_{std::chrono::seconds(1'700'000'000)};
};

SimulatedBehaviour behaviour_of(const ContainerSpec& spec) {
    SimulatedBehaviour behaviour;
    const std::string what = spec.command.empty() ? "" : spec.command.front();
    if (what == "sleep") behaviour.stops_after = milliseconds(20);
    if (what == "ignore_terminate") behaviour.stops_after.reset();
    if (what == "exit_3") {
        behaviour.exits_after = milliseconds(5);
        behaviour.exit_code = 3;
    }
    if (what == "exhaust_memory") {
        behaviour.exits_after = milliseconds(50);
        behaviour.oom_killed = true;
    }
    if (what == "nothing") {
        behaviour.refused = "exec: \"nothing\": no such file or directory";
        behaviour.facts.program = {.path = "nothing", .file = ProgramFacts::File::missing};
    } else {
        behaviour.facts.listeners.emplace();
        behaviour.facts.memory_peak_bytes = 1 << 20;
        behaviour.facts.processes_at_limit = false;
    }
    return behaviour;
}

class SimulatedBed final : public Bed {
  public:
    SimulatedBed() {
        runtime_.add_image(image(), {.image_id = "sha256:1",
                                     .platform = "linux/amd64",
                                     .user = "app",
                                     .uid = 1000,
                                     .gid = 1000,
                                     .exposed_tcp = {8080}});
        runtime_.set_behave(behaviour_of);
        runtime_.on_change(
            [this](std::optional<AppId> app) { changes_.push_back(std::move(app)); });
    }

    Runtime& runtime() override { return runtime_; }
    ImageRef image() override {
        return {.repository = "shop-1", .digest = "sha256:" + std::string(64, 'a')};
    }
    TeamNetwork team(int number) override {
        const std::string prefix = "10.199." + std::to_string(number) + ".";
        return {.team = TeamId("team_" + std::to_string(number)),
                .team_slug = "team" + std::to_string(number),
                .subnet = prefix + "0/24",
                .gateway = prefix + "1"};
    }
    ContainerSpec spec(Does does, int team_number, int host) override {
        static const std::map<Does, std::string> kCommands{
            {Does::sleep, "sleep"},
            {Does::ignore_terminate, "ignore_terminate"},
            {Does::exit_3, "exit_3"},
            {Does::exhaust_memory, "exhaust_memory"},
            {Does::nothing_such_a_program, "nothing"}};
        ContainerSpec spec = basic_spec(team(team_number), image(), host);
        spec.command = {kCommands.at(does)};
        return spec;
    }
    void remove_by_hand(const InstanceId& instance) override { runtime_.remove_by_hand(instance); }
    bool eventually(const std::function<bool()>& condition) override {
        for (int i = 0; i < 1000; ++i) {
            if (condition()) return true;
            clock_.move(milliseconds(10));
            runtime_.advance();
        }
        return false;
    }
    std::vector<std::optional<AppId>> changes() override { return changes_; }

  private:
    ManualClock clock_;
    SimulatedRuntime runtime_{clock_};
    std::vector<std::optional<AppId>> changes_;
};

}  // namespace

std::unique_ptr<Bed> make_simulated_bed() { return std::make_unique<SimulatedBed>(); }

}  // namespace loco::runtime
