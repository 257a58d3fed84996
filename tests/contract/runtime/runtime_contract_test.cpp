// What every runtime promises (src/ports/runtime.hpp).
#include <gtest/gtest.h>

#include <algorithm>

#include "base/random.hpp"
#include "tests/contract/runtime/bed.hpp"

namespace loco::runtime {

std::string address_in(const TeamNetwork& network, int host) {
    return network.gateway.substr(0, network.gateway.rfind('.') + 1) + std::to_string(host);
}

ContainerSpec basic_spec(const TeamNetwork& network, const ImageRef& image, int host) {
    static SystemRandom random;
    static const SystemClock clock;
    ContainerSpec spec;
    spec.instance.id = InstanceId::make(clock, random);
    spec.instance.app = AppId("app_" + network.team.str());
    spec.instance.team = network.team;
    spec.instance.set = DeploymentId::make(clock, random);
    spec.instance.process = "web";
    spec.instance.address = address_in(network, host);
    spec.instance.cpu_millis = 250;
    spec.instance.cpu_max_millis = 1000;
    spec.instance.memory_bytes = 32LL << 20;
    spec.instance.attempt = 1;
    spec.app_name = "shop";
    spec.release_name = "v7";
    spec.network = network;
    spec.image = image;
    spec.uid = 1000;
    spec.gid = 1000;
    spec.aliases = {"shop.internal"};
    return spec;
}

std::vector<MakeBed> beds() {
    return {{"simulated", make_simulated_bed}, {"docker", make_docker_bed}};
}

namespace {

class RuntimeContract : public testing::TestWithParam<MakeBed> {
  protected:
    void SetUp() override {
        bed_ = GetParam().make();
        if (!bed_) GTEST_SKIP() << "no container engine answers at DOCKER_HOST";
    }

    Runtime& runtime() { return bed_->runtime(); }

    // With network and image at hand.
    Result<> start(const ContainerSpec& spec) {
        LOCO_TRY(runtime().ensure_network(spec.network));
        LOCO_TRY(runtime().ensure_image(spec.image));
        return runtime().start(spec);
    }

    std::vector<ObservedContainer> of(const ContainerSpec& spec) {
        auto all = runtime().list(spec.instance.app);
        EXPECT_TRUE(all) << all.error().message;
        if (!all) return {};
        std::erase_if(*all, [&](const auto& c) { return c.instance != spec.instance.id; });
        return *all;
    }

    bool has_exited(const ContainerSpec& spec) {
        const auto seen = of(spec);
        return seen.size() == 1 && seen.front().state == ContainerState::exited;
    }

    std::unique_ptr<Bed> bed_;
};

#define MUST(expression)                                                     \
    do {                                                                     \
        const auto must_result = (expression);                               \
        ASSERT_TRUE(must_result.has_value()) << must_result.error().message; \
    } while (false)

TEST_P(RuntimeContract, an_image_of_the_registry_tells_who_its_user_is) {
    auto facts = runtime().ensure_image(bed_->image());
    MUST(facts);
    EXPECT_EQ(facts->user, "app");
    EXPECT_EQ(facts->uid, 1000);
    EXPECT_EQ(facts->gid, 1000);
    EXPECT_EQ(facts->exposed_tcp, std::vector{8080});
    EXPECT_TRUE(facts->has_command);
    EXPECT_EQ(facts->digest, bed_->image().digest);
    EXPECT_FALSE(facts->image_id.empty());
    EXPECT_TRUE(facts->platform.starts_with("linux/"));
}

TEST_P(RuntimeContract, an_image_that_the_registry_lacks_is_not_found) {
    auto facts = runtime().ensure_image(
        {.repository = "contract", .digest = "sha256:" + std::string(64, '0')});
    ASSERT_FALSE(facts);
    EXPECT_EQ(facts.error().kind, ErrorKind::not_found) << facts.error().message;
}

TEST_P(RuntimeContract, a_started_container_runs_at_its_address_and_is_listed) {
    const auto spec = bed_->spec(Does::sleep, 1, 10);
    MUST(start(spec));
    const auto seen = of(spec);
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen.front().state, ContainerState::running);
    EXPECT_EQ(seen.front().address, spec.instance.address);
    EXPECT_EQ(seen.front().attempt, 1);
    EXPECT_EQ(seen.front().app, spec.instance.app);
    EXPECT_TRUE(seen.front().started_at.has_value());
    auto all = runtime().list_all();
    MUST(all);
    EXPECT_EQ(all->size(), 1U);
}

TEST_P(RuntimeContract, doing_it_twice_is_doing_it_once) {
    const auto spec = bed_->spec(Does::sleep, 1, 10);
    MUST(start(spec));
    MUST(start(spec));
    EXPECT_EQ(of(spec).size(), 1U);
    MUST(runtime().signal(spec.instance.id, Signal::kill));
    MUST(runtime().signal(spec.instance.id, Signal::kill));
    MUST(runtime().remove(spec.instance.id));
    MUST(runtime().remove(spec.instance.id));
    EXPECT_TRUE(of(spec).empty());
    MUST(runtime().signal(spec.instance.id, Signal::terminate));
    MUST(runtime().remove_network(spec.network.team));
    MUST(runtime().remove_network(spec.network.team));
}

TEST_P(RuntimeContract, a_container_that_has_run_is_not_started_again) {
    const auto spec = bed_->spec(Does::exit_3, 1, 10);
    MUST(start(spec));
    ASSERT_TRUE(bed_->eventually([&] { return has_exited(spec); }));
    MUST(start(spec));
    EXPECT_TRUE(has_exited(spec));
}

TEST_P(RuntimeContract, the_exit_code_of_a_container_that_ended_is_told) {
    const auto spec = bed_->spec(Does::exit_3, 1, 10);
    MUST(start(spec));
    ASSERT_TRUE(bed_->eventually([&] { return has_exited(spec); }));
    const auto seen = of(spec).front();
    EXPECT_EQ(seen.exit_code, 3);
    EXPECT_FALSE(seen.oom_killed);
    EXPECT_TRUE(seen.finished_at.has_value());
    EXPECT_TRUE(bed_->eventually(
        [&] { return std::ranges::count(bed_->changes(), std::optional(spec.instance.app)) > 0; }));
}

TEST_P(RuntimeContract, a_death_for_memory_is_told_as_such) {
    const auto spec = bed_->spec(Does::exhaust_memory, 1, 10);
    MUST(start(spec));
    ASSERT_TRUE(bed_->eventually([&] { return has_exited(spec); }));
    EXPECT_EQ(of(spec).front().exit_code, 137);
    EXPECT_TRUE(of(spec).front().oom_killed);
}

TEST_P(RuntimeContract, a_kill_is_no_death_for_memory) {
    const auto spec = bed_->spec(Does::ignore_terminate, 1, 10);
    MUST(start(spec));
    MUST(runtime().signal(spec.instance.id, Signal::kill));
    ASSERT_TRUE(bed_->eventually([&] { return has_exited(spec); }));
    EXPECT_EQ(of(spec).front().exit_code, 137);
    EXPECT_FALSE(of(spec).front().oom_killed);
}

TEST_P(RuntimeContract, a_terminated_container_ends) {
    const auto spec = bed_->spec(Does::sleep, 1, 10);
    MUST(start(spec));
    MUST(runtime().signal(spec.instance.id, Signal::terminate));
    ASSERT_TRUE(bed_->eventually([&] { return has_exited(spec); }));
    EXPECT_EQ(of(spec).front().exit_code, 143);
}

TEST_P(RuntimeContract, removing_kills_what_still_runs) {
    const auto spec = bed_->spec(Does::ignore_terminate, 1, 10);
    MUST(start(spec));
    MUST(runtime().signal(spec.instance.id, Signal::terminate));
    MUST(runtime().remove(spec.instance.id));
    EXPECT_TRUE(of(spec).empty());
}

TEST_P(RuntimeContract, a_command_that_is_not_in_the_image_is_told) {
    const auto spec = bed_->spec(Does::nothing_such_a_program, 1, 10);
    auto started = start(spec);
    if (!started) {
        EXPECT_EQ(started.error().kind, ErrorKind::refused);
        EXPECT_NE(started.error().message.find("no such file"), std::string::npos)
            << started.error().message;
        EXPECT_EQ(start(spec).error().kind, ErrorKind::refused);
    } else {  // where an init starts the command
        ASSERT_TRUE(bed_->eventually([&] { return has_exited(spec); }));
        EXPECT_EQ(of(spec).front().exit_code, 127);
    }
    MUST(runtime().remove(spec.instance.id));
    EXPECT_TRUE(of(spec).empty());
}

TEST_P(RuntimeContract, the_next_attempt_takes_the_place_of_the_last) {
    auto spec = bed_->spec(Does::exit_3, 1, 10);
    MUST(start(spec));
    ASSERT_TRUE(bed_->eventually([&] { return has_exited(spec); }));
    spec.command = bed_->spec(Does::sleep, 1, 10).command;
    spec.instance.attempt = 2;
    MUST(start(spec));
    const auto seen = of(spec);
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(seen.front().attempt, 2);
    EXPECT_EQ(seen.front().state, ContainerState::running);
}

TEST_P(RuntimeContract, an_address_that_runs_is_given_to_no_other) {
    const auto first = bed_->spec(Does::sleep, 1, 10);
    const auto second = bed_->spec(Does::sleep, 1, 10);
    MUST(start(first));
    auto started = start(second);
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().kind, ErrorKind::conflict) << started.error().message;
    MUST(runtime().remove(first.instance.id));
    MUST(start(second));
}

TEST_P(RuntimeContract, a_container_that_was_removed_by_hand_is_noticed) {
    const auto spec = bed_->spec(Does::sleep, 1, 10);
    MUST(start(spec));
    const auto before = std::ranges::count(bed_->changes(), std::optional(spec.instance.app));
    bed_->remove_by_hand(spec.instance.id);
    EXPECT_TRUE(bed_->eventually([&] {
        return std::ranges::count(bed_->changes(), std::optional(spec.instance.app)) > before;
    }));
    EXPECT_TRUE(bed_->eventually([&] { return of(spec).empty(); }));
}

TEST_P(RuntimeContract, a_network_stays_while_something_runs_in_it) {
    const auto spec = bed_->spec(Does::sleep, 1, 10);
    MUST(start(spec));
    MUST(runtime().remove_network(spec.network.team));
    EXPECT_EQ(of(spec).front().state, ContainerState::running);
    MUST(runtime().remove(spec.instance.id));
    MUST(runtime().remove_network(spec.network.team));
}

TEST_P(RuntimeContract, an_image_that_a_container_uses_stays) {
    const auto spec = bed_->spec(Does::sleep, 1, 10);
    MUST(start(spec));
    MUST(runtime().remove_image(spec.image));
    MUST(runtime().remove(spec.instance.id));
    MUST(runtime().start(spec));
    MUST(runtime().remove(spec.instance.id));
    MUST(runtime().remove_image(spec.image));
    MUST(runtime().remove_image(spec.image));
    auto started = runtime().start(spec);
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().kind, ErrorKind::not_found) << started.error().message;
    // It comes from the registry again.
    MUST(start(spec));
}

TEST_P(RuntimeContract, what_runs_uses_memory) {
    const auto spec = bed_->spec(Does::sleep, 1, 10);
    MUST(start(spec));
    auto usage = runtime().usage(spec.instance.app);
    MUST(usage);
    ASSERT_EQ(usage->size(), 1U);
    EXPECT_EQ(usage->front().instance, spec.instance.id);
    EXPECT_GT(usage->front().memory_bytes, 0);
    EXPECT_LE(usage->front().memory_bytes, spec.instance.memory_bytes);
    EXPECT_GE(usage->front().cpu_millis, 0);
}

TEST_P(RuntimeContract, a_look_at_what_runs_tells_its_sockets_and_its_memory) {
    const auto spec = bed_->spec(Does::sleep, 1, 10);
    MUST(start(spec));
    const auto seen = runtime().examine(spec.instance.id);
    ASSERT_TRUE(seen.listeners);
    EXPECT_TRUE(seen.listeners->empty());
    if (seen.memory_peak_bytes) {  // older kernels do not count it
        EXPECT_GT(*seen.memory_peak_bytes, 0);
        EXPECT_LE(*seen.memory_peak_bytes, spec.instance.memory_bytes);
    }
    EXPECT_NE(seen.processes_at_limit, true);
    EXPECT_FALSE(seen.program) << "only of what could not be run";
}

TEST_P(RuntimeContract, a_look_at_what_could_not_be_run_tells_of_its_program) {
    const auto spec = bed_->spec(Does::nothing_such_a_program, 1, 10);
    if (start(spec)) ASSERT_TRUE(bed_->eventually([&] { return has_exited(spec); }));
    const auto seen = runtime().examine(spec.instance.id);
    ASSERT_TRUE(seen.program);
    EXPECT_EQ(seen.program->file, ProgramFacts::File::missing);
    EXPECT_NE(spec.command.front().find(seen.program->path), std::string::npos);
    EXPECT_FALSE(seen.listeners) << "it does not run";
}

TEST_P(RuntimeContract, a_look_at_what_is_not_there_sees_nothing) {
    const auto spec = bed_->spec(Does::sleep, 1, 10);
    EXPECT_EQ(runtime().examine(spec.instance.id), ContainerFacts{});
    MUST(start(spec));
    MUST(runtime().remove(spec.instance.id));
    EXPECT_EQ(runtime().examine(spec.instance.id), ContainerFacts{});
}

TEST_P(RuntimeContract, the_machine_has_cores_and_memory) {
    const auto machine = runtime().machine();
    MUST(machine);
    EXPECT_GE(machine->cpu_millis, 1000);
    EXPECT_EQ(machine->cpu_millis % 1000, 0);
    EXPECT_GT(machine->memory_bytes, 128LL << 20);
}

TEST_P(RuntimeContract, what_runs_has_written_little_of_its_own_and_what_has_ended_is_not_counted) {
    const auto spec = bed_->spec(Does::sleep, 1, 10);
    MUST(start(spec));
    const auto written = [&]() -> std::optional<WrittenBytes> {
        const auto all = runtime().written();
        EXPECT_TRUE(all) << all.error().message;
        for (const auto& one : *all) {
            if (one.instance == spec.instance.id) return one;
        }
        return std::nullopt;
    };
    const auto seen = written();
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->app, spec.instance.app);
    EXPECT_EQ(seen->attempt, spec.instance.attempt);
    EXPECT_GE(seen->bytes, 0);
    EXPECT_LT(seen->bytes, 1 << 20);
    MUST(runtime().signal(spec.instance.id, Signal::kill));
    EXPECT_TRUE(bed_->eventually([&] { return !written(); }));
}

TEST_P(RuntimeContract, more_cpu_than_the_machine_has_is_as_much_as_it_has) {
    auto spec = bed_->spec(Does::sleep, 1, 10);
    spec.instance.cpu_max_millis = 256'000;
    MUST(start(spec));
    EXPECT_EQ(of(spec).front().state, ContainerState::running);
}

INSTANTIATE_TEST_SUITE_P(, RuntimeContract, testing::ValuesIn(beds()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace loco::runtime
