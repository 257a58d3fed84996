#include "telemetry/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <fstream>
#include <mutex>
#include <vector>

namespace loco::telemetry {
namespace {

const prometheus::Histogram::BucketBoundaries kSeconds{
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

// /proc/self/statm: the second field is the resident set in pages.
double resident_bytes() {
    std::ifstream file("/proc/self/statm");
    double total = 0;
    double resident = 0;
    file >> total >> resident;
    return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

struct Metrics::Impl {
    prometheus::Registry registry;
    prometheus::Family<prometheus::Counter>& requests = prometheus::BuildCounter()
                                                            .Name("loco_http_requests_total")
                                                            .Help("Requests answered")
                                                            .Register(registry);
    prometheus::Family<prometheus::Histogram>& latency =
        prometheus::BuildHistogram()
            .Name("loco_http_request_duration_seconds")
            .Help("Time to answer a request")
            .Register(registry);
    prometheus::Family<prometheus::Counter>& passes = prometheus::BuildCounter()
                                                          .Name("loco_reconcile_passes_total")
                                                          .Help("Passes over an app")
                                                          .Register(registry);
    prometheus::Histogram& pass_seconds = prometheus::BuildHistogram()
                                              .Name("loco_reconcile_pass_duration_seconds")
                                              .Help("Time of a pass over an app")
                                              .Register(registry)
                                              .Add({}, kSeconds);
    prometheus::Family<prometheus::Counter>& deployments = prometheus::BuildCounter()
                                                               .Name("loco_deployments_total")
                                                               .Help("Deployments that ended")
                                                               .Register(registry);
    struct Pulled {
        prometheus::Gauge* gauge;
        std::function<double()> read;
    };
    std::mutex mutex;
    std::vector<Pulled> pulled;
};

Metrics::Metrics(std::string_view version) : impl_(std::make_unique<Impl>()) {
    prometheus::BuildGauge()
        .Name("loco_build_info")
        .Help("Always 1; the version is a label")
        .Register(impl_->registry)
        .Add({{"version", std::string(version)}})
        .Set(1);
    gauge("process_resident_memory_bytes", "Resident memory size in bytes.", resident_bytes);
}

Metrics::~Metrics() = default;

void Metrics::request(std::string_view operation, int status, double seconds) {
    const std::string name(operation);
    impl_->requests.Add({{"operation", name}, {"status", std::to_string(status)}}).Increment();
    impl_->latency.Add({{"operation", name}}, kSeconds).Observe(seconds);
}

void Metrics::reconcile_pass(bool failed, double seconds) {
    impl_->passes.Add({{"result", failed ? "error" : "ok"}}).Increment();
    impl_->pass_seconds.Observe(seconds);
}

void Metrics::deployment_ended(std::string_view state) {
    impl_->deployments.Add({{"state", std::string(state)}}).Increment();
}

void Metrics::gauge(const std::string& name, const std::string& help,
                    std::function<double()> read) {
    auto& made = prometheus::BuildGauge().Name(name).Help(help).Register(impl_->registry).Add({});
    const std::scoped_lock lock(impl_->mutex);
    impl_->pulled.push_back({&made, std::move(read)});
}

std::string Metrics::render() {
    {
        const std::scoped_lock lock(impl_->mutex);
        for (const auto& entry : impl_->pulled) entry.gauge->Set(entry.read());
    }
    return prometheus::TextSerializer().Serialize(impl_->registry.Collect());
}

}  // namespace loco::telemetry
