#include "domain/image_user.hpp"

#include <gtest/gtest.h>

#include <ostream>

namespace loco {

void PrintTo(const ResolvedUser& user, std::ostream* out) { *out << user.uid << ":" << user.gid; }

namespace {

constexpr const char* kPasswd =
    "root:x:0:0:root:/root:/bin/sh\n"
    "\n"
    "  app:x:1000:1001:App:/home/app:/bin/sh\n"
    "admin:x:0:0:also root:/root:/bin/sh\n"
    "odd:x:abc:5::/:\n"
    "short\n"
    "777:x:0:0::/:\n"
    "same:x:1000:9:::\n"
    "numbered:x:1234:4321::/:\n";
constexpr const char* kGroup = "root:x:0:\napp:x:1001:\nweb:x:33:app,numbered\nbad:x:no:\n";

struct Case {
    const char* user;
    std::optional<ResolvedUser> want;
};

TEST(ResolveUser, reads_an_image_s_user_as_runc_does) {
    const std::vector<Case> cases{
        {"", ResolvedUser{0, 0}},
        {"root", ResolvedUser{0, 0}},
        {"app", ResolvedUser{1000, 1001}},
        {"admin", ResolvedUser{0, 0}},  // a name that is root
        {"0", ResolvedUser{0, 0}},
        {"00", ResolvedUser{0, 0}},
        {"000000000000000000000000", ResolvedUser{0, 0}},
        {"+0", ResolvedUser{0, 0}},
        {"-0", ResolvedUser{0, 0}},
        {"odd", ResolvedUser{0, 5}},         // an id that is no number is 0 to runc
        {"short", ResolvedUser{0, 0}},       // so is one that is not there
        {"777", ResolvedUser{777, 0}},       // a number is never a name
        {"1000", ResolvedUser{1000, 1001}},  // with the group of its first entry
        {"01000", ResolvedUser{1000, 1001}},
        {"5555", ResolvedUser{5555, 0}},
        {"numbered:app", ResolvedUser{1234, 1001}},
        {"numbered:33", ResolvedUser{1234, 33}},
        {"numbered:77", ResolvedUser{1234, 77}},
        {"1234:web", ResolvedUser{1234, 33}},
        {"app:bad", ResolvedUser{1000, 0}},
        {"app:", ResolvedUser{1000, 1001}},
        {":33", ResolvedUser{0, 33}},
        {"nobody", std::nullopt},
        {"app:nogroup", std::nullopt},
        {"-5", std::nullopt},
        {"2147483648", std::nullopt},
        {"99999999999999999999999999", std::nullopt},
        {"1000:-1", std::nullopt},
        {"0x0", std::nullopt},
        {" 0", std::nullopt},
    };
    for (const auto& [user, want] : cases) {
        EXPECT_EQ(resolve_user(user, kPasswd, kGroup), want) << "USER " << user;
    }
}

TEST(ResolveUser, without_a_passwd_only_numbers_are_known) {
    EXPECT_EQ(resolve_user("1000", "", ""), (ResolvedUser{1000, 0}));
    EXPECT_EQ(resolve_user("1000:1000", "", ""), (ResolvedUser{1000, 1000}));
    EXPECT_EQ(resolve_user("app", "", ""), std::nullopt);
}

TEST(ResolveUser, what_is_not_needed_changes_nothing) {
    for (const char* user : {"", "app", "1000", "app:web", "app:33", "1000:web", "1000:33", ":33",
                             "odd:5", "ghost:5", "00:0", "1000:", "ghost", "app:nogroup"}) {
        const auto needed = files_needed(user);
        EXPECT_EQ(resolve_user(user, needed.passwd ? kPasswd : "", needed.group ? kGroup : ""),
                  resolve_user(user, kPasswd, kGroup))
            << "USER " << user;
    }
    EXPECT_FALSE(files_needed("1000:33").passwd);
    EXPECT_FALSE(files_needed("1000:33").group);
}

}  // namespace
}  // namespace loco
