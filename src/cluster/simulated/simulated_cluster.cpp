#include "cluster/simulated/simulated_cluster.hpp"

#include <algorithm>

namespace loco::cluster {
namespace {

// How long what was seen last is taken for true while the API server does not answer.
constexpr auto kTrusted = std::chrono::minutes(1);

}  // namespace

// --- the cluster

void SimulatedCluster::add_image(const ImageRef& ref, const ImageFacts& facts) {
    images_[{ref.repository, ref.digest}] = facts;
}

void SimulatedCluster::forget_image(const ImageRef& ref) {
    images_.erase({ref.repository, ref.digest});
}

void SimulatedCluster::add_node(const ObservedNode& node) { nodes_.push_back(node); }

void SimulatedCluster::tell(const AppId& app) {
    for (auto* client : clients_) client->tell(app);
}

void SimulatedCluster::set_away(bool away) {
    if (away == away_since_.has_value()) return;
    if (away) {
        for (auto* client : clients_) client->set_stale(true);
        away_since_ = clock_.now();
        return;
    }
    away_since_.reset();
    for (auto* client : clients_) client->set_stale(false);
}

std::string SimulatedCluster::fingerprint(const ClusterApp& app) {
    std::string out = app.release.id.str() + "|" + app.set.str();
    for (const auto& one : app.processes) {
        out += "|" + one.name + "," + std::to_string(one.replicas) + "," +
               std::to_string(one.max_replicas) + "," + std::to_string(one.cpu_millis) + "," +
               std::to_string(one.memory_bytes);
    }
    for (const auto& [name, value] : app.env) out += "|" + name + "=" + value.reveal();
    for (const auto& host : app.hosts) out += "|" + host;
    return out;
}

bool SimulatedCluster::is_of(const std::string& loco, const AppId& id) const {
    const auto found = apps_.find(id);
    return found != apps_.end() && found->second.owner == loco;
}

Result<SimulatedCluster::App*> SimulatedCluster::place_of(const std::string& loco,
                                                          const AppId& id) {
    const auto [found, made] = apps_.try_emplace(id);
    auto& app = found->second;
    if (made) app.owner = loco;
    if (app.gone_at)
        return fail(ErrorKind::unavailable, "the app's namespace is still being removed", {},
                    "namespace_leaving");
    if (app.owner != loco) {
        return fail(ErrorKind::refused, "the app's namespace is there already, another Loco's", {},
                    "namespace_taken");
    }
    return &app;
}

Result<Applied> SimulatedCluster::apply(const std::string& loco, const ClusterApp& wanted) {
    std::int64_t memory = 0;
    for (const auto& process : wanted.processes) memory += process.memory_bytes * process.replicas;
    if (memory_quota_ > 0 && memory > memory_quota_) {
        return fail(ErrorKind::refused, "exceeded quota: loco, requested: memory", {},
                    "not_admitted");
    }
    LOCO_ASSIGN(auto* const place, place_of(loco, wanted.app));
    auto& app = *place;
    Applied out;
    const auto print = fingerprint(wanted);
    const bool same = app.ordered && app.fingerprint == print;
    if (same && app.drifted.empty()) return out;
    if (same) out.put_right.assign(app.drifted.begin(), app.drifted.end());
    out.written = same ? static_cast<int>(app.drifted.size()) : 1;
    writes_ += static_cast<std::size_t>(out.written);
    app.drifted.clear();
    app.ordered = wanted;
    app.fingerprint = print;
    std::set<std::string> names;
    for (const auto& process : wanted.processes) {
        names.insert(process.name);
        auto& deployment = app.deployments[process.name];
        deployment = {process, wanted.release, wanted.set, clock_.now() + some(500)};
    }
    std::erase_if(app.deployments, [&](const auto& one) { return !names.contains(one.first); });
    for (auto& pod : app.pods) {
        if (pod.seen.process != "release" && !names.contains(pod.seen.process)) stop(pod);
    }
    const bool routes = std::ranges::any_of(
        wanted.release.spec.ports, [](const PortSpec& port) { return !port.path.empty(); });
    if (!routes || wanted.hosts.empty()) {
        app.routed_at.reset();
    } else if (!app.routed_at) {
        app.routed_at = clock_.now() + some(1000);
    }
    tell(wanted.app);
    return out;
}

void SimulatedCluster::stop(const AppId& id) {
    const auto found = apps_.find(id);
    if (found == apps_.end()) return;
    auto& app = found->second;
    ++writes_;
    app.ordered.reset();
    app.fingerprint.clear();
    app.deployments.clear();
    app.drifted.clear();
    app.routed_at.reset();
    for (auto& pod : app.pods) {
        if (pod.seen.process != "release") stop(pod);
    }
    tell(id);
}

void SimulatedCluster::remove(const AppId& id) {
    const auto found = apps_.find(id);
    if (found == apps_.end() || found->second.gone_at) return;
    ++writes_;
    found->second.gone_at = clock_.now() + some(5000);
    for (auto& pod : found->second.pods) stop(pod);
    tell(id);
}

Result<> SimulatedCluster::run(const std::string& loco, const ClusterCommand& command) {
    LOCO_ASSIGN(auto* const place, place_of(loco, command.app.app));
    auto& app = *place;
    if (app.commands_done && *app.commands_done >= command.app.set) {
        return fail(ErrorKind::conflict, "the command has run and was taken away", {},
                    "command_done");
    }
    if (!app.commands.insert(command.app.set).second) return {};
    ++writes_;
    ClusterProcess process{.name = "release", .main = false, .command = command.command};
    app.pods.push_back(make_pod(command.app.app, command.app.release, command.app.set, process));
    tell(command.app.app);
    return {};
}

void SimulatedCluster::remove_command(const AppId& id, const DeploymentId& set) {
    const auto found = apps_.find(id);
    if (found == apps_.end()) return;
    auto& done = found->second.commands_done;
    const bool noted = done && *done >= set;
    if (found->second.commands.erase(set) == 0 && noted) return;
    ++writes_;
    if (!noted) done = set;
    for (auto& pod : found->second.pods) {
        if (pod.seen.set == set && pod.seen.process == "release") stop(pod);
    }
    tell(id);
}

ObservedApp SimulatedCluster::observe(const AppId& id) const {
    ObservedApp out;
    const auto found = apps_.find(id);
    if (found == apps_.end()) return out;
    const auto& app = found->second;
    out.exists = true;
    out.removing = app.gone_at.has_value();
    out.routed = app.routed_at && *app.routed_at <= clock_.now();
    for (const auto& [name, deployment] : app.deployments) {
        ObservedProcess one{.name = name,
                            .set = deployment.set,
                            .settled = deployment.settles_at <= clock_.now(),
                            .wanted = deployment.process.replicas,
                            .problem = {}};
        for (const auto& pod : app.pods) {
            if (pod.seen.process != name || pod.seen.state >= PodState::terminating) continue;
            ++one.total;
            if (pod.seen.set != deployment.set) continue;
            ++one.updated;
            if (pod.seen.state == PodState::ready) ++one.ready;
        }
        out.processes.push_back(std::move(one));
    }
    for (const auto& pod : app.pods) out.pods.push_back(pod.seen);
    std::ranges::sort(out.pods, {}, &ObservedPod::instance);
    return out;
}

SimulatedCluster::Pod* SimulatedCluster::find(const InstanceId& id) {
    for (auto& [app, kept] : apps_) {
        for (auto& pod : kept.pods) {
            if (pod.seen.instance == id) return &pod;
        }
    }
    return nullptr;
}

bool SimulatedCluster::change_by_hand(const AppId& id) {
    const auto found = apps_.find(id);
    if (found == apps_.end() || !found->second.ordered || found->second.gone_at) return false;
    found->second.drifted.insert("Service web");
    tell(id);
    return true;
}

void SimulatedCluster::scale_by_hand(const AppId& id, const std::string& process, int replicas) {
    auto& app = apps_.at(id);
    app.deployments.at(process).process.replicas = replicas;
    app.drifted.insert("Deployment " + process);
    tell(id);
}

void SimulatedCluster::remove_by_hand(const AppId& id, const std::string& process) {
    auto& app = apps_.at(id);
    app.deployments.erase(process);
    app.drifted.insert("Deployment " + process);
    for (auto& pod : app.pods) {
        if (pod.seen.process == process) stop(pod);
    }
    tell(id);
}

std::vector<SimulatedCluster::Pod> SimulatedCluster::pods() const {
    std::vector<Pod> out;
    for (const auto& [id, app] : apps_) out.insert(out.end(), app.pods.begin(), app.pods.end());
    return out;
}

std::vector<AppId> SimulatedCluster::apps() const {
    std::vector<AppId> out;
    for (const auto& [id, app] : apps_) out.push_back(id);
    return out;
}

int SimulatedCluster::ready(const AppId& id, const std::string& process) const {
    const auto found = apps_.find(id);
    if (found == apps_.end()) return 0;
    return static_cast<int>(std::ranges::count_if(found->second.pods, [&](const Pod& pod) {
        return pod.seen.process == process && pod.seen.state == PodState::ready;
    }));
}

const ClusterApp* SimulatedCluster::ordered(const AppId& id) const {
    const auto found = apps_.find(id);
    return found == apps_.end() || !found->second.ordered ? nullptr : &*found->second.ordered;
}

bool SimulatedCluster::changed_by_hand(const AppId& id) const {
    const auto found = apps_.find(id);
    return found != apps_.end() && !found->second.drifted.empty();
}

// --- a client of it

SimulatedClusterClient::SimulatedClusterClient(SimulatedCluster& cluster, std::string loco)
    : cluster_(cluster), loco_(std::move(loco)) {
    cluster_.clients_.push_back(this);
    if (cluster_.away_since_) view_.emplace();
}

SimulatedClusterClient::~SimulatedClusterClient() { std::erase(cluster_.clients_, this); }

template <class Work>
auto SimulatedClusterClient::call(std::string_view name, const Work& work) -> decltype(work()) {
    if (hook_) LOCO_TRY(hook_(When::before, name));
    if (cluster_.away_since_) return fail(ErrorKind::unavailable, "the API server does not answer");
    auto out = work();
    if (hook_) LOCO_TRY(hook_(When::after, name));
    return out;
}

SimulatedClusterClient::Seen SimulatedClusterClient::see(const AppId& app) const {
    if (!cluster_.is_of(loco_, app)) return {};
    Seen out{.app = cluster_.observe(app), .fingerprint = {}};
    const auto found = cluster_.apps_.find(app);
    if (found != cluster_.apps_.end() && found->second.drifted.empty())
        out.fingerprint = found->second.fingerprint;
    return out;
}

std::map<AppId, SimulatedClusterClient::Seen> SimulatedClusterClient::see_all() const {
    std::map<AppId, Seen> out;
    for (const auto& [id, app] : cluster_.apps_) {
        if (app.owner == loco_) out[id] = see(id);
    }
    return out;
}

void SimulatedClusterClient::set_stale(bool stale) {
    if (stale == view_.has_value() || (!stale && cluster_.away_since_)) return;
    if (stale) {
        view_ = see_all();
        return;
    }
    view_.reset();
    tell(std::nullopt);
}

void SimulatedClusterClient::tell(const std::optional<AppId>& app) {
    if (!view_ && listener_) listener_(app);
}

void SimulatedClusterClient::on_change(std::function<void(std::optional<AppId>)> listener) {
    listener_ = std::move(listener);
}

Result<ImageFacts> SimulatedClusterClient::image_facts(const ImageRef& image) {
    return call("image_facts", [&]() -> Result<ImageFacts> {
        const auto found = cluster_.images_.find({image.repository, image.digest});
        if (found == cluster_.images_.end()) return fail(ErrorKind::not_found, "no such image");
        return found->second;
    });
}

Result<std::vector<ObservedNode>> SimulatedClusterClient::nodes() { return cluster_.nodes_; }

bool SimulatedClusterClient::differs(const ClusterApp& app) {
    const auto wanted = SimulatedCluster::fingerprint(app);
    if (!view_) return see(app.app).fingerprint != wanted;
    const auto found = view_->find(app.app);
    return found == view_->end() || found->second.fingerprint != wanted;
}

Result<Applied> SimulatedClusterClient::apply(const ClusterApp& app) {
    return call("apply", [&] { return cluster_.apply(loco_, app); });
}

Result<> SimulatedClusterClient::stop(const AppId& app) {
    return call("stop", [&]() -> Result<> {
        if (cluster_.is_of(loco_, app)) cluster_.stop(app);
        return {};
    });
}

Result<> SimulatedClusterClient::remove(const AppId& app) {
    return call("remove", [&]() -> Result<> {
        if (cluster_.is_of(loco_, app)) cluster_.remove(app);
        return {};
    });
}

Result<> SimulatedClusterClient::run(const ClusterCommand& command) {
    return call("run", [&] { return cluster_.run(loco_, command); });
}

Result<> SimulatedClusterClient::remove_command(const AppId& app, const DeploymentId& set) {
    return call("remove_command", [&]() -> Result<> {
        if (cluster_.is_of(loco_, app)) cluster_.remove_command(app, set);
        return {};
    });
}

Result<ObservedApp> SimulatedClusterClient::observe(const AppId& app) {
    if (cluster_.away_since_ && cluster_.clock_.now() > *cluster_.away_since_ + kTrusted)
        return fail(ErrorKind::unavailable, "the cluster was not heard of for a minute");
    if (!view_) return see(app).app;
    const auto found = view_->find(app);
    return found == view_->end() ? ObservedApp{} : found->second.app;
}

Result<std::vector<AppId>> SimulatedClusterClient::apps() {
    std::vector<AppId> out;
    if (!view_) {
        for (const auto& [id, app] : cluster_.apps_) {
            if (app.owner == loco_) out.push_back(id);
        }
        return out;
    }
    for (const auto& [id, seen] : *view_) out.push_back(id);
    return out;
}

Result<std::vector<ResourceUsage>> SimulatedClusterClient::usage(const AppId& app) {
    return call("usage", [&]() -> Result<std::vector<ResourceUsage>> {
        std::vector<ResourceUsage> out;
        for (const auto& pod : cluster_.observe(app).pods) {
            if (pod.state == PodState::ready)
                out.push_back({.instance = pod.instance, .cpu_millis = 1, .memory_bytes = 1 << 20});
        }
        return out;
    });
}

}  // namespace loco::cluster
