// What Loco's adapter does when the API server, its watches or the network do not work: every call in turn.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/contract/cluster/kubernetes_bed.hpp"

namespace loco::cluster {
namespace {

using test::Fault;

std::string refusal(int status, const std::string& reason, const std::string& headers = {}) {
    const std::string body =
        R"({"kind":"Status","apiVersion":"v1","status":"Failure","message":"injected","reason":")" +
        reason + R"(","code":)" + std::to_string(status) + "}";
    return "HTTP/1.1 " + std::to_string(status) +
           " Injected\r\nContent-Type: application/json\r\n" + headers +
           "Content-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" +
           body;
}

bool is_watch(const std::string& line) { return line.find("watch=true") != std::string::npos; }

class KubernetesFaults : public testing::Test {
  protected:
    void SetUp() override {
        auto made = make_kubernetes_bed();
        if (!made) GTEST_SKIP() << "no cluster of the tests' own: see tests/support/cluster.py";
        bed_.reset(dynamic_cast<KubernetesBed*>(made.release()));
    }
    Cluster& cluster() { return bed_->cluster(); }
    // Without pods: what is ordered counts here.
    ClusterApp order() {
        auto app = bed_->app(Does::serve, 1);
        app.processes[0].replicas = app.processes[0].max_replicas = 0;
        return app;
    }
    // The objects of the app's namespace, as the cluster counts them.
    int count(const ClusterApp& app, const std::string& kinds) {
        const auto told = bed_->kubectl({"get", kinds, "-n", bed_->space_of(app), "-o", "name"});
        return static_cast<int>(std::ranges::count(told, '\n'));
    }

    std::unique_ptr<KubernetesBed> bed_;
};

TEST_F(KubernetesFaults,
       whichever_call_fails_the_order_is_carried_out_in_the_end_and_nothing_twice) {
    const std::vector<Fault> faults{
        {.type = Fault::Type::answer, .answer = refusal(409, "Conflict")},
        {.type = Fault::Type::answer,
         .answer = refusal(429, "TooManyRequests", "Retry-After: 1\r\n")},
        {.type = Fault::Type::answer, .answer = refusal(500, "InternalError")},
        {.type = Fault::Type::cut_before},
        {.type = Fault::Type::cut_after},
    };
    int calls = 1;
    for (int failing = 0; failing < calls; ++failing) {
        const auto& fault = faults[static_cast<std::size_t>(failing) % faults.size()];
        const auto app = order();
        int at = 0;
        bed_->set_rule([&](const std::string& line) {
            return !is_watch(line) && at++ == failing ? fault : Fault{};
        });
        auto applied = cluster().apply(app);
        // What is told is tried again by the loop; it goes on where it was.
        for (int i = 0; i < 3 && !applied; ++i) applied = cluster().apply(app);
        calls = std::max(calls, at);
        bed_->set_rule({});
        ASSERT_TRUE(applied) << failing << ": " << applied.error().message;
        EXPECT_TRUE(applied->put_right.empty()) << failing;
        EXPECT_FALSE(cluster().differs(app)) << failing;
        EXPECT_EQ(count(app, "deployments,services,networkpolicies,httproutes"), 4) << failing;
        EXPECT_EQ(count(app, "secrets"), 2) << failing;
    }
    EXPECT_GT(calls, 10);
}

TEST_F(KubernetesFaults, whichever_call_fails_a_command_runs_once) {
    const std::vector<Fault> faults{
        {.type = Fault::Type::answer, .answer = refusal(503, "ServiceUnavailable")},
        {.type = Fault::Type::cut_after},
        {.type = Fault::Type::answer, .answer = refusal(409, "Conflict")}};
    int calls = 1;
    for (int failing = 0; failing < calls; ++failing) {
        const auto& fault = faults[static_cast<std::size_t>(failing) % faults.size()];
        const ClusterCommand command{.app = bed_->app(Does::serve, 1),
                                     .command = {"sh", "-c", "exit 0"},
                                     .timeout = std::chrono::seconds(60)};
        int at = 0;
        bed_->set_rule([&](const std::string& line) {
            return !is_watch(line) && at++ == failing ? fault : Fault{};
        });
        auto ran = cluster().run(command);
        for (int i = 0; i < 3 && !ran; ++i) ran = cluster().run(command);
        calls = std::max(calls, at);
        bed_->set_rule({});
        ASSERT_TRUE(ran) << failing << ": " << ran.error().message;
        EXPECT_TRUE(cluster().run(command));
        ASSERT_TRUE(bed_->eventually([&] {
            const auto observed = cluster().observe(command.app.app);
            return observed && observed->pods.size() == 1 &&
                   observed->pods[0].state == PodState::ended;
        })) << failing;
        EXPECT_EQ(bed_->command_pods(command.app), 1) << failing;
        ASSERT_TRUE(cluster().remove(command.app.app));
    }
}

TEST_F(KubernetesFaults, what_was_written_is_known_before_the_watches_tell_of_it) {
    const auto app = order();
    // From here on no watch says anything.
    bed_->set_rule([](const std::string& line) {
        return is_watch(line)
                   ? Fault{.type = Fault::Type::answer, .answer = refusal(500, "InternalError")}
                   : Fault{};
    });
    bed_->proxy().cut_all();
    ASSERT_TRUE(cluster().apply(app));
    const auto before = bed_->writes();
    EXPECT_FALSE(cluster().differs(app));
    EXPECT_EQ(cluster().apply(app).value().written, 0);
    EXPECT_EQ(bed_->writes(), before);
    EXPECT_TRUE(cluster().observe(app.app).value().exists);
    // A change by hand is seen when they tell again.
    bed_->scale_by_hand(app, 3);
    bed_->set_rule({});
    EXPECT_TRUE(bed_->eventually([&] { return cluster().differs(app); }));
    EXPECT_THAT(cluster().apply(app).value().put_right, testing::ElementsAre("Deployment web"));
}

TEST_F(KubernetesFaults, what_is_removed_while_nobody_watches_is_found_missing) {
    const auto app = order();
    ASSERT_TRUE(cluster().apply(app));
    bed_->set_rule([](const std::string& line) {
        return is_watch(line)
                   ? Fault{.type = Fault::Type::answer, .answer = refusal(410, "Expired")}
                   : Fault{};
    });
    bed_->proxy().cut_all();
    bed_->remove_by_hand(app);
    bed_->set_rule({});
    EXPECT_TRUE(bed_->eventually([&] { return cluster().differs(app); }));
    EXPECT_TRUE(bed_->eventually([&] {
        const auto applied = cluster().apply(app);
        return applied && !cluster().differs(app) && count(app, "deployments") == 1;
    }));
}

TEST_F(KubernetesFaults, a_cluster_that_is_not_heard_of_is_unavailable_until_it_is_heard_again) {
    auto how = bed_->options();
    how.stale_after = std::chrono::seconds(3);
    how.attendant.sign_of_life_after = std::chrono::milliseconds(1000);
    const auto app = order();
    const auto mine = bed_->adapter(how);
    ASSERT_TRUE(mine->cluster.apply(app));
    bed_->set_rule([](const std::string&) { return Fault{.type = Fault::Type::cut_before}; });
    bed_->proxy().cut_all();
    ASSERT_TRUE(bed_->eventually([&] { return !mine->cluster.observe(app.app).has_value(); }));
    EXPECT_EQ(mine->cluster.observe(app.app).error().kind, ErrorKind::unavailable);
    EXPECT_EQ(mine->cluster.nodes().error().kind, ErrorKind::unavailable);
    EXPECT_EQ(mine->cluster.apply(app).error().kind, ErrorKind::unavailable);
    EXPECT_FALSE(mine->cluster.differs(app)) << "nobody knows";
    bed_->set_rule({});
    EXPECT_TRUE(bed_->eventually([&] { return mine->cluster.observe(app.app).has_value(); }));
    // Quiet is not unheard: nothing changes here for longer than that.
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    EXPECT_TRUE(bed_->eventually([&] {
        EXPECT_TRUE(mine->cluster.observe(app.app));
        return std::chrono::steady_clock::now() > end;
    }));
}

}  // namespace
}  // namespace loco::cluster
