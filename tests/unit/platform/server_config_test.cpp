#include "platform/server_config.hpp"

#include <gtest/gtest.h>

#include "os/file.hpp"

namespace loco::platform {
namespace {

class ServerConfigTest : public testing::Test {
  protected:
    ServerConfigTest() : file_(std::filesystem::path(testing::TempDir()) / "loco-api.toml") {}
    ~ServerConfigTest() override { std::filesystem::remove(file_); }

    Result<ServerConfig> read(const std::string& text) {
        EXPECT_TRUE(os::write_file_atomically(file_, text));
        return read_server_config(file_);
    }

    std::filesystem::path file_;
};

TEST_F(ServerConfigTest, WhatIsWrittenIsReadAsTheSame) {
    ServerConfig config;
    config.instance = "abc";
    config.data_dir = "/srv/loco \"quoted\"";
    config.engine_is_ours = true;
    config.subnets = "10.99.0.0/16";
    ASSERT_TRUE(write_server_config(file_, config));
    const auto read = read_server_config(file_);
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, config);
}

TEST_F(ServerConfigTest, EveryMistakeIsNamedAtOnce) {
    const auto read = this->read(
        "listen = \"nowhere\"\nlog_level = 3\ncollect_every = \"often\"\ntypo = 1\nsubnets = "
        "\"10.0.0.0/30\"\ndata_dir = "
        "\"relative\"\nmemory_reserve = \"much\"\ncpu_overcommit = 0\ndisk_low = "
        "\"1Gi\"\ndisk_full = "
        "\"2Gi\"\nwritable_max = \"100m\"\n");
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().kind, ErrorKind::invalid);
    for (const auto* word :
         {"listen", "log_level", "collect_every", "typo", "subnets", "data_dir", "memory_reserve",
          "cpu_overcommit", "disk_full must be less than disk_low", "writable_max"}) {
        EXPECT_NE(read.error().message.find(word), std::string::npos)
            << word << " in " << read.error().message;
    }
}

TEST_F(ServerConfigTest, TrustedProxiesAreNetworksAndNotEverybody) {
    const auto good = parse_trusted_proxies(" 192.0.2.7 ,10.0.0.0/8");
    ASSERT_TRUE(good) << good.error().message;
    EXPECT_EQ(*good, (std::vector<std::string>{"192.0.2.7/32", "10.0.0.0/8"}));
    EXPECT_TRUE(parse_trusted_proxies("")->empty());
    for (const auto* bad :
         {"0.0.0.0/0", "a.example.com", "10.0.0.1/8", "192.0.2.7,,", "::1", "1.2.3.4 }"})
        EXPECT_FALSE(read(std::string("trusted_proxies = \"") + bad + "\"\n")) << bad;
    EXPECT_FALSE(parse_trusted_proxies([] {
        std::string many = "10.0.0.1";
        for (int i = 0; i < 40; ++i) many += ",10.0.0.1";
        return many;
    }()));
}

TEST_F(ServerConfigTest, WhatIsNoTomlIsToldWithItsPlace) {
    const auto read = this->read("listen = \n");
    ASSERT_FALSE(read);
    EXPECT_NE(read.error().message.find(":1:"), std::string::npos) << read.error().message;
}

TEST_F(ServerConfigTest, AClusterNeedsToKnowWhereItIsReached) {
    const auto bare = this->read("runtime = \"kubernetes\"\n");
    ASSERT_FALSE(bare);
    EXPECT_NE(bare.error().message.find("external_url must be set"), std::string::npos);
    EXPECT_NE(bare.error().message.find("registry_host must be set"), std::string::npos);
    const auto whole = this->read(
        "runtime = \"kubernetes\"\nexternal_url = \"https://loco.example.org\"\nregistry_host = "
        "\"registry.example.org\"\nregistry_internal = \"http://loco-registry:5000\"\nseal_key = "
        "\"/etc/loco/keys/seal.key\"\n");
    ASSERT_TRUE(whole) << whole.error().message;
    EXPECT_EQ(external_url(*whole), (ServiceUrl{true, "loco.example.org", 443}));
    EXPECT_EQ(registry_host(*whole), "registry.example.org");
    EXPECT_EQ(registry_internal(*whole).text(), "http://loco-registry:5000");
}

TEST_F(ServerConfigTest, MistakesOfAClusterAreNamedAtOnce) {
    const auto read = this->read(
        "runtime = \"swarm\"\nexternal_url = \"loco.example.org\"\nregistry_host = "
        "\"https://registry\"\nregistry_internal = \"http://u:p@registry/\"\nseal_key = "
        "\"keys\"\ngateway_name = \"A B\"\n");
    ASSERT_FALSE(read);
    for (const auto* word : {"runtime", "external_url", "registry_host", "registry_internal",
                             "seal_key", "gateway_name"}) {
        EXPECT_NE(read.error().message.find(word), std::string::npos)
            << word << " in " << read.error().message;
    }
}

TEST_F(ServerConfigTest, NamespacesAndNetworksAreListsWithCommas) {
    const auto read = this->read(
        "gateway_pod_namespaces = \"envoy-gateway-system, edge\"\ngateway_networks = "
        "\"10.0.0.0/8,fd00::/8\"\n");
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(listed(read->gateway_pod_namespaces),
              (std::vector<std::string>{"envoy-gateway-system", "edge"}));
    EXPECT_EQ(listed(""), std::vector<std::string>{});
    for (const auto* wrong : {"10.0.0.0", "10.0.0.0/33", "10.0.0/8", "fd00::/129", "x/8", "/8"}) {
        const auto refused = this->read("gateway_networks = \"" + std::string(wrong) + "\"\n");
        ASSERT_FALSE(refused) << wrong;
        EXPECT_NE(refused.error().message.find("gateway_networks"), std::string::npos);
    }
}

TEST_F(ServerConfigTest, WhatAnAppMayHaveAndReachIsBounded) {
    const auto read = this->read(
        "allowed_networks = \"10.1.2.0/24\"\ndenied_networks = \"203.0.113.0/24,2001:db8::/32\"\n"
        "dns_namespace = \"dns\"\ndns_pods = \"app=coredns, example.org/role=dns\"\nmax_pods = "
        "20\nmax_cpu = \"8\"\nmax_memory = \"16Gi\"\nmax_image_size = \"2Gi\"\n");
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(labelled(read->dns_pods), (std::map<std::string, std::string>{
                                            {"app", "coredns"}, {"example.org/role", "dns"}}));
    EXPECT_EQ(read->max_pods, 20);
    EXPECT_EQ(read->max_image_size, "2Gi");
    for (const auto* wrong :
         {"allowed_networks = \"10.1.2.0\"", "denied_networks = \"0.0.0.0/0\"",
          "denied_networks = \"x\"", "dns_namespace = \"A\"", "dns_pods = \"kube-dns\"",
          "dns_pods = \"=x\"", "dns_pods = \"a=b=c\"", "max_pods = 0", "max_pods = \"20\"",
          "max_image_size = \"0\"", "max_image_size = \"large\"", "max_image_size = 8",
          "max_pods = 4294967297", "max_cpu = \"many\"", "max_memory = \"100m\""}) {
        const auto refused = this->read(std::string(wrong) + "\n");
        ASSERT_FALSE(refused) << wrong;
        const auto key = std::string(wrong).substr(0, std::string(wrong).find(' '));
        EXPECT_NE(refused.error().message.find(key), std::string::npos) << refused.error().message;
    }
}

TEST(ServiceUrl, OneMachineIsReachedThroughItsGatewayAndItsOwnRegistry) {
    const ServerConfig config;
    EXPECT_EQ(external_url(config).text(), "http://loco.localhost:8080");
    EXPECT_EQ(registry_host(config), "127.0.0.1:5000");
    EXPECT_EQ(registry_internal(config).text(), "http://127.0.0.1:5000");
}

TEST(ServiceUrl, HasNoPathAndNoUserAndLeavesOutThePortOfItsScheme) {
    EXPECT_EQ(parse_service_url("https://a.b:443/")->text(), "https://a.b");
    EXPECT_EQ(parse_service_url("http://a.b:443")->text(), "http://a.b:443");
    for (const auto* text : {"", "a.b", "ftp://a.b", "http://", "http://a.b/c", "http://a.b:0",
                             "http://a.b:x", "http://u@a.b", "http://A.b"}) {
        EXPECT_FALSE(parse_service_url(text)) << text;
    }
}

TEST(HostPort, OnlyAnIpv4AddressWithAPortIsOne) {
    EXPECT_TRUE(parse_host_port("0.0.0.0:80"));
    for (const auto* text : {"", "80", ":80", "localhost:80", "127.0.0.1",
                             "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:8x", "::1:80"}) {
        EXPECT_FALSE(parse_host_port(text)) << text;
    }
}

}  // namespace
}  // namespace loco::platform
