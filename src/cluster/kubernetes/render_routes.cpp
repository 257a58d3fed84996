// How requests reach an app: a Service over its main process, and HTTPRoutes that lead to it.
#include <algorithm>

#include "cluster/kubernetes/render_parts.hpp"

namespace loco::cluster {
namespace {

using namespace kubernetes;

constexpr int kMainPort = 80;
constexpr std::size_t kMaxHostnames = 16;  // of one HTTPRoute (Gateway API v1.4)

// The main port is 80 whatever the app listens on, so that a release with another number does not break a route for the
// moment between two writes. A further port has its own number, by which the team's apps call it.
int service_port(const AppSpec& spec, const PortSpec& port) {
    if (&port != &spec.ports[0]) return port.port;
    const bool taken = std::any_of(spec.ports.begin() + 1, spec.ports.end(),
                                   [](const PortSpec& other) { return other.port == kMainPort; });
    return taken ? port.port : kMainPort;
}

json::object rule(const AppSpec& spec, const PortSpec& port, const std::string& service) {
    json::object rule{
        {"matches", json::array{json::object{
                        {"path", json::object{{"type", "PathPrefix"}, {"value", port.path}}}}}}};
    if (port.strip_path && port.path != "/") {
        rule["filters"] = json::array{json::object{
            {"type", "URLRewrite"},
            {"urlRewrite", json::object{{"path", json::object{{"type", "ReplacePrefixMatch"},
                                                              {"replacePrefixMatch", "/"}}}}}}};
    }
    rule["backendRefs"] =
        json::array{json::object{{"name", service}, {"port", service_port(spec, port)}}};
    return rule;
}

// The longest prefix first, as the Gateway API picks it whatever the order.
json::array rules(const AppSpec& spec, const std::string& service) {
    std::vector<const PortSpec*> routed;
    for (const auto& port : spec.ports) {
        if (!port.path.empty()) routed.push_back(&port);
    }
    std::ranges::sort(routed, [](const PortSpec* a, const PortSpec* b) {
        return a->path.size() != b->path.size() ? a->path.size() > b->path.size()
                                                : a->path < b->path;
    });
    json::array rules;
    for (const auto* port : routed) rules.emplace_back(rule(spec, *port, service));
    return rules;
}

}  // namespace

Manifest service(const Objects& objects, const ClusterProcess& process) {
    json::array ports;
    for (const auto& port : objects.spec().ports) {
        json::object one{{"name", port.name},
                         {"protocol", "TCP"},
                         {"port", service_port(objects.spec(), port)},
                         {"targetPort", port.name}};
        if (port.protocol == Protocol::h2c) one["appProtocol"] = "kubernetes.io/h2c";
        ports.emplace_back(std::move(one));
    }
    auto object = objects.begin(kService, process.name, {{label::kProcess, process.name}});
    object["spec"] = json::object{{"type", "ClusterIP"},
                                  {"selector", objects.selector(process.name)},
                                  {"ports", std::move(ports)}};
    return {kService, std::move(object)};
}

// None without a host: a route without host names would take every host's requests. Never `timeouts`: its `request` cuts
// streams.
std::vector<Manifest> routes(const Objects& objects, const ClusterProcess& process) {
    std::vector<Manifest> out;
    const auto& hosts = objects.app().hosts;
    const auto all_rules = rules(objects.spec(), process.name);
    if (all_rules.empty()) return out;
    const json::object gateway{{"name", objects.options().gateway_name},
                               {"namespace", objects.options().gateway_namespace}};
    for (std::size_t from = 0; from < hosts.size(); from += kMaxHostnames) {
        const auto number = from / kMaxHostnames + 1;
        const auto name = number == 1 ? process.name : process.name + "-" + std::to_string(number);
        json::array hostnames;
        for (auto i = from; i < std::min(hosts.size(), from + kMaxHostnames); ++i) {
            hostnames.emplace_back(hosts[i]);
        }
        auto object = objects.begin(kHttpRoute, name, {{label::kProcess, process.name}});
        object["spec"] = json::object{{"parentRefs", json::array{gateway}},
                                      {"hostnames", std::move(hostnames)},
                                      {"rules", all_rules}};
        out.push_back({kHttpRoute, std::move(object)});
    }
    return out;
}

}  // namespace loco::cluster
