// From what the API server says of pods, Deployments, routes and nodes to what the port says. Pure. Every function takes
// objects as the API gives them, or as a reflector keeps them (drift.hpp: pack; reduce_pod).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kubernetes/object.hpp"
#include "ports/cluster.hpp"

namespace loco::cluster {

// One line of at most 300 characters, without what repeats or helps nobody ("preemption: 0/3 nodes …").
[[nodiscard]] std::string short_words(std::string_view text);

// What a probe saw, from the kubelet's words for it (attendant.hpp: probe_words).
[[nodiscard]] HealthCheck check_of(std::string_view words);

// Sorts by the pod's creation; the rest of it comes from the uid.
[[nodiscard]] InstanceId instance_of(std::string_view uid, Time created_at);

struct PodView {
    const kubernetes::Object* pod = nullptr;
    bool node_lost = false;  // its node is not ready
    std::string
        health_words{};  // the last failed probe, as an event told it: "Readiness probe failed: …"
};
[[nodiscard]] ObservedPod observed_pod(const PodView& view);
// `pods`: those of the app. Ready ones are counted by pod, as a Deployment's own count mixes its sets.
[[nodiscard]] ObservedProcess observed_process(const kubernetes::Object& deployment,
                                               const std::vector<ObservedPod>& pods);
struct Routing {
    bool routed = false;
    std::string problem;
};
// Since when the pod is ready; none when it is not.
[[nodiscard]] std::optional<Time> ready_since_of(const kubernetes::Object& pod);
// A host that the route leads, with the shortest of its paths; empty where it names none.
struct RouteMatch {
    std::string host;
    std::string path;
};
[[nodiscard]] RouteMatch first_match_of(const kubernetes::Object& route);
[[nodiscard]] Routing routing_of(const std::vector<const kubernetes::Object*>& routes);
// Of metrics.k8s.io's answer to a namespace's pods (v1beta1, PodMetricsList): what the containers of each use together.
// `instance_of` gives none for what is no pod of the app.
[[nodiscard]] std::vector<ResourceUsage> usage_of(
    const kubernetes::Object& answer,
    const std::function<std::optional<InstanceId>(const std::string& pod)>& instance_of);
[[nodiscard]] ObservedNode observed_node(const kubernetes::Object& node);

// Leaves of a pod what observed_pod, image_of and secrets_of read.
void reduce_pod(kubernetes::Object& pod);
void reduce_node(kubernetes::Object& node);
// The image of the app's own container.
[[nodiscard]] std::string image_of(const kubernetes::Object& pod);
// The Secrets that a pod's (or a template's) containers take variables from.
[[nodiscard]] std::vector<std::string> secrets_of(const kubernetes::Object& pod_spec);

}  // namespace loco::cluster
