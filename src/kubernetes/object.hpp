// Kubernetes objects are Boost.JSON values; here is what is read of every one of them, and the kinds that Loco uses.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace loco::kubernetes {

using Object = boost::json::value;

// What the API's paths are made of.
struct Kind {
    std::string_view api_version;  // "v1", "apps/v1"
    std::string_view name;         // "Deployment"
    std::string_view plural;       // "deployments"
    bool namespaced = true;

    friend bool operator==(const Kind&, const Kind&) = default;
};

inline constexpr Kind kNamespace{"v1", "Namespace", "namespaces", false};
inline constexpr Kind kNode{"v1", "Node", "nodes", false};
inline constexpr Kind kPod{"v1", "Pod", "pods"};
inline constexpr Kind kService{"v1", "Service", "services"};
inline constexpr Kind kServiceAccount{"v1", "ServiceAccount", "serviceaccounts"};
inline constexpr Kind kSecret{"v1", "Secret", "secrets"};
inline constexpr Kind kConfigMap{"v1", "ConfigMap", "configmaps"};
inline constexpr Kind kEvent{"v1", "Event", "events"};
inline constexpr Kind kResourceQuota{"v1", "ResourceQuota", "resourcequotas"};
inline constexpr Kind kLimitRange{"v1", "LimitRange", "limitranges"};
inline constexpr Kind kDeployment{"apps/v1", "Deployment", "deployments"};
inline constexpr Kind kReplicaSet{"apps/v1", "ReplicaSet", "replicasets"};
inline constexpr Kind kJob{"batch/v1", "Job", "jobs"};
inline constexpr Kind kHorizontalPodAutoscaler{"autoscaling/v2", "HorizontalPodAutoscaler",
                                               "horizontalpodautoscalers"};
inline constexpr Kind kPodDisruptionBudget{"policy/v1", "PodDisruptionBudget",
                                           "poddisruptionbudgets"};
inline constexpr Kind kNetworkPolicy{"networking.k8s.io/v1", "NetworkPolicy", "networkpolicies"};
inline constexpr Kind kGatewayClass{"gateway.networking.k8s.io/v1", "GatewayClass",
                                    "gatewayclasses", false};
inline constexpr Kind kGateway{"gateway.networking.k8s.io/v1", "Gateway", "gateways"};
inline constexpr Kind kHttpRoute{"gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes"};

// "/apis/apps/v1/namespaces/shop/deployments/web", percent-encoded; without a name the collection, without a
// namespace all of them.
[[nodiscard]] std::string path_of(const Kind& kind, std::string_view namespace_,
                                  std::string_view name = {});

// One object's place among those of its kind: "shop/web", or "web" without a namespace.
[[nodiscard]] std::string key_of(std::string_view namespace_, std::string_view name);
[[nodiscard]] std::string key_of(const Object& object);

// Null or an empty text where it is missing or of another type.
[[nodiscard]] const Object& member(const Object& object, std::string_view name);
[[nodiscard]] std::string text(const Object& object, std::string_view name);
[[nodiscard]] std::string name_of(const Object& object);
[[nodiscard]] std::string namespace_of(const Object& object);
[[nodiscard]] std::string uid_of(const Object& object);
[[nodiscard]] std::string resource_version_of(const Object& object);
[[nodiscard]] std::string label_of(const Object& object, std::string_view label);

// invalid for what is no JSON, or deeper than any object of the API is.
[[nodiscard]] Result<Object> parse_object(std::string_view json);

}  // namespace loco::kubernetes
