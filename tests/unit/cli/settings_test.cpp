#include "cli/settings.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace loco::cli {
namespace {

class SettingsTest : public testing::Test {
  protected:
    SettingsTest() {
        std::string name = testing::TempDir() + "/settings.XXXXXX";
        folder_ = ::mkdtemp(name.data());
        file_ = folder_ / "loco/config.toml";
    }
    ~SettingsTest() override { std::filesystem::remove_all(folder_); }
    std::filesystem::path folder_;
    std::filesystem::path file_;
};

TEST_F(SettingsTest, WhatIsSavedIsLoadedAndNobodyElseCanReadIt) {
    const Settings settings{
        .host = "http://10.0.0.1:81", .token = Secret<>("loco_\"quoted'\\"), .team = "ops"};
    ASSERT_TRUE(save_settings(file_, settings));
    struct stat info{};
    ASSERT_EQ(::stat(file_.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600U);
    const auto loaded = load_settings(file_);
    ASSERT_TRUE(loaded);
    EXPECT_EQ(*loaded, settings);
}

TEST_F(SettingsTest, WithoutAFileThereAreDefaults) { EXPECT_EQ(*load_settings(file_), Settings{}); }

TEST_F(SettingsTest, AFileThatOthersCanReadIsRefusedWithTheCommandThatMendsIt) {
    ASSERT_TRUE(save_settings(file_, {}));
    ASSERT_EQ(::chmod(file_.c_str(), 0644), 0);
    const auto loaded = load_settings(file_);
    ASSERT_FALSE(loaded);
    EXPECT_NE(loaded.error().hint.find("chmod 600"), std::string::npos);
}

TEST_F(SettingsTest, AStoredTokenIsNotSentToAnotherHost) {
    ::unsetenv("LOCO_TOKEN");
    const Settings stored{.host = "http://here", .token = Secret<>("t"), .team = "mine"};
    EXPECT_EQ(with_host(stored, "http://elsewhere").token.reveal(), "");
    EXPECT_EQ(with_host(stored, "http://here/").token.reveal(), "t");
    ::setenv("LOCO_HOST", "http://elsewhere", 1);
    EXPECT_EQ(with_environment(stored).token.reveal(), "");
    ::unsetenv("LOCO_HOST");
}

TEST_F(SettingsTest, TheEnvironmentGoesBeforeTheFile) {
    ::setenv("LOCO_HOST", "http://elsewhere", 1);
    ::setenv("LOCO_TOKEN", "t", 1);
    ::unsetenv("LOCO_TEAM");
    const auto settings = with_environment({.host = "http://here", .token = {}, .team = "mine"});
    ::unsetenv("LOCO_HOST");
    ::unsetenv("LOCO_TOKEN");
    EXPECT_EQ(settings.host, "http://elsewhere");
    EXPECT_EQ(settings.token.reveal(), "t");
    EXPECT_EQ(settings.team, "mine");
}

}  // namespace
}  // namespace loco::cli
