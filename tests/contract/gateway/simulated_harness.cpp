#include <gtest/gtest.h>

#include "base/random.hpp"
#include "gateway/simulated/gateway.hpp"
#include "tests/contract/gateway/suite.hpp"

namespace loco::gateway {
namespace {

class SimulatedHeld final : public Held {
  public:
    SimulatedHeld(SimulatedGateway& gateway, InstanceId instance)
        : gateway_(gateway),
          instance_(std::move(instance)),
          cut_before_(gateway.connections_cut()) {}
    InstanceId instance() const override { return instance_; }
    bool finish() override {
        gateway_.close_connection(instance_);
        return gateway_.connections_cut() == cut_before_;
    }

  private:
    SimulatedGateway& gateway_;
    InstanceId instance_;
    std::uint64_t cut_before_;
};

class SimulatedHarness final : public Harness {
  public:
    Gateway& gateway() override { return gateway_; }
    Endpoint start_endpoint() override {
        const SystemClock clock;
        return {.instance = InstanceId::make(clock, random_),
                .address = "10.0.0.1",
                .port = ++last_port_};
    }
    Answer get(const std::string& host, const std::string& path) override {
        const auto answer = gateway_.request(host, path);
        switch (answer.kind) {
            case SimulatedAnswer::Kind::served:
                return {200, answer.endpoint.instance.str(), answer.path};
            case SimulatedAnswer::Kind::unknown_host: return {.status = 404};
            default: return {.status = 503};
        }
    }
    std::unique_ptr<Held> hold(const std::string& host, const std::string& path) override {
        const auto answer = gateway_.request(host, path);
        if (!gateway_.open_connection(answer.endpoint.instance)) return nullptr;
        return std::make_unique<SimulatedHeld>(gateway_, answer.endpoint.instance);
    }
    void kill_gateway_and_start_again() override { gateway_.restart(); }
    void restart_adapter() override {}
    void set_reachable(bool reachable) override { gateway_.set_reachable(reachable); }
    bool eventually(const std::function<bool()>& condition) override { return condition(); }

  private:
    SimulatedGateway gateway_;
    SystemRandom random_;
    int last_port_ = 1000;
};

std::unique_ptr<Harness> make_simulated() { return std::make_unique<SimulatedHarness>(); }
INSTANTIATE_TEST_SUITE_P(Simulated, GatewayContract, testing::Values(&make_simulated));

}  // namespace
}  // namespace loco::gateway
