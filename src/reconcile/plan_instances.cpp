// The life of instances: started, healthy, crashed and started again, drained, stopped, gone.
#include <algorithm>

#include "reconcile/machine_planner.hpp"

namespace loco::reconcile {
namespace {

constexpr auto kStableAfter = std::chrono::minutes(10);  // then earlier crashes are forgotten
constexpr auto kPortlessHealthyAfter = std::chrono::seconds(1);
constexpr auto kDrainPoll = std::chrono::milliseconds(100);
constexpr auto kSlowDrainPoll = std::chrono::milliseconds(500);

bool is_occupying(const Instance& instance) {
    using enum InstanceState;
    return instance.state == pending || instance.state == starting || instance.state == healthy ||
           instance.state == backoff;
}

// The runtime has said no for good: trying the same again cannot help.
bool is_final(const Error& error) {
    return error.kind == ErrorKind::refused || error.kind == ErrorKind::invalid ||
           error.kind == ErrorKind::not_found;
}

}  // namespace

void MachinePlanner::observe_one_shot(Instance& instance) {
    const auto* seen = container(instance);
    if (instance.state == InstanceState::pending) {
        if (const Error* error = start_error(instance); error != nullptr && is_final(*error)) {
            instance.last_problem = {.code = std::string(error->code_or_kind()),
                                     .message = error->message};
            enter(instance, InstanceState::finished);
            return;
        }
        if (seen != nullptr && seen->state != ContainerState::created)
            enter(instance, InstanceState::starting);
    }
    if (instance.state != InstanceState::starting) return;
    if (seen != nullptr && seen->state == ContainerState::running) return;
    const auto end = facts_of(instance, Moment::releasing).end;
    instance.exit_code = end.exit_code;
    instance.oom_killed = end.oom_killed;
    enter(instance, InstanceState::finished);
}

void MachinePlanner::observe_instances() {
    if (!seen_.runtime_known) return;
    for (auto& instance : rows_.instances) {
        if (instance.one_shot) {
            observe_one_shot(instance);
            continue;
        }
        const auto* seen = container(instance);
        const bool running = seen != nullptr && seen->state == ContainerState::running;
        if (instance.state == InstanceState::pending && seen != nullptr &&
            seen->state != ContainerState::created) {
            instance.restart_at.reset();
            enter(instance, InstanceState::starting);
        }
        if (instance.state == InstanceState::starting && running) {
            bool healthy = false;
            if (const Release* release = rows_.release(instance.release);
                release != nullptr && instance.process == main_process(release->spec) &&
                !release->spec.ports.empty()) {
                const auto view = health(instance);
                healthy = view.ever_healthy && !view.failing;
            } else {
                const Time since =
                    seen->started_at.value_or(instance.state_since) + kPortlessHealthyAfter;
                healthy = now_ >= since;
                if (!healthy) wake(since);
            }
            if (healthy) {
                enter(instance, InstanceState::healthy);
                if (instance.restarts > 0) {
                    tell(instance, "instance.recovered",
                         instance_name(instance) + " is healthy again");
                } else {
                    tell(instance, "instance.healthy", instance_name(instance) + " is healthy");
                }
            }
        }
    }
}

// Why an instance that should run does not, if so.
std::optional<MachinePlanner::Death> MachinePlanner::death_of(const Instance& instance) {
    using enum InstanceState;
    const auto* seen = container(instance);
    auto facts = facts_of(instance, Moment::serving);
    if (instance.state == pending) {
        const Error* error = start_error(instance);
        if (error == nullptr || !is_final(*error)) return std::nullopt;
        facts.ended = true;
        return Death{.facts = std::move(facts)};
    }
    if (seen == nullptr || seen->state != ContainerState::running) {
        facts.ended = true;
        return Death{.facts = std::move(facts)};
    }
    if (instance.set != rows_.app.live_set || instance.state == draining) return std::nullopt;
    const Release* release = rows_.release(instance.release);
    if (release == nullptr) return std::nullopt;
    if (instance.state == healthy && health(instance).failing) {
        return Death{.facts = std::move(facts), .ailing = true};
    }
    if (instance.state == starting) {
        // In a rollout the deployment's deadline decides.
        const Deployment* open = holder();
        if (open != nullptr && open->set == instance.set) return std::nullopt;
        facts.moment = Moment::late;
        facts.timeout = std::max(release->spec.health.grace, release->spec.deploy.timeout);
        const Time patience = instance.state_since + facts.timeout;
        if (now_ >= patience) return Death{.facts = std::move(facts)};
        wake(patience);
    }
    return std::nullopt;
}

void MachinePlanner::find_deaths() {
    using enum InstanceState;
    if (!seen_.runtime_known) return;
    for (auto& instance : rows_.instances) {
        const bool runs = instance.state == pending || instance.state == starting ||
                          instance.state == healthy || instance.state == draining;
        if (!runs || instance.one_shot) continue;
        if (auto death = death_of(instance)) {
            deaths_.emplace(instance.id, std::move(*death));
        } else if (instance.state == healthy && instance.set != rows_.app.live_set &&
                   instance.set != rows_.app.previous_set && health(instance).failing) {
            enter(instance, starting);  // of a set that has no traffic yet: it is only not ready
        }
    }
}

void MachinePlanner::settle_deaths() {
    for (auto& instance : rows_.instances) {
        const auto found = deaths_.find(instance.id);
        if (found == deaths_.end() || found->second.ailing ||
            instance.state == InstanceState::stopping)
            continue;
        auto facts = found->second.facts;
        instance.exit_code = facts.end.exit_code;
        instance.oom_killed = facts.end.oom_killed;
        const bool was_stable =
            instance.state == InstanceState::healthy && now_ - instance.state_since >= kStableAfter;
        const int restarts = was_stable ? 1 : instance.restarts + 1;
        facts.crashes = restarts;
        if (instance.state == InstanceState::draining || !is_wanted(instance) ||
            instance.set == rows_.app.previous_set) {
            instance.deadline.reset();
            enter(instance, InstanceState::stopping);
            continue;
        }
        if (facts.ended && ended_before_us(instance)) {
            // No crash that anybody saw: the machine was off, or Loco was down. Everything comes back at once.
            instance.restart_at = now_;
            enter(instance, InstanceState::backoff);
            tell(instance, "instance.restarted",
                 instance_name(instance) + " had stopped while Loco was down; it is started again");
            continue;
        }
        const auto diagnosis = diagnose(facts);
        instance.last_problem = problem_of(diagnosis, facts.name);
        instance.restarts = restarts;
        const auto delay = restart_delay(instance.restarts);
        instance.restart_at = now_ + delay;
        enter(instance, InstanceState::backoff);
        tell(instance, "instance.crashed",
             diagnosis.message + (facts.ended ? "; it is" : "; it is killed, and") +
                 " started again in " +
                 std::to_string(std::chrono::duration_cast<std::chrono::seconds>(delay).count()) +
                 "s",
             diagnosis.code);
    }
}

bool MachinePlanner::is_dead(const Instance& instance) const {
    const auto found = deaths_.find(instance.id);
    return found != deaths_.end() && !found->second.ailing;
}

// What takes the instance's place, or the instance whose place it takes.
const Instance* MachinePlanner::beside(const Instance& instance) const {
    const auto found = std::ranges::find_if(rows_.instances, [&](const Instance& other) {
        return other.id != instance.id && other.set == instance.set &&
               other.process == instance.process && other.index == instance.index &&
               is_occupying(other);
    });
    return found == rows_.instances.end() ? nullptr : &*found;
}

// One more at a time of each process: the machine has room for one, and what overloads all is not answered by stopping all.
bool MachinePlanner::makes_room_for(const Instance& instance) const {
    return std::ranges::none_of(rows_.instances, [&](const Instance& other) {
        if (other.set != instance.set || other.process != instance.process) return false;
        return !is_occupying(other) || beside(other) != nullptr;
    });
}

void MachinePlanner::replace_ailing() {
    if (!seen_.runtime_known || !rows_.app.live_set) return;
    drop_needless_replacements();
    const auto count = rows_.instances.size();
    for (std::size_t i = 0; i < count; ++i) {
        auto& instance = rows_.instances[i];
        const auto death = deaths_.find(instance.id);
        const bool ailing = death != deaths_.end() && death->second.ailing &&
                            instance.state == InstanceState::healthy &&
                            instance.set == rows_.app.live_set && is_wanted(instance) &&
                            has_place(instance);
        if (!ailing) continue;
        if (const auto* other = beside(instance)) {
            if (other->state == InstanceState::healthy && !deaths_.contains(other->id))
                retire(instance);
        } else if (makes_room_for(instance)) {
            replace(i);
        }
    }
}

// Out of rotation at once where another serves; the last that has traffic keeps it until its replacement is healthy.
void MachinePlanner::replace(std::size_t ailing) {
    auto& old = rows_.instances[ailing];
    const bool was_stable = now_ - old.state_since >= kStableAfter;
    old.restarts = was_stable ? 1 : old.restarts + 1;
    const auto diagnosis = diagnose(deaths_.at(old.id).facts);
    old.last_problem = problem_of(diagnosis, instance_name(old));
    Instance made = old;
    made.id = {};
    made.address.clear();
    made.state = InstanceState::pending;
    made.attempt = 1;
    made.created_at = now_;
    made.state_since = now_;
    made.deadline.reset();
    made.exit_code.reset();
    made.oom_killed = false;
    // The first is started at once.
    made.restart_at.reset();
    if (made.restarts > 1) made.restart_at = now_ + restart_delay(made.restarts - 1);
    const bool others_serve = std::ranges::any_of(rows_.instances, [&](const Instance& other) {
        return other.set == old.set && other.process == old.process &&
               other.state == InstanceState::healthy && !deaths_.contains(other.id);
    });
    tell(old, "instance.replaced",
         diagnosis.message + "; it is replaced" +
             (others_serve ? "" : ", and serves until another is healthy"),
         diagnosis.code);
    if (others_serve) retire(old);
    rows_.instances.push_back(std::move(made));
}

// Its checks are well again before the other was healthy.
void MachinePlanner::drop_needless_replacements() {
    for (auto& instance : rows_.instances) {
        const bool well = instance.state == InstanceState::healthy &&
                          instance.set == rows_.app.live_set && !deaths_.contains(instance.id);
        if (!well) continue;
        const auto* other = beside(instance);
        if (other == nullptr || (other->state == InstanceState::healthy && other->id < instance.id))
            continue;
        tell(instance, "instance.recovered", instance_name(instance) + " is healthy again");
        instance.state_since = now_;
        instance.last_problem = {};
        retire(*std::ranges::find(rows_.instances, other->id, &Instance::id));
    }
}

bool MachinePlanner::ended_before_us(const Instance& instance) const {
    const auto* seen = container(instance);
    return seen != nullptr && seen->finished_at && *seen->finished_at < seen_.since;
}

void MachinePlanner::restart_what_waited() {
    if (!seen_.runtime_known) return;
    for (auto& instance : rows_.instances) {
        if (instance.state != InstanceState::backoff) continue;
        const Time at = instance.restart_at.value_or(now_);
        if (now_ < at) {
            wake(at);
        } else if (!has_containers(instance.id)) {
            instance.restart_at.reset();
            ++instance.attempt;
            enter(instance, InstanceState::pending);
        }
    }
}

bool MachinePlanner::is_wanted(const Instance& instance) const {
    if (rows_.app.destroying) return false;
    const Deployment* open = nullptr;
    if (rows_.app.lock) {
        const auto found = std::ranges::find(rows_.open, *rows_.app.lock, &Deployment::id);
        if (found != rows_.open.end()) open = &*found;
    }
    if (instance.one_shot) {
        return open != nullptr && open->state == DeploymentState::releasing &&
               instance.set == open->id;
    }
    const std::map<std::string, ScaleOverride>* scale = nullptr;
    if (instance.set == rows_.app.live_set) {
        if (open != nullptr && recreates(*open)) return false;
        scale = &rows_.live_scale();
    } else if (instance.set == rows_.app.previous_set) {
        return true;  // as it is, until the gateway has confirmed the switch
    } else if (open != nullptr && open->state == DeploymentState::rolling &&
               instance.set == open->set) {
        scale = &rows_.app.scale;
    }
    const Release* release = rows_.release(instance.release);
    if (scale == nullptr || release == nullptr) return false;
    const auto processes = wanted_processes(release->spec, *scale);
    return std::ranges::any_of(processes, [&](const WantedProcess& process) {
        return process.name == instance.process &&
               (instance.index < process.replicas ||
                (process.replicas > 0 && stands_in(instance, process.replicas)));
    });
}

// One too many that serves, while none of those that should remain does. One whose checks fail may still answer: it makes way
// for one that is no worse.
bool MachinePlanner::stands_in(const Instance& instance, int replicas) const {
    const auto may_answer = [&](const Instance& one) {
        return one.state == InstanceState::healthy && !is_dead(one);
    };
    const bool is_well = !deaths_.contains(instance.id);
    return may_answer(instance) && instance.set == rows_.app.live_set &&
           std::ranges::none_of(rows_.instances, [&](const Instance& other) {
               return other.set == instance.set && other.process == instance.process &&
                      other.index < replicas && may_answer(other) &&
                      !(is_well && deaths_.contains(other.id));
           });
}

// Whether it is one of those that should be there, and does not only stand in for one.
bool MachinePlanner::has_place(const Instance& instance) const {
    const Release* release = rows_.release(instance.release);
    return release != nullptr &&
           std::ranges::any_of(wanted_processes(release->spec, rows_.live_scale()),
                               [&](const WantedProcess& process) {
                                   return process.name == instance.process &&
                                          instance.index < process.replicas;
                               });
}

void MachinePlanner::retire(Instance& instance) {
    using enum InstanceState;
    if (instance.state == draining || instance.state == stopping) return;
    instance.deadline.reset();
    if (instance.state == healthy && routed(instance) && !is_dead(instance)) {
        instance.deadline = now_ + stop_timeout(instance);
        enter(instance, draining);
    } else {
        enter(instance, stopping);
    }
}

// In the same write in which the set stops serving: its requests in flight are to be named to the gateway as such.
void MachinePlanner::retire_set(const DeploymentId& set) {
    for (auto& instance : rows_.instances) {
        if (instance.set == set) retire(instance);
    }
}

void MachinePlanner::fill(const DeploymentId& set, const ReleaseId& release_id,
                          const std::map<std::string, ScaleOverride>& scale) {
    const Release* release = rows_.release(release_id);
    if (release == nullptr) return;
    for (const auto& process : wanted_processes(release->spec, scale)) {
        for (int index = 0; index < process.replicas; ++index) {
            const bool there = std::ranges::any_of(rows_.instances, [&](const Instance& instance) {
                return instance.set == set && instance.process == process.name &&
                       instance.index == index && is_occupying(instance);
            });
            if (there) continue;
            Instance instance{.id = {},
                              .app = rows_.app.id,
                              .team = rows_.app.team,
                              .release = release_id,
                              .set = set,
                              .process = process.name,
                              .index = index};
            instance.host = "local";
            instance.cpu_millis = process.cpu_millis;
            instance.cpu_max_millis = process.cpu_max_millis;
            instance.memory_bytes = process.memory_bytes;
            instance.attempt = 1;
            instance.created_at = now_;
            instance.state_since = now_;
            rows_.instances.push_back(std::move(instance));
        }
    }
}

void MachinePlanner::keep_sets() {
    Deployment* open = holder();
    const bool recreating = open != nullptr && recreates(*open);
    for (auto& instance : rows_.instances) {
        // Blind to what really runs, nothing that may serve is taken out.
        if (instance.id.empty() || !seen_.runtime_known || is_wanted(instance)) continue;
        const auto before = instance.state;
        retire(instance);
        // It drains, and is then asked to stop.
        if (recreating && instance.state != before) allow_time(*open, 2 * stop_timeout(instance));
    }
    if (rows_.app.destroying) return;
    if (rows_.app.live_set && rows_.app.live_release && !recreating) {
        fill(*rows_.app.live_set, *rows_.app.live_release, rows_.live_scale());
    }
    if (open == nullptr || open->state != DeploymentState::rolling || !open->set || !open->release)
        return;
    if (open->set == rows_.app.live_set || (recreating && !old_set_stopped())) return;
    const auto count = rows_.instances.size();
    fill(*open->set, *open->release, rows_.app.scale);
    // The time until healthy begins when there is something that can become it.
    if (rows_.instances.size() > count && !contains(before_.instances, *open->set, &Instance::set))
        allow_time(*open, Millis(0));
}

void MachinePlanner::allow_time(Deployment& deployment, Millis before_start) {
    const Release* release = rows_.release(deployment.release);
    if (release == nullptr) return;
    deployment.deadline =
        std::max(deployment.deadline, now_ + release->spec.deploy.timeout + before_start);
}

void MachinePlanner::advance_stops() {
    using enum InstanceState;
    // Wanted and given up in one plan: never written.
    std::erase_if(rows_.instances, [](const Instance& instance) {
        return instance.id.empty() && instance.state != pending;
    });
    const bool told = routes_applied();  // that these are draining
    for (auto& instance : rows_.instances) {
        if (instance.state != draining) continue;
        const auto before = std::ranges::find(before_.instances, instance.id, &Instance::id);
        const bool was_draining = before != before_.instances.end() && before->state == draining;
        if (told && was_draining && seen_.connections) {
            const auto found = seen_.connections->find(instance.id);
            const bool quiet = found == seen_.connections->end() || found->second == 0;
            if (quiet || now_ >= instance.deadline.value_or(now_)) {
                instance.deadline.reset();
                enter(instance, stopping);
                continue;
            }
        }
        wake(now_ +
             (now_ - instance.state_since < std::chrono::seconds(2) ? kDrainPoll : kSlowDrainPoll));
    }
    const bool cut = routes_applied();  // that these get no traffic any more
    for (auto& instance : rows_.instances) {
        if (instance.state == stopping && !instance.deadline && (cut || unlisted(instance))) {
            instance.deadline = now_ + stop_timeout(instance);
        }
    }
    if (!seen_.runtime_known) return;
    tell_ignored_stops();
    std::erase_if(rows_.instances, [&](const Instance& instance) {
        if (instance.state != stopping || has_containers(instance.id)) return false;
        if (!unlisted(instance)) {
            wake(now_ + kDrainPoll);  // its address must not be given to another yet
            return false;
        }
        gone_.push_back(*std::ranges::find(before_.instances, instance.id, &Instance::id));
        return true;
    });
}

// Once each: that it was told stands in the row that the same write changes.
void MachinePlanner::tell_ignored_stops() {
    for (auto& instance : rows_.instances) {
        const auto* seen = container(instance);
        const bool ignores = instance.state == InstanceState::stopping && !instance.one_shot &&
                             instance.deadline && now_ >= *instance.deadline &&
                             seen_.terminated.contains(instance.id) && seen != nullptr &&
                             seen->state == ContainerState::running;
        if (!ignores) continue;
        const auto diagnosis =
            diagnose_ignored_stop(instance_name(instance), stop_timeout(instance));
        if (instance.last_problem.code == diagnosis.code) continue;
        instance.last_problem = problem_of(diagnosis, instance_name(instance));
        tell(instance, "instance.killed", diagnosis.message, diagnosis.code);
    }
}

}  // namespace loco::reconcile
