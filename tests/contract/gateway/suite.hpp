// The contract of ports/gateway.hpp, held by every gateway.
#pragma once

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "tests/contract/gateway/harness.hpp"

namespace loco::gateway {

class GatewayContract : public testing::TestWithParam<MakeHarness> {
  protected:
    void SetUp() override {
        harness_ = GetParam()();
        ASSERT_TRUE(harness_);
    }
    Gateway& gateway() { return harness_->gateway(); }
    Answer get(const std::string& host, const std::string& path = "/") {
        return harness_->get(host, path);
    }
    AppId new_app() { return AppId::make(clock_, random_); }
    // Routes of one port "http" at "/".
    AppRoutes routes(const AppId& app, const std::string& host, std::vector<Endpoint> endpoints) {
        return {.app = app,
                .hosts = {host},
                .ports = {{.name = "http", .endpoints = std::move(endpoints)}}};
    }

    std::unique_ptr<Harness> harness_;
    SystemClock clock_;
    SystemRandom random_;
};

}  // namespace loco::gateway
