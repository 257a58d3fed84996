#include "bin/cluster_place.hpp"

#include "cluster/kubernetes/kubernetes_cluster.hpp"
#include "cluster/kubernetes/pod_logs.hpp"
#include "kubernetes/config.hpp"
#include "registry/image_inspector.hpp"
#include "spec/quantity.hpp"

namespace loco {
namespace {

cluster::KubernetesClusterOptions options_of(const ClusterNeeds& needs) {
    cluster::KubernetesClusterOptions options;
    options.render.instance = needs.server.instance;
    options.render.registry_host = platform::registry_host(needs.server);
    options.render.gateway_name = needs.server.gateway_name;
    options.render.gateway_namespace = needs.server.gateway_namespace;
    // It was checked when the configuration was read.
    if (const auto drain = spec::parse_duration(needs.server.drain))
        options.render.drain = std::chrono::ceil<std::chrono::seconds>(*drain);
    options.render.gateway_pod_namespaces = platform::listed(needs.server.gateway_pod_namespaces);
    options.render.gateway_networks = platform::listed(needs.server.gateway_networks);
    options.render.allowed_networks = platform::listed(needs.server.allowed_networks);
    for (auto& network : platform::listed(needs.server.denied_networks))
        options.render.denied_networks.push_back(std::move(network));
    options.render.dns_namespace = needs.server.dns_namespace;
    options.render.dns_pods = platform::labelled(needs.server.dns_pods);
    options.render.max_pods = needs.server.max_pods;
    if (const auto cpu = spec::parse_cpu(needs.server.max_cpu))
        options.render.max_cpu_millis = *cpu;
    if (const auto memory = spec::parse_memory(needs.server.max_memory))
        options.render.max_memory_bytes = *memory;
    options.hash_key = needs.hash_key;
    return options;
}

class ClusterPlace final : public Place {
  public:
    ClusterPlace(ClusterNeeds needs, kubernetes::Config config)
        : needs_(std::move(needs)),
          client_(std::move(config), needs_.clock, needs_.random),
          images_(needs_.registry, needs_.http, needs_.clock,
                  {.url = platform::registry_internal(needs_.server).text()}),
          logs_(client_, needs_.logs, needs_.clock),
          cluster_({.client = client_,
                    .streams = streams_,
                    .clock = needs_.clock,
                    .random = needs_.random,
                    .registry = needs_.registry,
                    .image_facts =
                        [this](const ImageRef& image) {
                            return images_.facts(image, needs_.config.platform);
                        },
                    .on_pod = [this](const AppId& app, const kubernetes::Object& pod,
                                     bool gone) { logs_.see(app, pod, gone); }},
                   options_of(needs_)) {}
    ~ClusterPlace() override { images_.stop(); }
    ClusterPlace(const ClusterPlace&) = delete;
    ClusterPlace& operator=(const ClusterPlace&) = delete;

    std::variant<reconcile::MachinePorts, reconcile::ClusterPorts> ports() override {
        return reconcile::ClusterPorts{cluster_};
    }
    std::string last_words(const Instance& instance) override {
        return logs_.last_words(instance.app, instance.id);
    }
    api::Sight sight() override {
        return {.usage = [this](const AppId& app) { return cluster_.usage(app); },
                .traffic = []() -> Result<std::vector<TrafficStats>> {
                    return fail(ErrorKind::not_found, "a cluster's gateway is not counted by Loco");
                },
                .parts = {{"cluster", [this] { return cluster_.ready(); }}}};
    }
    void begin() override { logs_.begin(); }
    void end() override { logs_.end(); }

  private:
    ClusterNeeds needs_;
    kubernetes::Client client_;
    http::StreamClient streams_;
    registry::ImageInspector images_;
    cluster::PodLogs logs_;
    cluster::KubernetesCluster cluster_;
};

}  // namespace

Result<std::unique_ptr<Place>> make_cluster_place(ClusterNeeds needs) {
    LOCO_ASSIGN(auto config, kubernetes::find_config(needs.server.kubeconfig));
    return std::make_unique<ClusterPlace>(std::move(needs), std::move(config));
}

}  // namespace loco
