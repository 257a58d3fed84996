#include "cluster/kubernetes/kubernetes_cluster.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "cluster/kubernetes/labels.hpp"
#include "cluster/kubernetes/names.hpp"
#include "cluster/kubernetes/pods.hpp"

namespace loco::cluster {
namespace {

using kubernetes::kDeployment;
using kubernetes::key_of;
using kubernetes::kHorizontalPodAutoscaler;
using kubernetes::kHttpRoute;
using kubernetes::Kind;
using kubernetes::kJob;
using kubernetes::kNamespace;
using kubernetes::kPod;
using kubernetes::kPodDisruptionBudget;
using kubernetes::kSecret;
using kubernetes::label_of;
using kubernetes::member;
using kubernetes::name_of;
using kubernetes::Object;
using kubernetes::text;

// Of one object in a row: another writer got in between.
constexpr int kWriteAttempts = 4;
// What goes with stop(), what routes first.
constexpr std::array kStopped{kHttpRoute, kHorizontalPodAutoscaler, kDeployment, kJob,
                              kPodDisruptionBudget};
// Field managers of what is written apart from the rest of a Namespace, so that neither takes the other away.
constexpr std::string_view kInventoryManager = "loco-inventory";
constexpr std::string_view kCommandsManager = "loco-commands";
// Holds a Deployment's number between Loco and its autoscaler, whose first change takes it over.
constexpr std::string_view kReplicasManager = "loco-replicas";

bool is_leaving(const Object& object) {
    return !member(member(object, "metadata"), "deletionTimestamp").is_null();
}

std::string annotation_of(const Object& object, std::string_view name) {
    return text(member(member(object, "metadata"), "annotations"), name);
}

Error leaving(const std::string& namespace_) {
    return {.kind = ErrorKind::unavailable,
            .message = "the namespace " + namespace_ + " is still being removed",
            .hint = "wait until it is gone: kubectl get namespace " + namespace_,
            .code = "namespace_leaving"};
}

// A namespace of that name that nobody's label told of.
bool may_be_ours(const Object& found, const Object& wanted) {
    const auto whose = label_of(found, label::kInstanceOf);
    if (!whose.empty() && whose != label_of(wanted, label::kInstanceOf)) return false;
    return label_of(found, label::kAppId) == label_of(wanted, label::kAppId) ||
           !annotation_of(found, annotation::kOrdered).empty();
}

const Manifest& place_in(const std::vector<Manifest>& manifests) {
    const auto found = std::ranges::find(manifests, kNamespace, &Manifest::kind);
    LOCO_CHECK(found != manifests.end());
    return *found;
}

}  // namespace

KubernetesCluster::KubernetesCluster(const KubernetesClusterParts& parts,
                                     KubernetesClusterOptions options)
    : parts_(parts),
      options_([&options] {
          options.attendant.registry_host = options.render.registry_host;
          options.probe.gateway_name = options.render.gateway_name;
          options.probe.gateway_namespace = options.render.gateway_namespace;
          return std::move(options);
      }()),
      credentials_(parts_.client, parts_.registry, parts_.clock, options_.render.pull_secret,
                   options_.render.registry_host),
      attendant_(parts_.client, credentials_, parts_.clock, options_.attendant,
                 [this](const AppId& app) { tell(app); }),
      probe_(parts_.client, parts_.clock, options_.probe, [this](const AppId& app) { tell(app); }),
      cache_(parts_.client, parts_.streams, parts_.clock, parts_.random,
             {.instance = options_.render.instance, .stale_after = options_.stale_after},
             listener()) {
    attendant_.begin(cache_);
}

KubernetesCluster::~KubernetesCluster() { attendant_.end(); }

CacheListener KubernetesCluster::listener() {
    return {.on_change =
                [this](const CacheChange& change) {
                    const bool is_pod = kWatched.at(change.kind) == kPod;
                    if (is_pod) attendant_.see(change);
                    if (change.app.empty()) return;
                    if (is_pod && parts_.on_pod)
                        parts_.on_pod(change.app, *change.object, change.deleted);
                    tell(change.app);
                },
            .on_everything = [this] { tell(std::nullopt); }};
}

void KubernetesCluster::on_change(std::function<void(std::optional<AppId>)> listener) {
    const std::lock_guard lock(told_mutex_);
    told_ = std::make_shared<const std::function<void(std::optional<AppId>)>>(std::move(listener));
}

void KubernetesCluster::tell(std::optional<AppId> app) {
    std::shared_ptr<const std::function<void(std::optional<AppId>)>> told;
    {
        const std::lock_guard lock(told_mutex_);
        told = told_;
    }
    if (told && *told) (*told)(std::move(app));
}

Result<ImageFacts> KubernetesCluster::image_facts(const ImageRef& image) {
    return parts_.image_facts(image);
}

Result<std::vector<ObservedNode>> KubernetesCluster::nodes() {
    LOCO_TRY(cache_.ready());
    return cache_.nodes();
}

// --- ordering

Result<KubernetesCluster::Order> KubernetesCluster::order_of(const ClusterApp& app) const {
    LOCO_TRY(cache_.ready());
    Order order;
    LOCO_ASSIGN(order.manifests, manifests(app, options_.render));
    prepare(order.manifests, options_.hash_key);
    order.held = cache_.held(app.app);
    order.ordering = cluster::order(order.manifests, app.set, order.held);
    return order;
}

bool KubernetesCluster::differs(const ClusterApp& app) {
    const auto order = order_of(app);
    return order && !order->ordering.nothing_to_do();
}

Result<Applied> KubernetesCluster::apply(const ClusterApp& app) {
    LOCO_ASSIGN(const auto order, order_of(app));
    const auto& ordering = order.ordering;
    Applied applied;
    if (ordering.nothing_to_do()) return applied;
    const auto& place = place_in(order.manifests);
    LOCO_TRY(check_place(place, order.held));
    bool credentials_needed = ordering.makes_pods;
    for (const auto& one : ordering.writes) {
        const auto& manifest = *one.manifest;
        if (credentials_needed && (manifest.kind == kSecret || manifest.kind == kDeployment)) {
            ensure_credentials(app, place);
            credentials_needed = false;
        }
        if (one.hold_replicas > 0) LOCO_TRY(hold_replicas(manifest, one.hold_replicas));
        LOCO_TRY(write(manifest));
        ++applied.written;
        if (one.put_right) {
            applied.put_right.push_back(std::string(manifest.kind.name) + " " +
                                        name_of(manifest.object));
        }
    }
    for (const auto& removal : ordering.removals) {
        LOCO_TRY(remove_object(removal));
        ++applied.written;
    }
    // At the end: what it names was there, and what is missing from then on somebody has removed.
    if (ordering.after != ordering.before) {
        LOCO_TRY(note(ordering.namespace_, annotation::kInventory, to_text(ordering.after)));
        ++applied.written;
    }
    return applied;
}

Result<> KubernetesCluster::check_place(const Manifest& place, const Held& held) {
    const auto name = name_of(place.object);
    if (const auto known = held.find(kNamespace, name)) {
        return is_leaving(*known) ? fail(leaving(name)) : Result<>{};
    }
    // By a list, which is a right that the watches need anyway.
    LOCO_ASSIGN(const auto found,
                parts_.client.list(kNamespace, {.fields = "metadata.name=" + name}));
    if (found.items.empty()) return {};
    const auto& other = found.items.front();
    if (!may_be_ours(other, place.object)) {
        return fail(
            ErrorKind::refused,
            "the namespace " + name + " is there already and is not this Loco's",
            "remove or rename what uses it: kubectl get namespace " + name + " --show-labels",
            "namespace_taken");
    }
    return is_leaving(other) ? fail(leaving(name)) : Result<>{};
}

void KubernetesCluster::ensure_credentials(const ClusterApp& app, const Manifest& place) {
    const auto written = credentials_.ensure(
        {name_of(place.object), member(member(place.object, "metadata"), "labels").get_object(),
         app.release.repository});
    // The nodes may have the image; if not, the attendant renews it for the pod that waits.
    if (!written) {
        log::warning("no credentials were made for an app's image",
                     {{"namespace", name_of(place.object)}, {"problem", written.error().message}});
    }
}

Result<> KubernetesCluster::write(const Manifest& manifest) {
    for (int attempt = 1;; ++attempt) {
        auto answer = parts_.client.apply(manifest.kind, manifest.object, {.force = true});
        if (answer) {
            cache_.wrote(manifest.kind, *answer);
            return {};
        }
        auto error = std::move(answer).error();
        const bool last = attempt == kWriteAttempts;
        if (error.code == "version_conflict" && !last) continue;
        if (error.message.find("being terminated") != std::string::npos ||
            (error.kind == ErrorKind::not_found && manifest.kind.namespaced)) {
            return fail(leaving(kubernetes::namespace_of(manifest.object)));
        }
        // An environment's Secret cannot be changed, as nobody should; one with another content is made anew.
        if (manifest.kind == kSecret && error.code == "invalid_object" && attempt == 1) {
            LOCO_TRY(parts_.client.remove(kSecret, kubernetes::namespace_of(manifest.object),
                                          name_of(manifest.object)));
            continue;
        }
        return fail(std::move(error));
    }
}

Result<> KubernetesCluster::hold_replicas(const Manifest& deployment, std::int64_t replicas) {
    const Object held{{"apiVersion", kDeployment.api_version},
                      {"kind", kDeployment.name},
                      {"metadata",
                       {{"name", name_of(deployment.object)},
                        {"namespace", kubernetes::namespace_of(deployment.object)}}},
                      {"spec", {{"replicas", replicas}}}};
    auto answer = parts_.client.apply(
        kDeployment, held, {.force = true, .field_manager = std::string(kReplicasManager)});
    // It has gone, and one that is made anew has no number to keep.
    if (!answer && answer.error().code == "invalid_object") return {};
    return answer ? Result<>{} : fail(std::move(answer).error());
}

Result<> KubernetesCluster::remove_object(const Removal& removal) {
    auto removed = parts_.client.remove(removal.kind, removal.namespace_, removal.name,
                                        {.only_uid = removal.uid});
    // Another one of that name is there by now: the next order sees it.
    if (!removed && removed.error().kind == ErrorKind::conflict) return {};
    return removed;
}

Result<> KubernetesCluster::note(const std::string& namespace_, std::string_view annotation,
                                 const std::string& text) {
    const auto place = cache_.place(namespace_);
    if (!place) return fail(leaving(namespace_));
    // With its uid nothing is made where it has gone meanwhile.
    const Manifest noted{kNamespace,
                         {{"apiVersion", kNamespace.api_version},
                          {"kind", kNamespace.name},
                          {"metadata",
                           {{"name", namespace_},
                            {"uid", kubernetes::uid_of(*place)},
                            {"annotations", {{annotation, text}}}}}}};
    const auto manager =
        annotation == annotation::kInventory ? kInventoryManager : kCommandsManager;
    for (int attempt = 1;; ++attempt) {
        auto answer = parts_.client.apply(kNamespace, noted.object,
                                          {.force = true, .field_manager = std::string(manager)});
        if (answer) {
            cache_.wrote(kNamespace, *answer);
            return {};
        }
        if (answer.error().message.find("uid mismatch") != std::string::npos) {
            return fail(leaving(namespace_));
        }
        if (answer.error().code == "version_conflict" && attempt < kWriteAttempts) continue;
        return fail(std::move(answer).error());
    }
}

// --- taking away

Result<> KubernetesCluster::stop(const AppId& app) {
    LOCO_TRY(cache_.ready());
    const auto held = cache_.held(app);
    // Before anything goes: else it would seem that somebody else had removed it.
    for (const auto& [name, place] : held.of(kNamespace)) {
        if (is_leaving(*place)) continue;
        const auto before = inventory_of(held, name);
        auto after = before;
        std::erase_if(after, [](const std::string& key) {
            return std::ranges::any_of(kStopped, [&key](const Kind& kind) {
                return key.starts_with(inventory_key(kind, {}));
            });
        });
        if (after != before) LOCO_TRY(note(name, annotation::kInventory, to_text(after)));
    }
    for (const auto& kind : kStopped) {
        for (const auto& [key, object] : held.of(kind)) {
            if (is_leaving(*object)) continue;
            LOCO_TRY(remove_object({kind, kubernetes::namespace_of(*object), name_of(*object),
                                    kubernetes::uid_of(*object)}));
        }
    }
    return {};
}

Result<> KubernetesCluster::remove(const AppId& app) {
    LOCO_TRY(cache_.ready());
    const auto held = cache_.held(app);
    for (const auto& [name, place] : held.of(kNamespace)) {
        credentials_.forget(name);
        if (is_leaving(*place)) continue;
        LOCO_TRY(remove_object({kNamespace, {}, name, kubernetes::uid_of(*place)}));
    }
    // What runs at once too: the cluster begins to empty a namespace after 5 s, and where pods are still ending then, it looks
    // again only after some more. In a namespace that lost its label all goes one by one.
    for (std::size_t i = 0; i < kWatched.size(); ++i) {
        // Pods go with what they belong to.
        if (kWatched.at(i) == kNamespace || kWatched.at(i) == kPod) continue;
        const bool runs = std::ranges::find(kStopped, kWatched.at(i)) != kStopped.end();
        for (const auto& [key, object] : held.objects.at(i)) {
            const auto namespace_ = kubernetes::namespace_of(*object);
            if (is_leaving(*object) || (!runs && held.find(kNamespace, namespace_))) continue;
            LOCO_TRY(remove_object(
                {kWatched.at(i), namespace_, name_of(*object), kubernetes::uid_of(*object)}));
        }
    }
    return {};
}

// --- commands

Result<> KubernetesCluster::run(const ClusterCommand& command) {
    LOCO_TRY(cache_.ready());
    const auto& app = command.app;
    auto wanted = place_manifests(app, options_.render);
    const auto held = cache_.held(app.app);
    prepare(wanted, options_.hash_key);
    const auto& place = place_in(wanted);
    const auto namespace_ = name_of(place.object);
    LOCO_TRY(check_place(place, held));
    if (const auto known = held.find(kNamespace, namespace_);
        known && annotation_of(*known, annotation::kCommandsDone) >= app.set.str()) {
        return fail(ErrorKind::conflict,
                    "the command of " + app.set.str() + " has run and was taken away", {},
                    "command_done");
    }
    if (held.find(kJob, key_of(namespace_, release_job_name(app.set)))) return {};
    for (const auto& manifest : wanted) {
        const auto live = held.find(manifest.kind, key_of(manifest.object));
        // What is there is apply()'s business: it may be another release's.
        if (!live) LOCO_TRY(write(manifest));
    }
    ensure_credentials(app, place);
    LOCO_ASSIGN(const auto manifests, command_manifests(command, options_.render));
    auto inventory = inventory_of(cache_.held(app.app), namespace_);
    for (const auto& manifest : wanted) {
        inventory.insert(inventory_key(manifest.kind, name_of(manifest.object)));
    }
    for (const auto& manifest : manifests) {
        if (manifest.kind == kSecret) {
            // First: a Secret that no inventory names would never be removed.
            inventory.insert(inventory_key(kSecret, name_of(manifest.object)));
            LOCO_TRY(note(namespace_, annotation::kInventory, to_text(inventory)));
        }
        LOCO_TRY(write(manifest));
    }
    return {};
}

Result<> KubernetesCluster::remove_command(const AppId& app, const DeploymentId& set) {
    LOCO_TRY(cache_.ready());
    const auto held = cache_.held(app);
    for (const auto& [name, place] : held.of(kNamespace)) {
        if (is_leaving(*place)) continue;
        if (annotation_of(*place, annotation::kCommandsDone) < set.str()) {
            LOCO_TRY(note(name, annotation::kCommandsDone, set.str()));
        }
    }
    for (const auto& [key, job] : held.of(kJob)) {
        if (label_of(*job, label::kSet) != set.str() || is_leaving(*job)) continue;
        LOCO_TRY(remove_object(
            {kJob, kubernetes::namespace_of(*job), name_of(*job), kubernetes::uid_of(*job)}));
    }
    return {};
}

// --- seeing

std::vector<ObservedPod> KubernetesCluster::pods_of(const Held& held) const {
    std::vector<ObservedPod> pods;
    for (const auto& [key, pod] : held.of(kPod)) {
        const auto node = text(member(*pod, "spec"), "nodeName");
        pods.push_back(
            observed_pod({.pod = pod.get(),
                          .node_lost = !node.empty() && cache_.node_lost(node),
                          .health_words = attendant_.health_words(kubernetes::uid_of(*pod))}));
    }
    std::ranges::sort(pods, {}, &ObservedPod::instance);
    return pods;
}

Result<ObservedApp> KubernetesCluster::observe(const AppId& app) {
    LOCO_TRY(cache_.ready());
    const auto held = cache_.held(app);
    ObservedApp observed;
    observed.exists = !held.empty();
    for (const auto& [name, place] : held.of(kNamespace)) {
        observed.removing = observed.removing || is_leaving(*place);
    }
    observed.pods = pods_of(held);
    for (const auto& [key, deployment] : held.of(kDeployment)) {
        if (!is_leaving(*deployment)) {
            observed.processes.push_back(observed_process(*deployment, observed.pods));
        }
    }
    std::ranges::sort(observed.processes, {}, &ObservedProcess::name);
    std::vector<const Object*> routes;
    for (const auto& [key, route] : held.of(kHttpRoute)) routes.push_back(route.get());
    auto routing = routing_of(routes);
    observed.routed = routing.routed && is_reached(app, held);
    observed.route_problem = std::move(routing.problem);
    return observed;
}

bool KubernetesCluster::is_reached(const AppId& app, const Held& held) {
    for (const auto& [key, route] : held.of(kHttpRoute)) {
        std::optional<Time> ready_since;
        for (const auto& [name, pod] : held.of(kPod)) {
            if (label_of(*pod, label::kProcess) != label_of(*route, label::kProcess)) continue;
            if (const auto since = ready_since_of(*pod))
                ready_since = std::min(ready_since.value_or(*since), *since);
        }
        if (!ready_since) continue;  // nobody could answer yet
        const auto [host, path] = first_match_of(*route);
        if (!host.empty() && !probe_.leads(app, host, path, *ready_since)) return false;
    }
    return true;
}

Result<std::vector<AppId>> KubernetesCluster::apps() {
    LOCO_TRY(cache_.ready());
    return cache_.apps();
}

Result<std::vector<ResourceUsage>> KubernetesCluster::usage(const AppId& app) {
    LOCO_TRY(cache_.ready());
    const auto held = cache_.held(app);
    std::vector<ResourceUsage> all;
    for (const auto& [name, place] : held.of(kNamespace)) {
        auto answer =
            parts_.client.get_path("/apis/metrics.k8s.io/v1beta1/namespaces/" + name + "/pods");
        if (!answer) {
            auto error = std::move(answer).error();
            // Nobody serves that API.
            if (error.kind == ErrorKind::not_found) {
                error.message = "this cluster does not measure its pods";
                error.hint = "install the metrics server";
            }
            return fail(std::move(error));
        }
        const auto found = usage_of(*answer, [&](const std::string& pod) {
            const auto known = held.find(kPod, key_of(name, pod));
            return known ? std::optional(observed_pod({.pod = known.get()}).instance)
                         : std::nullopt;
        });
        all.insert(all.end(), found.begin(), found.end());
    }
    return all;
}

}  // namespace loco::cluster
