// ports/cluster.hpp on Kubernetes: orders by server-side apply as the field manager "loco", sees by watches. Of an app it
// writes only what differs, and touches nothing without this Loco's labels.
//
// Nothing is kept here that the cluster does not keep: another loco-api, or this one after a restart, goes on where it was.
// Two at once do no harm: both order the same.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>

#include "cluster/kubernetes/attendant.hpp"
#include "cluster/kubernetes/cache.hpp"
#include "cluster/kubernetes/ordering.hpp"
#include "cluster/kubernetes/pull_credentials.hpp"
#include "cluster/kubernetes/route_probe.hpp"
#include "ports/cluster.hpp"

namespace loco::cluster {

struct KubernetesClusterOptions {
    RenderOptions render;
    Secret<> hash_key;  // the same for every loco-api of this Loco; any length
    std::chrono::seconds stale_after{60};
    AttendantOptions attendant = {};
    RouteProbeOptions probe = {};
};

// Must outlive the cluster.
struct KubernetesClusterParts {
    kubernetes::Client& client;
    http::StreamClient& streams;
    const Clock& clock;
    Random& random;
    Registry& registry;
    std::function<Result<ImageFacts>(const ImageRef&)> image_facts;
    // Of every pod of an app as it is now, or was last when it is gone. On the watches' threads; must not block.
    std::function<void(const AppId& app, const kubernetes::Object& pod, bool gone)> on_pod = {};
};

class KubernetesCluster final : public Cluster {
  public:
    KubernetesCluster(const KubernetesClusterParts& parts, KubernetesClusterOptions options);
    ~KubernetesCluster() override;

    [[nodiscard]] Result<ImageFacts> image_facts(const ImageRef& image) override;
    [[nodiscard]] Result<std::vector<ObservedNode>> nodes() override;
    [[nodiscard]] bool differs(const ClusterApp& app) override;
    [[nodiscard]] Result<Applied> apply(const ClusterApp& app) override;
    [[nodiscard]] Result<> stop(const AppId& app) override;
    [[nodiscard]] Result<> remove(const AppId& app) override;
    [[nodiscard]] Result<> run(const ClusterCommand& command) override;
    [[nodiscard]] Result<> remove_command(const AppId& app, const DeploymentId& set) override;
    [[nodiscard]] Result<ObservedApp> observe(const AppId& app) override;
    [[nodiscard]] Result<std::vector<AppId>> apps() override;
    [[nodiscard]] Result<std::vector<ResourceUsage>> usage(const AppId& app) override;
    void on_change(std::function<void(std::optional<AppId>)> listener) override;

    // Whether the first lists are in and the cluster is heard of: until then everything above is unavailable.
    [[nodiscard]] Result<> ready() const { return cache_.ready(); }

  private:
    struct Order {
        std::vector<Manifest> manifests;
        Held held;
        Ordering ordering;
    };
    [[nodiscard]] Result<Order> order_of(const ClusterApp& app) const;
    // The namespace is this app's, or free to become it.
    [[nodiscard]] Result<> check_place(const Manifest& place, const Held& held);
    [[nodiscard]] Result<> write(const Manifest& manifest);
    // Before write(): ordering.hpp.
    [[nodiscard]] Result<> hold_replicas(const Manifest& deployment, std::int64_t replicas);
    [[nodiscard]] Result<> remove_object(const Removal& removal);
    [[nodiscard]] Result<> note(const std::string& namespace_, std::string_view annotation,
                                const std::string& text);
    void ensure_credentials(const ClusterApp& app, const Manifest& place);
    [[nodiscard]] std::vector<ObservedPod> pods_of(const Held& held) const;
    // Whether requests reach the app through the gateway; `routed`: its routes are taken.
    [[nodiscard]] bool is_reached(const AppId& app, const Held& held);
    void tell(std::optional<AppId> app);
    [[nodiscard]] CacheListener listener();

    KubernetesClusterParts parts_;
    const KubernetesClusterOptions options_;

    std::mutex told_mutex_;
    std::shared_ptr<const std::function<void(std::optional<AppId>)>> told_;

    PullCredentials credentials_;
    Attendant attendant_;
    RouteProbe probe_;
    Cache cache_;
};

}  // namespace loco::cluster
