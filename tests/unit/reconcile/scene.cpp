#include "tests/unit/reconcile/scene.hpp"

#include <algorithm>

#include "domain/diagnosis.hpp"
#include "reconcile/routes.hpp"

namespace loco::reconcile::testing {
namespace {

ReleaseId release_id(int number) { return ReleaseId("rel_" + std::to_string(number)); }

std::string short_name(const AppRows& rows, const InstanceId& id) {
    const auto found = std::ranges::find(rows.instances, id, &Instance::id);
    return found == rows.instances.end() ? id.str()
                                         : instance_name(*found) + "@" + found->set.str();
}

std::string told_routes(const AppRows& rows, const AppRoutes& routes) {
    std::string out = "routes";
    if (routes.without_endpoint == NoEndpoint::starting) out += " starting";
    for (const auto& port : routes.ports) {
        for (const auto& endpoint : port.endpoints) {
            out +=
                " " + short_name(rows, endpoint.instance) + (endpoint.draining ? "(draining)" : "");
        }
    }
    return out;
}

struct Teller {
    const AppRows& rows;
    std::string operator()(const Admit&) const { return "admit"; }
    std::string operator()(const StartContainer& e) const {
        return "start " + short_name(rows, e.instance) + (e.attempt > 1 ? " again" : "");
    }
    std::string operator()(const Terminate& e) const {
        return "terminate " + short_name(rows, e.instance);
    }
    std::string operator()(const RemoveContainers& e) const {
        return "remove " + short_name(rows, e.instance);
    }
    std::string operator()(const ApplyRoutes& e) const { return told_routes(rows, e.routes); }
    std::string operator()(const RemoveRoutes&) const { return "no routes"; }
    std::string operator()(const Forget&) const { return "forget"; }
    std::string operator()(const ApplyApp& e) const { return "order " + e.set.str(); }
    std::string operator()(const StopApp&) const { return "stop the app"; }
    std::string operator()(const RemoveApp&) const { return "remove the app"; }
    std::string operator()(const RunCommand& e) const {
        return "run the command of " + e.deployment.str();
    }
    std::string operator()(const RemoveCommand& e) const {
        return "remove the command of " + e.deployment.str();
    }
};

std::string told_app(const App& before, const App& after) {
    std::string out;
    if (before.live_set != after.live_set)
        out += "live set is " + (after.live_set ? after.live_set->str() : "none") + "\n";
    if (before.previous_set != after.previous_set) {
        out +=
            "previous set is " + (after.previous_set ? after.previous_set->str() : "none") + "\n";
    }
    if (before.lock != after.lock) out += after.lock ? "locked\n" : "unlocked\n";
    if (before.scale != after.scale) out += "scale is put back\n";
    return out;
}

}  // namespace

Time at(double seconds) {
    return from_unix_ms(1'000'000'000'000 + static_cast<std::int64_t>(seconds * 1000));
}

Scene::Scene() {
    rows.team = {.id = TeamId("team_1"), .slug = "main", .number = 0, .created_at = at(0)};
    rows.app.id = AppId("app_1");
    rows.app.team = rows.team.id;
    rows.app.name = "shop";
    rows.hosts = {{.name = "shop.localhost",
                   .team = rows.team.id,
                   .app = rows.app.id,
                   .primary = true,
                   .reserved_until = {}}};
    seen.runtime_known = true;
    seen.connections.emplace();
    routed();
}

Release& Scene::release(int number) {
    auto& release = rows.releases[release_id(number)];
    if (!release.id.empty()) return release;
    release.id = release_id(number);
    release.app = rows.app.id;
    release.number = number;
    release.repository = "loco/1";
    release.digest = "sha256:" + std::to_string(number);
    release.spec.name = "shop";
    release.spec.ports = {PortSpec{}};
    release.spec.deploy.timeout = Millis(60'000);
    release.spec.deploy.stop_timeout = Millis(10'000);
    release.uid = 10001;
    rows.app.next_release = std::max(rows.app.next_release, number + 1);
    return release;
}

Scene& Scene::live(int number, int replicas) {
    auto& serving = release(number);
    serving.live_at = at(1);
    serving.spec.scale.min = serving.spec.scale.max = replicas;
    rows.app.live_release = serving.id;
    rows.app.live_set = DeploymentId("old");
    for (int i = 0; i < replicas; ++i) {
        auto& serves = instance(*rows.app.live_set, number, i, InstanceState::healthy);
        serves.created_at = at(1);
        healthy(serves);
    }
    return routed();
}

Deployment& Scene::deployment(DeploymentKind kind, DeploymentState state, int number) {
    Deployment deployment;
    deployment.id = DeploymentId("new");
    deployment.app = rows.app.id;
    deployment.team = rows.team.id;
    deployment.kind = kind;
    deployment.state = state;
    deployment.actor = "ann";
    deployment.created_at = at(90);
    deployment.lease_until = at(150);
    deployment.deadline = at(150);
    if (number > 0) {
        deployment.spec = release(number).spec;
        deployment.release = release_id(number);
        deployment.set = deployment.id;
    }
    if (state != DeploymentState::building) rows.app.lock = deployment.id;
    rows.open.push_back(std::move(deployment));
    return rows.open.back();
}

Instance& Scene::instance(const DeploymentId& set, int number, int index, InstanceState state,
                          const std::string& process) {
    Instance row;
    row.id = InstanceId("ins_" + std::to_string(rows.instances.size() + 1));
    row.app = rows.app.id;
    row.team = rows.team.id;
    row.release = release_id(number);
    row.set = set;
    row.process = process;
    row.index = index;
    row.one_shot = process == "release";
    row.state = state;
    row.address = "10.208.0." + std::to_string(rows.instances.size() + 2);
    row.memory_bytes = 64LL << 20;
    row.attempt = 1;
    row.created_at = at(95);
    row.state_since = at(95);
    rows.instances.push_back(row);
    const bool runs = state != InstanceState::pending && state != InstanceState::backoff &&
                      state != InstanceState::finished;
    if (runs) container(row);
    return rows.instances.back();
}

ObservedContainer& Scene::container(const Instance& instance, ContainerState state) {
    ObservedContainer seen_one;
    seen_one.instance = instance.id;
    seen_one.app = instance.app;
    seen_one.attempt = instance.attempt;
    seen_one.state = state;
    seen_one.address = instance.address;
    seen_one.started_at = instance.state_since;
    seen.containers.push_back(seen_one);
    return seen.containers.back();
}

Scene& Scene::exited(const Instance& instance, int code, bool oom) {
    const auto found =
        std::ranges::find(seen.containers, instance.id, &ObservedContainer::instance);
    auto& one = found == seen.containers.end() ? container(instance) : *found;
    one.state = ContainerState::exited;
    one.exit_code = code;
    one.oom_killed = oom;
    return *this;
}

Scene& Scene::gone(const Instance& instance) {
    std::erase_if(seen.containers, [&](const auto& one) { return one.instance == instance.id; });
    return *this;
}

Scene& Scene::healthy(const Instance& instance) {
    seen.health[instance.id] = {.ever_healthy = true,
                                .failing = false,
                                .last = {.saw = HealthCheck::Saw::healthy, .words = {}}};
    return *this;
}

Scene& Scene::routed() {
    seen.routes_known = true;
    seen.routes = routes_of(rows);
    return *this;
}

Instance& Scene::of(const std::string& name, const DeploymentId& set) {
    const auto found = std::ranges::find_if(rows.instances, [&](const Instance& one) {
        return instance_name(one) == name && one.set == set;
    });
    LOCO_CHECK(found != rows.instances.end());
    return *found;
}

std::string Scene::told() const {
    const auto made = plan();
    const auto& changes = made.changes;
    std::string out;
    if (changes.app) out += told_app(changes.app->before, changes.app->after);
    for (const auto& release : changes.new_releases)
        out += "release " + release_name(release.number) + "\n";
    for (const auto& [before, after] : changes.deployments) {
        if (before.state == after.state) continue;
        out += "deployment " + std::string(to_string(before.state)) + " -> " +
               std::string(to_string(after.state));
        if (after.diagnosis) out += " (" + after.diagnosis->code + ")";
        out += "\n";
    }
    for (const auto& [before, after] : changes.instances) {
        out += short_name(rows, after.id) + " " + std::string(to_string(before.state)) + " -> " +
               std::string(to_string(after.state)) + "\n";
    }
    for (const auto& row : changes.new_instances)
        out += "new " + instance_name(row) + "@" + row.set.str() + "\n";
    for (const auto& row : changes.gone_instances)
        out += "gone " + instance_name(row) + "@" + row.set.str() + "\n";
    for (const auto& event : changes.events) {
        if (event.kind == kWaiting) out += "event deployment.waiting " + event.message + "\n";
    }
    if (changes.finish_destroy) out += "destroyed\n";
    for (const auto& effect : made.effects) out += std::visit(Teller{rows}, effect) + "\n";
    // With changes there is another plan at once.
    if (made.wake_at && changes.empty())
        out += "wake +" +
               std::to_string(
                   std::chrono::duration_cast<std::chrono::milliseconds>(*made.wake_at - now)
                       .count()) +
               "ms\n";
    return out;
}

}  // namespace loco::reconcile::testing
