// What Kubernetes alone has: Secrets, namespaces of others, labels that people take away, images that nodes fetch, a Gateway.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <fstream>

#include "cluster/kubernetes/names.hpp"
#include "tests/contract/cluster/kubernetes_bed.hpp"

namespace loco::cluster {
namespace {

using testing::Contains;

// The first token that it gives ends soon.
class HastyRegistry final : public Registry {
  public:
    explicit HastyRegistry(TestRegistry& images) : images_(images) {}
    [[nodiscard]] std::string host() const override { return images_.host(); }
    [[nodiscard]] Result<ManifestInfo> manifest(const std::string& repository,
                                                const std::string& digest) override {
        return images_.registry().manifest(repository, digest);
    }
    [[nodiscard]] Result<RegistryToken> push_token(const std::string& repository) override {
        return images_.registry().push_token(repository);
    }
    [[nodiscard]] Result<RegistryToken> pull_token(const std::string& repository) override {
        auto token = images_.tokens().issue(
            "test", {{.repository = repository, .actions = {"pull"}}},
            given == 0 ? std::chrono::seconds(4) : std::chrono::seconds(600));
        if (token) last_expiry = token->expires_at;
        ++given;
        return token;
    }
    [[nodiscard]] Result<> remove_manifest(const std::string& repository,
                                           const std::string& digest) override {
        return images_.registry().remove_manifest(repository, digest);
    }
    std::atomic<int> given = 0;
    std::atomic<Time> last_expiry{};

  private:
    TestRegistry& images_;
};

class KubernetesAlone : public testing::Test {
  protected:
    void SetUp() override {
        auto made = make_kubernetes_bed();
        if (!made) GTEST_SKIP() << "no cluster of the tests' own: see tests/support/cluster.py";
        bed_.reset(dynamic_cast<KubernetesBed*>(made.release()));
    }
    Cluster& cluster() { return bed_->cluster(); }
    bool ready(Cluster& of, const ClusterApp& app) {
        const auto observed = of.observe(app.app);
        return observed && observed->processes.size() == 1 && observed->processes[0].ready == 1 &&
               observed->processes[0].set == app.set;
    }
    void bring_up(const ClusterApp& app) {
        const auto applied = cluster().apply(app);
        ASSERT_TRUE(applied) << applied.error().message;
        ASSERT_TRUE(bed_->eventually([&] { return ready(cluster(), app); }));
    }

    SystemClock clock_;
    SystemRandom random_;
    std::unique_ptr<KubernetesBed> bed_;
};

TEST_F(KubernetesAlone, nodes_fetch_an_image_long_after_the_order_with_credentials_made_then) {
    HastyRegistry registry(bed_->images());
    const auto mine = bed_->adapter(bed_->options(), &registry);
    auto app = bed_->app(Does::serve, 1);
    app.processes[0].replicas = app.processes[0].max_replicas = 0;
    ASSERT_TRUE(mine->cluster.apply(app));
    ASSERT_EQ(registry.given, 1);
    ASSERT_TRUE(bed_->eventually([&] { return clock_.now() > registry.last_expiry.load(); }));
    EXPECT_EQ(registry.given, 1) << "nothing waits: nothing is renewed";
    // As an autoscaler does, or a node that went away.
    bed_->scale_by_hand(app, 1);
    ASSERT_TRUE(bed_->eventually([&] {
        const auto observed = mine->cluster.observe(app.app);
        return observed && observed->pods.size() == 1 && observed->pods[0].state == PodState::ready;
    }));
    EXPECT_GE(registry.given, 2);
    EXPECT_LE(registry.given, 3);
}

TEST_F(KubernetesAlone, an_environment_that_somebody_removed_is_made_again) {
    auto app = bed_->app(Does::serve, 1);
    app.processes[0].replicas = app.processes[0].max_replicas = 0;
    ASSERT_TRUE(cluster().apply(app));
    bed_->kubectl({"delete", "secret", "-n", bed_->space_of(app), env_secret_name(app.set)});
    // A node that has never seen it: one that has keeps what cannot change.
    app.processes[0].replicas = app.processes[0].max_replicas = 1;
    ASSERT_TRUE(cluster().apply(app));
    ASSERT_TRUE(bed_->eventually([&] {
        const auto observed = cluster().observe(app.app).value();
        return std::ranges::any_of(
            observed.pods, [](const auto& pod) { return pod.problem_code == "config_error"; });
    }));
    EXPECT_TRUE(cluster().differs(app));
    EXPECT_THAT(cluster().apply(app).value().put_right,
                Contains("Secret " + env_secret_name(app.set)));
    EXPECT_TRUE(bed_->eventually([&] { return ready(cluster(), app) && !cluster().differs(app); }));
}

TEST_F(KubernetesAlone, the_secret_of_a_set_goes_with_its_last_pod) {
    auto app = bed_->app(Does::serve, 1);
    bring_up(app);
    const auto next = next_set(app, clock_, random_);
    bring_up(next);
    // The pod first: an apply that still sees it rightly keeps its Secret, for the next one to take away.
    ASSERT_TRUE(bed_->eventually([&] {
        return cluster().observe(app.app).value().pods.size() == 1 &&
               cluster().apply(next).has_value() && !cluster().differs(next);
    }));
    const auto secrets = bed_->kubectl({"get", "secrets", "-n", bed_->space_of(app), "-o", "name"});
    EXPECT_THAT(secrets, testing::HasSubstr(env_secret_name(next.set)));
    EXPECT_THAT(secrets, testing::Not(testing::HasSubstr(env_secret_name(app.set))));
}

TEST_F(KubernetesAlone, a_namespace_of_somebody_else_is_not_taken) {
    const auto app = bed_->app(Does::serve, 1);
    const auto space = bed_->space_of(app);
    bed_->kubectl({"create", "namespace", space});
    const auto refused = cluster().apply(app);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "namespace_taken");
    EXPECT_EQ(cluster().run({.app = app, .command = {"true"}}).error().code, "namespace_taken");
    ASSERT_TRUE(cluster().remove(app.app));
    const auto there =
        bed_->kubectl({"get", "namespace", space, "-o", "jsonpath={.metadata.labels}"});
    EXPECT_THAT(there, testing::Not(testing::HasSubstr("loco.dev")));
}

TEST_F(KubernetesAlone, what_others_keep_in_an_apps_namespace_stays_and_is_no_drift) {
    const auto app = bed_->app(Does::serve, 1);
    bring_up(app);
    const auto space = bed_->space_of(app);
    bed_->kubectl({"create", "configmap", "theirs", "-n", space});
    bed_->kubectl({"create", "service", "clusterip", "theirs", "-n", space, "--tcp=80"});
    bed_->kubectl({"annotate", "deployment", "web", "-n", space, "their/note=x"});
    EXPECT_EQ(cluster().apply(app).value().written, 0);
    ASSERT_TRUE(cluster().stop(app.app));
    ASSERT_TRUE(cluster().apply(app));
    EXPECT_THAT(bed_->kubectl({"get", "service,configmap", "-n", space, "-o", "name"}),
                testing::AllOf(testing::HasSubstr("service/theirs"),
                               testing::HasSubstr("configmap/theirs")));
}

TEST_F(KubernetesAlone, a_label_that_somebody_took_away_is_put_back) {
    const auto app = bed_->app(Does::serve, 1);
    bring_up(app);
    const auto space = bed_->space_of(app);
    bed_->kubectl({"label", "networkpolicy", "--all", "-n", space, "loco.dev/instance-of-"});
    bed_->kubectl({"label", "namespace", space, "loco.dev/instance-of-"});
    ASSERT_TRUE(bed_->eventually([&] { return cluster().differs(app); }));
    ASSERT_TRUE(bed_->eventually([&] {
        const auto applied = cluster().apply(app);
        return applied && !cluster().differs(app);
    }));
    EXPECT_THAT(bed_->kubectl({"get", "namespace", space, "-o", "jsonpath={.metadata.labels}"}),
                testing::HasSubstr(bed_->options().render.instance));
    ASSERT_TRUE(cluster().remove(app.app));
    EXPECT_TRUE(bed_->eventually([&] { return !cluster().observe(app.app).value().exists; }));
}

TEST_F(KubernetesAlone, no_pod_goes_when_an_autoscaler_takes_over_a_fixed_number_nor_when_it_ends) {
    auto app = bed_->app(Does::serve, 3);
    ASSERT_TRUE(cluster().apply(app));
    const auto number = [&] {
        return bed_->kubectl({"get", "deployment", "web", "-n", bed_->space_of(app), "-o",
                              "jsonpath={.spec.replicas}"});
    };
    ASSERT_EQ(number(), "3");
    // Without metrics, and with a least number of 1, the autoscaler itself would not bring any back.
    auto scaled = app;
    scaled.processes[0].replicas = 1;
    scaled.processes[0].max_replicas = 5;
    scaled.processes[0].cpu_target = 70;
    ASSERT_TRUE(cluster().apply(scaled));
    EXPECT_EQ(number(), "3");
    EXPECT_FALSE(cluster().differs(scaled));
    // The next release leaves it alone, too; and what the autoscaler has chosen is no drift.
    scaled = next_set(scaled, clock_, random_);
    ASSERT_TRUE(cluster().apply(scaled));
    EXPECT_EQ(number(), "3");
    bed_->scale_by_hand(scaled, 4);
    EXPECT_EQ(cluster().apply(scaled).value().put_right, std::vector<std::string>{});
    EXPECT_EQ(number(), "4");
    app.set = scaled.set;
    app.release = scaled.release;
    ASSERT_TRUE(cluster().apply(app));
    EXPECT_EQ(number(), "3");
    // And once more: whoever held it before.
    ASSERT_TRUE(cluster().apply(scaled));
    EXPECT_EQ(number(), "3");
}

TEST_F(KubernetesAlone, a_cluster_that_measures_nothing_says_so) {
    const auto app = bed_->app(Does::serve, 1);
    bring_up(app);
    const auto usage = cluster().usage(app.app);
    ASSERT_FALSE(usage);
    EXPECT_EQ(usage.error().kind, ErrorKind::not_found);
    EXPECT_EQ(usage.error().message, "this cluster does not measure its pods");
}

TEST_F(KubernetesAlone, what_the_quota_does_not_let_in_says_so_without_any_pod) {
    auto app = bed_->app(Does::serve, 1);
    app.processes[0].replicas = app.processes[0].max_replicas = 0;
    ASSERT_TRUE(cluster().apply(app));
    const auto space = bed_->space_of(app);
    bed_->kubectl({"create", "quota", "none", "-n", space, "--hard=pods=0"});
    app.processes[0].replicas = app.processes[0].max_replicas = 1;
    ASSERT_TRUE(cluster().apply(app));
    EXPECT_TRUE(bed_->eventually([&] {
        const auto observed = cluster().observe(app.app).value();
        return !observed.processes.empty() &&
               observed.processes[0].problem.find("exceeded quota") != std::string::npos;
    }));
}

TEST_F(KubernetesAlone, a_route_is_taken_by_the_gateway_that_is_named_and_by_no_other) {
    auto how = bed_->options();
    how.render.gateway_namespace = "loco-test-" + random_word(random_, 8);
    how.render.gateway_name = "edge";
    const auto mine = bed_->adapter(how);
    const auto app = bed_->app(Does::serve, 1);
    ASSERT_TRUE(mine->cluster.apply(app));
    EXPECT_FALSE(mine->cluster.observe(app.app).value().routed);
    const auto file =
        std::filesystem::temp_directory_path() / (how.render.gateway_namespace + ".yaml");
    std::ofstream(file) << R"({"apiVersion":"v1","kind":"List","items":[
 {"apiVersion":"v1","kind":"Namespace","metadata":{"name":")"
                        << how.render.gateway_namespace << R"("}},
 {"apiVersion":"gateway.networking.k8s.io/v1","kind":"GatewayClass","metadata":{"name":"traefik"},
  "spec":{"controllerName":"traefik.io/gateway-controller"}},
 {"apiVersion":"gateway.networking.k8s.io/v1","kind":"Gateway","metadata":{"name":"edge","namespace":")"
                        << how.render.gateway_namespace << R"("},
  "spec":{"gatewayClassName":"traefik","listeners":[{"name":"http","port":18000,"protocol":"HTTP",
   "allowedRoutes":{"namespaces":{"from":"Selector","selector":{"matchLabels":{"loco.dev/routes":"allowed"}}}}}]}}]})";
    bed_->kubectl({"apply", "--server-side", "-f", file.string()});
    std::filesystem::remove(file);
    EXPECT_TRUE(bed_->eventually([&] { return mine->cluster.observe(app.app).value().routed; }))
        << mine->cluster.observe(app.app).value().route_problem;
    bed_->kubectl({"delete", "namespace", how.render.gateway_namespace, "--wait=false"});
}

}  // namespace
}  // namespace loco::cluster
