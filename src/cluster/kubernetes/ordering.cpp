#include "cluster/kubernetes/ordering.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>

#include "cluster/kubernetes/labels.hpp"
#include "cluster/kubernetes/pods.hpp"
#include "crypto/hash.hpp"

namespace loco::cluster {
namespace {

using kubernetes::kDeployment;
using kubernetes::key_of;
using kubernetes::kHorizontalPodAutoscaler;
using kubernetes::Kind;
using kubernetes::kJob;
using kubernetes::kNamespace;
using kubernetes::kPod;
using kubernetes::kSecret;
using kubernetes::label_of;
using kubernetes::member;
using kubernetes::name_of;
using kubernetes::Object;
using kubernetes::text;

std::string annotation_of(const Object& object, std::string_view name) {
    return text(member(member(object, "metadata"), "annotations"), name);
}

bool is_leaving(const Object& object) {
    return !member(member(object, "metadata"), "deletionTimestamp").is_null();
}

bool is_owned(const Object& object) {
    const auto* owners = member(member(object, "metadata"), "ownerReferences").if_array();
    return owners != nullptr && !owners->empty();
}

// The Secrets that anything which runs, or may be run, takes its variables from.
std::set<std::string> secrets_in_use(const Held& held) {
    std::set<std::string> names;
    const auto add = [&](const Object& pod_spec) {
        for (auto& name : secrets_of(pod_spec)) names.insert(std::move(name));
    };
    for (const auto& [key, pod] : held.of(kPod)) add(member(*pod, "spec"));
    for (const auto& kind : {kDeployment, kJob}) {
        for (const auto& [key, object] : held.of(kind)) {
            add(member(member(member(unpack(*object), "spec"), "template"), "spec"));
        }
    }
    return names;
}

// Pods that cannot start because this Secret is not there.
bool is_missed(const std::string& secret, const Held& held) {
    return std::ranges::any_of(held.of(kPod), [&](const auto& entry) {
        const auto pod = observed_pod({.pod = entry.second.get()});
        return pod.problem_code == "config_error" &&
               pod.problem.find("\"" + secret + "\" not found") != std::string::npos;
    });
}

class Comparison {
  public:
    Comparison(const std::vector<Manifest>& manifests, const DeploymentId& set, const Held& held)
        : manifests_(manifests), set_(set), held_(held) {
        for (const auto& manifest : manifests) {
            if (manifest.kind == kNamespace) ordering_.namespace_ = name_of(manifest.object);
        }
        ordering_.before = inventory_of(held, ordering_.namespace_);
    }

    Ordering run() {
        const bool secrets = secrets_differ();
        for (const auto& manifest : manifests_) {
            const auto name = name_of(manifest.object);
            const auto key = inventory_key(manifest.kind, name);
            ordering_.after.insert(key);
            const bool was_there = ordering_.before.contains(key);
            if (manifest.kind == kSecret) {
                const bool missed = was_there && is_missed(name, held_);
                if (secrets || !was_there || missed) {
                    ordering_.writes.push_back({&manifest, Standing::missing, missed});
                }
                continue;
            }
            const auto live = held_.find(manifest.kind, key_of(manifest.object));
            const auto standing = standing_of(manifest.object, live.get());
            if (standing == Standing::as_ordered) continue;
            ordering_.writes.push_back(
                {&manifest, standing,
                 standing == Standing::changed || (standing == Standing::missing && was_there),
                 replicas_to_hold(manifest, live.get())});
            ordering_.makes_pods = ordering_.makes_pods || manifest.kind == kDeployment;
        }
        find_removals();
        find_secrets_to_remove();
        return std::move(ordering_);
    }

  private:
    bool secrets_differ() const {
        return std::ranges::any_of(manifests_, [&](const Manifest& manifest) {
            if (manifest.kind != kDeployment) return false;
            const auto live = held_.find(manifest.kind, key_of(manifest.object));
            return !live || annotation_of(*live, annotation::kSecrets) !=
                                annotation_of(manifest.object, annotation::kSecrets);
        });
    }

    bool is_ordered(const Kind& kind, const std::string& key) const {
        return std::ranges::any_of(manifests_, [&](const Manifest& manifest) {
            return manifest.kind == kind && key_of(manifest.object) == key;
        });
    }

    // None where its autoscaler is there already, or nothing runs: an autoscaler leaves a Deployment of 0 alone.
    std::int64_t replicas_to_hold(const Manifest& manifest, const Object* live) const {
        if (manifest.kind != kDeployment || live == nullptr) return 0;
        if (!member(member(manifest.object, "spec"), "replicas").is_null()) return 0;
        if (held_.find(kHorizontalPodAutoscaler, key_of(manifest.object))) return 0;
        const auto whole = unpack(*live);
        const auto& replicas = member(member(whole, "spec"), "replicas");
        return replicas.is_number() ? replicas.to_number<std::int64_t>() : 0;
    }

    void find_removals() {
        for (std::size_t i = 0; i < kWatched.size(); ++i) {
            const auto& kind = kWatched[i];
            if (kind == kNamespace || kind == kPod) continue;
            for (const auto& [key, object] : held_.objects[i]) {
                if (is_ordered(kind, key) || is_leaving(*object) || is_owned(*object)) continue;
                if (kind == kJob && label_of(*object, label::kSet) >= set_.str()) continue;
                ordering_.removals.push_back({kind, kubernetes::namespace_of(*object),
                                              name_of(*object), kubernetes::uid_of(*object)});
            }
        }
    }

    void find_secrets_to_remove() {
        const auto in_use = secrets_in_use(held_);
        const std::string prefix = inventory_key(kSecret, {});
        for (const auto& key : ordering_.before) {
            if (!key.starts_with(prefix) || ordering_.after.contains(key)) continue;
            const auto name = key.substr(prefix.size());
            if (in_use.contains(name)) {
                ordering_.after.insert(key);
            } else {
                ordering_.removals.push_back({kSecret, ordering_.namespace_, name, {}});
            }
        }
    }

    const std::vector<Manifest>& manifests_;
    const DeploymentId& set_;
    const Held& held_;
    Ordering ordering_;
};

}  // namespace

std::string inventory_key(const Kind& kind, std::string_view name) {
    return std::string(kind.name) + "/" + std::string(name);
}

Inventory parse_inventory(std::string_view text) {
    Inventory inventory;
    while (!text.empty()) {
        const auto end = std::min(text.find(' '), text.size());
        if (end > 0) inventory.emplace(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return inventory;
}

std::string to_text(const Inventory& inventory) {
    std::string text;
    for (const auto& key : inventory) text += (text.empty() ? "" : " ") + key;
    return text;
}

Inventory inventory_of(const Held& held, const std::string& namespace_) {
    const auto place = held.find(kNamespace, namespace_);
    return place ? parse_inventory(annotation_of(*place, annotation::kInventory)) : Inventory{};
}

void prepare(std::vector<Manifest>& manifests, const Secret<>& hash_key) {
    std::string secrets;
    for (const auto& manifest : manifests) {
        if (manifest.kind == kSecret) secrets += boost::json::serialize(manifest.object);
    }
    // A key of any length becomes one of 64 bytes.
    const auto hash =
        crypto::keyed_hash_hex(secrets, crypto::sha256_hex(hash_key.reveal())).substr(0, 32);
    for (auto& manifest : manifests) {
        if (manifest.kind == kSecret) continue;
        if (manifest.kind == kDeployment) {
            auto& annotations = manifest.object.as_object()["metadata"].as_object()["annotations"];
            if (!annotations.is_object()) annotations.emplace_object();
            annotations.get_object()[annotation::kSecrets] = hash;
        }
        stamp(manifest.object);
    }
}

Ordering order(const std::vector<Manifest>& manifests, const DeploymentId& set, const Held& held) {
    return Comparison(manifests, set, held).run();
}

}  // namespace loco::cluster
