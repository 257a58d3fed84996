#include "tests/contract/cluster/kubernetes_bed.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "cluster/kubernetes/names.hpp"
#include "os/process.hpp"

namespace loco::cluster {
namespace {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

kubernetes::Config through(std::uint16_t port) {
    kubernetes::Config config;
    config.origin = "the fault proxy";
    config.server = "http://127.0.0.1:" + std::to_string(port);
    return config;
}

KubernetesClusterOptions options_of(const std::string& instance, const std::string& registry) {
    KubernetesClusterOptions how;
    how.render.instance = instance;
    how.render.registry_host = registry;
    how.render.drain = std::chrono::seconds(1);
    how.hash_key = Secret<>("of these tests");
    how.attendant.explain_after = std::chrono::milliseconds(1500);
    how.attendant.explain_every = std::chrono::milliseconds(2000);
    return how;
}

bool is_write(const std::string& line) {
    return line.starts_with("PATCH ") || line.starts_with("POST ") || line.starts_with("PUT ") ||
           line.starts_with("DELETE ");
}

}  // namespace

Adapter::Adapter(std::uint16_t port, Registry& registry, KubernetesClusterOptions options)
    : client(through(port), clock, random, {.deadline = std::chrono::seconds(20)}),
      cluster({.client = client,
               .streams = streams,
               .clock = clock,
               .random = random,
               .registry = registry,
               .image_facts = {}},
              std::move(options)) {}

KubernetesBed::KubernetesBed()
    : kubeconfig_(environment("LOCO_TEST_KUBECONFIG")),
      instance_("test-" + random_word(random_, 8)) {
    const auto own = environment("LOCO_TEST_OWN_CLUSTER");
    program_ = own.empty() ? "kubectl" : own + "/bin/kubectl";
    const auto port = test::free_port();
    const auto log = std::filesystem::temp_directory_path() /
                     ("loco-cluster-kubectl-" + std::to_string(::getpid()) + ".log");
    kubectl_proxy_ = test::Child(
        {program_, "--kubeconfig", kubeconfig_, "proxy", "--port=" + std::to_string(port)},
        log.string());
    EXPECT_TRUE(test::eventually([port] { return test::Connection::to(port).open(); }));
    std::filesystem::remove(log);
    proxy_ = std::make_unique<test::FaultProxy>(port);
    set_rule({});
    first_ = adapter(options());
    first_->cluster.on_change([this](std::optional<AppId> app) {
        const std::lock_guard lock(mutex_);
        changes_.push_back(std::move(app));
    });
}

KubernetesBed::~KubernetesBed() {
    first_.reset();
    second_.reset();
    strangers_.reset();
    for (const auto& space : spaces_) {
        kubectl({"delete", "namespace", space, "--ignore-not-found", "--wait=false"});
    }
}

KubernetesClusterOptions KubernetesBed::options() { return options_of(instance_, images().host()); }

std::unique_ptr<Adapter> KubernetesBed::adapter(KubernetesClusterOptions options,
                                                Registry* registry) {
    auto made = std::make_unique<Adapter>(
        proxy_->port(), registry == nullptr ? images().registry() : *registry, std::move(options));
    EXPECT_TRUE(test::eventually([&] { return made->cluster.ready().has_value(); },
                                 std::chrono::seconds(20)));
    return made;
}

Cluster& KubernetesBed::second() {
    if (!second_) second_ = adapter(options());
    return second_->cluster;
}

Cluster& KubernetesBed::strangers() {
    if (!strangers_) strangers_ = adapter(options_of("other-" + instance_, images().host()));
    return strangers_->cluster;
}

TestRegistry& KubernetesBed::images() {
    static SystemClock clock;
    static SystemRandom random;
    static TestRegistry registry(clock, random);
    return registry;
}

ClusterApp KubernetesBed::app(Does does, int replicas) {
    auto app = basic_app(clock_, random_, replicas);
    const auto repository = "apps/" + app.app.str();
    const auto image =
        images().push(repository, does == Does::no_such_program ? "/bin/nothing" : "/bin/busybox");
    app.release.repository = image.repository;
    app.release.digest = image.digest;
    auto& web = app.processes[0];
    switch (does) {
        case Does::serve:
        case Does::no_such_program: break;
        case Does::never_ready: app.release.spec.health.path = "/missing"; break;
        case Does::exit_3: web.command = {"sh", "-c", "exit 3"}; break;
        case Does::exhaust_memory: web.command = {"tail", "/dev/zero"}; break;
        case Does::no_such_image: app.release.digest = "sha256:" + std::string(64, '0'); break;
        case Does::fits_nowhere: web.cpu_millis = web.cpu_max_millis = 900'000; break;
    }
    spaces_.push_back(space_of(app));
    return app;
}

std::string KubernetesBed::space_of(const ClusterApp& app) const {
    return namespace_of(app.team, app.app, app.app_name);
}

void KubernetesBed::scale_by_hand(const ClusterApp& app, int replicas) {
    kubectl(
        {"scale", "-n", space_of(app), "deployment/web", "--replicas=" + std::to_string(replicas)});
}

void KubernetesBed::remove_by_hand(const ClusterApp& app) {
    kubectl({"delete", "-n", space_of(app), "deployment/web", "--wait=true"});
}

int KubernetesBed::command_pods(const ClusterApp& app) {
    // By the events, as a pod may be gone: the Job controller tells of each that it made.
    const auto told = kubectl({"get", "events", "-n", space_of(app), "-o",
                               "jsonpath={range .items[?(@.reason==\"SuccessfulCreate\")]}{"
                               ".involvedObject.kind} {.count}{\"\\n\"}{end}"});
    int count = 0;
    for (std::size_t at = told.find("Job "); at != std::string::npos;
         at = told.find("Job ", at + 1)) {
        count += std::max(1, std::atoi(told.c_str() + at + 4));
    }
    return count;
}

bool KubernetesBed::eventually(const std::function<bool()>& condition) {
    return test::eventually(condition, std::chrono::seconds(60));
}

std::vector<std::optional<AppId>> KubernetesBed::changes() {
    const std::lock_guard lock(mutex_);
    return changes_;
}

std::string KubernetesBed::kubectl(std::vector<std::string> words) {
    words.insert(words.begin(), {program_, "--kubeconfig", kubeconfig_});
    auto output = os::output_of({.argv = std::move(words)}, std::chrono::seconds(60));
    EXPECT_TRUE(output) << output.error().message;
    return output ? *output : std::string();
}

void KubernetesBed::set_rule(test::FaultProxy::Rule rule) {
    proxy_->set_rule([this, rule = std::move(rule)](const std::string& line) {
        if (is_write(line)) ++writes_;
        return rule ? rule(line) : test::Fault{};
    });
}

std::vector<MakeBed> beds() { return {{"kubernetes", make_kubernetes_bed}}; }

std::unique_ptr<Bed> make_kubernetes_bed() {
    if (environment("LOCO_TEST_KUBECONFIG").empty() ||
        environment("LOCO_TEST_OWN_CLUSTER").empty()) {
        return nullptr;  // the registry must be where the nodes find it: on this machine
    }
    return std::make_unique<KubernetesBed>();
}

}  // namespace loco::cluster
