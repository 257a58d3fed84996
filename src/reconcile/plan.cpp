#include "reconcile/plan.hpp"

#include <algorithm>

#include "reconcile/cluster_planner.hpp"
#include "reconcile/machine_planner.hpp"

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
    if (observed.cluster) return ClusterPlanner(rows, observed, now).run();
    return MachinePlanner(rows, observed, now).run();
}

Plan Planner::run() {
    before_deployments();
    advance_deployments();
    after_deployments();
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
        const bool known =
            !instance.id.empty() && contains(before_.instances, instance.id, &Instance::id);
        if (!known) out.new_instances.push_back(instance);
    }
    out.new_releases = new_releases_;
    out.gone_instances = gone_;
    out.events = events_;
    out.live_domains = live_domains_;
    return out;
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

void Planner::enter(Instance& instance, InstanceState state) {
    instance.state = state;
    instance.state_since = now_;
}

void Planner::wake(Time at) {
    if (!wake_at_ || at < *wake_at_) wake_at_ = at;
}

void Planner::tell(const Instance& instance, std::string kind, std::string message,
                   const std::string& code) {
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
    if (!instance.id.empty()) {
        event.data = R"({"instance":")" + instance.id.str() + "\"";
        if (!code.empty()) event.data += R"(,"code":")" + code + "\"";
        event.data += "}";
    }
    events_.push_back(std::move(event));
}

Facts Planner::known_of(const Instance& instance, Moment moment) const {
    Facts facts;
    facts.moment = moment;
    facts.name = instance_name(instance);
    facts.process = instance.process;
    facts.memory_bytes = instance.memory_bytes;
    if (const Release* release = rows_.release(instance.release)) {
        const auto& spec = release->spec;
        facts.release = release_name(release->number);
        facts.main = instance.one_shot || instance.process == main_process(spec);
        facts.writable = spec.resources.writable;
        facts.timeout = spec.deploy.timeout;
        facts.health = spec.health;
        if (!instance.one_shot && facts.main && !spec.ports.empty()) {
            facts.port = spec.ports[0].port;
            facts.protocol = spec.ports[0].protocol;
        }
    }
    if (const auto tail = seen_.tails.find(instance.id); tail != seen_.tails.end())
        facts.tail = tail->second;
    if (const auto look = seen_.looks.find(instance.id); look != seen_.looks.end())
        facts.container = look->second;
    return facts;
}

}  // namespace loco::reconcile
