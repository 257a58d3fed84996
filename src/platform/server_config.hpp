// loco-api's configuration: one TOML file, written by `loco up` (or by hand), read by `loco-api serve --config FILE`.
// Nothing in it is secret; the secrets are files in data_dir, mode 0600, or the file that `store` names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "domain/network.hpp"

namespace loco::platform {

struct ServerConfig {
    std::filesystem::path data_dir = "/var/lib/loco";
    std::string runtime = "docker";  // where apps run: "docker" (this machine), "kubernetes"
    std::string instance;  // tells this Loco's containers from another's on the same engine
    std::string listen = "127.0.0.1:8081";      // API
    std::string ops_listen = "127.0.0.1:8082";  // /healthz, /readyz, /metrics
    std::string base_domain = "localhost";
    std::string gateway_listen = "0.0.0.0:8080";
    // Networks of proxies before the gateway, with commas between them: what they say of the client is believed.
    std::string trusted_proxies;
    std::string registry_listen = "127.0.0.1:5000";
    std::string engine_socket = "/var/run/docker.sock";
    bool engine_is_ours = false;  // started by `loco up`: then its build cache is Loco's to bound
    std::string subnets{kDefaultNetworkRange};  // teams' networks are cut from it
    std::string collect_every = "1h";           // the registry's garbage, at most once in that time
    // What apps are given of the machine together (domain/capacity.hpp): its memory but for a reserve ("512Mi"; empty: a tenth of it),
    // and so many percent of the rest, and of its cores.
    std::string memory_reserve;
    int memory_overcommit = 100;
    int cpu_overcommit = 1000;
    // With less free than that a disk is low, or full: "5Gi". Empty: by its size.
    std::string disk_low;
    std::string disk_full;
    std::string writable_max = "4Gi";    // that a container may write into itself
    std::string app_logs_max = "2Gi";    // that the lines of all apps may take
    std::string max_image_size = "8Gi";  // of what is deployed, compressed; more is refused
    std::string store = "sqlite";        // or "postgres:TARGET", "file:PATH" (bin/store.hpp)
    std::string log_level = "info";

    // What follows is for loco-api in a cluster (deploy/helm/loco writes it).
    std::string kubeconfig;  // empty: the pod's own ServiceAccount
    std::string gateway_name = "loco";
    std::string gateway_namespace = "loco-system";
    // How long a pod goes on serving once it is told to stop: until every gateway has heard of it. At most 1 minute.
    std::string drain = "5s";
    // Where its requests come from, for the apps' NetworkPolicies: namespaces of its pods (empty: the Gateway's own), and
    // networks of what runs outside of pods. Each a list with commas.
    std::string gateway_pod_namespaces;
    std::string gateway_networks;
    // Whom apps may talk to besides their own team and the internet: networks ("10.1.2.0/24") that are reached though private,
    // and such that are not though public. Lists with commas.
    std::string allowed_networks;
    std::string denied_networks;
    // The cluster's DNS: its namespace, and the labels of its pods ("k8s-app=kube-dns"; empty: all of the namespace).
    std::string dns_namespace = "kube-system";
    std::string dns_pods = "k8s-app=kube-dns";
    // What one app may have at most: pods, and what they are guaranteed together ("8", "16Gi"; empty: no bound).
    int max_pods = 500;
    std::string max_cpu;
    std::string max_memory;
    // Where clients reach the API: "https://loco.example.org". Its scheme and port are those of the apps' URLs, too. Empty:
    // http://loco.BASE_DOMAIN at gateway_listen's port.
    std::string external_url;
    // Before a repository in an image's name, as clients and nodes reach the registry: "registry.example.org". Empty:
    // registry_listen.
    std::string registry_host;
    // Where loco-api itself reaches the registry: "http://loco-registry:5000". Empty: http:// and registry_host.
    std::string registry_internal;
    // Keys that somebody else keeps (mounted Secrets): they are read and never made. Empty: under data_dir, made where missing.
    std::filesystem::path seal_key;     // a file
    std::filesystem::path signing_key;  // a folder with token-key.pem and token-cert.pem
    bool operator==(const ServerConfig&) const = default;
};

struct HostPort {
    std::string host;
    std::uint16_t port = 0;
};
// "127.0.0.1:8081"; invalid for anything else than an IPv4 address and a port.
[[nodiscard]] Result<HostPort> parse_host_port(const std::string& text);

struct ServiceUrl {
    bool https = false;
    std::string host;
    std::uint16_t port = 0;
    [[nodiscard]] std::string authority() const;  // the port only where it is not the scheme's own
    [[nodiscard]] std::string text() const;       // without a slash at the end
    bool operator==(const ServiceUrl&) const = default;
};
// "https://loco.example.org", "http://loco-registry:5000": http or https, a name or an IPv4 address, no path, no user.
[[nodiscard]] Result<ServiceUrl> parse_service_url(const std::string& text);
// By the configuration, which was checked.
[[nodiscard]] ServiceUrl external_url(const ServerConfig& config);
// The parts between commas, without spaces around them.
[[nodiscard]] std::vector<std::string> listed(const std::string& text);
// "a=b, c=d"; of a configuration that was checked.
[[nodiscard]] std::map<std::string, std::string> labelled(const std::string& text);
[[nodiscard]] std::string registry_host(const ServerConfig& config);
[[nodiscard]] ServiceUrl registry_internal(const ServerConfig& config);

// "192.0.2.7, 10.0.0.0/8" → "192.0.2.7/32", "10.0.0.0/8". At most 32; invalid for what is no IPv4 network, and for all of them.
[[nodiscard]] Result<std::vector<std::string>> parse_trusted_proxies(const std::string& text);

// invalid with the key for unknown keys, wrong types and bad values: all of them at once.
[[nodiscard]] Result<ServerConfig> read_server_config(const std::filesystem::path& file);
// The same of a text; `name`: of where it stands, for errors.
[[nodiscard]] Result<ServerConfig> parse_server_config(const std::string& text,
                                                       const std::string& name);
[[nodiscard]] std::string render_server_config(const ServerConfig& config);
[[nodiscard]] Result<> write_server_config(const std::filesystem::path& file,
                                           const ServerConfig& config);

}  // namespace loco::platform
