// Health checks of the simulated runtime's containers: healthy when the container's behaviour says that it answers.
// Nothing is asked in the background: call poll() after the clock was moved or the runtime changed.
#pragma once

#include <map>
#include <mutex>
#include <set>

#include "ports/health.hpp"
#include "runtime/simulated/simulated_runtime.hpp"

namespace loco {

class SimulatedHealth final : public HealthMonitor {
  public:
    SimulatedHealth(const Clock& clock, const SimulatedRuntime& runtime)
        : clock_(clock), runtime_(runtime) {}

    // Its checks fail from now on although its container runs (true), or no longer (false).
    void set_failing(const InstanceId& instance, bool failing);
    // Asks each watched instance once; listeners are told of what changed.
    void poll();
    // When a check that fails now would count as failing (failures × interval after the first).
    [[nodiscard]] std::optional<Time> next_due() const;

    void watch(const HealthTarget& target) override;
    void unwatch(const InstanceId& instance) override;
    [[nodiscard]] HealthView view(const InstanceId& instance) const override;
    void on_change(std::function<void(const AppId&)> listener) override;

  private:
    struct Watched {
        HealthTarget target;
        Time since;
        HealthView view;
        std::optional<Time> failing_since;
    };

    const Clock& clock_;
    const SimulatedRuntime& runtime_;
    mutable std::mutex mutex_;
    std::map<InstanceId, Watched> watched_;
    std::set<InstanceId> broken_;
    std::function<void(const AppId&)> listener_;
};

}  // namespace loco
