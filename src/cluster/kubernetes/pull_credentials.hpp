// What the nodes show Loco's registry to fetch an app's image: a Secret in each app's namespace, good for 10 minutes and for
// that one repository.
//
// It is not renewed by the clock, which would be a write per app every few minutes for pods that nobody starts: only before
// pods are ordered, and when a pod is seen that waits for its image. The kubelet asks again on its own (after 10 s, 20 s, …
// 5 min), with the Secret as it is then.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "kubernetes/client.hpp"
#include "ports/registry.hpp"

namespace loco::cluster {

class PullCredentials {
  public:
    PullCredentials(kubernetes::Client& client, Registry& registry, const Clock& clock,
                    std::string secret_name, std::string registry_host)
        : client_(client),
          registry_(registry),
          clock_(clock),
          name_(std::move(secret_name)),
          host_(std::move(registry_host)) {}

    struct Place {
        std::string namespace_;
        boost::json::object labels;  // of the Secret
        std::string repository;
    };
    // Writes a new one unless what this process last wrote is fresh: has more than half of its life before it. `refused`:
    // the registry has just refused it, so only one that is seconds old counts. Whether it wrote.
    [[nodiscard]] Result<bool> ensure(const Place& place, bool refused = false);
    void forget(const std::string& namespace_);

  private:
    struct Known {
        std::string repository;
        Time written_at;
        Time expires_at;
    };

    kubernetes::Client& client_;
    Registry& registry_;
    const Clock& clock_;
    const std::string name_;
    const std::string host_;  // as the nodes know it
    std::mutex mutex_;
    std::map<std::string, Known> known_;  // by namespace
};

}  // namespace loco::cluster
