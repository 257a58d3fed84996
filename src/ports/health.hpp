// Health checks of running instances. The monitor asks (HTTP or TCP), counts, and tells when its view of one changes.
// Implementations: runtime/health (real probes), runtime/simulated.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "domain/facts.hpp"
#include "domain/model.hpp"

namespace loco {

struct HealthTarget {
    InstanceId instance;
    AppId app;
    int attempt = 0;
    std::string address;
    int port = 0;
    Protocol protocol = Protocol::http;
    HealthSpec spec;
    bool operator==(const HealthTarget&) const = default;
};

struct HealthView {
    bool ever_healthy = false;  // since this attempt started
    bool failing =
        false;  // `failures` checks in a row have failed after the grace time, healthy before or not
    HealthCheck last;  // what the last check saw
};

class HealthMonitor {
  public:
    virtual ~HealthMonitor() = default;

    // Starts asking, or goes on when it is the same target. Until first healthy at least every 100 ms.
    virtual void watch(const HealthTarget& target) = 0;
    virtual void unwatch(const InstanceId& instance) = 0;
    [[nodiscard]] virtual HealthView view(const InstanceId& instance) const = 0;
    // Called (any thread; must not block) when a view changed.
    virtual void on_change(std::function<void(const AppId&)> listener) = 0;
};

}  // namespace loco
