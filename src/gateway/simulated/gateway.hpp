// A gateway in memory, for the simulation and for tests of what stands above it. It keeps what HAProxy would: files
// that outlive everything (what is wanted) and a running state that a restart makes from them. Deterministic; one
// thread at a time.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ports/gateway.hpp"

namespace loco::gateway {

// One server that the running gateway knows.
struct SimulatedServer {
    AppId app;
    std::string port_name;
    Endpoint endpoint;
    int connections = 0;
    bool removed = false;  // named by no route any more, but still listed
    bool operator==(const SimulatedServer&) const = default;
};

struct SimulatedAnswer {
    enum class Kind : std::uint8_t { served, unknown_host, starting, down } kind;
    AppId app = {};
    Endpoint endpoint = {};  // served only
    std::string path = {};   // as the endpoint sees it
};

class SimulatedGateway final : public Gateway {
  public:
    // Where a call stands: before it did anything, after the files and before the running state, after all.
    enum class Point : std::uint8_t { entry, rendered, done };
    // May throw (the simulation's crash of the process) or give an error, with which the call then ends.
    using Hook = std::function<Result<>(std::string_view call, Point point)>;

    [[nodiscard]] Result<> apply(const AppRoutes& routes) override;
    [[nodiscard]] Result<> remove(const AppId& app) override;
    [[nodiscard]] Result<> sync(const std::vector<AppRoutes>& all) override;
    [[nodiscard]] Result<std::map<InstanceId, int>> connections(const AppId& app) override;
    [[nodiscard]] Result<std::vector<TrafficStats>> stats() override;

    // --- what the world does to it
    void on_call(Hook hook) { hook_ = std::move(hook); }
    // false: it serves, but takes no orders (files are still rendered). Back again, the next call brings it up to date.
    void set_reachable(bool reachable) { reachable_ = reachable; }
    // Killed and started again: connections are lost, the running state is what the files say.
    void restart();
    // true: a server that was cut off stays listed, without connections, until finish_cuts().
    void set_slow_cuts(bool slow) { slow_cuts_ = slow; }
    void finish_cuts();

    // Which endpoint a request of a client would get; counts it for stats(). Endpoints take turns.
    [[nodiscard]] SimulatedAnswer request(std::string_view host, std::string_view path);
    // A connection in flight to that instance; false when the gateway does not know it.
    bool open_connection(const InstanceId& instance);
    void close_connection(const InstanceId& instance);

    // --- what an invariant looks at
    // Everything that the running gateway knows, removed servers that are still listed included.
    [[nodiscard]] std::vector<SimulatedServer> servers() const;
    [[nodiscard]] const std::map<AppId, AppRoutes>& running() const { return running_; }
    [[nodiscard]] const std::map<AppId, AppRoutes>& rendered() const { return wanted_; }
    // Connections that were in flight when their endpoint was cut off (restarts do not count).
    [[nodiscard]] std::uint64_t connections_cut() const { return connections_cut_; }

  private:
    using ServerKey = std::pair<std::string, InstanceId>;  // port name
    [[nodiscard]] Result<> at(std::string_view call, Point point);
    [[nodiscard]] Result<> bring_up_to_date(std::string_view call);
    void make_running(const AppId& app);

    std::map<AppId, AppRoutes> wanted_;  // the files
    std::map<AppId, AppRoutes> running_;
    std::map<AppId, std::map<ServerKey, SimulatedServer>> servers_;
    std::map<std::pair<AppId, std::string>, TrafficStats> stats_;
    std::uint64_t turn_ = 0;
    std::uint64_t connections_cut_ = 0;
    bool reachable_ = true;
    bool slow_cuts_ = false;
    Hook hook_;
};

}  // namespace loco::gateway
