#include "runtime/simulated/simulated_health.hpp"

#include <algorithm>

namespace loco {
namespace {

Duration patience(const HealthSpec& spec) { return spec.interval * std::max(spec.failures - 1, 0); }

}  // namespace

void SimulatedHealth::set_failing(const InstanceId& instance, bool failing) {
    const std::lock_guard lock(mutex_);
    if (failing) {
        broken_.insert(instance);
    } else {
        broken_.erase(instance);
    }
}

void SimulatedHealth::poll() {
    std::set<AppId> changed;
    std::function<void(const AppId&)> listener;
    {
        const std::lock_guard lock(mutex_);
        listener = listener_;
        for (auto& [id, watched] : watched_) {
            const HealthView before = watched.view;
            if (!broken_.contains(id) && runtime_.answers(id, watched.target.attempt)) {
                watched.view = {.ever_healthy = true,
                                .failing = false,
                                .last = {.saw = HealthCheck::Saw::healthy, .words = {}}};
                watched.failing_since.reset();
            } else {
                watched.view.last = {.saw = HealthCheck::Saw::refused,
                                     .words = "nothing listens on port " +
                                              std::to_string(watched.target.port) +
                                              " (connection refused)"};
                if (!watched.failing_since) watched.failing_since = clock_.now();
                const bool grace = clock_.now() < watched.since + watched.target.spec.grace;
                if (!grace &&
                    clock_.now() >= *watched.failing_since + patience(watched.target.spec)) {
                    watched.view.failing = true;
                }
            }
            if (before.ever_healthy != watched.view.ever_healthy ||
                before.failing != watched.view.failing) {
                changed.insert(watched.target.app);
            }
        }
    }
    if (!listener) return;
    for (const auto& app : changed) listener(app);
}

std::optional<Time> SimulatedHealth::next_due() const {
    const std::lock_guard lock(mutex_);
    std::optional<Time> next;
    for (const auto& [id, watched] : watched_) {
        if (!watched.failing_since || watched.view.failing) continue;
        const Time at = std::max<Time>(*watched.failing_since + patience(watched.target.spec),
                                       watched.since + watched.target.spec.grace);
        if (!next || at < *next) next = at;
    }
    return next;
}

void SimulatedHealth::watch(const HealthTarget& target) {
    const std::lock_guard lock(mutex_);
    const auto found = watched_.find(target.instance);
    if (found != watched_.end() && found->second.target == target) return;
    watched_[target.instance] = {
        .target = target, .since = clock_.now(), .view = {}, .failing_since = {}};
}

void SimulatedHealth::unwatch(const InstanceId& instance) {
    const std::lock_guard lock(mutex_);
    watched_.erase(instance);
}

HealthView SimulatedHealth::view(const InstanceId& instance) const {
    const std::lock_guard lock(mutex_);
    const auto found = watched_.find(instance);
    return found == watched_.end() ? HealthView{} : found->second.view;
}

void SimulatedHealth::on_change(std::function<void(const AppId&)> listener) {
    const std::lock_guard lock(mutex_);
    listener_ = std::move(listener);
}

}  // namespace loco
