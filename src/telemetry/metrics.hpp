// loco-api's own metrics in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace loco::telemetry {

class Metrics {
  public:
    explicit Metrics(std::string_view version);
    ~Metrics();

    // A request of the API that was answered. `operation`: the route's id, a bounded set.
    void request(std::string_view operation, int status, double seconds);
    void reconcile_pass(bool failed, double seconds);
    void deployment_ended(std::string_view state);
    // A value asked for whenever the metrics are read.
    void gauge(const std::string& name, const std::string& help, std::function<double()> read);

    [[nodiscard]] std::string render();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace loco::telemetry
