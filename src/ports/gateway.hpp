// The gateway, as the reconciler needs it: it is told what an app's routes should be, whole, and makes it so without
// failing a request. Implementations: gateway/haproxy, gateway/simulated; one contract suite (tests/contract/gateway).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "domain/model.hpp"

namespace loco {

struct Endpoint {
    InstanceId instance;
    std::string address;  // IPv4
    int port = 0;
    bool draining = false;  // gets no new request; those in flight go on
    bool operator==(const Endpoint&) const = default;
};

// One routed port of an app.
struct PortRoute {
    std::string name;  // PortSpec::name
    std::string path = "/";
    bool strip_path = false;
    Protocol protocol = Protocol::http;
    Millis idle_timeout{60'000};
    std::vector<Endpoint> endpoints;
    bool operator==(const PortRoute&) const = default;
};

// Which of Loco's own pages a request gets when no endpoint can take it.
enum class NoEndpoint : std::uint8_t { starting, down };

struct AppRoutes {
    AppId app;
    std::vector<std::string> hosts;  // lower case, no port
    std::vector<PortRoute> ports;
    NoEndpoint without_endpoint = NoEndpoint::down;
    bool operator==(const AppRoutes&) const = default;
};

struct TrafficStats {
    AppId app;
    std::string port;
    std::uint64_t requests = 0;  // since the gateway started
    std::uint64_t status_2xx = 0, status_3xx = 0, status_4xx = 0, status_5xx = 0;
    std::uint64_t bytes_in = 0, bytes_out = 0;
    double average_ms = 0;  // of the last 1024 requests
    std::uint64_t current_sessions = 0;
};

class Gateway {
  public:
    virtual ~Gateway() = default;

    // Makes these the app's routes. Durable before it is effective: a gateway that restarts has them. An endpoint that
    // was there and is named no more is cut off; name it with draining = true first and wait for connections() to be 0.
    // unavailable when the gateway can't be reached; it then has the routes when it is back.
    [[nodiscard]] virtual Result<> apply(const AppRoutes& routes) = 0;
    [[nodiscard]] virtual Result<> remove(const AppId& app) = 0;
    // All at once (at start): apps that are not named lose their routes.
    [[nodiscard]] virtual Result<> sync(const std::vector<AppRoutes>& all) = 0;

    // Requests and upgraded connections in flight for each endpoint of the app that the gateway knows.
    // An endpoint that is not in it is gone: its address may be used again.
    [[nodiscard]] virtual Result<std::map<InstanceId, int>> connections(const AppId& app) = 0;
    [[nodiscard]] virtual Result<std::vector<TrafficStats>> stats() = 0;
};

}  // namespace loco
