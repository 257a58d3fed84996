#include "cluster/kubernetes/cache.hpp"

#include <algorithm>
#include <charconv>

#include "cluster/kubernetes/drift.hpp"
#include "cluster/kubernetes/labels.hpp"
#include "cluster/kubernetes/pods.hpp"

namespace loco::cluster {
namespace {

using kubernetes::Change;
using kubernetes::Kind;
using kubernetes::Object;
using kubernetes::SharedObject;
using std::chrono::seconds;

// A watch that had trouble and was silent since; the API server tells each of its place about once a minute.
constexpr seconds kWatchStaleAfter{150};

bool keeps_status(const Kind& kind) {
    return kind == kubernetes::kDeployment || kind == kubernetes::kHttpRoute ||
           kind == kubernetes::kJob;
}

void reduce(const Kind& kind, Object& object) {
    if (kind == kubernetes::kPod) {
        reduce_pod(object);
    } else if (kind == kubernetes::kNode) {
        reduce_node(object);
    } else {
        pack(object, keeps_status(kind));
    }
}

// Versions are numbers that grow, though the API calls them opaque (documented as comparable since Kubernetes 1.35).
std::uint64_t version_of(const Object& object) {
    const auto written = kubernetes::resource_version_of(object);
    std::uint64_t version = 0;
    std::from_chars(written.data(), written.data() + written.size(), version);
    return version;
}

std::string app_of(const Object& object) { return kubernetes::label_of(object, label::kAppId); }

}  // namespace

std::optional<std::size_t> watched_index(const Kind& kind) {
    const auto* found = std::ranges::find(kWatched, kind);
    if (found == kWatched.end()) return std::nullopt;
    return static_cast<std::size_t>(found - kWatched.begin());
}

const Held::Objects& Held::of(const Kind& kind) const {
    static const Objects kNone;
    const auto index = watched_index(kind);
    return index ? objects[*index] : kNone;
}

SharedObject Held::find(const Kind& kind, const std::string& key) const {
    const auto& all = of(kind);
    const auto found = all.find(key);
    return found == all.end() ? nullptr : found->second;
}

bool Held::empty() const {
    return std::ranges::all_of(objects, [](const auto& all) { return all.empty(); });
}

struct Cache::Watch {
    Kind kind;
    std::optional<std::pair<SteadyTime, Error>> trouble = {};  // under the cache's lock
    std::unique_ptr<kubernetes::Reflector> reflector = {};
    // Its listener may be called before the reflector is at hand.
    std::atomic<kubernetes::Reflector*> at_hand = nullptr;
};

Cache::Cache(kubernetes::Client& client, http::StreamClient& streams, const Clock& clock,
             Random& random, CacheOptions options, CacheListener listener)
    : client_(client),
      clock_(clock),
      options_(std::move(options)),
      listener_(std::move(listener)),
      heard_(clock.steady()) {
    for (const auto& kind : kWatched) watches_.push_back(std::make_unique<Watch>(kind));
    watches_.push_back(std::make_unique<Watch>(kubernetes::kNode));
    const auto ours = std::string(label::kInstanceOf) + "=" + options_.instance;
    for (std::size_t i = 0; i < watches_.size(); ++i) {
        auto& watch = *watches_[i];
        const bool is_node = watch.kind == kubernetes::kNode;
        kubernetes::ReflectorOptions how;
        if (!is_node) how.selection.labels = ours;
        how.reduce = [kind = watch.kind](Object& object) { reduce(kind, object); };
        kubernetes::ReflectorListener told;
        told.on_change = [this, i, is_node](const Change& change) {
            is_node ? take_node(change) : take(i, change);
        };
        told.on_synced = [this, i, is_node] {
            if (!is_node) settle(i);
            if (listener_.on_everything) listener_.on_everything();
        };
        told.on_trouble = [this, i](const Error& error) { trouble(i, error); };
        watch.reflector = std::make_unique<kubernetes::Reflector>(
            client_, streams, clock_, random, watch.kind, std::move(how), std::move(told));
        watch.at_hand = watch.reflector.get();
    }
}

// The reflectors first: their listeners use the rest.
Cache::~Cache() {
    for (auto& watch : watches_) watch->reflector.reset();
}

void Cache::put(std::size_t kind, const std::string& key, SharedObject object) {
    auto& where = app_of_[kind];
    auto app = app_of(*object);
    if (const auto before = where.find(key); before != where.end() && before->second != app) {
        drop(kind, key);
    }
    index_[app][kind][key] = std::move(object);
    where[key] = std::move(app);
}

void Cache::drop(std::size_t kind, const std::string& key) {
    const auto where = app_of_[kind].find(key);
    if (where == app_of_[kind].end()) return;
    const auto found = index_.find(where->second);
    if (found != index_.end()) {
        found->second[kind].erase(key);
        if (std::ranges::all_of(found->second, [](const auto& all) { return all.empty(); })) {
            index_.erase(found);
        }
    }
    app_of_[kind].erase(where);
}

void Cache::take(std::size_t kind, const Change& change) {
    const auto key = kubernetes::key_of(*change.object);
    const bool deleted = change.type == Change::Type::deleted;
    {
        const std::lock_guard lock(mutex_);
        const auto where = app_of_[kind].find(key);
        const auto* known =
            where == app_of_[kind].end() ? nullptr : index_[where->second][kind][key].get();
        // This process has written since: what the watch says is the past.
        if (known != nullptr && version_of(*known) > version_of(*change.object)) {
            if (!deleted || kubernetes::uid_of(*known) != kubernetes::uid_of(*change.object))
                return;
        }
        deleted ? drop(kind, key) : put(kind, key, change.object);
    }
    if (listener_.on_change) {
        listener_.on_change({.app = AppId(app_of(*change.object)),
                             .kind = kind,
                             .object = change.object,
                             .deleted = deleted});
    }
}

// Forgets what was written here and removed by others before any watch told of it.
void Cache::settle(std::size_t kind) {
    const auto* reflector = watches_[kind]->at_hand.load();
    if (reflector == nullptr) return;  // the first list: nothing was written before
    std::uint64_t version = 0;
    const auto written = reflector->resource_version();
    std::from_chars(written.data(), written.data() + written.size(), version);
    const std::lock_guard lock(mutex_);
    std::vector<std::string> ghosts;
    for (const auto& [key, app] : app_of_[kind]) {
        const auto slash = key.find('/');
        const auto there = slash == std::string::npos
                               ? reflector->find("", key)
                               : reflector->find(key.substr(0, slash), key.substr(slash + 1));
        if (!there && version_of(*index_[app][kind][key]) <= version) ghosts.push_back(key);
    }
    for (const auto& key : ghosts) drop(kind, key);
}

void Cache::take_node(const Change& change) {
    const auto node = observed_node(*change.object);
    {
        const std::lock_guard lock(mutex_);
        if (change.type == Change::Type::deleted) {
            nodes_.erase(node.name);
        } else {
            auto& known = nodes_[node.name];
            if (known == node) return;  // its heartbeat
            known = node;
        }
    }
    if (listener_.on_everything) listener_.on_everything();
}

void Cache::trouble(std::size_t watch, const Error& error) {
    const std::lock_guard lock(mutex_);
    auto& known = watches_[watch]->trouble;
    const auto* reflector = watches_[watch]->at_hand.load();
    const bool went_on = known && reflector != nullptr && reflector->last_contact() > known->first;
    if (known && !went_on) {
        known->second = error;
    } else {
        known.emplace(clock_.steady(), error);
    }
}

Result<> Cache::ready() const {
    const auto now = clock_.steady();
    const std::lock_guard lock(mutex_);
    SteadyTime contact = heard_;
    for (const auto& watch : watches_) {
        const auto heard = watch->reflector->last_contact();
        contact = std::max(contact, heard);
        if (watch->trouble && heard > watch->trouble->first) watch->trouble.reset();
        const auto told = [&](const std::string& what) {
            std::string message = what + std::string(watch->kind.plural);
            if (watch->trouble) message += ": " + watch->trouble->second.message;
            return fail(ErrorKind::unavailable, std::move(message),
                        watch->trouble ? watch->trouble->second.hint : std::string(),
                        "cluster_not_known");
        };
        if (!watch->reflector->synced()) return told("the cluster has not yet told of its ");
        if (watch->trouble && now - watch->trouble->first > kWatchStaleAfter) {
            return told("the cluster no longer tells of its ");
        }
    }
    if (now - contact > options_.stale_after) {
        return fail(ErrorKind::unavailable,
                    "the cluster was not heard of for " +
                        std::to_string(std::chrono::duration_cast<seconds>(now - contact).count()) +
                        " s",
                    "see that the API server at " + client_.config().server + " answers",
                    "cluster_not_heard");
    }
    return {};
}

Held Cache::held(const AppId& app) const {
    Held held;
    const std::lock_guard lock(mutex_);
    if (const auto found = index_.find(app.str()); found != index_.end()) {
        held.objects = found->second;
    }
    return held;
}

SharedObject Cache::place(const std::string& namespace_) const {
    const auto kind = watched_index(kubernetes::kNamespace).value();
    const std::lock_guard lock(mutex_);
    const auto where = app_of_.at(kind).find(namespace_);
    if (where == app_of_.at(kind).end()) return nullptr;
    return index_.at(where->second).at(kind).at(namespace_);
}

std::vector<AppId> Cache::apps() const {
    std::vector<AppId> all;
    const std::lock_guard lock(mutex_);
    for (const auto& [app, objects] : index_) {
        if (auto id = AppId::parse(app)) all.push_back(std::move(*id));
    }
    std::ranges::sort(all);
    return all;
}

std::vector<ObservedNode> Cache::nodes() const {
    std::vector<ObservedNode> all;
    const std::lock_guard lock(mutex_);
    for (const auto& [name, node] : nodes_) all.push_back(node);
    std::ranges::sort(all, {}, &ObservedNode::name);
    return all;
}

bool Cache::node_lost(const std::string& name) const {
    const std::lock_guard lock(mutex_);
    const auto found = nodes_.find(name);
    return found != nodes_.end() && !found->second.ready;
}

void Cache::wrote(const Kind& kind, const Object& answer) {
    const auto index = watched_index(kind);
    if (!index || kind == kubernetes::kPod) return;
    auto kept = answer;
    reduce(kind, kept);
    const auto key = kubernetes::key_of(kept);
    const std::lock_guard lock(mutex_);
    const auto where = app_of_[*index].find(key);
    if (where != app_of_[*index].end() &&
        version_of(*index_[where->second][*index][key]) >= version_of(kept)) {
        return;
    }
    put(*index, key, std::make_shared<const Object>(std::move(kept)));
}

SteadyTime Cache::last_contact() const {
    const std::lock_guard lock(mutex_);
    SteadyTime contact = heard_;
    for (const auto& watch : watches_)
        contact = std::max(contact, watch->reflector->last_contact());
    return contact;
}

void Cache::heard() {
    const std::lock_guard lock(mutex_);
    heard_ = clock_.steady();
}

}  // namespace loco::cluster
