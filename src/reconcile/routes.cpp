#include "reconcile/routes.hpp"

#include <algorithm>
#include <optional>

namespace loco::reconcile {
namespace {

enum class Rotation : std::uint8_t { out, active, draining };

Rotation rotation_of(const AppRows& rows, const Instance& instance) {
    const Release* release = rows.release(instance.release);
    if (release == nullptr || !is_routed(*release, instance.process)) return Rotation::out;
    if (instance.state == InstanceState::draining) return Rotation::draining;
    if (instance.state != InstanceState::healthy) return Rotation::out;
    if (instance.set == rows.app.live_set) return Rotation::active;
    return instance.set == rows.app.previous_set ? Rotation::draining : Rotation::out;
}

// Whose ports are routed: the live release's; before there is one, those of what is being brought up, so that a
// visitor is told that the app starts.
const Release* routed_release(const AppRows& rows) {
    if (const Release* live = rows.release(rows.app.live_release)) return live;
    const Deployment* holder = rows.holder();
    return holder != nullptr && holder->state == DeploymentState::rolling
               ? rows.release(holder->release)
               : nullptr;
}

PortRoute route_of(const PortSpec& port) {
    return {.name = port.name,
            .path = port.path,
            .strip_path = port.strip_path,
            .protocol = port.protocol,
            .idle_timeout = port.idle_timeout,
            .endpoints = {}};
}

void add_endpoint(const AppRows& rows, const Instance& instance, Rotation rotation,
                  AppRoutes& out) {
    for (const auto& port : rows.release(instance.release)->spec.ports) {
        if (port.path.empty()) continue;
        auto route = std::ranges::find(out.ports, port.name, &PortRoute::name);
        if (route == out.ports.end()) {
            // The live release has this port no more. Its path stays while requests to it are in flight.
            if (std::ranges::find(out.ports, port.path, &PortRoute::path) != out.ports.end())
                continue;
            route = out.ports.insert(out.ports.end(), route_of(port));
        }
        route->endpoints.push_back({.instance = instance.id,
                                    .address = instance.address,
                                    .port = port.port,
                                    .draining = rotation == Rotation::draining});
    }
}

bool is_starting(const AppRows& rows) {
    const Deployment* holder = rows.holder();
    if (holder != nullptr && holder->state == DeploymentState::rolling) {
        const Release* release = rows.release(holder->release);
        if (!rows.app.live_set) return true;
        if (release != nullptr && release->spec.deploy.strategy == Strategy::recreate) return true;
    }
    return std::ranges::any_of(rows.instances, [&](const Instance& instance) {
        return instance.set == rows.app.live_set && (instance.state == InstanceState::pending ||
                                                     instance.state == InstanceState::starting);
    });
}

}  // namespace

AppRoutes routes_of(const AppRows& rows) {
    AppRoutes out;
    out.app = rows.app.id;
    // A domain is kept for the app from the beginning of a deploy: what serves until then is not what it was named for.
    const Release* live = rows.release(rows.app.live_release);
    for (const auto& host : rows.hosts) {
        if (host.primary || (live != nullptr && contains(live->spec.domains, host.name)))
            out.hosts.push_back(host.name);
    }
    if (const Release* release = routed_release(rows)) {
        for (const auto& port : release->spec.ports) {
            if (!port.path.empty()) out.ports.push_back(route_of(port));
        }
    }
    bool any_active = false;
    for (const auto& instance : rows.instances) {
        const auto rotation = rotation_of(rows, instance);
        if (rotation == Rotation::out) continue;
        any_active |= rotation == Rotation::active;
        add_endpoint(rows, instance, rotation, out);
    }
    // Said only where it can be seen, so that a rollout that never lacks an endpoint needs no order for it.
    out.without_endpoint =
        !any_active && is_starting(rows) ? NoEndpoint::starting : NoEndpoint::down;
    return out;
}

}  // namespace loco::reconcile
