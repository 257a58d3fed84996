// Which cluster, and how to sign in there: from a kubeconfig (as kubectl reads it) or from the ServiceAccount of the pod
// that this runs in. Source: Kubernetes' reference of kubeconfig (v1) and of client-go credential plugins.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/secret.hpp"

namespace loco::kubernetes {

// A program that prints an ExecCredential; run with an argument vector and no terminal.
struct ExecPlugin {
    std::vector<std::string> argv;
    std::vector<std::pair<std::string, std::string>> env = {};
    std::string api_version;  // "client.authentication.k8s.io/v1"
    std::string install_hint = {};
    bool wants_cluster = false;  // provideClusterInfo
};

// Of each pair the text or the file; files may change on disk and are read again.
struct Config {
    std::string origin;                  // for messages: "/root/.kube/config, context test"
    std::string server;                  // "https://host:6443", without a slash at its end
    std::string namespace_ = "default";  // the context's, or the pod's
    bool verify = true;                  // false: insecure-skip-tls-verify
    std::string ca_pem = {};
    std::string ca_file = {};
    std::string certificate_pem = {};
    std::string certificate_file = {};
    Secret<std::string> key_pem{};
    std::string key_file = {};
    Secret<std::string> token{};
    std::string token_file = {};
    std::optional<ExecPlugin> exec = {};
};

// The files as KUBECONFIG lists them: what an earlier one defines counts, a missing one is passed over as long as there
// is another. `context` is current-context unless given. not_found, or invalid with file and line; what is not supported
// (tls-server-name, proxy-url, impersonation, passwords, auth-provider) is refused, never ignored.
[[nodiscard]] Result<Config> read_kubeconfig(const std::vector<std::string>& files,
                                             std::string_view context = {});
// One of them, as text. Relative paths in it are meant from `folder`.
[[nodiscard]] Result<Config> parse_kubeconfig(std::string_view yaml, const std::string& file,
                                              std::string_view context = {});

struct InClusterFacts {
    std::string host;  // KUBERNETES_SERVICE_HOST
    std::string port;  // KUBERNETES_SERVICE_PORT
    std::string folder = "/var/run/secrets/kubernetes.io/serviceaccount";
};
// not_found outside of a pod, or in one without a ServiceAccount's token.
[[nodiscard]] Result<Config> in_cluster(const InClusterFacts& facts);

// `file` if not empty, else KUBECONFIG, else the pod's ServiceAccount, else ~/.kube/config.
[[nodiscard]] Result<Config> find_config(const std::string& file = {},
                                         std::string_view context = {});

}  // namespace loco::kubernetes
