// The rows of instances on a cluster: each mirrors a pod, and what changes of it is told.
#include <algorithm>
#include <array>
#include <utility>

#include "reconcile/cluster_app.hpp"
#include "reconcile/cluster_planner.hpp"

namespace loco::reconcile {
namespace {

// A release command's pod that is not seen any more: what is seen may be older than the pod.
constexpr auto kMissedFor = std::chrono::seconds(10);
// What a health check saw is known a moment after the cluster has said that a pod is not ready.
constexpr auto kWordsWithin = std::chrono::seconds(10);

// How long a problem may pass by itself before it is told, or ends a rollout.
std::optional<Duration> patience(const ObservedPod& pod) {
    using std::chrono::seconds;
    if (pod.problem_code == "unschedulable") return seconds(10);      // a node may come, or room
    if (pod.problem_code == "image_pull_failed") return seconds(30);  // its credentials are renewed
    if (pod.problem_code == "config_error") return seconds(5);        // the kubelet may be behind
    return std::nullopt;
}

PodTrouble trouble_of(const ObservedPod& pod) {
    static constexpr std::array<std::pair<std::string_view, PodTrouble>, 7> kTroubles{
        {{"unschedulable", PodTrouble::unschedulable},
         {"image_pull_failed", PodTrouble::image_pull},
         {"config_error", PodTrouble::config},
         {"cannot_start", PodTrouble::cannot_start},
         {"evicted", PodTrouble::evicted},
         {"node_lost", PodTrouble::node_lost},
         {"deadline", PodTrouble::deadline}}};
    for (const auto& [code, trouble] : kTroubles) {
        if (pod.problem_code == code) return trouble;
    }
    return PodTrouble::none;
}

// As a person reads it while it may pass yet.
Problem waiting_for(const Facts& facts, const ObservedPod& pod) {
    Problem problem;
    if (facts.trouble != PodTrouble::none) problem = problem_of(diagnose(facts), facts.name);
    problem.message = pod.problem;
    problem.next_steps.clear();
    return problem;
}

InstanceState state_of(const Instance& instance, const ObservedPod& pod) {
    if (instance.one_shot) {
        if (pod.state == PodState::ended) return InstanceState::finished;
        return pod.state == PodState::pending ? InstanceState::pending : InstanceState::starting;
    }
    switch (pod.state) {
        case PodState::pending: return InstanceState::pending;
        case PodState::starting: return InstanceState::starting;
        case PodState::ready: return InstanceState::healthy;
        case PodState::waiting: return InstanceState::backoff;
        case PodState::terminating: return InstanceState::draining;
        case PodState::ended: return InstanceState::stopping;
    }
    return InstanceState::pending;
}

}  // namespace

const ObservedPod* ClusterPlanner::pod(const InstanceId& instance) const {
    if (!cluster_.app) return nullptr;
    const auto found = std::ranges::find(cluster_.app->pods, instance, &ObservedPod::instance);
    return found == cluster_.app->pods.end() ? nullptr : &*found;
}

Facts ClusterPlanner::facts_of(const Instance& instance, const ObservedPod* seen,
                               Moment moment) const {
    auto facts = known_of(instance, moment);
    facts.on_cluster = true;
    if (seen == nullptr) return facts;
    facts.end.exit_code = seen->exit_code;
    facts.end.oom_killed = seen->oom_killed;
    if (seen->ran_for) facts.ran_for = std::chrono::duration_cast<Millis>(*seen->ran_for);
    facts.check = seen->check;
    if (facts.check.words.empty()) facts.check.words = seen->problem;
    facts.trouble = trouble_of(*seen);
    facts.trouble_words = seen->problem;
    const bool waits = seen->state == PodState::pending && !seen->node.empty() &&
                       seen->problem.empty() && !seen->exit_code;
    if (moment == Moment::late && waits) facts.trouble = PodTrouble::not_started;
    if (facts.trouble == PodTrouble::cannot_start) facts.end.runtime_error = seen->problem;
    if (facts.trouble == PodTrouble::unschedulable && cluster_.nodes && !cluster_.nodes->empty()) {
        // What of it is free only the scheduler knows.
        const auto& largest = *std::ranges::max_element(
            *cluster_.nodes, {}, [](const ObservedNode& node) { return node.memory_bytes; });
        facts.trouble_words += "; the largest node has " + std::to_string(largest.cpu_millis) +
                               "m CPU and " + memory_text(largest.memory_bytes) +
                               " for all of its pods together";
    }
    return facts;
}

// Of a release command only while it is waited for: its end is in the deployment then.
bool ClusterPlanner::is_mirrored(const ObservedPod& pod) const {
    if (rows_.release(pod.release) == nullptr) return false;
    if (pod.process != kReleaseProcess) return pod.state != PodState::ended;
    const Deployment* open = rows_.holder();
    return open != nullptr && open->state == DeploymentState::releasing && open->set == pod.set;
}

void ClusterPlanner::before_deployments() {
    if (!cluster_.app) return;
    std::erase_if(rows_.instances, [&](Instance& instance) {
        const ObservedPod* seen = pod(instance.id);
        if (seen != nullptr ? is_mirrored(*seen) : !is_missed(instance)) return false;
        if (seen == nullptr) {
            tell_removal(instance, nullptr, "is gone");
        } else if (seen->state == PodState::ended) {
            tell_removal(instance, seen, "has ended");
        }
        gone_.push_back(*std::ranges::find(before_.instances, instance.id, &Instance::id));
        return true;
    });
    for (auto& instance : rows_.instances) {
        if (const ObservedPod* seen = pod(instance.id)) mirror(instance, *seen);
    }
    for (const auto& seen : cluster_.app->pods) {
        // One that was never noted and goes already is no news.
        if (contains(rows_.instances, seen.instance, &Instance::id) || !is_mirrored(seen) ||
            seen.state == PodState::terminating)
            continue;
        add_new(seen);
    }
}

// That a release command is lost fails its deployment, so what is seen is given time to come up to what was seen before.
bool ClusterPlanner::is_missed(Instance& instance) {
    const Deployment* open = holder();
    const bool awaited = instance.one_shot && open != nullptr && open->set == instance.set &&
                         open->state == DeploymentState::releasing;
    if (!awaited) return true;
    if (instance.state == InstanceState::finished) return false;
    if (!instance.deadline) instance.deadline = now_ + kMissedFor;
    if (now_ < *instance.deadline) {
        wake(*instance.deadline);
    } else {
        instance.exit_code.reset();
        enter(instance, InstanceState::finished);
    }
    return false;
}

void ClusterPlanner::after_deployments() {
    if (cluster_.put_right.empty()) return;
    std::string names;
    for (const auto& one : cluster_.put_right) names += (names.empty() ? "" : ", ") + one;
    events_.push_back(
        {.team = rows_.app.team,
         .app = rows_.app.id,
         .deployment = {},
         .actor = "loco",
         .kind = "app.drift",
         .message = "somebody else than Loco had changed what it keeps in the cluster; it is put "
                    "right: " +
                    names,
         .data = {},
         .at = now_});
}

void ClusterPlanner::add_new(const ObservedPod& seen) {
    Instance instance{.id = seen.instance,
                      .app = rows_.app.id,
                      .team = rows_.app.team,
                      .release = seen.release,
                      .set = seen.set,
                      .process = seen.process,
                      .index = 0,
                      .one_shot = seen.process == kReleaseProcess};
    const auto taken = [&](int index) {
        return std::ranges::any_of(rows_.instances, [&](const Instance& other) {
            return other.set == instance.set && other.process == instance.process &&
                   other.index == index;
        });
    };
    while (taken(instance.index)) ++instance.index;
    const auto order = cluster_order(rows_);
    const auto& spec = rows_.release(seen.release)->spec;
    const bool is_ordered = order && order->set == seen.set;
    for (const auto& process :
         wanted_processes(spec, is_ordered ? order->scale : rows_.live_scale())) {
        const bool its = instance.one_shot ? process.main : process.name == instance.process;
        if (!its) continue;
        instance.cpu_millis = process.cpu_millis;
        instance.cpu_max_millis = process.cpu_max_millis;
        instance.memory_bytes = process.memory_bytes;
    }
    instance.created_at = seen.created_at;
    instance.state_since = now_;
    mirror(instance, seen);
    rows_.instances.push_back(std::move(instance));
}

void ClusterPlanner::mirror(Instance& instance, const ObservedPod& seen) {
    instance.host = seen.node;
    instance.attempt = seen.restarts + 1;
    if (instance.one_shot) {
        instance.exit_code = seen.exit_code;
        instance.oom_killed = seen.oom_killed;
        if (seen.state != PodState::ended) {
            note_problem(instance, seen);
        } else if (!seen.exit_code) {
            instance.last_problem = waiting_for(facts_of(instance, &seen, Moment::releasing), seen);
        }
        const auto state = state_of(instance, seen);
        if (instance.state != state) enter(instance, state);
        return;
    }
    const bool crashed = ends_of(seen) > instance.restarts;
    if (crashed) {
        instance.restarts = ends_of(seen);
        instance.exit_code = seen.exit_code;
        instance.oom_killed = seen.oom_killed;
        const bool serves = seen.was_ready || instance.set == rows_.app.live_set;
        auto facts = facts_of(instance, &seen, serves ? Moment::serving : Moment::starting);
        facts.ended = true;
        facts.crashes = instance.restarts;
        const auto diagnosis = diagnose(facts);
        instance.last_problem = problem_of(diagnosis, facts.name);
        tell(instance, "instance.crashed", diagnosis.message + "; the cluster starts it again",
             diagnosis.code);
    } else if (seen.state != PodState::waiting) {
        tell_unhealthy(instance, seen);
        note_problem(instance, seen);
    }
    note_state(instance, seen, crashed);
}

void ClusterPlanner::note_problem(Instance& instance, const ObservedPod& seen) {
    const auto may_last = patience(seen);
    if (!may_last) {
        instance.deadline.reset();
        const bool waits = seen.state == PodState::pending || seen.state == PodState::starting;
        if (!waits || seen.problem.empty()) return;
        const bool served = seen.was_ready && instance.set == rows_.app.live_set;
        instance.last_problem =
            served ? problem_of(diagnose(facts_of(instance, &seen, Moment::serving)),
                                instance_name(instance))
                   : waiting_for(facts_of(instance, &seen, Moment::late), seen);
        return;
    }
    if (!instance.deadline) instance.deadline = now_ + *may_last;
    if (now_ < *instance.deadline) {
        wake(*instance.deadline);
        return;
    }
    if (instance.last_problem.message == seen.problem) return;
    const auto problem = waiting_for(facts_of(instance, &seen, Moment::late), seen);
    if (instance.last_problem.empty())
        tell(instance, "instance.waiting",
             instance_name(instance) + " cannot start yet: " + seen.problem, problem.code);
    instance.last_problem = problem;
}

void ClusterPlanner::note_state(Instance& instance, const ObservedPod& seen, bool crashed) {
    const auto before = instance.state;
    const auto state = state_of(instance, seen);
    if (before == state) return;
    enter(instance, state);
    const auto name = instance_name(instance);
    if (state == InstanceState::healthy) {
        const bool again = instance.restarts > 0;
        tell(instance, again ? "instance.recovered" : "instance.healthy",
             name + (again ? " is healthy again" : " is healthy"));
    } else if (before == InstanceState::healthy && state == InstanceState::starting && !crashed &&
               instance.set == rows_.app.live_set) {
        instance.last_problem = {};
        tell_unhealthy(instance, seen);
    } else if (state == InstanceState::draining) {
        tell_removal(instance, &seen, "is stopped by the cluster");
    }
}

// That one that serves is not ready any more; what its checks see is known a moment after that.
void ClusterPlanner::tell_unhealthy(Instance& instance, const ObservedPod& seen) {
    if (instance.state != InstanceState::starting || seen.state != PodState::starting ||
        !seen.was_ready || instance.set != rows_.app.live_set || !instance.last_problem.empty())
        return;
    if (const Time until = instance.state_since + kWordsWithin;
        seen.problem.empty() && now_ < until) {
        wake(until);
        return;
    }
    const auto diagnosis = diagnose(facts_of(instance, &seen, Moment::serving));
    instance.last_problem = problem_of(diagnosis, instance_name(instance));
    tell(instance, "instance.unhealthy",
         diagnosis.message + "; it gets no traffic until it is ready", diagnosis.code);
}

// Nobody who changes an app needs to be told that its old pods go, but everybody when one that should run goes.
void ClusterPlanner::tell_removal(const Instance& instance, const ObservedPod* seen,
                                  const std::string& how) {
    const Deployment* open = holder();
    const bool changes = open != nullptr && open->state == DeploymentState::rolling;
    if (instance.one_shot || changes || rows_.app.destroying || instance.set != rows_.app.live_set)
        return;
    const auto known = std::ranges::find(before_.instances, instance.id, &Instance::id);
    if (known == before_.instances.end() || known->state == InstanceState::draining) return;
    const Release* release = rows_.release(instance.release);
    if (release == nullptr) return;
    const auto others = std::ranges::count_if(before_.instances, [&](const Instance& other) {
        const ObservedPod* its = pod(other.id);
        return other.id != instance.id && other.set == instance.set &&
               other.process == instance.process && its != nullptr &&
               its->state < PodState::terminating;
    });
    std::string why;
    Diagnosis diagnosis;
    if (seen != nullptr && !seen->problem.empty()) why = ": " + seen->problem;
    if (seen != nullptr && trouble_of(*seen) != PodTrouble::none)
        diagnosis = diagnose(facts_of(instance, seen, Moment::serving));
    for (const auto& process : wanted_processes(release->spec, rows_.live_scale())) {
        if (process.name == instance.process && others < process.replicas)
            tell(instance, "instance.removed",
                 instance_name(instance) + " " + how + why + "; the cluster starts another",
                 diagnosis.code);
    }
}

bool ClusterPlanner::has_lasted(const Instance& instance) const {
    const ObservedPod* seen = pod(instance.id);
    return seen != nullptr && patience(*seen) && instance.deadline && now_ >= *instance.deadline;
}

}  // namespace loco::reconcile
