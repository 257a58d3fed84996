#include "reconcile/plan.hpp"

#include <algorithm>

#include "reconcile/planner.hpp"
#include "reconcile/routes.hpp"

namespace loco::reconcile {
namespace {

template <class T>
std::vector<RowChange<T>> changed(const std::vector<T>& before, const std::vector<T>& after) {
    std::vector<RowChange<T>> out;
    for (const auto& row : after) {
        const auto old = std::ranges::find(before, row.id, &T::id);
        if (old != before.end() && *old != row) out.push_back({*old, row});
    }
    return out;
}

}  // namespace

bool Changes::empty() const {
    return !app && deployments.empty() && releases.empty() && instances.empty() &&
           new_releases.empty() && new_instances.empty() && gone_instances.empty() &&
           events.empty() && !live_domains && !finish_destroy;
}

Plan plan(const AppRows& rows, const Observed& observed, Time now) {
    return Planner(rows, observed, now).run();
}

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

Plan Planner::run() {
    observe_instances();
    find_deaths();
    keep_sets();
    advance_deployments();
    settle_deaths();
    replace_ailing();
    restart_what_waited();
    keep_sets();
    advance_stops();
    Plan out;
    out.changes = changes();
    if (out.changes.empty()) out.effects = effects();
    // Forgetting is the one effect whose success asks for a write without any row having changed.
    if (finish_destroy_) out.changes.finish_destroy = true;
    out.wake_at = wake_at_;
    return out;
}

Changes Planner::changes() const {
    Changes out;
    if (rows_.app != before_.app) out.app = RowChange<App>{before_.app, rows_.app};
    out.deployments = changed(before_.open, rows_.open);
    for (const auto& [id, release] : rows_.releases) {
        const auto old = before_.releases.find(id);
        if (old != before_.releases.end() && old->second != release)
            out.releases.push_back({old->second, release});
    }
    out.instances = changed(before_.instances, rows_.instances);
    for (const auto& instance : rows_.instances) {
        if (instance.id.empty()) out.new_instances.push_back(instance);
    }
    out.new_releases = new_releases_;
    out.gone_instances = gone_;
    out.events = events_;
    out.live_domains = live_domains_;
    return out;
}

std::vector<Effect> Planner::effects() {
    std::vector<Effect> out;
    if (rows_.app.destroying) {
        if (!seen_.routes_known || seen_.routes) out.emplace_back(RemoveRoutes{});
    } else if (!routes_applied() && !is_blind_switch()) {
        out.emplace_back(ApplyRoutes{routes_of(rows_)});
    }
    if (const Deployment* open = holder();
        open != nullptr && open->state == DeploymentState::checking) {
        out.emplace_back(Admit{open->id});
    }
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

void Planner::container_effects(const Instance& instance, std::vector<Effect>& out) {
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

void Planner::stop_effects(const Instance& instance, std::vector<Effect>& out) {
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

Deployment* Planner::holder() {
    if (!rows_.app.lock) return nullptr;
    const auto found = std::ranges::find(rows_.open, *rows_.app.lock, &Deployment::id);
    return found == rows_.open.end() ? nullptr : &*found;
}

bool Planner::switched(const Deployment& deployment) const {
    return deployment.set == deployment.id && rows_.app.live_set == deployment.id;
}

bool Planner::is_blind_switch() {
    const Deployment* open = holder();
    return !seen_.runtime_known && open != nullptr && open->state == DeploymentState::rolling &&
           switched(*open);
}

bool Planner::recreates(const Deployment& deployment) const {
    const Release* release = rows_.release(deployment.release);
    return deployment.state == DeploymentState::rolling && deployment.set == deployment.id &&
           rows_.app.live_set && !switched(deployment) && release != nullptr &&
           release->spec.deploy.strategy == Strategy::recreate;
}

bool Planner::old_set_stopped() const {
    if (!seen_.runtime_known) return false;
    return std::ranges::none_of(rows_.instances, [&](const Instance& instance) {
        if (instance.set != rows_.app.live_set) return false;
        return instance.state != InstanceState::stopping || has_containers(instance.id);
    });
}

bool Planner::brings_up(const Deployment& deployment, const Instance& instance) const {
    if (instance.set != deployment.set) return false;
    return deployment.set == deployment.id ||
           (instance.created_at >= deployment.created_at && instance.restarts == 0);
}

bool Planner::is_complete(const Deployment& deployment) const {
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

bool Planner::has_healthy(const DeploymentId& set) const {
    return std::ranges::any_of(rows_.instances, [&](const Instance& instance) {
        return instance.set == set && instance.state == InstanceState::healthy &&
               !deaths_.contains(instance.id);
    });
}

const std::map<std::string, ScaleOverride>& Planner::live_scale() const {
    // A change of scale that makes a new set leaves the old one as it was.
    if (rows_.app.lock) {
        const auto found = std::ranges::find(rows_.open, *rows_.app.lock, &Deployment::id);
        if (found != rows_.open.end() && found->kind == DeploymentKind::scale &&
            found->set == found->id && !switched(*found)) {
            return found->previous_scale;
        }
    }
    return rows_.app.scale;
}

const ObservedContainer* Planner::container(const Instance& instance) const {
    const auto found = std::ranges::find_if(seen_.containers, [&](const ObservedContainer& seen) {
        return seen.instance == instance.id && seen.attempt == instance.attempt;
    });
    return found == seen_.containers.end() ? nullptr : &*found;
}

bool Planner::has_containers(const InstanceId& instance) const {
    return contains(seen_.containers, instance, &ObservedContainer::instance);
}

bool Planner::routed(const Instance& instance) const {
    const Release* release = rows_.release(instance.release);
    return release == nullptr || is_routed(*release, instance.process);
}

bool Planner::routes_applied() const {
    if (rows_.app.destroying) return seen_.routes_known && !seen_.routes;
    return seen_.routes_known && seen_.routes && *seen_.routes == routes_of(rows_);
}

bool Planner::unlisted(const Instance& instance) const {
    return !routed(instance) || (seen_.connections && !seen_.connections->contains(instance.id));
}

const Error* Planner::start_error(const Instance& instance) const {
    const auto found = seen_.start_errors.find(instance.id);
    return found != seen_.start_errors.end() && found->second.attempt == instance.attempt
               ? &found->second.error
               : nullptr;
}

HealthView Planner::health(const Instance& instance) const {
    const auto found = seen_.health.find(instance.id);
    return found == seen_.health.end() ? HealthView{} : found->second;
}

ContainerEnd Planner::end_of(const Instance& instance, const ObservedContainer* seen) const {
    ContainerEnd end;
    if (const auto tail = seen_.tails.find(instance.id); tail != seen_.tails.end())
        end.tail = tail->second;
    if (seen == nullptr) return end;
    end.runtime_error = seen->error;
    if (seen->state == ContainerState::exited) {
        end.exit_code = seen->exit_code;
        end.oom_killed = seen->oom_killed;
    }
    return end;
}

Millis Planner::stop_timeout(const Instance& instance) const {
    const Release* release = rows_.release(instance.release);
    return release == nullptr ? DeploySpec{}.stop_timeout : release->spec.deploy.stop_timeout;
}

void Planner::wake(Time at) {
    if (!wake_at_ || at < *wake_at_) wake_at_ = at;
}

void Planner::tell(const Instance& instance, std::string kind, std::string message) {
    Event event{.team = rows_.app.team,
                .app = rows_.app.id,
                .deployment = {},
                .actor = "loco",
                .kind = std::move(kind),
                .message = std::move(message),
                .data = {},
                .at = now_};
    const bool open = contains(rows_.open, instance.set, &Deployment::id);
    if (open) event.deployment = instance.set;
    if (!instance.id.empty()) event.data = R"({"instance":")" + instance.id.str() + "\"}";
    events_.push_back(std::move(event));
}

}  // namespace loco::reconcile
