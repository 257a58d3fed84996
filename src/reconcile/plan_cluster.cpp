// How a set is brought up on a cluster: its release command, its order, what it waits for, and what is ordered besides.
#include <algorithm>

#include "reconcile/cluster_app.hpp"
#include "reconcile/cluster_planner.hpp"

namespace loco::reconcile {
namespace {

// What was asked for is asked for again when nothing shows after that.
constexpr auto kAskAgain = std::chrono::seconds(10);
// A command that has ended is taken away only then: whoever still believes that it has to run finds it.
constexpr auto kCommandKept = std::chrono::minutes(2);
constexpr auto kLimitLasts = std::chrono::seconds(10);
// A process that nobody asks for its health counts when it has run that long.
constexpr auto kPortlessHealthyAfter = std::chrono::seconds(1);

bool is_final(const Error& error) {
    return error.kind == ErrorKind::refused || error.kind == ErrorKind::invalid ||
           error.kind == ErrorKind::not_found;
}

// The registry has said that it does not have it: asking again cannot help.
bool is_definite(const std::string& problem) {
    return problem.find("not found") != std::string::npos ||
           problem.find("manifest unknown") != std::string::npos;
}

Error no_answer() {
    return {.kind = ErrorKind::unavailable, .message = "the cluster does not answer"};
}

}  // namespace

// --- the life of a set

bool ClusterPlanner::failed_by_order(Deployment& deployment,
                                     const std::optional<OrderError>& error) {
    if (!error || error->set != deployment.set || !is_final(error->error)) return false;
    end(deployment, DeploymentState::failed, diagnose_error(deployment.state, error->error));
    return true;
}

void ClusterPlanner::advance_releasing(Deployment& deployment) {
    const Release* release = rows_.release(deployment.release);
    if (release == nullptr) return;
    if (release->spec.deploy.release_command.empty()) {
        begin_rolling(deployment);
        return;
    }
    const auto command = std::ranges::find_if(rows_.instances, [&](const Instance& instance) {
        return instance.one_shot && instance.set == deployment.set;
    });
    const bool there = command != rows_.instances.end();
    if (there && command->state == InstanceState::finished) {
        judge_command(deployment, *command,
                      facts_of(*command, pod(command->id), Moment::releasing));
        return;
    }
    if (failed_by_order(deployment, cluster_.command_error)) return;
    if (there) {
        if (const ObservedPod* seen = pod(command->id); seen != nullptr && !seen->problem.empty()) {
            auto how = facts_of(*command, seen, Moment::releasing);
            const bool lasts = has_lasted(*command) && how.trouble != PodTrouble::unschedulable;
            if (lasts || how.trouble == PodTrouble::cannot_start) {
                how.ended = true;
                end(deployment, DeploymentState::failed, diagnose(how));
                return;
            }
        }
    }
    if (now_ < deployment.deadline) {
        wake(deployment.deadline);
    } else if (!cluster_.app || (!there && cluster_.command_error)) {
        end(deployment, DeploymentState::failed,
            diagnose_unavailable(deployment.state, cluster_.command_error
                                                       ? cluster_.command_error->error
                                                       : no_answer()));
    } else {
        auto how = known_of(there ? *command : Instance{.process = std::string(kReleaseProcess)},
                            Moment::releasing);
        how.timeout = release->spec.deploy.timeout;
        end(deployment, DeploymentState::failed, diagnose_release_command_timeout(how));
    }
}

void ClusterPlanner::advance_rolling(Deployment& deployment) {
    const Release* release = rows_.release(deployment.release);
    if (release == nullptr || !deployment.set) return;
    if (failed_by_order(deployment, cluster_.order_error)) return;
    if (!cluster_.app) {
        if (now_ < deployment.deadline) {
            wake(deployment.deadline);
        } else {
            end(deployment, DeploymentState::failed,
                diagnose_unavailable(deployment.state, no_answer()));
        }
        return;
    }
    if (cluster_.nodes && deployment.set == deployment.id && !ordered(deployment)) {
        const auto fits = check_fits(*cluster_.nodes, release->spec, rows_.app.scale);
        if (!fits) {
            end(deployment, DeploymentState::failed,
                diagnose_error(deployment.state, fits.error()));
            return;
        }
    }
    if (failed_by_pod(deployment) || failed_by_limit(deployment)) return;
    if (is_complete(deployment) && (cluster_.app->routed || !needs_route(deployment))) {
        if (!old_may_answer(deployment)) settle(deployment);
    } else if (now_ < deployment.deadline) {
        wake(deployment.deadline);
    } else {
        end(deployment, DeploymentState::failed, out_of_time(deployment));
    }
}

bool ClusterPlanner::old_may_answer(const Deployment& deployment) {
    std::optional<Time> until;
    for (const auto& pod : cluster_.app->pods) until = std::max(until, pod.asked_until);
    if (!until || now_ >= *until || now_ >= deployment.deadline) return false;
    wake(std::min(*until, deployment.deadline));
    return true;
}

void ClusterPlanner::settle(Deployment& deployment) {
    rows_.app.live_set = deployment.set;
    rows_.app.live_release = deployment.release;
    go_live(deployment);
}

bool ClusterPlanner::ordered(const Deployment& deployment) const {
    return std::ranges::any_of(cluster_.app->processes, [&](const ObservedProcess& process) {
        return process.set == deployment.set;
    });
}

// In a change of replicas the set serves already: only what it adds is brought up, and can fail it.
bool ClusterPlanner::brings_up(const Deployment& deployment, const Instance& instance) const {
    if (instance.set != deployment.set || instance.one_shot) return false;
    return deployment.set == deployment.id || instance.created_at >= deployment.created_at;
}

bool ClusterPlanner::failed_by_pod(Deployment& deployment) {
    for (const auto& instance : rows_.instances) {
        const ObservedPod* seen = pod(instance.id);
        if (seen == nullptr || !brings_up(deployment, instance)) continue;
        auto diagnosis = failure_of(instance, *seen);
        if (!diagnosis) continue;
        end(deployment, DeploymentState::failed, std::move(*diagnosis));
        return true;
    }
    return false;
}

// A quota or a policy keeps the cluster from making its pods.
bool ClusterPlanner::failed_by_limit(Deployment& deployment) {
    const auto entered = deployment.phases.find(std::string(to_string(deployment.state)));
    const Time since = entered == deployment.phases.end() ? deployment.created_at : entered->second;
    for (const auto& process : cluster_.app->processes) {
        if (process.set != deployment.set || process.problem.empty()) continue;
        // What is going still counts against a quota for a moment.
        if (now_ < since + kLimitLasts) {
            wake(since + kLimitLasts);
            continue;
        }
        auto diagnosis =
            diagnose({.moment = Moment::late,
                      .name = process.name,
                      .timeout = now_ - since < Duration(0)
                                     ? Millis(0)
                                     : std::chrono::round<std::chrono::seconds>(now_ - since),
                      .on_cluster = true,
                      .trouble = PodTrouble::limited,
                      .trouble_words = process.problem});
        diagnosis.kind = static_cast<std::uint8_t>(ErrorKind::refused);
        end(deployment, DeploymentState::failed, std::move(diagnosis));
        return true;
    }
    return false;
}

// Why waiting for it cannot help, if so. What the cluster takes away it starts elsewhere by itself.
std::optional<Diagnosis> ClusterPlanner::failure_of(const Instance& instance,
                                                    const ObservedPod& seen) const {
    if (seen.state == PodState::terminating || seen.state == PodState::ended) return std::nullopt;
    if (seen.problem_code == "evicted" || seen.problem_code == "node_lost") return std::nullopt;
    auto facts = facts_of(instance, &seen, Moment::starting);
    facts.ended = true;
    const bool pull = facts.trouble == PodTrouble::image_pull &&
                      (has_lasted(instance) || is_definite(seen.problem));
    const bool config = facts.trouble == PodTrouble::config && has_lasted(instance);
    const bool ended = instance.restarts > 0 || facts.trouble == PodTrouble::cannot_start;
    if (!pull && !config && !ended) return std::nullopt;
    // What keeps it from coming up again now is not why it ended.
    if (ended && !pull && !config && facts.trouble != PodTrouble::cannot_start)
        facts.trouble = PodTrouble::none;
    return diagnose(facts);
}

bool ClusterPlanner::is_complete(const Deployment& deployment) {
    if (cluster_.differs) return false;
    const auto processes =
        wanted_processes(rows_.release(deployment.release)->spec, rows_.app.scale);
    return std::ranges::all_of(
        processes, [&](const WantedProcess& process) { return is_complete(deployment, process); });
}

bool ClusterPlanner::is_complete(const Deployment& deployment, const WantedProcess& process) {
    const auto& all = cluster_.app->processes;
    const auto seen = std::ranges::find(all, process.name, &ObservedProcess::name);
    if (seen == all.end()) return process.replicas == 0;
    // An autoscaler may want more.
    const bool whole = seen->set == deployment.set && seen->settled &&
                       seen->wanted >= process.replicas && seen->updated == seen->wanted &&
                       seen->ready == seen->wanted && seen->total == seen->wanted;
    if (!whole || (process.replicas == 0 && seen->wanted != 0)) return false;
    const bool asked = process.main && !rows_.release(deployment.release)->spec.ports.empty();
    int healthy = 0;
    for (const auto& instance : rows_.instances) {
        if (instance.set != deployment.set || instance.process != process.name ||
            instance.state != InstanceState::healthy)
            continue;
        const Time counts = asked ? now_ : instance.state_since + kPortlessHealthyAfter;
        if (now_ < counts) {
            wake(counts);
        } else {
            ++healthy;
        }
    }
    return healthy >= process.replicas;
}

bool ClusterPlanner::needs_route(const Deployment& deployment) const {
    const Release* release = rows_.release(deployment.release);
    return !rows_.hosts.empty() && is_routed(*release, std::string(main_process(release->spec)));
}

Diagnosis ClusterPlanner::out_of_time(const Deployment& deployment) const {
    const Release& release = *rows_.release(deployment.release);
    if (cluster_.order_error && cluster_.differs)
        return diagnose_unavailable(deployment.state, cluster_.order_error->error);
    // By the one that most is known of: one without a node, else the first of the main process.
    std::vector<Facts> all;
    for (const auto& instance : rows_.instances) {
        if (instance.set != deployment.set || instance.one_shot ||
            instance.state >= InstanceState::draining || instance.state == InstanceState::healthy)
            continue;
        auto facts = facts_of(instance, pod(instance.id), Moment::late);
        if (facts.check.words.empty()) facts.check.words = instance.last_problem.message;
        all.push_back(std::move(facts));
    }
    const auto timeout = release.spec.deploy.timeout;
    if (all.empty()) {
        for (const auto& process : wanted_processes(release.spec, rows_.app.scale)) {
            const auto pods = std::ranges::count_if(rows_.instances, [&](const Instance& one) {
                return one.set == deployment.set && one.process == process.name &&
                       one.state < InstanceState::draining;
            });
            if (pods >= process.replicas) continue;
            all.push_back({.moment = Moment::late,
                           .name = process.name,
                           .process = process.name,
                           .timeout = timeout,
                           .on_cluster = true,
                           .trouble = PodTrouble::not_made});
        }
    }
    if (!all.empty()) {
        const auto first = [&](auto what) {
            const auto found = std::ranges::find_if(all, what);
            if (found == all.end()) return false;
            std::rotate(all.begin(), found, all.end());
            return true;
        };
        if (!first([](const Facts& one) { return one.trouble == PodTrouble::unschedulable; }))
            first([](const Facts& one) { return one.port > 0; });
        for (std::size_t i = 1; i < all.size(); ++i) all.front().alike.push_back(all[i].name);
        return diagnose(all.front());
    }
    if (needs_route(deployment) && !cluster_.app->routed)
        return diagnose_not_routed(cluster_.app->route_problem);
    return diagnose_not_replaced(timeout);
}

// --- what is ordered

bool ClusterPlanner::just_asked(const std::optional<Time>& asked) {
    if (!asked || now_ >= *asked + kAskAgain) return false;
    wake(*asked + kAskAgain);
    return true;
}

bool ClusterPlanner::anything_runs() const {
    const auto& app = *cluster_.app;
    return app.routed ||
           std::ranges::any_of(app.processes,
                               [](const auto& one) { return one.wanted > 0 || one.total > 0; }) ||
           std::ranges::any_of(app.pods, [](const ObservedPod& one) {
               return one.process != kReleaseProcess && one.state < PodState::terminating;
           });
}

std::vector<Effect> ClusterPlanner::effects() {
    std::vector<Effect> out;
    if (rows_.app.destroying) {
        destroy_effects(out);
        return out;
    }
    admit_effect(out);
    if (!cluster_.app) return out;
    if (const auto order = cluster_order(rows_)) {
        if (cluster_.differs) out.emplace_back(ApplyApp{order->set});
    } else if (anything_runs() && !just_asked(cluster_.stop_asked)) {
        out.emplace_back(StopApp{});
    }
    command_effects(out);
    return out;
}

void ClusterPlanner::command_effects(std::vector<Effect>& out) {
    const Deployment* open = holder();
    const bool releasing = open != nullptr && open->state == DeploymentState::releasing;
    if (releasing && !cluster_.commands.contains(open->id) &&
        std::ranges::none_of(rows_.instances, [&](const Instance& instance) {
            return instance.one_shot && instance.set == open->set;
        })) {
        const Release* release = rows_.release(open->release);
        if (release != nullptr && !release->spec.deploy.release_command.empty())
            out.emplace_back(RunCommand{open->id});
    }
    for (const auto& seen : cluster_.app->pods) {
        if (seen.process != kReleaseProcess || (releasing && open->set == seen.set) ||
            seen.state == PodState::terminating)
            continue;
        const Time until = seen.state == PodState::ended
                               ? seen.finished_at.value_or(seen.created_at) + kCommandKept
                               : now_;
        const auto asked = cluster_.command_removal_asked.find(seen.set);
        const Effect removal = RemoveCommand{seen.set};
        if (now_ < until) {
            wake(until);
        } else if (!contains(out, removal) &&
                   !just_asked(asked == cluster_.command_removal_asked.end()
                                   ? std::nullopt
                                   : std::optional(asked->second))) {
            out.push_back(removal);
        }
    }
}

void ClusterPlanner::destroy_effects(std::vector<Effect>& out) {
    if (!cluster_.app) return;
    if (!cluster_.removal_asked || cluster_.app->exists) {
        const bool under_way = cluster_.app->removing && cluster_.removal_asked;
        if (!under_way && !just_asked(cluster_.removal_asked)) out.emplace_back(RemoveApp{});
        return;
    }
    if (!rows_.instances.empty()) return;
    if (!seen_.forgotten) out.emplace_back(Forget{});
    finish_destroy_ = seen_.forgotten;
}

}  // namespace loco::reconcile
