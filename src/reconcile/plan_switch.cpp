// How a set is brought up on one machine: its release command, its instances, the switch of traffic, and the way back.
#include <algorithm>

#include "reconcile/machine_planner.hpp"

namespace loco::reconcile {

void MachinePlanner::order_command(const Deployment& deployment, const Release& release) {
    Instance instance{.id = {},
                      .app = rows_.app.id,
                      .team = rows_.app.team,
                      .release = release.id,
                      .set = deployment.id,
                      .process = std::string(kReleaseProcess),
                      .index = 0,
                      .one_shot = true};
    instance.host = "local";
    instance.cpu_millis = release.spec.resources.cpu_millis;
    instance.cpu_max_millis = release.spec.resources.cpu_max_millis;
    instance.memory_bytes = release.spec.resources.memory_bytes;
    instance.attempt = 1;
    instance.created_at = now_;
    instance.state_since = now_;
    rows_.instances.push_back(std::move(instance));
}

// A container of what is brought up ended: there is nothing to wait for.
bool MachinePlanner::failed_by_death(Deployment& deployment) {
    for (const auto& instance : rows_.instances) {
        const auto death = deaths_.find(instance.id);
        if (death == deaths_.end() || instance.set != deployment.set) continue;
        const bool served =
            deployment.set != deployment.id &&
            (instance.state == InstanceState::healthy || instance.state == InstanceState::draining);
        if (served || !brings_up(deployment, instance)) continue;
        auto facts = death->second.facts;
        if (facts.ended) facts.moment = Moment::starting;
        end(deployment, DeploymentState::failed, diagnose(facts));
        return true;
    }
    return false;
}

// The machine can't take what is brought up, and will not be able to by itself: there is no address left, or no firewall,
// without which nothing is started. What serves already is tried again and again: it must come back when a person has helped.
bool MachinePlanner::failed_by_machine(Deployment& deployment) {
    std::optional<Error> error = seen_.placement_error;
    for (const auto& instance : rows_.instances) {
        if (error || instance.state != InstanceState::pending || !brings_up(deployment, instance))
            continue;
        const Error* refusal = start_error(instance);
        if (refusal != nullptr && refusal->code == kFirewallUnavailable) error = *refusal;
    }
    if (!error) return false;
    end(deployment, DeploymentState::failed, diagnose_error(deployment.state, *error));
    return true;
}

std::vector<const Instance*> MachinePlanner::unhealthy(const Deployment& deployment) const {
    std::vector<const Instance*> out;
    for (const auto& instance : rows_.instances) {
        if (instance.set == deployment.set && !instance.one_shot &&
            instance.state < InstanceState::draining && instance.state != InstanceState::healthy)
            out.push_back(&instance);
    }
    return out;
}

std::string MachinePlanner::why_it_waits(const Deployment& deployment) const {
    if (!seen_.runtime_known) return "the container engine does not answer";
    if (recreates(deployment) && !old_set_stopped()) return "what served before has not ended yet";
    for (const auto* instance : unhealthy(deployment)) {
        const auto problem = loco::why_it_waits(facts_of(*instance, Moment::late));
        if (!problem.empty()) return instance_name(*instance) + ": " + problem;
    }
    return {};
}

// By the one that most is known of: the first of the main process.
Diagnosis MachinePlanner::never_healthy(const Deployment& deployment) const {
    std::vector<Facts> all;
    for (const auto* instance : unhealthy(deployment))
        all.push_back(facts_of(*instance, Moment::late));
    if (all.empty()) return diagnose_not_stopped();
    const auto main = std::ranges::find_if(all, [](const Facts& one) { return one.port > 0; });
    std::rotate(all.begin(), main == all.end() ? all.begin() : main, all.end());
    for (std::size_t i = 1; i < all.size(); ++i) all.front().alike.push_back(all[i].name);
    return diagnose(all.front());
}

void MachinePlanner::advance_rolling(Deployment& deployment) {
    if (!deployment.release || !deployment.set || rows_.release(deployment.release) == nullptr)
        return;
    if (switched(deployment)) {
        confirm_switch(deployment);
        return;
    }
    if (failed_by_death(deployment)) return;
    if (failed_by_machine(deployment)) return;
    if (is_complete(deployment) && (!recreates(deployment) || old_set_stopped())) {
        if (deployment.set == deployment.id) {
            switch_traffic(deployment);
        } else if (routes_applied()) {
            settle(deployment);
        } else {
            give_up_on_gateway(deployment);
        }
    } else if (now_ < deployment.deadline) {
        wake(deployment.deadline);
        tell_wait(deployment, why_it_waits(deployment));
    } else {
        end(deployment, DeploymentState::failed, never_healthy(deployment));
    }
}

void MachinePlanner::advance_releasing(Deployment& deployment) {
    const Release* release = rows_.release(deployment.release);
    if (release == nullptr) return;
    if (release->spec.deploy.release_command.empty()) {
        begin_rolling(deployment);
        return;
    }
    const auto command = std::ranges::find_if(rows_.instances, [&](const Instance& instance) {
        return instance.one_shot && instance.set == deployment.id;
    });
    if (command == rows_.instances.end()) return;
    if (command->state == InstanceState::finished) {
        judge_command(deployment, *command, facts_of(*command, Moment::releasing));
        return;
    }
    if (failed_by_machine(deployment)) return;
    const Error* error = command->state == InstanceState::pending ? start_error(*command) : nullptr;
    if (now_ < deployment.deadline) {
        wake(deployment.deadline);
        tell_wait(deployment, error == nullptr
                                  ? ""
                                  : "the release command could not be started: " + error->message);
    } else if (error != nullptr) {
        end(deployment, DeploymentState::failed, diagnose_unavailable(deployment.state, *error));
    } else {
        end(deployment, DeploymentState::failed,
            diagnose_release_command_timeout(facts_of(*command, Moment::releasing)));
    }
}

void MachinePlanner::switch_traffic(Deployment& deployment) {
    rows_.app.previous_set = rows_.app.live_set;
    rows_.app.previous_release = rows_.app.live_release;
    rows_.app.live_set = deployment.set;
    rows_.app.live_release = deployment.release;
}

void MachinePlanner::confirm_switch(Deployment& deployment) {
    // When nothing of it is left but what served before still runs, that is put back. Otherwise it is a crash as any other.
    if (!has_healthy(*deployment.set) && rows_.app.previous_set &&
        has_healthy(*rows_.app.previous_set) && failed_by_death(deployment)) {
        return;
    }
    if (routes_applied()) {
        settle(deployment);
    } else {
        give_up_on_gateway(deployment);
    }
}

// Not before it has been tried: the deadline may have passed while no process ran.
void MachinePlanner::give_up_on_gateway(Deployment& deployment) {
    if (now_ < deployment.deadline) {
        wake(deployment.deadline);
        tell_wait(deployment, seen_.gateway_error
                                  ? "the gateway cannot be told: " + seen_.gateway_error->message
                                  : "");
    } else if (!seen_.runtime_known) {
        end(deployment, DeploymentState::failed,
            diagnose_unavailable(DeploymentState::rolling,
                                 {.kind = ErrorKind::unavailable,
                                  .message = "the container engine does not answer"}));
    } else if (seen_.gateway_error) {
        end(deployment, DeploymentState::failed, diagnose_gateway_unreachable());
    }
}

// The traffic has moved: what served before may go.
void MachinePlanner::settle(Deployment& deployment) {
    if (rows_.app.previous_set) retire_set(*rows_.app.previous_set);
    rows_.app.previous_set.reset();
    rows_.app.previous_release.reset();
    go_live(deployment);
}

// What the deployment had brought up goes; what served before it is told anew.
void MachinePlanner::take_back(Deployment& deployment) {
    if (switched(deployment)) {
        // The gateway may have some of it already: what serves is told anew, and the new set drains like any other.
        rows_.app.live_set = rows_.app.previous_set;
        rows_.app.live_release = rows_.app.previous_release;
        rows_.app.previous_set.reset();
        rows_.app.previous_release.reset();
        retire_set(deployment.id);
        return;
    }
    if (deployment.set != deployment.id) return;
    for (auto& instance : rows_.instances) {
        const bool ends =
            instance.state == InstanceState::stopping || instance.state == InstanceState::draining;
        if (instance.set != deployment.id || ends) continue;
        instance.deadline.reset();  // it had no traffic: nothing to drain
        enter(instance, InstanceState::stopping);
    }
}

}  // namespace loco::reconcile
