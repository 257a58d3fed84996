#include "kubernetes/config.hpp"

#include <cstdlib>
#include <filesystem>

#include "os/file.hpp"

namespace loco::kubernetes {
namespace {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? std::string() : std::string(value);
}

std::vector<std::string> split_path(std::string_view list) {
    std::vector<std::string> files;
    while (!list.empty()) {
        const auto colon = list.find(':');
        if (const auto file = list.substr(0, colon); !file.empty()) files.emplace_back(file);
        if (colon == std::string_view::npos) break;
        list.remove_prefix(colon + 1);
    }
    return files;
}

}  // namespace

Result<Config> in_cluster(const InClusterFacts& facts) {
    if (facts.host.empty() || facts.port.empty()) {
        return fail(ErrorKind::not_found, "this does not run in a Kubernetes pod",
                    "give a kubeconfig: KUBECONFIG=FILE");
    }
    Config config;
    config.origin = "the pod's ServiceAccount";
    const bool v6 = facts.host.find(':') != std::string::npos;
    config.server = "https://" + (v6 ? "[" + facts.host + "]" : facts.host) + ":" + facts.port;
    config.token_file = facts.folder + "/token";
    config.ca_file = facts.folder + "/ca.crt";
    std::error_code error;
    if (!std::filesystem::exists(config.token_file, error)) {
        return fail(ErrorKind::not_found,
                    "this pod has no ServiceAccount token: " + config.token_file + " is missing",
                    "set automountServiceAccountToken: true in the pod's spec");
    }
    if (auto name = os::read_file(facts.folder + "/namespace", 1024); name && !name->empty()) {
        config.namespace_ = *name;
    }
    return config;
}

Result<Config> find_config(const std::string& file, std::string_view context) {
    if (!file.empty()) return read_kubeconfig({file}, context);
    if (const auto list = split_path(environment("KUBECONFIG")); !list.empty()) {
        return read_kubeconfig(list, context);
    }
    InClusterFacts facts;
    facts.host = environment("KUBERNETES_SERVICE_HOST");
    facts.port = environment("KUBERNETES_SERVICE_PORT");
    if (!facts.host.empty()) return in_cluster(facts);
    const auto home = environment("HOME");
    if (home.empty()) {
        return fail(ErrorKind::not_found, "no kubeconfig: neither KUBECONFIG nor HOME is set",
                    "give a kubeconfig: KUBECONFIG=FILE");
    }
    return read_kubeconfig({home + "/.kube/config"}, context);
}

}  // namespace loco::kubernetes
