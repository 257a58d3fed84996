// A HAProxy, an adapter over it, and applications behind it, for the tests of what only HAProxy does.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>

#include "base/random.hpp"
#include "tests/contract/gateway/haproxy_process.hpp"
#include "tests/support/upstream.hpp"

namespace loco::gateway {

class Haproxy : public testing::Test {
  protected:
    void start(const std::function<void(haproxy::Options&)>& adjust = {}, int grow_by = 8) {
        haproxy_ = std::make_unique<HaproxyProcess>(adjust);
        open(grow_by);
    }
    void open(int grow_by = 8) {
        auto opened = HaproxyGateway::open(haproxy_->options(), grow_by);
        ASSERT_TRUE(opened) << opened.error().message;
        gateway_ = std::move(*opened);
    }
    test::Upstream& upstream(const Endpoint& endpoint) { return *upstreams_.at(endpoint.instance); }
    Endpoint endpoint() {
        const auto instance = InstanceId::make(clock_, random_);
        auto& made = upstreams_[instance];
        made = std::make_unique<test::Upstream>(instance.str());
        return {.instance = instance, .address = "127.0.0.1", .port = made->port()};
    }
    AppId new_app() { return AppId::make(clock_, random_); }
    static AppRoutes routes(const AppId& app, const std::string& host,
                            std::vector<Endpoint> endpoints) {
        return {.app = app,
                .hosts = {host},
                .ports = {{.name = "http", .endpoints = std::move(endpoints)}}};
    }
    static Endpoint draining(Endpoint endpoint) {
        endpoint.draining = true;
        return endpoint;
    }
    test::RawResponse get(const std::string& host, const std::string& target,
                          const std::string& headers = "") {
        return request(haproxy_->port(), host, target, headers);
    }
    bool gone(const AppId& app, const Endpoint& endpoint) {
        return test::eventually([&] {
            const auto listed = gateway_->connections(app);
            return listed && !listed->contains(endpoint.instance);
        });
    }

    std::unique_ptr<HaproxyProcess> haproxy_;
    std::unique_ptr<HaproxyGateway> gateway_;
    std::map<InstanceId, std::unique_ptr<test::Upstream>> upstreams_;
    SystemClock clock_;
    SystemRandom random_;
};

}  // namespace loco::gateway
