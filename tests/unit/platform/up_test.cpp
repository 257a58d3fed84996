#include "platform/up.hpp"

#include <gtest/gtest.h>

#include "platform/layout.hpp"

namespace loco::platform {
namespace {

class UpTest : public testing::Test {
  protected:
    UpTest() {
        std::string name = testing::TempDir() + "/up.XXXXXX";
        folder_ = ::mkdtemp(name.data());
    }
    ~UpTest() override { std::filesystem::remove_all(folder_); }

    std::filesystem::path folder_;
};

TEST_F(UpTest, ARememberedOpsAddressStaysWhenTheApisIsGivenAgain) {
    ASSERT_TRUE(
        write_server_config(Layout(folder_).server_config(), {.data_dir = folder_,
                                                              .instance = "test",
                                                              .listen = "127.0.0.1:9001",
                                                              .ops_listen = "127.0.0.1:9500"}));
    const auto same = check_same_options({.data_dir = folder_, .listen = "127.0.0.1:9001"});
    EXPECT_TRUE(same) << same.error().message;
    EXPECT_EQ(check_same_options({.data_dir = folder_, .listen = "127.0.0.1:9002"}).error().code,
              "up_with_other_options");
}

TEST_F(UpTest, AnApiOnTheLastPortNeedsAnOpsAddress) {
    ASSERT_TRUE(write_server_config(Layout(folder_).server_config(),
                                    {.data_dir = folder_, .instance = "test"}));
    const auto last = check_same_options({.data_dir = folder_, .listen = "127.0.0.1:65535"});
    ASSERT_FALSE(last);
    EXPECT_EQ(last.error().kind, ErrorKind::invalid);
    EXPECT_NE(last.error().hint.find("--ops-listen"), std::string::npos);
}

TEST_F(UpTest, WhoForgotSudoIsToldThatTheLocoIsRoots) {
    const auto own = folder_ / "own";
    const auto forgot = check_not_beside(folder_, own, "loco down");
    ASSERT_FALSE(forgot);
    EXPECT_EQ(forgot.error().kind, ErrorKind::forbidden);
    EXPECT_NE(forgot.error().hint.find("sudo loco down"), std::string::npos);
    EXPECT_TRUE(check_not_beside(folder_ / "none", own, "loco down"));
    std::filesystem::create_directories(own);
    ASSERT_TRUE(write_server_config(Layout(own).server_config(), {.data_dir = own}));
    EXPECT_TRUE(check_not_beside(folder_, own, "loco down"));
}

}  // namespace
}  // namespace loco::platform
