#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "base/random.hpp"
#include "tests/contract/gateway/haproxy_process.hpp"
#include "tests/contract/gateway/suite.hpp"
#include "tests/support/upstream.hpp"

namespace loco::gateway {
namespace {

class HaproxyHeld final : public Held {
  public:
    HaproxyHeld(test::Connection connection, test::Upstream& upstream, InstanceId instance)
        : connection_(std::move(connection)), upstream_(upstream), instance_(std::move(instance)) {}
    InstanceId instance() const override { return instance_; }
    bool finish() override {
        upstream_.release();
        const auto response = connection_.receive_response();
        return response && response->status == 200;
    }

  private:
    test::Connection connection_;
    test::Upstream& upstream_;
    InstanceId instance_;
};

class HaproxyHarness final : public Harness {
  public:
    HaproxyHarness() { restart_adapter(); }

    Gateway& gateway() override { return *gateway_; }
    Endpoint start_endpoint() override {
        const auto instance = InstanceId::make(clock_, random_);
        auto& upstream = upstreams_[instance];
        upstream = std::make_unique<test::Upstream>(instance.str());
        return {.instance = instance, .address = "127.0.0.1", .port = upstream->port()};
    }
    Answer get(const std::string& host, const std::string& path) override {
        const auto response = request(haproxy_.port(), host, path);
        return {response.status, response.header("x-instance"), response.header("x-path")};
    }
    std::unique_ptr<Held> hold(const std::string& host, const std::string& path) override {
        std::map<InstanceId, int> before;
        for (const auto& [instance, upstream] : upstreams_) before[instance] = upstream->held();
        auto connection = haproxy_.connect();
        connection.send("POST " + path + " HTTP/1.1\r\nHost: " + host +
                        "\r\nContent-Length: 2\r\n\r\nhi");
        const InstanceId* holder = nullptr;
        const bool found = test::eventually([&] {
            for (const auto& [instance, upstream] : upstreams_) {
                if (upstream->held() > before[instance]) holder = &instance;
            }
            return holder != nullptr;
        });
        if (!found) return nullptr;
        return std::make_unique<HaproxyHeld>(std::move(connection), *upstreams_.at(*holder),
                                             *holder);
    }
    void kill_gateway_and_start_again() override {
        haproxy_.kill();
        haproxy_.start();
    }
    void restart_adapter() override {
        gateway_.reset();
        auto opened = HaproxyGateway::open(haproxy_.options());
        ASSERT_TRUE(opened) << opened.error().message;
        gateway_ = std::move(*opened);
    }
    void set_reachable(bool reachable) override {
        const auto socket = haproxy::stats_socket(haproxy_.options());
        auto hidden = socket;
        hidden += ".hidden";
        if (reachable) {
            std::filesystem::rename(hidden, socket);
        } else {
            std::filesystem::rename(socket, hidden);
        }
    }
    bool eventually(const std::function<bool()>& condition) override {
        return test::eventually(condition);
    }

  private:
    HaproxyProcess haproxy_;
    std::unique_ptr<HaproxyGateway> gateway_;
    std::map<InstanceId, std::unique_ptr<test::Upstream>> upstreams_;
    SystemClock clock_;
    SystemRandom random_;
};

std::unique_ptr<Harness> make_haproxy() { return std::make_unique<HaproxyHarness>(); }
INSTANTIATE_TEST_SUITE_P(Haproxy, GatewayContract, testing::Values(&make_haproxy));

}  // namespace
}  // namespace loco::gateway
