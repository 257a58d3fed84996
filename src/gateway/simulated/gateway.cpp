#include "gateway/simulated/gateway.hpp"

#include <set>

#include "gateway/routes.hpp"

namespace loco::gateway {

Result<> SimulatedGateway::at(std::string_view call, Point point) {
    return hook_ ? hook_(call, point) : Result<>{};
}

Result<> SimulatedGateway::apply(const AppRoutes& routes) {
    LOCO_TRY(at("apply", Point::entry));
    LOCO_TRY(check(routes));
    wanted_[routes.app] = routes;
    return bring_up_to_date("apply");
}

Result<> SimulatedGateway::remove(const AppId& app) {
    LOCO_TRY(at("remove", Point::entry));
    wanted_.erase(app);
    return bring_up_to_date("remove");
}

Result<> SimulatedGateway::sync(const std::vector<AppRoutes>& all) {
    LOCO_TRY(at("sync", Point::entry));
    std::map<AppId, AppRoutes> wanted;
    for (const auto& routes : all) {
        LOCO_TRY(check(routes));
        wanted[routes.app] = routes;
    }
    wanted_ = std::move(wanted);
    return bring_up_to_date("sync");
}

Result<std::map<InstanceId, int>> SimulatedGateway::connections(const AppId& app) {
    LOCO_TRY(at("connections", Point::entry));
    LOCO_TRY(bring_up_to_date("connections"));
    std::map<InstanceId, int> result;
    if (const auto it = servers_.find(app); it != servers_.end()) {
        for (const auto& [key, server] : it->second) {
            result[server.endpoint.instance] += server.connections;
        }
    }
    return result;
}

Result<std::vector<TrafficStats>> SimulatedGateway::stats() {
    LOCO_TRY(at("stats", Point::entry));
    if (!reachable_) return fail(ErrorKind::unavailable, "the gateway does not answer");
    std::vector<TrafficStats> result;
    for (const auto& [app, routes] : running_) {
        for (const auto& port : routes.ports) {
            auto& kept = stats_[{app, port.name}];
            kept.app = app;
            kept.port = port.name;
            kept.current_sessions = 0;
            for (const auto& [key, server] : servers_[app]) {
                if (key.first == port.name) {
                    kept.current_sessions += static_cast<std::uint64_t>(server.connections);
                }
            }
            result.push_back(kept);
        }
    }
    LOCO_TRY(at("stats", Point::done));
    return result;
}

Result<> SimulatedGateway::bring_up_to_date(std::string_view call) {
    LOCO_TRY(at(call, Point::rendered));
    if (!reachable_) return fail(ErrorKind::unavailable, "the gateway does not answer");
    std::set<AppId> all;
    for (const auto& [app, routes] : wanted_) all.insert(app);
    for (const auto& [app, routes] : running_) all.insert(app);
    for (const auto& app : all) make_running(app);
    return at(call, Point::done);
}

void SimulatedGateway::make_running(const AppId& app) {
    const auto wanted = wanted_.find(app);
    std::map<ServerKey, Endpoint> named;
    if (wanted != wanted_.end()) {
        running_[app] = wanted->second;
        for (const auto& port : wanted->second.ports) {
            for (const auto& endpoint : port.endpoints)
                named[{port.name, endpoint.instance}] = endpoint;
        }
    } else {
        running_.erase(app);
    }
    auto& servers = servers_[app];
    for (auto it = servers.begin(); it != servers.end();) {
        if (named.contains(it->first)) {
            ++it;
            continue;
        }
        connections_cut_ += static_cast<std::uint64_t>(it->second.connections);
        it->second.connections = 0;
        it->second.removed = true;
        it = slow_cuts_ ? std::next(it) : servers.erase(it);
    }
    for (const auto& [key, endpoint] : named) {
        auto& server = servers[key];
        server.app = app;
        server.port_name = key.first;
        server.endpoint = endpoint;
        server.removed = false;
    }
    if (servers.empty()) servers_.erase(app);
}

void SimulatedGateway::restart() {
    servers_.clear();
    stats_.clear();
    running_ = wanted_;
    for (const auto& [app, routes] : wanted_) make_running(app);
}

void SimulatedGateway::finish_cuts() {
    for (auto& [app, servers] : servers_) {
        std::erase_if(servers, [](const auto& entry) { return entry.second.removed; });
    }
    std::erase_if(servers_, [](const auto& entry) { return entry.second.empty(); });
}

SimulatedAnswer SimulatedGateway::request(std::string_view host, std::string_view path) {
    const std::string asked = std::string(host) + std::string(path.substr(0, path.find('?'))) + "/";
    const AppRoutes* routes = nullptr;
    const PortRoute* route = nullptr;
    std::size_t longest = 0;
    for (const auto& [app, candidate] : running_) {
        for (const auto& name : candidate.hosts) {
            for (const auto& port : candidate.ports) {
                const auto key = route_key(name, port.path);
                if (key.size() > longest && asked.starts_with(key)) {
                    longest = key.size();
                    routes = &candidate;
                    route = &port;
                }
            }
        }
    }
    if (route == nullptr) return {.kind = SimulatedAnswer::Kind::unknown_host};

    auto& counted = stats_[{routes->app, route->name}];
    ++counted.requests;
    std::vector<Endpoint> active;
    for (const auto& endpoint : route->endpoints) {
        if (!endpoint.draining) active.push_back(endpoint);
    }
    if (active.empty()) {
        ++counted.status_5xx;
        return {.kind = routes->without_endpoint == NoEndpoint::starting
                            ? SimulatedAnswer::Kind::starting
                            : SimulatedAnswer::Kind::down,
                .app = routes->app};
    }
    ++counted.status_2xx;
    std::string seen(path);
    if (route->strip_path) {
        seen.erase(0, prefix_of(route->path).size());
        if (!seen.starts_with('/')) seen.insert(0, "/");
    }
    return {.kind = SimulatedAnswer::Kind::served,
            .app = routes->app,
            .endpoint = active[turn_++ % active.size()],
            .path = std::move(seen)};
}

bool SimulatedGateway::open_connection(const InstanceId& instance) {
    for (auto& [app, servers] : servers_) {
        for (auto& [key, server] : servers) {
            if (key.second == instance && !server.removed) {
                ++server.connections;
                return true;
            }
        }
    }
    return false;
}

void SimulatedGateway::close_connection(const InstanceId& instance) {
    for (auto& [app, servers] : servers_) {
        for (auto& [key, server] : servers) {
            if (key.second == instance && server.connections > 0) {
                --server.connections;
                return;
            }
        }
    }
}

std::vector<SimulatedServer> SimulatedGateway::servers() const {
    std::vector<SimulatedServer> result;
    for (const auto& [app, servers] : servers_) {
        for (const auto& [key, server] : servers) result.push_back(server);
    }
    return result;
}

}  // namespace loco::gateway
