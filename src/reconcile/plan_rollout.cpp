// The life of deployments, wherever apps run: admitted, released, rolled out, live; or ended with a diagnosis. How a set is brought
// up is in plan_switch (one machine) and plan_cluster.
#include <algorithm>

#include "domain/deployment.hpp"
#include "reconcile/planner.hpp"

namespace loco::reconcile {
namespace {

constexpr std::size_t kMostWaitsTold = 5;

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
    take_back(deployment);
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
    const auto error = seen_.admission_errors.find(deployment.id);
    if (now_ < deployment.deadline) {
        wake(deployment.deadline);
        tell_wait(deployment, error == seen_.admission_errors.end()
                                  ? "the image is still being fetched"
                                  : error->second.message);
        return;
    }
    end(deployment, DeploymentState::failed,
        diagnose_unavailable(DeploymentState::checking,
                             error != seen_.admission_errors.end()
                                 ? error->second
                                 : Error{.kind = ErrorKind::unavailable,
                                         .message = "the image could not be checked"}));
}

void Planner::tell_wait(const Deployment& deployment, const std::string& problem) {
    const auto entered = deployment.phases.find(std::string(to_string(deployment.state)));
    if (entered == deployment.phases.end()) return;
    const auto waited = now_ - entered->second;
    wake(entered->second + (waited / kTellWaitEvery + 1) * Duration(kTellWaitEvery));
    if (waited < kTellWaitEvery || problem.empty()) return;
    const auto told = seen_.told_waits.find(deployment.id);
    if (told != seen_.told_waits.end() &&
        (told->second.contains(problem) || told->second.size() >= kMostWaitsTold))
        return;
    auto event = event_of(deployment, rows_.app, problem, now_);
    event.actor = "loco";
    event.kind = kWaiting;
    events_.push_back(std::move(event));
}

void Planner::admit_effect(std::vector<Effect>& out) {
    const Deployment* open = holder();
    if (open != nullptr && open->state == DeploymentState::checking)
        out.emplace_back(Admit{open->id});
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
    if (has_command) order_command(deployment, release);
}

void Planner::judge_command(Deployment& deployment, const Instance& command, Facts how) {
    how.ended = true;
    how.end.exit_code = command.exit_code;
    how.end.oom_killed = command.oom_killed;
    if (!command.exit_code) how.end.runtime_error = command.last_problem.message;
    if (command.exit_code == 0) {
        begin_rolling(deployment);
    } else {
        end(deployment, DeploymentState::failed, diagnose(how));
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

void Planner::go_live(Deployment& deployment) {
    auto& release = rows_.releases.at(*deployment.release);
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
