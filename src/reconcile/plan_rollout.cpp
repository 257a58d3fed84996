// The life of deployments: admitted, released, rolled out, switched, live; or ended with a diagnosis.
#include <algorithm>

#include "domain/deployment.hpp"
#include "reconcile/planner.hpp"

namespace loco::reconcile {
namespace {

constexpr std::string_view kReleaseProcess = "release";

bool makes_release(DeploymentKind kind) {
    return kind != DeploymentKind::restart && kind != DeploymentKind::scale;
}

std::string what_of(const Deployment& deployment, const Release* release) {
    const std::string kind(to_string(deployment.kind));
    return release == nullptr ? kind : kind + " of " + release_name(release->number);
}

}  // namespace

void Planner::move(Deployment& deployment, DeploymentState state, std::string message) {
    const auto entered = loco::enter(deployment, state, now_);
    LOCO_CHECK(entered.has_value());
    events_.push_back(event_of(deployment, rows_.app, std::move(message), now_));
}

void Planner::end(Deployment& deployment, DeploymentState state, Diagnosis diagnosis) {
    const auto* release = rows_.release(deployment.release);
    const auto verb =
        state == DeploymentState::cancelled ? " was cancelled" : " failed: " + diagnosis.message;
    deployment.diagnosis = std::move(diagnosis);
    move(deployment, state, what_of(deployment, release) + verb);
    if (rows_.app.lock == deployment.id) rows_.app.lock.reset();
    if (deployment.kind == DeploymentKind::scale) rows_.app.scale = deployment.previous_scale;
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

void Planner::advance_deployments() {
    if (rows_.app.destroying) {
        for (auto& deployment : rows_.open) {
            end(deployment, DeploymentState::cancelled, diagnose_cancelled(deployment.state));
        }
        return;
    }
    for (auto& deployment : rows_.open) {
        if (deployment.cancel_requested && !switched(deployment)) {
            end(deployment, DeploymentState::cancelled, diagnose_cancelled(deployment.state));
            continue;
        }
        if (deployment.state == DeploymentState::building) advance_building(deployment);
        if (deployment.state == DeploymentState::checking) advance_checking(deployment);
        if (deployment.state == DeploymentState::releasing) advance_releasing(deployment);
        if (deployment.state == DeploymentState::rolling) advance_rolling(deployment);
    }
}

void Planner::advance_building(Deployment& deployment) {
    if (now_ >= deployment.lease_until) {
        end(deployment, DeploymentState::failed, diagnose_client_gone());
    } else {
        wake(deployment.lease_until);
    }
}

void Planner::advance_checking(Deployment& deployment) {
    const auto found = seen_.admissions.find(deployment.id);
    if (found != seen_.admissions.end()) {
        if (found->second.refusal) {
            end(deployment, DeploymentState::failed, *found->second.refusal);
        } else {
            record_release(deployment, found->second);
        }
        return;
    }
    if (now_ < deployment.deadline) {
        wake(deployment.deadline);
        return;
    }
    const auto error = seen_.admission_errors.find(deployment.id);
    end(deployment, DeploymentState::failed,
        diagnose_unavailable(DeploymentState::checking,
                             error != seen_.admission_errors.end()
                                 ? error->second
                                 : Error{.kind = ErrorKind::unavailable,
                                         .message = "the image could not be checked"}));
}

void Planner::record_release(Deployment& deployment, const Admission& admission) {
    Release release{.id = admission.release,
                    .app = rows_.app.id,
                    .number = rows_.app.next_release++,
                    .repository = deployment.repository,
                    .digest = deployment.digest,
                    .image_id = admission.image_id,
                    .spec = deployment.spec,
                    .env_version = deployment.env_version,
                    .uid = admission.uid,
                    .gid = admission.gid,
                    .deployment = deployment.id,
                    .actor = deployment.actor,
                    .created_at = now_,
                    .live_at = {}};
    deployment.release = release.id;
    deployment.set = deployment.id;
    deployment.deadline = now_ + release.spec.deploy.timeout;
    const auto name = release_name(release.number);
    const bool has_command = !release.spec.deploy.release_command.empty();
    new_releases_.push_back(release);
    rows_.releases[release.id] = release;
    move(deployment, DeploymentState::releasing,
         has_command ? name + ": the release command runs" : name + " is recorded");
    if (!has_command) return;
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

void Planner::advance_releasing(Deployment& deployment) {
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
        ContainerEnd how = end_of(*command, container(*command));
        how.exit_code = command->exit_code;
        how.oom_killed = command->oom_killed;
        if (!command->exit_code) how.runtime_error = command->last_problem;
        if (command->exit_code == 0) {
            begin_rolling(deployment);
        } else {
            end(deployment, DeploymentState::failed, diagnose_release_command(*command, how));
        }
        return;
    }
    if (failed_by_machine(deployment)) return;
    if (now_ < deployment.deadline) {
        wake(deployment.deadline);
    } else if (const Error* error = start_error(*command);
               command->state == InstanceState::pending && error != nullptr) {
        end(deployment, DeploymentState::failed, diagnose_unavailable(deployment.state, *error));
    } else {
        end(deployment, DeploymentState::failed,
            diagnose_release_command_timeout(release->spec.deploy.timeout));
    }
}

void Planner::begin_rolling(Deployment& deployment) {
    const Release& release = *rows_.release(deployment.release);
    deployment.deadline = now_ + release.spec.deploy.timeout;
    int count = 0;
    for (const auto& process : wanted_processes(release.spec, rows_.app.scale))
        count += process.replicas;
    move(deployment, DeploymentState::rolling,
         release_name(release.number) + ": starting " + std::to_string(count) +
             (count == 1 ? " instance" : " instances"));
}

// A container of what is brought up ended: there is nothing to wait for.
bool Planner::failed_by_death(Deployment& deployment) {
    for (const auto& instance : rows_.instances) {
        const auto death = deaths_.find(instance.id);
        if (death == deaths_.end() || instance.set != deployment.set) continue;
        const bool served =
            deployment.set != deployment.id &&
            (instance.state == InstanceState::healthy || instance.state == InstanceState::draining);
        if (served || !brings_up(deployment, instance)) continue;
        const auto& [how, problem, ailing] = death->second;
        end(deployment, DeploymentState::failed,
            problem.empty()
                ? diagnose_exit_at_start(instance, how)
                : diagnose_never_healthy({{instance_name(instance), problem}}, 0, {},
                                         rows_.release(deployment.release)->spec.deploy.timeout,
                                         how.tail));
        return true;
    }
    return false;
}

// The machine can't take what is brought up, and will not be able to by itself: there is no address left, or no firewall,
// without which nothing is started. What serves already is tried again and again: it must come back when a person has helped.
bool Planner::failed_by_machine(Deployment& deployment) {
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

Diagnosis Planner::never_healthy(const Deployment& deployment) const {
    const Release* release = rows_.release(deployment.release);
    std::vector<Unhealthy> unhealthy;
    std::string tail;
    int port = 0;
    for (const auto& instance : rows_.instances) {
        if (instance.set != deployment.set || instance.one_shot ||
            instance.state >= InstanceState::draining || instance.state == InstanceState::healthy) {
            continue;
        }
        auto problem = health(instance).last_problem;
        if (const Error* error = start_error(instance))
            problem = "could not be started: " + error->message;
        if (problem.empty()) problem = instance.last_problem;
        if (release != nullptr && instance.process == main_process(release->spec) &&
            !release->spec.ports.empty()) {
            port = release->spec.ports[0].port;
        }
        if (const auto found = seen_.tails.find(instance.id);
            found != seen_.tails.end() && tail.empty())
            tail = found->second;
        unhealthy.push_back({instance_name(instance), std::move(problem)});
    }
    if (unhealthy.empty()) return diagnose_not_stopped();
    return diagnose_never_healthy(
        unhealthy, port, release != nullptr ? release->spec.health.path : "",
        release != nullptr ? release->spec.deploy.timeout : Millis(0), tail);
}

void Planner::advance_rolling(Deployment& deployment) {
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
            go_live(deployment);
        } else {
            give_up_on_gateway(deployment);
        }
    } else if (now_ < deployment.deadline) {
        wake(deployment.deadline);
    } else {
        end(deployment, DeploymentState::failed, never_healthy(deployment));
    }
}

void Planner::switch_traffic(Deployment& deployment) {
    rows_.app.previous_set = rows_.app.live_set;
    rows_.app.previous_release = rows_.app.live_release;
    rows_.app.live_set = deployment.set;
    rows_.app.live_release = deployment.release;
}

void Planner::confirm_switch(Deployment& deployment) {
    // When nothing of it is left but what served before still runs, that is put back. Otherwise it is a crash as any other.
    if (!has_healthy(*deployment.set) && rows_.app.previous_set &&
        has_healthy(*rows_.app.previous_set) && failed_by_death(deployment)) {
        return;
    }
    if (routes_applied()) {
        go_live(deployment);
    } else {
        give_up_on_gateway(deployment);
    }
}

// Not before it has been tried: the deadline may have passed while no process ran.
void Planner::give_up_on_gateway(Deployment& deployment) {
    if (now_ < deployment.deadline) {
        wake(deployment.deadline);
    } else if (!seen_.runtime_known) {
        end(deployment, DeploymentState::failed,
            diagnose_unavailable(DeploymentState::rolling,
                                 {.kind = ErrorKind::unavailable,
                                  .message = "the container engine does not answer"}));
    } else if (seen_.gateway_error) {
        end(deployment, DeploymentState::failed, diagnose_gateway_unreachable());
    }
}

void Planner::go_live(Deployment& deployment) {
    auto& release = rows_.releases.at(*deployment.release);
    if (rows_.app.previous_set) retire_set(*rows_.app.previous_set);
    rows_.app.previous_set.reset();
    rows_.app.previous_release.reset();
    rows_.app.lock.reset();
    if (makes_release(deployment.kind)) {
        if (!release.live_at) release.live_at = now_;
        live_domains_ = release.spec.domains;
    }
    move(deployment, DeploymentState::live,
         deployment.kind == DeploymentKind::scale ? "the new scale is live"
                                                  : release_name(release.number) + " is live");
}

}  // namespace loco::reconcile
