// The real API server of LOCO_TEST_KUBECONFIG, directly and through a proxy that makes it fail.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "kubernetes/client.hpp"
#include "tests/support/child.hpp"
#include "tests/support/fault_proxy.hpp"

namespace loco::kubernetes {

// Each test has a namespace of its own, which goes in the background.
class KubernetesTest : public testing::Test {
  protected:
    static void SetUpTestSuite();
    static void TearDownTestSuite();
    void SetUp() override;
    void TearDown() override;

    // Its output; a failure is a failed test.
    static std::string kubectl(std::vector<std::string> words);
    [[nodiscard]] Object config_map(const std::string& name, const std::string& value) const;
    // One that asks through the proxy, and gives up soon.
    [[nodiscard]] static std::unique_ptr<Client> through_proxy();

    static inline SystemClock clock;
    static inline SystemRandom random;
    static inline std::string kubeconfig;
    static inline std::string program;
    static inline std::unique_ptr<test::Child> kubectl_proxy;
    static inline std::uint16_t kubectl_port = 0;
    static inline std::unique_ptr<test::FaultProxy> proxy;
    static inline std::unique_ptr<Client> client;
    std::string space;
};

// A whole answer of that status, as the API server or something before it gives it.
[[nodiscard]] std::string refusal(int status, const std::string& headers = {});

}  // namespace loco::kubernetes
