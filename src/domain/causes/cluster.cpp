// What a cluster says keeps a pod from running.
#include "domain/causes.hpp"
#include "domain/last_lines.hpp"

namespace loco {
namespace {

Cause image_cause(const std::string& words) {
    const auto says = [&](std::string_view part) { return words.find(part) != std::string::npos; };
    if (says("not found") || says("manifest unknown")) {
        return {.code = "image_pull_failed",
                .why = "the registry does not have its image any more: " + words,
                .next_steps = {"build and push it again: loco deploy",
                               "if nobody has removed it: check that the registry keeps its "
                               "storage when it is restarted"},
                .could_not_start = true};
    }
    std::vector<std::string> steps;
    if (says("401") || says("403") || says("nauthorized") || says("denied")) {
        steps = {
            "see that loco-api answers where the registry asks for tokens, then deploy again: "
            "loco redeploy"};
    } else if (says("HTTP response to HTTPS client") || says("x509") || says("tls:")) {
        steps = {
            "have the nodes' container runtime ask the registry as it answers: by plain HTTP, "
            "or with its certificate trusted",
            "then deploy again: loco redeploy"};
    } else {
        steps = {
            "check that the registry runs, and that the nodes reach it under the name that "
            "Loco gives it",
            "then deploy again: loco redeploy"};
    }
    return {.code = "image_pull_failed",
            .why = "its node cannot fetch the image: " + words,
            .next_steps = std::move(steps),
            .could_not_start = true};
}

// A quota, a range or a policy of the cluster that lets its pods not be made.
Cause limit_of_cluster(const std::string& words) {
    const auto says = [&](std::string_view part) { return words.find(part) != std::string::npos; };
    const auto why = "the cluster refuses to make one: " + words;
    if (says("quota")) {
        return {.code = "cluster_quota",
                .why = why,
                .next_steps = {"ask for less: [resources] and [scale] in loco.toml, or loco scale",
                               "or have the quota of the app's namespace raised: kubectl get "
                               "resourcequota -A"}};
    }
    if (says(" per Container is ") || says(" per Pod is ")) {
        return {.code = "refused_by_cluster",
                .why = why,
                .next_steps = {"ask for what is allowed: [resources] in loco.toml",
                               "or have the limits of the app's namespace changed: kubectl get "
                               "limitrange -A"}};
    }
    return {.code = "refused_by_cluster",
            .why = why,
            .next_steps = {"it is a rule of those who run the cluster: have them except Loco's "
                           "apps from it, or change it"}};
}

}  // namespace

std::optional<Cause> cluster_cause(const Facts& facts) {
    const auto& words = facts.trouble_words;
    const auto says = [&](std::string_view part) { return words.find(part) != std::string::npos; };
    switch (facts.trouble) {
        case PodTrouble::none: return std::nullopt;
        case PodTrouble::not_made:
            return Cause{.code = "not_started",
                         .why = "the cluster has made none",
                         .next_steps = {"see whether the cluster is well: kubectl get --raw "
                                        "'/readyz?verbose', kubectl get pods -n kube-system",
                                        "then deploy again: loco redeploy"}};
        case PodTrouble::not_started:
            return Cause{.code = "not_started",
                         .why = "its node has not started its container yet",
                         .next_steps = {"if its image is large, or its node has much to do: "
                                        "[deploy] timeout in loco.toml (now " +
                                            duration_text(facts.timeout) + ")",
                                        "see what its node says: kubectl describe pods, in the "
                                        "app's namespace"}};
        case PodTrouble::unschedulable: {
            std::string what;
            if (says("Insufficient cpu")) what = "CPU";
            if (says("Insufficient memory"))
                what += std::string(what.empty() ? "" : " and ") + "memory";
            return Cause{.code = "unschedulable",
                         .why = (what.empty() ? std::string("no node takes it: ")
                                              : "no node has enough " + what + " free: ") +
                                words,
                         .next_steps = {"see what the nodes have left: kubectl describe nodes",
                                        "ask for less: [resources] in loco.toml, or loco scale; or "
                                        "add a node"}};
        }
        case PodTrouble::image_pull: return image_cause(words);
        case PodTrouble::config:
            return Cause{.code = "config_missing",
                         .why = "what its environment comes from is not there: " + words,
                         .next_steps = {"deploy again: loco redeploy",
                                        "if it stays: see who removes the app's Secrets from its "
                                        "namespace"},
                         .could_not_start = true};
        case PodTrouble::evicted:
            return Cause{.code = "evicted",
                         .why = "its node has ended it" + (words.empty() ? "" : ": " + words),
                         .next_steps = {"see what the node is short of: kubectl describe node",
                                        "ask for what it really needs: [resources] in loco.toml; "
                                        "one that uses more than that goes first"}};
        case PodTrouble::node_lost:
            return Cause{.code = "node_lost",
                         .why = words.empty() ? "its node is lost" : words,
                         .next_steps = {"see the node: kubectl get nodes; its pods are started "
                                        "elsewhere by themselves after a while"}};
        case PodTrouble::limited: return limit_of_cluster(words);
        case PodTrouble::deadline:
            return Cause{.code = "deadline",
                         .why = "it took longer than it may" + (words.empty() ? "" : ": " + words),
                         .next_steps = {"give it longer: [deploy] timeout in loco.toml"}};
        case PodTrouble::cannot_start: return std::nullopt;
    }
    return std::nullopt;
}

}  // namespace loco
