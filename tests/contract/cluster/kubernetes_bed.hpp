// Loco's adapter on the real cluster of LOCO_TEST_KUBECONFIG, asked through a proxy that counts and can make it fail.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cluster/kubernetes/kubernetes_cluster.hpp"
#include "tests/contract/cluster/bed.hpp"
#include "tests/contract/cluster/registry.hpp"
#include "tests/support/child.hpp"
#include "tests/support/fault_proxy.hpp"

namespace loco::cluster {

// One Loco's view of the cluster: its client, watches and adapter.
struct Adapter {
    Adapter(std::uint16_t port, Registry& registry, KubernetesClusterOptions options);
    SystemClock clock;
    SystemRandom random;
    kubernetes::Client client;
    http::StreamClient streams;
    KubernetesCluster cluster;
};

class KubernetesBed final : public Bed {
  public:
    KubernetesBed();
    ~KubernetesBed() override;
    Cluster& cluster() override { return first_->cluster; }
    Cluster& second() override;
    Cluster& strangers() override;
    ClusterApp app(Does does, int replicas) override;
    void scale_by_hand(const ClusterApp& app, int replicas) override;
    void remove_by_hand(const ClusterApp& app) override;
    int writes() override { return writes_; }
    bool eventually(const std::function<bool()>& condition) override;
    std::vector<std::optional<AppId>> changes() override;
    int command_pods(const ClusterApp& app) override;

    // Its output; a failure is a failed test.
    std::string kubectl(std::vector<std::string> words);
    [[nodiscard]] std::string space_of(const ClusterApp& app) const;
    [[nodiscard]] test::FaultProxy& proxy() { return *proxy_; }
    // Instead of the one that counts; nothing: that one again.
    void set_rule(test::FaultProxy::Rule rule);
    [[nodiscard]] TestRegistry& images();
    // As cluster() has them.
    [[nodiscard]] KubernetesClusterOptions options();
    // Once it knows the cluster. `registry`: instead of the usual one.
    [[nodiscard]] std::unique_ptr<Adapter> adapter(KubernetesClusterOptions options,
                                                   Registry* registry = nullptr);

  private:
    SystemClock clock_;
    SystemRandom random_;
    std::string kubeconfig_;
    std::string program_;
    std::string instance_;
    test::Child kubectl_proxy_;
    std::unique_ptr<test::FaultProxy> proxy_;
    std::atomic<int> writes_ = 0;
    std::mutex mutex_;
    std::vector<std::optional<AppId>> changes_;
    std::vector<std::string> spaces_;
    std::unique_ptr<Adapter> first_, second_, strangers_;
};

}  // namespace loco::cluster
