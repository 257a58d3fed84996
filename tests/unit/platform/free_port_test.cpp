#include "platform/free_port.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

namespace loco::platform {
namespace {

TEST(FreePort, WhereAnotherProgramListensIsToldWithThePortAndTheFlagThatChangesIt) {
    const int stranger = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    ASSERT_EQ(::bind(stranger, reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(::listen(stranger, 1), 0);
    ASSERT_EQ(::getsockname(stranger, reinterpret_cast<sockaddr*>(&address), &size), 0);
    const auto at = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    const auto taken = check_free({"the gateway", at, "--gateway-listen"});
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, "port_taken");
    EXPECT_NE(taken.error().message.find(at), std::string::npos) << taken.error().message;
    EXPECT_NE(taken.error().hint.find("--gateway-listen"), std::string::npos);
    ::close(stranger);
    EXPECT_TRUE(check_free({"the gateway", at, "--gateway-listen"}));
}

TEST(FreePort, AnAddressThatTheMachineDoesNotHaveIsToldSo) {
    const auto none = check_free({"the API", "192.0.2.1:8081", "--listen"});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().kind, ErrorKind::invalid);
}

}  // namespace
}  // namespace loco::platform
