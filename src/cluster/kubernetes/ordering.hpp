// What must be done so that what is there becomes what is ordered. Pure: it compares, the adapter acts.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/secret.hpp"
#include "cluster/kubernetes/cache.hpp"
#include "cluster/kubernetes/drift.hpp"
#include "cluster/kubernetes/render.hpp"

namespace loco::cluster {

// "Deployment/web": what a namespace's inventory is made of.
using Inventory = std::set<std::string>;
[[nodiscard]] std::string inventory_key(const kubernetes::Kind& kind, std::string_view name);
// As a namespace's annotation has it.
[[nodiscard]] Inventory parse_inventory(std::string_view text);
[[nodiscard]] std::string to_text(const Inventory& inventory);
[[nodiscard]] Inventory inventory_of(const Held& held, const std::string& namespace_);

struct Write {
    const Manifest* manifest = nullptr;
    Standing why = Standing::missing;
    bool put_right = false;  // somebody else changed or removed it
    // Of a Deployment whose number an autoscaler keeps from now on: what it has, to be held by another field manager before
    // Loco's gives it up, as a field that nobody holds falls back to its default, one pod. 0: nothing to hold.
    // Source: Kubernetes, "Server-Side Apply", transferring ownership.
    std::int64_t hold_replicas = 0;
};

struct Removal {
    kubernetes::Kind kind;
    std::string namespace_;
    std::string name;
    std::string uid;  // empty: whichever
};

struct Ordering {
    std::string namespace_;
    std::vector<Write> writes;  // in the order of the manifests
    std::vector<Removal> removals;
    Inventory before;
    Inventory after;
    bool makes_pods = false;

    [[nodiscard]] bool nothing_to_do() const {
        return writes.empty() && removals.empty() && before == after;
    }
};

// Stamps the manifests (drift.hpp), and the Deployments among them with a hash of the Secrets, keyed by `hash_key`: who may
// read a Deployment must not be able to try values. Call once, before order().
void prepare(std::vector<Manifest>& manifests, const Secret<>& hash_key);

// `manifests`: all of the app, prepared; they must outlive the result. `set`: whose they are. Jobs and Secrets of younger
// sets are left alone: a release command may run ahead of its release.
[[nodiscard]] Ordering order(const std::vector<Manifest>& manifests, const DeploymentId& set,
                             const Held& held);

}  // namespace loco::cluster
