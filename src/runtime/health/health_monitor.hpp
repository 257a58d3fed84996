// Health checks for real: one thread asks all instances (libcurl's multi interface). An instance that was not healthy
// yet is asked 10 ms after each answer, after its first half second 50 ms, later every `interval`. One question at a time
// each; a question that hangs ends with its timeout.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "base/clock.hpp"
#include "ports/health.hpp"

namespace loco {

class ProbingHealthMonitor final : public HealthMonitor {
  public:
    explicit ProbingHealthMonitor(const Clock& clock);
    ~ProbingHealthMonitor() override;  // no listener runs afterwards

    void watch(const HealthTarget& target) override;
    void unwatch(const InstanceId& instance) override;
    [[nodiscard]] HealthView view(const InstanceId& instance) const override;
    void on_change(std::function<void(const AppId&)> listener) override;

  private:
    struct Watched {
        HealthTarget target;
        std::uint64_t number = 0;  // a target that was watched anew is another one
        SteadyTime since;
        SteadyTime next;
        bool asking = false;
        int failures = 0;  // in a row, those in the grace time not counted
        HealthView view;
    };
    class Asker;

    void run();
    // What a question came to.
    void judge(const InstanceId& instance, std::uint64_t number, HealthCheck seen);

    const Clock& clock_;
    mutable std::mutex mutex_;
    std::map<InstanceId, Watched> watched_;
    std::function<void(const AppId&)> listener_;
    std::uint64_t numbers_ = 0;
    bool stopping_ = false;
    std::unique_ptr<Asker> asker_;
    std::thread thread_;
};

}  // namespace loco
