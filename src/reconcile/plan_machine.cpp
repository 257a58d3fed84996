// What is ordered of one machine: its containers, one by one, and the gateway's routes.
#include <algorithm>

#include "reconcile/machine_planner.hpp"
#include "reconcile/routes.hpp"

namespace loco::reconcile {

bool needs_connections(const AppRows& rows) {
    return std::ranges::any_of(rows.instances, [](const Instance& instance) {
        return instance.state == InstanceState::draining ||
               instance.state == InstanceState::stopping;
    });
}

Duration restart_delay(int crashes) {
    constexpr std::chrono::seconds kMost{60};
    return std::min(std::chrono::seconds(1 << std::clamp(crashes - 1, 0, 6)), kMost);
}

void MachinePlanner::before_deployments() {
    observe_instances();
    find_deaths();
    keep_sets();
}

void MachinePlanner::after_deployments() {
    settle_deaths();
    replace_ailing();
    restart_what_waited();
    keep_sets();
    advance_stops();
}

std::vector<Effect> MachinePlanner::effects() {
    std::vector<Effect> out;
    if (rows_.app.destroying) {
        if (!seen_.routes_known || seen_.routes) out.emplace_back(RemoveRoutes{});
    } else if (!routes_applied() && !is_blind_switch()) {
        out.emplace_back(ApplyRoutes{routes_of(rows_)});
    }
    admit_effect(out);
    if (!seen_.runtime_known) return out;
    for (const auto& instance : rows_.instances) container_effects(instance, out);
    for (const auto& seen : seen_.containers) {
        const bool known = contains(rows_.instances, seen.instance, &Instance::id);
        const Effect removal = RemoveContainers{seen.instance};
        if (!known && !contains(out, removal)) out.push_back(removal);
    }
    const bool gone = rows_.app.destroying && rows_.instances.empty() && seen_.containers.empty();
    if (gone && seen_.routes_known && !seen_.routes) {
        if (!seen_.forgotten) out.emplace_back(Forget{});
        finish_destroy_ = seen_.forgotten;
    }
    return out;
}

void MachinePlanner::container_effects(const Instance& instance, std::vector<Effect>& out) {
    switch (instance.state) {
        case InstanceState::pending: {
            if (now_ < instance.restart_at.value_or(now_)) {
                wake(*instance.restart_at);
                return;
            }
            const auto* seen = container(instance);
            const bool other_attempt = has_containers(instance.id) && seen == nullptr;
            if (other_attempt) {
                out.emplace_back(RemoveContainers{instance.id});
            } else {
                out.emplace_back(StartContainer{instance.id, instance.attempt});
            }
            return;
        }
        case InstanceState::backoff:
            if (has_containers(instance.id)) out.emplace_back(RemoveContainers{instance.id});
            return;
        case InstanceState::stopping: stop_effects(instance, out); return;
        case InstanceState::starting:
        case InstanceState::healthy:
        case InstanceState::draining:
        case InstanceState::finished: return;
    }
}

void MachinePlanner::stop_effects(const Instance& instance, std::vector<Effect>& out) {
    if (!has_containers(instance.id)) return;
    const bool running = std::ranges::any_of(seen_.containers, [&](const ObservedContainer& seen) {
        return seen.instance == instance.id && seen.state == ContainerState::running;
    });
    if (!running) {
        out.emplace_back(RemoveContainers{instance.id});
    } else if (instance.deadline) {  // none: the gateway may still send it requests
        if (now_ >= *instance.deadline) {
            out.emplace_back(RemoveContainers{instance.id});
            return;
        }
        wake(*instance.deadline);
        if (!seen_.terminated.contains(instance.id)) out.emplace_back(Terminate{instance.id});
    }
}

// --- facts

bool MachinePlanner::is_blind_switch() {
    const Deployment* open = holder();
    return !seen_.runtime_known && open != nullptr && open->state == DeploymentState::rolling &&
           switched(*open);
}

bool MachinePlanner::recreates(const Deployment& deployment) const {
    const Release* release = rows_.release(deployment.release);
    return deployment.state == DeploymentState::rolling && deployment.set == deployment.id &&
           rows_.app.live_set && !switched(deployment) && release != nullptr &&
           release->spec.deploy.strategy == Strategy::recreate;
}

bool MachinePlanner::old_set_stopped() const {
    if (!seen_.runtime_known) return false;
    return std::ranges::none_of(rows_.instances, [&](const Instance& instance) {
        if (instance.set != rows_.app.live_set) return false;
        return instance.state != InstanceState::stopping || has_containers(instance.id);
    });
}

bool MachinePlanner::brings_up(const Deployment& deployment, const Instance& instance) const {
    if (instance.set != deployment.set) return false;
    if (deployment.set == deployment.id) return true;
    // By what was there before, not by times: the machine's clock may have been set in between.
    for (const auto& process :
         wanted_processes(rows_.release(deployment.release)->spec, deployment.previous_scale)) {
        if (process.name == instance.process && instance.index < process.replicas) return false;
    }
    return instance.restarts == 0;
}

bool MachinePlanner::is_complete(const Deployment& deployment) const {
    if (!seen_.runtime_known) return false;
    for (const auto& process :
         wanted_processes(rows_.release(deployment.release)->spec, rows_.app.scale)) {
        for (int index = 0; index < process.replicas; ++index) {
            const bool there = std::ranges::any_of(rows_.instances, [&](const Instance& instance) {
                if (instance.set != deployment.set || instance.process != process.name ||
                    instance.index != index)
                    return false;
                if (instance.state == InstanceState::draining ||
                    instance.state == InstanceState::stopping)
                    return false;
                if (!brings_up(deployment, instance)) return true;
                return instance.state == InstanceState::healthy && !deaths_.contains(instance.id);
            });
            if (!there) return false;
        }
    }
    return true;
}

bool MachinePlanner::has_healthy(const DeploymentId& set) const {
    return std::ranges::any_of(rows_.instances, [&](const Instance& instance) {
        return instance.set == set && instance.state == InstanceState::healthy &&
               !deaths_.contains(instance.id);
    });
}

const ObservedContainer* MachinePlanner::container(const Instance& instance) const {
    const auto found = std::ranges::find_if(seen_.containers, [&](const ObservedContainer& seen) {
        return seen.instance == instance.id && seen.attempt == instance.attempt;
    });
    return found == seen_.containers.end() ? nullptr : &*found;
}

bool MachinePlanner::has_containers(const InstanceId& instance) const {
    return contains(seen_.containers, instance, &ObservedContainer::instance);
}

bool MachinePlanner::routed(const Instance& instance) const {
    const Release* release = rows_.release(instance.release);
    return release == nullptr || is_routed(*release, instance.process);
}

bool MachinePlanner::routes_applied() const {
    if (rows_.app.destroying) return seen_.routes_known && !seen_.routes;
    return seen_.routes_known && seen_.routes && *seen_.routes == routes_of(rows_);
}

bool MachinePlanner::unlisted(const Instance& instance) const {
    return !routed(instance) || (seen_.connections && !seen_.connections->contains(instance.id));
}

const Error* MachinePlanner::start_error(const Instance& instance) const {
    const auto found = seen_.start_errors.find(instance.id);
    return found != seen_.start_errors.end() && found->second.attempt == instance.attempt
               ? &found->second.error
               : nullptr;
}

HealthView MachinePlanner::health(const Instance& instance) const {
    const auto found = seen_.health.find(instance.id);
    return found == seen_.health.end() ? HealthView{} : found->second;
}

Facts MachinePlanner::facts_of(const Instance& instance, Moment moment) const {
    auto facts = known_of(instance, moment);
    facts.check = health(instance).last;
    const auto* seen = container(instance);
    if (const Error* error = start_error(instance)) facts.end.runtime_error = error->message;
    if (seen == nullptr) return facts;
    if (!seen->error.empty()) facts.end.runtime_error = seen->error;
    if (seen->state == ContainerState::exited) {
        facts.end.exit_code = seen->exit_code;
        facts.end.oom_killed = seen->oom_killed;
        facts.end.oom_within = seen->oom_within;
    }
    return facts;
}

Millis MachinePlanner::stop_timeout(const Instance& instance) const {
    const Release* release = rows_.release(instance.release);
    return release == nullptr ? DeploySpec{}.stop_timeout : release->spec.deploy.stop_timeout;
}

}  // namespace loco::reconcile
