// What a cluster does by itself: places pods, starts and restarts them, rolls one set into the other, takes away what was
// removed.
#include <algorithm>

#include "cluster/simulated/simulated_cluster.hpp"

namespace loco::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The kubelet's: 10 s, 20 s, … 5 min; the first restart is at once.
Duration restart_delay(int restarts) {
    if (restarts == 0) return milliseconds(100);
    return std::min<Duration>(seconds(10) * (1 << std::min(restarts - 1, 5)), seconds(300));
}

bool is_going(const ObservedPod& pod) { return pod.state >= PodState::terminating; }

void earlier(std::optional<Time>& due, const std::optional<Time>& at, Time now) {
    if (at && *at > now && (!due || *at < *due)) due = at;
}

}  // namespace

// Some time that differs from call to call, the same in every run.
Duration SimulatedCluster::some(std::int64_t most_ms) {
    return milliseconds(static_cast<std::int64_t>(++made_ * 7919) % most_ms + 1);
}

const ObservedNode* SimulatedCluster::node_for(const ClusterProcess& process) const {
    const auto found = std::ranges::find_if(nodes_, [&](const ObservedNode& node) {
        return node.ready && node.schedulable && node.memory_bytes >= process.memory_bytes &&
               node.cpu_millis >= process.cpu_millis;
    });
    return found == nodes_.end() ? nullptr : &*found;
}

SimulatedCluster::Pod SimulatedCluster::make_pod(const AppId& app, const Release& release,
                                                 const DeploymentId& set,
                                                 const ClusterProcess& process) {
    Pod pod;
    pod.app = app;
    pod.process = process;
    pod.starts_at = clock_.now() + some(1500);
    auto number = std::to_string(++made_);
    number.insert(0, 26 - number.size(), '0');
    pod.seen.instance = InstanceId("ins_" + number);
    pod.seen.name = process.name + "-" + number;
    pod.seen.set = set;
    pod.seen.release = release.id;
    pod.seen.process = process.name;
    pod.seen.created_at = clock_.now();
    if (behave_) pod.behaviour = behave_(release, process.name);
    return pod;
}

void SimulatedCluster::stop(Pod& pod) {
    if (pod.gone_at) return;
    pod.gone_at = clock_.now() +
                  (pod.seen.state == PodState::ended ? Duration{0} : pod.behaviour.stops_after);
    if (pod.seen.state == PodState::ready) pod.seen.asked_until = clock_.now() + some(1000);
    pod.seen.state = PodState::terminating;
}

void SimulatedCluster::start(App& app, const Deployment& deployment) {
    app.pods.push_back(
        make_pod(app.ordered->app, deployment.release, deployment.set, deployment.process));
}

// A Deployment with maxUnavailable 0 and maxSurge 25 %, or one that recreates.
void SimulatedCluster::roll(App& app, Deployment& deployment) {
    if (clock_.now() < deployment.settles_at) return;
    const int wanted = deployment.process.replicas;
    const auto its = [&](const Pod& pod) {
        return pod.seen.process == deployment.process.name && !is_going(pod.seen);
    };
    const auto count = [&](auto what) {
        return static_cast<int>(
            std::ranges::count_if(app.pods, [&](const Pod& pod) { return its(pod) && what(pod); }));
    };
    const auto is_new = [&](const Pod& pod) { return pod.seen.set == deployment.set; };
    const auto is_ready = [](const Pod& pod) { return pod.seen.state == PodState::ready; };
    const auto stop_one = [&](auto what) {
        const auto found =
            std::ranges::find_if(app.pods, [&](const Pod& pod) { return its(pod) && what(pod); });
        if (found != app.pods.end()) stop(*found);
        return found != app.pods.end();
    };
    const auto old_unready = [&](const Pod& pod) { return !is_new(pod) && !is_ready(pod); };
    while (stop_one(old_unready)) {
    }
    const bool recreates = deployment.release.spec.deploy.strategy == Strategy::recreate;
    if (recreates) {
        while (stop_one([&](const Pod& pod) { return !is_new(pod); })) {
        }
        const bool any_old = std::ranges::any_of(app.pods, [&](const Pod& pod) {
            return pod.seen.process == deployment.process.name && !is_new(pod);
        });
        if (any_old) return;
    }
    while (count(is_new) > wanted) {
        if (!stop_one([&](const Pod& pod) { return is_new(pod) && !is_ready(pod); }))
            stop_one(is_new);
    }
    const auto all = [](const Pod&) { return true; };
    const int most = wanted + (wanted + 3) / 4;
    while (count(is_new) < wanted && count(all) < most) start(app, deployment);
    while (count(is_ready) > wanted &&
           stop_one([&](const Pod& pod) { return !is_new(pod) && is_ready(pod); })) {
    }
}

// What its container does.
void SimulatedCluster::run(Pod& pod) {
    const Time now = clock_.now();
    auto& seen = pod.seen;
    const bool command = seen.process == "release";
    if (is_going(seen)) return;
    if (seen.state == PodState::pending) {
        if (now < pod.starts_at) return;
        const auto* node = seen.node.empty() ? node_for(pod.process) : nullptr;
        if (seen.node.empty() && node == nullptr) {
            seen.problem = "0/" + std::to_string(nodes_.size()) + " nodes are available";
            seen.problem_code = "unschedulable";
            return;
        }
        if (node != nullptr) {
            seen.node = node->name;
            seen.address = "10.1.0." + std::to_string(made_ % 250 + 1);
        }
        seen.problem = pod.behaviour.problem;
        seen.problem_code = pod.behaviour.problem_code;
        if (!seen.problem.empty()) return;
        seen.state = PodState::starting;
        seen.started_at = now;
        if (command) ++commands_[seen.set];
    }
    if (seen.state == PodState::waiting) {
        if (now < *pod.restarts_at) return;
        ++seen.restarts;
        seen.state = PodState::starting;
        seen.started_at = now;
    }
    std::optional<Time> ends = pod.crashes_at;
    int code = pod.crash_code;
    bool oom = pod.crash_oom;
    if (pod.behaviour.exits_after) {
        const Time at = *seen.started_at + *pod.behaviour.exits_after;
        if (!ends || at < *ends) {
            ends = at;
            code = pod.behaviour.oom_killed ? 137 : pod.behaviour.exit_code;
            oom = pod.behaviour.oom_killed;
        }
    }
    if (ends && *ends <= now) {
        pod.crashes_at.reset();
        seen.exit_code = code;
        seen.oom_killed = oom;
        seen.finished_at = now;
        pod.restarts_at = now + restart_delay(seen.restarts);
        seen.state = command ? PodState::ended : PodState::waiting;
        return;
    }
    if (!command && seen.state == PodState::starting && pod.behaviour.ready_after &&
        *seen.started_at + *pod.behaviour.ready_after <= now) {
        seen.state = PodState::ready;
        seen.was_ready = true;
    }
    if (!command)
        seen.problem = seen.state == PodState::ready ? std::string() : pod.behaviour.unready_words;
}

// One round of all that is due; whether anything has changed.
bool SimulatedCluster::step() {
    const Time now = clock_.now();
    std::vector<AppId> changed;
    for (auto it = apps_.begin(); it != apps_.end();) {
        const AppId id = it->first;
        auto& app = it->second;
        std::erase_if(app.pods, [&](const Pod& pod) { return pod.gone_at && *pod.gone_at <= now; });
        if (app.gone_at && *app.gone_at <= now && app.pods.empty()) {
            it = apps_.erase(it);
            changed.push_back(id);
            continue;
        }
        for (auto& pod : app.pods) run(pod);
        if (!app.gone_at) {
            for (auto& [name, deployment] : app.deployments) roll(app, deployment);
        }
        if (auto seen = observe(id); seen != app.told) {
            app.told = std::move(seen);
            changed.push_back(id);
        }
        ++it;
    }
    for (const auto& id : changed) tell(id);
    return !changed.empty();
}

void SimulatedCluster::advance() {
    // What changes lets others change: a pod that is ready lets another be stopped.
    for (int round = 0; round < 100 && step(); ++round) {
    }
}

std::optional<Time> SimulatedCluster::next_due() const {
    const Time now = clock_.now();
    std::optional<Time> due;
    for (const auto& [id, app] : apps_) {
        earlier(due, app.gone_at, now);
        earlier(due, app.routed_at, now);
        for (const auto& [name, deployment] : app.deployments)
            earlier(due, deployment.settles_at, now);
        for (const auto& pod : app.pods) {
            earlier(due, pod.starts_at, now);
            earlier(due, pod.gone_at, now);
            earlier(due, pod.crashes_at, now);
            if (pod.seen.state == PodState::waiting) earlier(due, pod.restarts_at, now);
            if (!pod.seen.started_at || is_going(pod.seen)) continue;
            if (pod.behaviour.ready_after)
                earlier(due, *pod.seen.started_at + *pod.behaviour.ready_after, now);
            if (pod.behaviour.exits_after)
                earlier(due, *pod.seen.started_at + *pod.behaviour.exits_after, now);
        }
    }
    return due;
}

bool SimulatedCluster::crash(const InstanceId& id, int exit_code, bool oom_killed) {
    auto* pod = find(id);
    const bool runs = pod != nullptr &&
                      (pod->seen.state == PodState::starting || pod->seen.state == PodState::ready);
    if (!runs) return false;
    pod->crashes_at = clock_.now();
    pod->crash_code = oom_killed ? 137 : exit_code;
    pod->crash_oom = oom_killed;
    advance();
    return true;
}

bool SimulatedCluster::delete_pod(const InstanceId& id) {
    auto* pod = find(id);
    if (pod == nullptr || is_going(pod->seen)) return false;
    const AppId app = pod->app;
    stop(*pod);
    tell(app);
    advance();
    return true;
}

void SimulatedCluster::set_node_ready(const std::string& name, bool ready) {
    for (auto& node : nodes_) {
        if (node.name == name) node.ready = ready;
    }
    if (ready) return;
    std::vector<AppId> changed;
    for (auto& [id, app] : apps_) {
        for (auto& pod : app.pods) {
            if (pod.seen.node != name || is_going(pod.seen)) continue;
            pod.seen.problem = "its node is lost";
            pod.seen.problem_code = "node_lost";
            // Nobody can say how it ended.
            if (pod.seen.process == "release") {
                pod.seen.state = PodState::ended;
                pod.seen.finished_at = clock_.now();
            } else {
                stop(pod);
            }
            changed.push_back(id);
        }
    }
    for (const auto& id : changed) tell(id);
    advance();
}

}  // namespace loco::cluster
