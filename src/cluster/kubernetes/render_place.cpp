// Where an app lives: its namespace, what it may have there, and whom it may talk to.
#include "cluster/kubernetes/render_parts.hpp"
#include "spec/quantity.hpp"

namespace loco::cluster {
namespace {

using namespace kubernetes;

// A pin, so that an upgrade of the cluster does not refuse pods that were fine before it.
constexpr std::string_view kPodSecurityVersion = "v1.34";

Manifest service_account(const Objects& objects) {
    auto object = objects.begin(kServiceAccount, kServiceAccountName);
    object["automountServiceAccountToken"] = false;
    return {kServiceAccount, std::move(object)};
}

// What costs money or opens ports on nodes is not for apps; how much they may have is the operator's to say.
Manifest quota(const Objects& objects) {
    const auto& options = objects.options();
    json::object hard{{"pods", std::to_string(options.max_pods)},
                      {"services.loadbalancers", "0"},
                      {"services.nodeports", "0"},
                      {"persistentvolumeclaims", "0"}};
    if (options.max_cpu_millis > 0) {
        hard["requests.cpu"] = spec::format_cpu(options.max_cpu_millis);
    }
    if (options.max_memory_bytes > 0) {
        hard["requests.memory"] = spec::format_memory(options.max_memory_bytes);
    }
    auto object = objects.begin(kResourceQuota, "app");
    object["spec"] = {{"hard", std::move(hard)}};
    return {kResourceQuota, std::move(object)};
}

// For a container that says nothing itself: one that a person adds to look around.
Manifest limits(const Objects& objects) {
    const Resources usual;
    const auto memory = spec::format_memory(usual.memory_bytes);
    auto object = objects.begin(kLimitRange, "app");
    const json::object limit{
        {"type", "Container"},
        {"default", {{"cpu", spec::format_cpu(usual.cpu_max_millis)}, {"memory", memory}}},
        {"defaultRequest", {{"cpu", spec::format_cpu(usual.cpu_millis)}, {"memory", memory}}}};
    object["spec"] = json::object{{"limits", json::array{limit}}};
    return {kLimitRange, std::move(object)};
}

json::object namespace_named(std::string_view name) {
    return {{"namespaceSelector",
             json::object{{"matchLabels", json::object{{"kubernetes.io/metadata.name", name}}}}}};
}

json::object network(std::string_view cidr) { return {{"ipBlock", json::object{{"cidr", cidr}}}}; }

// All of it but what is denied of the same family.
json::object network_without(std::string_view cidr, const std::vector<std::string>& denied) {
    const bool six = cidr.find(':') != std::string_view::npos;
    json::array except;
    for (const auto& one : denied) {
        if ((one.find(':') != std::string::npos) == six) except.emplace_back(one);
    }
    auto peer = network(cidr);
    if (!except.empty()) peer["ipBlock"].as_object()["except"] = std::move(except);
    return peer;
}

json::object own_team(const Objects& objects) {
    return {
        {"namespaceSelector",
         json::object{{"matchLabels", json::object{{label::kTeamId, objects.app().team.str()}}}}}};
}

json::array gateway_peers(const RenderOptions& options) {
    json::array peers;
    if (options.gateway_pod_namespaces.empty()) {
        peers.emplace_back(namespace_named(options.gateway_namespace));
    }
    for (const auto& name : options.gateway_pod_namespaces) {
        peers.emplace_back(namespace_named(name));
    }
    for (const auto& cidr : options.gateway_networks) peers.emplace_back(network(cidr));
    return peers;
}

// By name: pods of two releases may listen on different numbers.
json::array routed_ports(const AppSpec& spec) {
    json::array ports;
    for (const auto& port : spec.ports) {
        if (!port.path.empty()) ports.push_back({{"protocol", "TCP"}, {"port", port.name}});
    }
    return ports;
}

json::object dns(const RenderOptions& options) {
    auto pods = namespace_named(options.dns_namespace);
    if (!options.dns_pods.empty()) {
        pods["podSelector"] = json::object{{"matchLabels", to_object(options.dns_pods)}};
    }
    return {{"to", json::array{pods}},
            {"ports", json::array{json::object{{"protocol", "UDP"}, {"port", 53}},
                                  json::object{{"protocol", "TCP"}, {"port", 53}}}}};
}

}  // namespace

const std::vector<std::string>& special_networks() {
    static const std::vector<std::string> kNetworks = {
        "0.0.0.0/8",     "10.0.0.0/8",   "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16",
        "172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16", "198.18.0.0/15",  "224.0.0.0/4",
        "240.0.0.0/4",   "::/127",       "64:ff9b::/96",   "64:ff9b:1::/48", "fc00::/7",
        "fe80::/10",     "ff00::/8",
    };
    return kNetworks;
}

Manifest namespace_manifest(const Objects& objects) {
    constexpr std::string_view kPodSecurity = "pod-security.kubernetes.io/";
    return {kNamespace,
            objects.begin(kNamespace, objects.where(),
                          {{std::string(kPodSecurity) + "enforce", "restricted"},
                           {std::string(kPodSecurity) + "enforce-version", kPodSecurityVersion},
                           {label::kRoutes, label::kRoutesAllowed}})};
}

// For every pod of the namespace, nothing but this. Nodes always reach their own pods, for their health.
Manifest network_policy(const Objects& objects) {
    const auto& options = objects.options();
    json::array ingress;
    if (auto ports = routed_ports(objects.spec()); !ports.empty()) {
        ingress.push_back({{"from", gateway_peers(options)}, {"ports", std::move(ports)}});
    }
    const auto team = own_team(objects);
    ingress.push_back({{"from", json::array{team}}});

    json::array internet{network_without("0.0.0.0/0", options.denied_networks),
                         network_without("::/0", options.denied_networks)};
    for (const auto& cidr : options.allowed_networks) internet.emplace_back(network(cidr));
    json::array egress{dns(options), json::object{{"to", json::array{team}}},
                       json::object{{"to", std::move(internet)}}};

    auto object = objects.begin(kNetworkPolicy, "app");
    object["spec"] = json::object{{"podSelector", json::object{}},
                                  {"policyTypes", json::array{"Ingress", "Egress"}},
                                  {"ingress", std::move(ingress)},
                                  {"egress", std::move(egress)}};
    return {kNetworkPolicy, std::move(object)};
}

std::vector<Manifest> place_manifests(const ClusterApp& app, const RenderOptions& options) {
    const Objects objects(app, options);
    return {namespace_manifest(objects), service_account(objects), quota(objects), limits(objects),
            network_policy(objects)};
}

}  // namespace loco::cluster
