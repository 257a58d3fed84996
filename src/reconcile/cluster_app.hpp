// What a cluster is told an app should be. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "ports/cluster.hpp"
#include "reconcile/container.hpp"
#include "reconcile/rows.hpp"

namespace loco::reconcile {

// What should run: what is being rolled out, else what is live. The cluster itself replaces one by the other.
struct ClusterOrder {
    ReleaseId release;
    DeploymentId set;
    std::map<std::string, ScaleOverride> scale;
    bool operator==(const ClusterOrder&) const = default;
};

// None: nothing of the app should run.
[[nodiscard]] std::optional<ClusterOrder> cluster_order(const AppRows& rows);

// `order.release` must be in `rows`. `secrets`: opened values of its env version; `url`: where the app answers.
[[nodiscard]] ClusterApp cluster_app(const AppRows& rows, const ClusterOrder& order,
                                     SecretEnv secrets, const std::string& url);

// Why no instance of the release could ever run on these nodes, if so: refused, "no_node_ready" or "does_not_fit".
[[nodiscard]] Result<> check_fits(const std::vector<ObservedNode>& nodes, const AppSpec& spec,
                                  const std::map<std::string, ScaleOverride>& scale);

}  // namespace loco::reconcile
