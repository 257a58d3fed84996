// What ports/cluster.hpp promises, of every implementation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/contract/cluster/bed.hpp"

namespace loco::cluster {

namespace {

using testing::Contains;
using testing::HasSubstr;

class ClusterContract : public testing::TestWithParam<MakeBed> {
  protected:
    void SetUp() override {
        bed_ = GetParam().make();
        if (!bed_) GTEST_SKIP() << "no cluster of the tests' own: see tests/support/cluster.py";
    }
    Cluster& cluster() { return bed_->cluster(); }

    ObservedApp seen(const ClusterApp& app) {
        auto observed = cluster().observe(app.app);
        EXPECT_TRUE(observed) << observed.error().message;
        return observed.value_or(ObservedApp{});
    }
    static ObservedProcess web(const ObservedApp& app) {
        for (const auto& process : app.processes) {
            if (process.name == "web") return process;
        }
        return {};
    }
    bool rolled_out(const ClusterApp& app) {
        const auto process = web(seen(app));
        const int replicas = app.processes[0].replicas;
        return process.settled && process.set == app.set && process.wanted == replicas &&
               process.ready == replicas && process.total == replicas;
    }
    Applied apply(const ClusterApp& app) {
        auto applied = cluster().apply(app);
        EXPECT_TRUE(applied) << applied.error().message;
        return applied.value_or(Applied{});
    }
    void bring_up(const ClusterApp& app) {
        apply(app);
        ASSERT_TRUE(bed_->eventually([&] { return rolled_out(app); })) << shown(seen(app));
    }
    // The pod that the test waits for, or what is there instead.
    bool eventually_pod(const ClusterApp& app, const std::function<bool(const ObservedPod&)>& is) {
        return bed_->eventually([&] {
            const auto observed = seen(app);
            return std::ranges::any_of(observed.pods, is);
        });
    }
    static std::string shown(const ObservedApp& app) {
        std::string text = app.removing ? "removing\n" : "";
        for (const auto& process : app.processes) {
            text += process.name + " " + process.set.str() + " wanted " +
                    std::to_string(process.wanted) + " ready " + std::to_string(process.ready) +
                    " total " + std::to_string(process.total) + " " + process.problem + "\n";
        }
        for (const auto& pod : app.pods) {
            text += pod.name + " " + pod.set.str() + " state " +
                    std::to_string(static_cast<int>(pod.state)) + " restarts " +
                    std::to_string(pod.restarts) + " exit " +
                    std::to_string(pod.exit_code.value_or(-1)) + " [" + pod.problem_code + "] " +
                    pod.problem + "\n";
        }
        return text + "route: " + app.route_problem;
    }

    SystemClock clock_;
    SystemRandom random_;
    std::unique_ptr<Bed> bed_;
};

TEST_P(ClusterContract, an_app_that_is_ordered_comes_up_and_ordering_it_again_writes_nothing) {
    const auto app = bed_->app(Does::serve, 2);
    EXPECT_FALSE(seen(app).exists);
    EXPECT_TRUE(cluster().differs(app));
    EXPECT_GT(apply(app).written, 0);
    ASSERT_TRUE(bed_->eventually([&] { return rolled_out(app); })) << shown(seen(app));
    const auto observed = seen(app);
    EXPECT_TRUE(observed.exists);
    EXPECT_FALSE(observed.removing);
    ASSERT_EQ(observed.pods.size(), 2U) << shown(observed);
    for (const auto& pod : observed.pods) {
        EXPECT_EQ(pod.state, PodState::ready);
        EXPECT_TRUE(pod.was_ready);
        EXPECT_EQ(pod.set, app.set);
        EXPECT_EQ(pod.release, app.release.id);
        EXPECT_EQ(pod.process, "web");
        EXPECT_EQ(pod.restarts, 0);
        EXPECT_FALSE(pod.node.empty());
        EXPECT_FALSE(pod.address.empty());
        EXPECT_TRUE(pod.started_at);
        EXPECT_TRUE(InstanceId::parse(pod.instance.str()));
    }
    EXPECT_THAT(cluster().apps().value(), Contains(app.app));
    EXPECT_THAT(bed_->changes(), Contains(std::optional(app.app)));

    const auto before = bed_->writes();
    EXPECT_FALSE(cluster().differs(app));
    EXPECT_EQ(apply(app).written, 0);
    EXPECT_EQ(bed_->writes(), before) << "the steady state costs no write";
}

TEST_P(ClusterContract, a_new_set_takes_over_health_gated_and_env_changes_with_it) {
    auto app = bed_->app(Does::serve, 2);
    bring_up(app);
    auto next = next_set(app, clock_, random_);
    next.env["GREETING"] = Secret<>("good evening");
    EXPECT_TRUE(cluster().differs(next));
    EXPECT_TRUE(apply(next).put_right.empty()) << "a new order is nobody's change";
    int fewest = 2;
    ASSERT_TRUE(bed_->eventually([&] {
        const auto observed = seen(next);
        const auto ready = std::ranges::count_if(
            observed.pods, [](const auto& pod) { return pod.state == PodState::ready; });
        fewest = std::min(fewest, static_cast<int>(ready));
        return rolled_out(next);
    })) << shown(seen(next));
    EXPECT_EQ(fewest, 2) << "never fewer ready pods than are ordered";
    // What the old set alone needed goes when its pods have gone.
    ASSERT_TRUE(bed_->eventually([&] {
        return cluster().apply(next).has_value() && seen(next).pods.size() == 2 &&
               !cluster().differs(next);
    }));
}

TEST_P(ClusterContract, a_new_set_that_never_gets_ready_leaves_the_old_one_serving) {
    auto app = bed_->app(Does::serve, 1);
    bring_up(app);
    auto bad = next_set(app, clock_, random_);
    bad.release.spec.health.path = "/missing";
    apply(bad);
    ASSERT_TRUE(eventually_pod(bad, [&](const auto& pod) {
        return pod.set == bad.set && !pod.problem.empty() && !pod.was_ready;
    })) << shown(seen(bad));
    const auto observed = seen(bad);
    EXPECT_TRUE(std::ranges::any_of(observed.pods, [&](const auto& pod) {
        return pod.set == app.set && pod.state == PodState::ready;
    })) << shown(observed);
    EXPECT_EQ(web(observed).ready, 0);
    // The release that is live is ordered again.
    apply(app);
    ASSERT_TRUE(bed_->eventually([&] { return rolled_out(app) && seen(app).pods.size() == 1; }))
        << shown(seen(app));
}

TEST_P(ClusterContract, scaling_keeps_the_pods_that_run) {
    auto app = bed_->app(Does::serve, 1);
    bring_up(app);
    const auto first = seen(app).pods[0].instance;
    app.processes[0].replicas = app.processes[0].max_replicas = 3;
    bring_up(app);
    const auto pods = seen(app).pods;
    EXPECT_TRUE(std::ranges::any_of(pods, [&](const auto& pod) { return pod.instance == first; }));
    EXPECT_EQ(pods.size(), 3U);
}

TEST_P(ClusterContract, a_process_that_is_not_ordered_any_more_goes) {
    auto app = bed_->app(Does::serve, 1);
    app.processes.push_back({.name = "jobs",
                             .command = {"sleep", "1000"},
                             .cpu_millis = 10,
                             .cpu_max_millis = 100,
                             .memory_bytes = 16LL << 20});
    apply(app);
    ASSERT_TRUE(eventually_pod(app, [](const auto& pod) {
        return pod.process == "jobs" && pod.state == PodState::ready;
    })) << shown(seen(app));
    app.processes.pop_back();
    EXPECT_TRUE(cluster().differs(app));
    apply(app);
    ASSERT_TRUE(bed_->eventually([&] {
        const auto observed = seen(app);
        return observed.processes.size() == 1 &&
               std::ranges::none_of(observed.pods,
                                    [](const auto& pod) { return pod.process == "jobs"; });
    })) << shown(seen(app));
}

TEST_P(ClusterContract, a_crash_is_told_with_its_exit_code_and_started_again) {
    const auto app = bed_->app(Does::exit_3, 1);
    apply(app);
    ASSERT_TRUE(eventually_pod(app, [](const auto& pod) {
        return pod.state == PodState::waiting && pod.exit_code == 3 && pod.restarts > 0;
    })) << shown(seen(app));
    EXPECT_FALSE(seen(app).pods[0].oom_killed);
    EXPECT_FALSE(seen(app).pods[0].was_ready);
    EXPECT_TRUE(seen(app).pods[0].finished_at);
}

TEST_P(ClusterContract, a_death_for_memory_is_told_as_one) {
    const auto app = bed_->app(Does::exhaust_memory, 1);
    apply(app);
    EXPECT_TRUE(eventually_pod(app, [](const auto& pod) {
        return pod.oom_killed && pod.exit_code == 137;
    })) << shown(seen(app));
}

TEST_P(ClusterContract, what_cannot_be_started_placed_or_fetched_says_why) {
    const std::vector<std::pair<Does, std::string>> cases{
        {Does::no_such_program, "cannot_start"},
        {Does::no_such_image, "image_pull_failed"},
        {Does::fits_nowhere, "unschedulable"}};
    for (const auto& [does, code] : cases) {
        const auto app = bed_->app(does, 1);
        apply(app);
        EXPECT_TRUE(eventually_pod(app,
                                   [&code](const auto& pod) {
                                       return pod.problem_code == code && !pod.problem.empty() &&
                                              pod.state != PodState::ready;
                                   }))
            << code << "\n"
            << shown(seen(app));
    }
}

TEST_P(ClusterContract, a_failing_health_check_is_told_with_what_it_answered) {
    const auto app = bed_->app(Does::never_ready, 1);
    apply(app);
    EXPECT_TRUE(eventually_pod(app, [](const auto& pod) {
        return pod.problem.find("404") != std::string::npos;
    })) << shown(seen(app));
}

TEST_P(ClusterContract, a_release_command_runs_once_whoever_asks_again) {
    auto app = bed_->app(Does::serve, 1);
    const ClusterCommand command{
        .app = app, .command = {"sh", "-c", "exit 7"}, .timeout = std::chrono::seconds(60)};
    std::thread other([&] { EXPECT_TRUE(bed_->second().run(command)); });
    EXPECT_TRUE(cluster().run(command));
    other.join();
    ASSERT_TRUE(eventually_pod(app, [&](const auto& pod) {
        return pod.process == "release" && pod.state == PodState::ended && pod.exit_code == 7 &&
               pod.set == app.set;
    })) << shown(seen(app));
    EXPECT_TRUE(cluster().run(command));
    EXPECT_TRUE(bed_->second().run(command));
    EXPECT_EQ(bed_->command_pods(app), 1);
    ASSERT_TRUE(cluster().remove_command(app.app, app.set));
    ASSERT_TRUE(bed_->eventually([&] { return seen(app).pods.empty(); })) << shown(seen(app));
    EXPECT_FALSE(cluster().run(command)) << "it has run";
    EXPECT_TRUE(cluster().remove_command(app.app, app.set)) << "twice is once";
    EXPECT_EQ(bed_->command_pods(app), 1);
    // The app itself can be ordered then, with the same set.
    bring_up(app);
    EXPECT_FALSE(cluster().differs(app));
}

TEST_P(ClusterContract, a_command_of_a_newer_set_is_left_alone_by_the_order_of_the_live_one) {
    auto app = bed_->app(Does::serve, 1);
    bring_up(app);
    const auto next = next_set(app, clock_, random_);
    ASSERT_TRUE(cluster().run(
        {.app = next, .command = {"sleep", "600"}, .timeout = std::chrono::seconds(700)}));
    ASSERT_TRUE(eventually_pod(next, [](const auto& pod) {
        return pod.process == "release" && pod.started_at.has_value();
    })) << shown(seen(next));
    apply(app);
    EXPECT_FALSE(cluster().differs(app));
    EXPECT_TRUE(std::ranges::any_of(seen(app).pods, [](const auto& pod) {
        return pod.process == "release" && pod.state != PodState::terminating;
    }));
    ASSERT_TRUE(cluster().remove_command(next.app, next.set));
    EXPECT_TRUE(bed_->eventually([&] { return seen(app).pods.size() == 1; })) << shown(seen(app));
}

TEST_P(ClusterContract, a_stopped_app_runs_nothing_and_can_be_ordered_again) {
    const auto app = bed_->app(Does::serve, 1);
    bring_up(app);
    ASSERT_TRUE(cluster().stop(app.app));
    ASSERT_TRUE(cluster().stop(app.app)) << "twice is once";
    ASSERT_TRUE(bed_->eventually([&] {
        const auto observed = seen(app);
        return observed.exists && observed.pods.empty() && observed.processes.empty() &&
               !observed.routed;
    })) << shown(seen(app));
    EXPECT_TRUE(cluster().differs(app));
    EXPECT_TRUE(apply(app).put_right.empty()) << "nobody else had removed it";
    EXPECT_TRUE(bed_->eventually([&] { return rolled_out(app); })) << shown(seen(app));
}

TEST_P(ClusterContract, a_removed_app_leaves_nothing) {
    const auto app = bed_->app(Does::serve, 1);
    bring_up(app);
    ASSERT_TRUE(cluster().remove(app.app));
    ASSERT_TRUE(cluster().remove(app.app)) << "twice is once";
    ASSERT_TRUE(bed_->eventually([&] { return !seen(app).exists; })) << shown(seen(app));
    EXPECT_THAT(cluster().apps().value(), testing::Not(Contains(app.app)));
    ASSERT_TRUE(cluster().remove(app.app)) << "of nothing";
}

TEST_P(ClusterContract, what_somebody_changed_or_removed_is_put_right_and_told) {
    const auto app = bed_->app(Does::serve, 1);
    bring_up(app);
    bed_->scale_by_hand(app, 0);
    ASSERT_TRUE(bed_->eventually([&] { return cluster().differs(app); }));
    EXPECT_THAT(apply(app).put_right, Contains("Deployment web"));
    ASSERT_TRUE(bed_->eventually([&] { return rolled_out(app); })) << shown(seen(app));
    bed_->remove_by_hand(app);
    ASSERT_TRUE(bed_->eventually([&] { return cluster().differs(app); }));
    EXPECT_THAT(apply(app).put_right, Contains("Deployment web"));
    ASSERT_TRUE(bed_->eventually([&] { return rolled_out(app); })) << shown(seen(app));
    EXPECT_FALSE(cluster().differs(app));
}

TEST_P(ClusterContract, two_that_order_the_same_at_once_do_no_harm) {
    const auto app = bed_->app(Does::serve, 2);
    auto& second = bed_->second();
    std::thread other([&] {
        for (int i = 0; i < 5; ++i) EXPECT_TRUE(second.apply(app));
    });
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(cluster().apply(app));
    other.join();
    ASSERT_TRUE(bed_->eventually([&] { return rolled_out(app); })) << shown(seen(app));
    ASSERT_TRUE(bed_->eventually([&] { return !cluster().differs(app) && !second.differs(app); }));
    EXPECT_EQ(seen(app).pods.size(), 2U);
    // What one has done, the other sees.
    EXPECT_TRUE(second.remove(app.app));
    EXPECT_TRUE(bed_->eventually([&] { return !seen(app).exists; }));
}

TEST_P(ClusterContract, another_locos_apps_are_neither_seen_nor_touched) {
    const auto app = bed_->app(Does::serve, 1);
    bring_up(app);
    auto& strangers = bed_->strangers();
    EXPECT_FALSE(strangers.observe(app.app).value().exists);
    EXPECT_TRUE(strangers.apps().value().empty());
    ASSERT_TRUE(strangers.stop(app.app));
    ASSERT_TRUE(strangers.remove(app.app));
    EXPECT_FALSE(strangers.apply(app)) << "its place is taken";
    EXPECT_FALSE(cluster().differs(app));
    EXPECT_TRUE(rolled_out(app)) << shown(seen(app));
}

TEST_P(ClusterContract, the_nodes_are_known) {
    const auto nodes = cluster().nodes();
    ASSERT_TRUE(nodes) << nodes.error().message;
    ASSERT_FALSE(nodes->empty());
    EXPECT_TRUE(nodes->front().ready);
    EXPECT_TRUE(nodes->front().schedulable);
    EXPECT_GT(nodes->front().cpu_millis, 0);
    EXPECT_GT(nodes->front().memory_bytes, 0);
    EXPECT_THAT(nodes->front().platform, HasSubstr("linux/"));
}

INSTANTIATE_TEST_SUITE_P(Clusters, ClusterContract, testing::ValuesIn(beds()),
                         [](const auto& made) { return made.param.name; });

}  // namespace
}  // namespace loco::cluster
