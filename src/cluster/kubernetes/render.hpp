// What an app becomes on Kubernetes: its manifests, a pure function of the app and of how this Loco is set up. They are valid
// by themselves: `loco export` prints them, and `kubectl apply` of them runs the app without Loco.
//
// All of an app is in a namespace of its own, which carries Pod Security `enforce: restricted` and the label by which the
// Gateway lets it attach routes; removing the namespace removes the app. Quantities are written as the API server gives them
// back, so that what is there can be compared with what is wanted.
// Source: the API reference of Kubernetes 1.34, Gateway API v1.4.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "cluster/kubernetes/labels.hpp"
#include "cluster/kubernetes/names.hpp"
#include "kubernetes/object.hpp"
#include "ports/cluster.hpp"

namespace loco::cluster {

// What apps may not reach: private, shared, link-local (where clouds have their metadata), and other addresses that are not
// the internet's (IANA's special-purpose registries, RFC 6890); NAT64's prefix leads to all of them again.
[[nodiscard]] const std::vector<std::string>& special_networks();

struct RenderOptions {
    std::string instance = "loco";  // this Loco's name: loco.dev/instance-of
    // Before a repository in an image's reference, as the nodes reach it.
    std::string registry_host;
    std::string pull_secret = "loco-pull";  // the imagePullSecret of each namespace; empty: none
    // The Gateway that routes attach to.
    std::string gateway_name = "loco";
    std::string gateway_namespace = "loco-system";
    // Where its requests come from: the namespaces of its pods (empty: the Gateway's own), and networks of what runs
    // outside of pods (a node's or a cloud's load balancer).
    std::vector<std::string> gateway_pod_namespaces;
    std::vector<std::string> gateway_networks;

    // The cluster's DNS: the only pods outside of their team that apps may reach.
    std::string dns_namespace = "kube-system";
    std::map<std::string, std::string> dns_pods = {{"k8s-app", "kube-dns"}};
    std::vector<std::string> denied_networks = special_networks();
    // Allowed all the same: a database's private network.
    std::vector<std::string> allowed_networks;

    // How long a pod goes on serving once it is told to stop, until every gateway knows. Within its time to terminate, and
    // before the app's own stop_timeout begins.
    std::chrono::seconds drain{5};

    // Of one app: its namespace's quota. 0: not limited. An app whose processes ask for more is refused.
    int max_pods = 500;
    std::int64_t max_cpu_millis = 0;    // guaranteed, of all pods together
    std::int64_t max_memory_bytes = 0;  // likewise

    // For `loco export`: no label by which a Loco would find these objects and put them right, an environment that a person
    // can read and change, and `namespace_` (empty: the usual one).
    bool standalone = false;
    std::string namespace_;
};

struct Manifest {
    kubernetes::Kind kind;
    kubernetes::Object object;  // apiVersion, kind, metadata, spec
    std::string comment = {};   // for people: lines without "#"
};

// Where the app lives: Namespace, ServiceAccount, ResourceQuota, LimitRange, NetworkPolicy. It is there before anything runs,
// and stays when nothing does.
[[nodiscard]] std::vector<Manifest> place_manifests(const ClusterApp& app,
                                                    const RenderOptions& options);
// All of it, in the order in which it must be applied: the place, the environment's Secret, and per process a Deployment with
// what it needs (Service, HorizontalPodAutoscaler, PodDisruptionBudget), HTTPRoutes last. What carries the app's label and is
// not among them is no longer wanted: but Secrets, for as long as pods of their set are there.
// invalid for what this runtime cannot honour (the spec was checked before: then it is a bug); refused, with code "quota",
// when it asks for more than an app may have.
[[nodiscard]] Result<std::vector<Manifest>> manifests(const ClusterApp& app,
                                                      const RenderOptions& options);
// What a release command runs as: its Secret and its Job, in the app's place. The Secret is the set's own, the same that its
// processes have.
[[nodiscard]] Result<std::vector<Manifest>> command_manifests(const ClusterCommand& command,
                                                              const RenderOptions& options);

}  // namespace loco::cluster
