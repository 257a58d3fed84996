// What 30 apps become on Kubernetes. golden/NAME.toml is an app, golden/NAME.yaml what it becomes: LOCO_ACCEPT=1 rewrites
// these; read the difference. tests/kubernetes/test_manifests.py has a real API server admit each of them.
#include "cluster/kubernetes/render.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "cluster/kubernetes/yaml.hpp"
#include "reconcile/rows.hpp"
#include "spec/read.hpp"

namespace loco::cluster {
namespace {

namespace fs = std::filesystem;
using kubernetes::member;
using kubernetes::name_of;
using kubernetes::Object;
using testing::HasSubstr;
using testing::Not;

const fs::path kGolden = fs::path(LOCO_SOURCE_DIR) / "tests/unit/cluster/golden";

std::string read_all(const fs::path& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

AppSpec spec_of(const std::string& toml) {
    auto spec = spec::read_spec(toml, {.default_name = "shop"});
    if (!spec) {
        ADD_FAILURE() << spec.error()[0].message << "\n" << toml;
        return {};
    }
    return *spec;
}

// As the reconciler makes it of rows, with ids that never change.
ClusterApp app_of(const AppSpec& spec) {
    ClusterApp app;
    app.app = AppId("app_01jd0000000000000000000001");
    app.app_name = spec.name;
    app.team = TeamId("team_01jd0000000000000000000002");
    app.team_slug = "acme";
    app.set = DeploymentId("dep_01jd0000000000000000000003");
    app.release.id = ReleaseId("rel_01jd0000000000000000000004");
    app.release.number = 7;
    app.release.repository = "app_01jd0000000000000000000001";
    app.release.digest = "sha256:" + std::string(64, 'a');
    app.release.uid = 1000;
    app.release.gid = 1000;
    if (const auto& user = spec.deploy.user; !user.empty()) {
        const auto colon = user.find(':');
        app.release.uid = std::stol(user);
        app.release.gid = colon == std::string::npos ? 0 : std::stol(user.substr(colon + 1));
    }
    app.release.spec = spec;
    for (auto& wanted : wanted_processes(spec, {})) {
        app.processes.push_back({.name = wanted.name,
                                 .main = wanted.main,
                                 .command = wanted.command,
                                 .replicas = wanted.replicas,
                                 .max_replicas = wanted.main ? spec.scale.max : wanted.replicas,
                                 .cpu_target = wanted.main ? spec.scale.cpu_target : 0,
                                 .cpu_millis = wanted.cpu_millis,
                                 .cpu_max_millis = wanted.cpu_max_millis,
                                 .memory_bytes = wanted.memory_bytes});
    }
    for (const auto& [name, value] : spec.env) app.env[name] = Secret<>(value);
    for (const auto& name : spec.required_secrets) app.env[name] = Secret<>("s3cret " + name);
    app.env["LOCO_APP"] = Secret<>(spec.name);
    if (!spec.ports.empty()) app.env["PORT"] = Secret<>(std::to_string(spec.ports[0].port));
    if (spec.type == AppType::service) app.hosts = {spec.name + ".apps.example.com"};
    app.hosts.insert(app.hosts.end(), spec.domains.begin(), spec.domains.end());
    return app;
}

const RenderOptions kOptions{.registry_host = "registry.example.com"};

std::vector<Manifest> render(const ClusterApp& app, const RenderOptions& options = kOptions) {
    auto all = manifests(app, options);
    if (!all) {
        ADD_FAILURE() << all.error().message;
        return {};
    }
    const auto& command = app.release.spec.deploy.release_command;
    if (command.empty()) return *all;
    auto job = command_manifests({.app = app, .command = command}, options);
    if (!job) {
        ADD_FAILURE() << job.error().message;
        return {};
    }
    all->push_back(job->back());
    return *all;
}

std::vector<Manifest> render(const std::string& toml) {
    return render(app_of(spec_of("version = 1\n" + toml)));
}

const Object* find(const std::vector<Manifest>& all, std::string_view kind,
                   std::string_view name = {}) {
    const auto found = std::ranges::find_if(all, [&](const Manifest& one) {
        return one.kind.name == kind && (name.empty() || name_of(one.object) == name);
    });
    return found == all.end() ? nullptr : &found->object;
}

const Object& at(const Object& object, std::initializer_list<std::string_view> path) {
    const Object* here = &object;
    for (const auto key : path) here = &member(*here, key);
    return *here;
}

const Object& pod_of(const Object& workload) { return at(workload, {"spec", "template", "spec"}); }
const Object& container_of(const Object& workload) {
    return member(pod_of(workload), "containers").get_array().at(0);
}

TEST(Render, thirty_apps_become_what_is_written_down) {
    const bool accept = std::getenv("LOCO_ACCEPT") != nullptr;
    int count = 0;
    for (const auto& entry : fs::directory_iterator(kGolden)) {
        if (entry.path().extension() != ".toml") continue;
        ++count;
        const auto yaml = to_yaml(render(app_of(spec_of(read_all(entry.path())))));
        auto path = entry.path();
        path.replace_extension(".yaml");
        if (accept) std::ofstream(path) << yaml;
        EXPECT_EQ(read_all(path), yaml) << path.filename() << ": LOCO_ACCEPT=1 takes it as it is";
    }
    EXPECT_EQ(count, 30);
}

TEST(Render, every_object_of_every_app_carries_its_labels_and_lies_in_its_namespace) {
    for (const auto& entry : fs::directory_iterator(kGolden)) {
        if (entry.path().extension() != ".toml") continue;
        const auto app = app_of(spec_of(read_all(entry.path())));
        const auto where = namespace_of(app.team, app.app, app.app_name);
        EXPECT_LE(where.size(), 63U);
        const auto all = render(app);
        ASSERT_FALSE(all.empty());
        EXPECT_EQ(all[0].kind, kubernetes::kNamespace);
        std::set<std::string> seen;
        for (const auto& one : all) {
            EXPECT_EQ(kubernetes::label_of(one.object, label::kAppId), app.app.str());
            EXPECT_EQ(kubernetes::label_of(one.object, label::kInstanceOf), "loco");
            EXPECT_EQ(kubernetes::label_of(one.object, label::kManagedBy), "loco");
            EXPECT_EQ(
                one.kind.namespaced ? kubernetes::namespace_of(one.object) : name_of(one.object),
                where);
            EXPECT_TRUE(seen.insert(std::string(one.kind.name) + "/" + name_of(one.object)).second);
        }
    }
}

TEST(Render, a_value_of_the_environment_is_in_its_secret_and_nowhere_else) {
    auto app = app_of(spec_of("version = 1\n[deploy]\nrelease_command = [\"/migrate\"]\n"));
    app.env["PASSWORD"] = Secret<>("correct horse");
    for (const auto& one : render(app)) {
        const auto text = to_yaml(one.object);
        EXPECT_THAT(text, Not(HasSubstr("correct horse")));
        if (one.kind == kubernetes::kSecret) {
            EXPECT_THAT(text, HasSubstr("PASSWORD: \"Y29ycmVjdCBob3JzZQ==\""));
        } else {
            EXPECT_THAT(text, Not(HasSubstr("PASSWORD")));
            EXPECT_THAT(text, Not(HasSubstr("Y29ycmVjdCBob3JzZQ")));
        }
    }
}

TEST(Render, another_number_of_replicas_starts_no_pod_anew) {
    const auto one = render("[scale]\nmin = 1\n");
    const auto four = render("[scale]\nmin = 4\n");
    EXPECT_EQ(at(*find(one, "Deployment"), {"spec", "template"}),
              at(*find(four, "Deployment"), {"spec", "template"}));
}

TEST(Render, a_new_set_rolls_its_pods_and_keeps_every_selector) {
    auto app = app_of(spec_of("version = 1\n[scale]\nmin = 2\n"));
    const auto before = render(app);
    app.set = DeploymentId("dep_01jd0000000000000000000009");
    app.release.number = 8;
    const auto after = render(app);
    EXPECT_NE(at(*find(before, "Deployment"), {"spec", "template"}),
              at(*find(after, "Deployment"), {"spec", "template"}));
    for (const auto* kind : {"Deployment", "Service", "PodDisruptionBudget"}) {
        EXPECT_EQ(at(*find(before, kind), {"spec", "selector"}),
                  at(*find(after, kind), {"spec", "selector"}))
            << kind;
    }
    EXPECT_NE(name_of(*find(before, "Secret")), name_of(*find(after, "Secret")));
    // Nothing that lies around the app is written for a new release.
    for (const auto* kind : {"Namespace", "NetworkPolicy", "Service", "HTTPRoute", "ResourceQuota"})
        EXPECT_EQ(*find(before, kind), *find(after, kind)) << kind;
}

TEST(Render, the_autoscaler_has_the_number_of_replicas_alone) {
    const auto scaled = render("[scale]\nmin = 2\nmax = 5\ncpu_target = 70\n");
    EXPECT_TRUE(at(*find(scaled, "Deployment"), {"spec", "replicas"}).is_null());
    ASSERT_NE(find(scaled, "HorizontalPodAutoscaler"), nullptr);
    const auto fixed = render("[scale]\nmin = 2\n");
    EXPECT_EQ(at(*find(fixed, "Deployment"), {"spec", "replicas"}).as_int64(), 2);
    EXPECT_EQ(find(fixed, "HorizontalPodAutoscaler"), nullptr);
}

TEST(Render, one_replica_has_no_disruption_budget_that_would_keep_a_node_from_being_emptied) {
    EXPECT_EQ(find(render(""), "PodDisruptionBudget"), nullptr);
    EXPECT_NE(find(render("[scale]\nmin = 2\n"), "PodDisruptionBudget"), nullptr);
}

TEST(Render, an_app_without_hosts_has_no_route_as_it_would_take_every_host) {
    auto app = app_of(spec_of("version = 1\n"));
    app.hosts.clear();
    EXPECT_EQ(find(render(app), "HTTPRoute"), nullptr);
}

TEST(Render, hosts_beyond_sixteen_get_a_route_of_their_own) {
    auto app = app_of(spec_of("version = 1\n"));
    app.hosts.clear();
    for (int i = 0; i < 33; ++i) app.hosts.push_back("h" + std::to_string(i) + ".example.com");
    const auto all = render(app);
    EXPECT_EQ(at(*find(all, "HTTPRoute", "web"), {"spec", "hostnames"}).get_array().size(), 16U);
    EXPECT_EQ(at(*find(all, "HTTPRoute", "web-2"), {"spec", "hostnames"}).get_array().size(), 16U);
    EXPECT_EQ(at(*find(all, "HTTPRoute", "web-3"), {"spec", "hostnames"}).get_array().size(), 1U);
}

TEST(Render, no_route_has_a_timeout_as_it_would_cut_streams) {
    for (const auto& one : render("[http]\nidle_timeout = \"5s\"\n")) {
        if (one.kind == kubernetes::kHttpRoute) {
            EXPECT_THAT(to_yaml(one.object), Not(HasSubstr("timeout")));
        }
    }
}

TEST(Render, a_key_that_the_gateway_has_no_setting_for_is_named_on_the_deployment) {
    const auto all = render("[http]\nidle_timeout = \"5s\"\n");
    EXPECT_EQ(kubernetes::text(at(*find(all, "Deployment"), {"metadata", "annotations"}),
                               annotation::kNotApplied),
              "http.idle_timeout");
}

TEST(Render, dollars_reach_the_program_as_they_were_written) {
    const auto all =
        render("[deploy]\ncommand = [\"$(PORT)\", \"$$\", \"$HOME\", \"$\", \"$$(x)\"]\n");
    const auto& args = member(container_of(*find(all, "Deployment")), "args").get_array();
    std::vector<std::string> got;
    for (const auto& one : args) got.emplace_back(one.as_string().c_str());
    EXPECT_EQ(got, (std::vector<std::string>{"$$(PORT)", "$$$", "$HOME", "$", "$$$$(x)"}));
}

TEST(Render, a_worker_has_no_probe_no_port_and_no_time_to_leave_a_rotation_that_it_is_not_in) {
    const auto all = render("type = \"worker\"\n[deploy]\nstop_timeout = \"10s\"\n");
    const auto* worker = find(all, "Deployment", "worker");
    ASSERT_NE(worker, nullptr);
    for (const auto* key :
         {"ports", "readinessProbe", "livenessProbe", "startupProbe", "lifecycle"})
        EXPECT_TRUE(member(container_of(*worker), key).is_null()) << key;
    EXPECT_EQ(member(pod_of(*worker), "terminationGracePeriodSeconds").as_int64(), 10);
    EXPECT_EQ(find(all, "Service"), nullptr);
    EXPECT_EQ(find(all, "HTTPRoute"), nullptr);
}

TEST(Render, a_pod_is_never_removed_by_force) {
    const auto all = render("type = \"worker\"\n[deploy]\nstop_timeout = \"0s\"\n");
    EXPECT_EQ(member(pod_of(*find(all, "Deployment")), "terminationGracePeriodSeconds").as_int64(),
              1);
}

TEST(Render, failing_checks_do_not_count_before_the_grace_time_is_over) {
    const auto all = render("[health]\npath = \"/h\"\ngrace = \"90s\"\nfailures = 3\n");
    const auto& startup = member(container_of(*find(all, "Deployment")), "startupProbe");
    EXPECT_EQ(member(startup, "periodSeconds").as_int64(), 1);
    EXPECT_EQ(member(startup, "failureThreshold").as_int64(), 93);
}

TEST(Render, what_kubernetes_cannot_do_is_refused) {
    const auto all = manifests(
        app_of(spec_of("version = 1\n[http]\nprotocol = \"h2c\"\n[health]\npath = \"/h\"\n")),
        kOptions);
    ASSERT_FALSE(all.has_value());
    EXPECT_EQ(all.error().code, "unsupported_spec");
}

TEST(Render, an_app_that_asks_for_more_than_its_quota_is_refused_before_anything_is_written) {
    auto options = kOptions;
    options.max_pods = 10;
    // A quarter more while it rolls, and one for a release command.
    const auto fits = app_of(spec_of("version = 1\n[scale]\nmin = 7\n"));
    EXPECT_TRUE(manifests(fits, options).has_value());
    const auto too_many = manifests(app_of(spec_of("version = 1\n[scale]\nmin = 8\n")), options);
    ASSERT_FALSE(too_many.has_value());
    EXPECT_EQ(too_many.error().code, "quota");

    options.max_memory_bytes = 1LL << 30;
    const auto too_large =
        manifests(app_of(spec_of("version = 1\n[resources]\nmemory = \"600Mi\"\n")), options);
    ASSERT_FALSE(too_large.has_value());
    EXPECT_EQ(too_large.error().code, "quota");
}

TEST(Render, an_app_may_reach_its_team_dns_and_the_internet_only) {
    auto options = kOptions;
    options.allowed_networks = {"10.9.0.0/24"};
    const auto all = render(app_of(spec_of("version = 1\n")), options);
    const auto& egress = at(*find(all, "NetworkPolicy"), {"spec", "egress"}).get_array();
    ASSERT_EQ(egress.size(), 3U);
    const auto internet = to_yaml(egress.at(2));
    for (const auto* net : {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10",
                            "169.254.0.0/16", "fc00::/7", "fe80::/10"})
        EXPECT_THAT(internet, HasSubstr(net));
    EXPECT_THAT(internet, HasSubstr("cidr: \"10.9.0.0/24\""));
}

TEST(Render, only_routed_ports_are_open_to_the_gateway) {
    const auto all = render("[[ports]]\nname = \"inside\"\nport = 9000\n");
    const auto& ingress = at(*find(all, "NetworkPolicy"), {"spec", "ingress"}).get_array();
    EXPECT_THAT(to_yaml(ingress.at(0)), Not(HasSubstr("inside")));
    EXPECT_TRUE(member(ingress.at(1), "ports").is_null());  // the own team: all
}

TEST(Render, a_standalone_rendering_has_nothing_by_which_a_loco_would_take_it_for_its_own) {
    auto options = kOptions;
    options.standalone = true;
    options.namespace_ = "shop";
    for (const auto& one : render(app_of(spec_of("version = 1\n")), options)) {
        EXPECT_EQ(kubernetes::label_of(one.object, label::kInstanceOf), "");
        EXPECT_NE(kubernetes::label_of(one.object, label::kManagedBy), "loco");
    }
}

}  // namespace
}  // namespace loco::cluster
