#include "domain/names.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace loco {
namespace {

TEST(Names, an_apps_name_is_a_label_that_begins_with_a_letter) {
    for (const auto* good : {"a", "shop", "shop-2", "a1", "x--y"})
        EXPECT_TRUE(check_app_name(good)) << good;
    for (const auto* bad :
         {"", "Shop", "2048", "-a", "a-", "a_b", "a.b", "a b", "é", "xn--a", "api", "loco"}) {
        EXPECT_FALSE(check_app_name(bad)) << bad;
    }
    EXPECT_TRUE(check_app_name(std::string(kMaxAppName, 'a')));
    EXPECT_FALSE(check_app_name(std::string(kMaxAppName + 1, 'a')));
}

TEST(Names, a_refused_name_comes_with_a_valid_one) {
    EXPECT_EQ(check_app_name("My Shop").error().hint, "did you mean \"my-shop\"?");
    EXPECT_EQ(check_app_name("My Shop").error().code, "invalid_name");
    EXPECT_EQ(check_app_name("api").error().code, "reserved_name");
    EXPECT_EQ(check_env_name("LOG-LEVEL").error().hint, "did you mean \"LOG_LEVEL\"?");
    EXPECT_EQ(check_host_name("https://Shop.example.com/").error().hint,
              "did you mean \"shop.example.com\"?");
}

TEST(Names, variables_that_loco_sets_are_refused) {
    for (const auto* ours : {"PORT", "LOCO_APP", "LOCO_"})
        EXPECT_EQ(check_env_name(ours).error().code, "reserved_env_name");
    for (const auto* good : {"A", "_", "port", "LOCO", "a1_B", "XLOCO_A"})
        EXPECT_TRUE(check_env_name(good)) << good;
    for (const auto* bad : {"", "1A", "A-B", "A B", "A=B", "é"})
        EXPECT_FALSE(check_env_name(bad)) << bad;
    EXPECT_FALSE(check_env_name(std::string("A\0B", 3)));
}

TEST(Names, a_host_is_a_full_name_and_no_address) {
    for (const auto* good :
         {"a.b", "shop.example.com", "xn--caf-dma.example.com", "1.example.com"}) {
        EXPECT_TRUE(check_host_name(good)) << good;
    }
    for (const auto* bad : {"", "localhost", "Shop.example.com", "a..b", ".a.b", "a.b.", "*.a.b",
                            "10.0.0.1", "a.b:80", "http://a.b", "a.b/c", "a_b.c", "-a.b"}) {
        EXPECT_FALSE(check_host_name(bad)) << bad;
    }
    EXPECT_FALSE(check_host_name(std::string(64, 'a') + ".com"));
    EXPECT_FALSE(check_host_name("xn--" + std::string(64, 'a') + ".com"));
}

RC_GTEST_PROP(Names, the_nearest_name_is_a_label_or_empty, (const std::string& text)) {
    const auto name = to_app_name(text);
    RC_ASSERT(name.empty() || !app_name_problem(name) || is_reserved_app_name(name));
    const auto env = to_env_name(text);
    RC_ASSERT(env.empty() || !env_name_problem(env) || is_reserved_env_name(env));
}

}  // namespace
}  // namespace loco
