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
        "\"relative\"\n");
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().kind, ErrorKind::invalid);
    for (const auto* word :
         {"listen", "log_level", "collect_every", "typo", "subnets", "data_dir"}) {
        EXPECT_NE(read.error().message.find(word), std::string::npos)
            << word << " in " << read.error().message;
    }
}

TEST_F(ServerConfigTest, WhatIsNoTomlIsToldWithItsPlace) {
    const auto read = this->read("listen = \n");
    ASSERT_FALSE(read);
    EXPECT_NE(read.error().message.find(":1:"), std::string::npos) << read.error().message;
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
