#include "tests/contract/kubernetes/bed.hpp"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "os/process.hpp"

namespace loco::kubernetes {
namespace {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

}  // namespace

void KubernetesTest::SetUpTestSuite() {
    kubeconfig = environment("LOCO_TEST_KUBECONFIG");
    if (kubeconfig.empty()) return;
    const auto own = environment("LOCO_TEST_OWN_CLUSTER");
    program = own.empty() ? "kubectl" : own + "/bin/kubectl";
    auto config = read_kubeconfig({kubeconfig});
    ASSERT_TRUE(config) << config.error().message;
    client = std::make_unique<Client>(std::move(*config), clock, random);
    // It signs in for the fault proxy, which then sees plain requests.
    kubectl_port = test::free_port();
    const auto log = std::filesystem::temp_directory_path() /
                     ("loco-kubectl-proxy-" + std::to_string(::getpid()) + ".log");
    kubectl_proxy = std::make_unique<test::Child>(
        std::vector<std::string>{program, "--kubeconfig", kubeconfig, "proxy",
                                 "--port=" + std::to_string(kubectl_port)},
        log.string());
    ASSERT_TRUE(test::eventually([] { return test::Connection::to(kubectl_port).open(); }));
    std::filesystem::remove(log);
    proxy = std::make_unique<test::FaultProxy>(kubectl_port);
}

void KubernetesTest::TearDownTestSuite() {
    proxy.reset();
    kubectl_proxy.reset();
    client.reset();
}

void KubernetesTest::SetUp() {
    if (kubeconfig.empty()) {
        const auto reason = environment("LOCO_TEST_NO_CLUSTER");
        GTEST_SKIP() << (reason.empty() ? "LOCO_TEST_KUBECONFIG is not set" : reason);
    }
    ASSERT_TRUE(client && proxy);
    proxy->set_rule({});
    space = "loco-test-" + random_word(random, 10);
    const auto made = client->apply(
        kNamespace, {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", space}}}});
    ASSERT_TRUE(made) << made.error().message;
}

void KubernetesTest::TearDown() {
    if (client && !space.empty()) EXPECT_TRUE(client->remove(kNamespace, {}, space));
}

std::string KubernetesTest::kubectl(std::vector<std::string> words) {
    words.insert(words.begin(), {program, "--kubeconfig", kubeconfig});
    auto output = os::output_of({.argv = std::move(words)}, std::chrono::seconds(60));
    EXPECT_TRUE(output) << output.error().message;
    return output ? *output : std::string();
}

Object KubernetesTest::config_map(const std::string& name, const std::string& value) const {
    return {
        {"apiVersion", "v1"},
        {"kind", "ConfigMap"},
        {"metadata", {{"name", name}, {"namespace", space}, {"labels", {{"loco-test", space}}}}},
        {"data", {{"key", value}}}};
}

std::unique_ptr<Client> KubernetesTest::through_proxy() {
    Config config;
    config.origin = "the fault proxy";
    config.server = "http://127.0.0.1:" + std::to_string(proxy->port());
    return std::make_unique<Client>(std::move(config), clock, random,
                                    ClientOptions{.deadline = std::chrono::seconds(5)});
}

std::string refusal(int status, const std::string& headers) {
    const std::string body =
        R"({"kind":"Status","apiVersion":"v1","status":"Failure","message":"injected","code":)" +
        std::to_string(status) + "}";
    return "HTTP/1.1 " + std::to_string(status) +
           " Injected\r\nContent-Type: application/json\r\n" + headers +
           "Content-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" +
           body;
}

}  // namespace loco::kubernetes
