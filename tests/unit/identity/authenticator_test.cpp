#include "identity/authenticator.hpp"

#include <gtest/gtest.h>

#include "crypto/hash.hpp"
#include "store/memory/memory_store.hpp"

namespace loco::identity {
namespace {

class StillClock final : public Clock {
  public:
    Time now() const override { return now_; }
    SteadyTime steady() const override { return SteadyTime(now_.time_since_epoch()); }
    void pass(Duration time) { now_ += time; }

  private:
    Time now_ = from_unix_ms(1'700'000'000'000);
};

class AuthenticatorTest : public testing::Test {
  protected:
    AuthenticatorTest() {
        EXPECT_TRUE(store_.write([&](WriteTx& tx) {
            return tx.put(User{.id = UserId("usr_1"),
                               .provider = "local",
                               .subject = "ada",
                               .login = "ada",
                               .email = {},
                               .created_at = {}});
        }));
        put();
    }
    void put() {
        EXPECT_TRUE(store_.write([&](WriteTx& tx) { return tx.put(token_); }));
    }
    Result<Principal> authenticate(std::string_view authorization) {
        LOCO_ASSIGN(const auto session, sessions_.of(authorization, clock_.now()));
        return session->principal;
    }
    std::string refusal() {
        const auto principal = authenticate("Bearer loco_one");
        EXPECT_TRUE(principal || principal.error().kind == ErrorKind::unauthenticated);
        return principal ? "" : principal.error().message;
    }

    StillClock clock_;
    store::MemoryStore store_;
    Sessions sessions_{store_};
    Token token_{.id = TokenId("tok_1"),
                 .user = UserId("usr_1"),
                 .name = "one",
                 .sha256 = crypto::sha256_hex("loco_one"),
                 .scopes = {"app:read"},
                 .team = {},
                 .created_at = {},
                 .expires_at = {},
                 .last_used_at = {}};
};

TEST_F(AuthenticatorTest, SaysWhoATokenIs) {
    const auto principal = authenticate("Bearer loco_one");
    ASSERT_TRUE(principal);
    EXPECT_EQ(principal->user.login, "ada");
    EXPECT_EQ(principal->token, token_.id);
    EXPECT_EQ(principal->scopes, token_.scopes);
    EXPECT_EQ(authenticate("Bearer loco_two").error().message, "the token is not valid");
}

TEST_F(AuthenticatorTest, ATokenIsRefusedFromTheRequestAfterItsRevocation) {
    EXPECT_EQ(refusal(), "");
    token_.revoked = true;
    put();
    EXPECT_EQ(refusal(), "the token was revoked");
}

TEST_F(AuthenticatorTest, ATokenIsRefusedFromTheMomentThatItExpires) {
    token_.expires_at = clock_.now() + std::chrono::seconds(1);
    put();
    EXPECT_EQ(refusal(), "");
    clock_.pass(std::chrono::seconds(1));
    EXPECT_EQ(refusal(), "the token has expired");
}

TEST_F(AuthenticatorTest, AScopeThatWasTakenAwayIsGoneAtOnce) {
    EXPECT_EQ(refusal(), "");
    token_.scopes = {};
    put();
    EXPECT_TRUE(authenticate("Bearer loco_one")->scopes.empty());
}

TEST_F(AuthenticatorTest, WhatWasReadOfATokenIsReadAgainOnlyAfterAWrite) {
    int reads = 0;
    store_.set_fault_hook([&](store::MemoryStore::Point point) -> Result<> {
        if (point == store::MemoryStore::Point::read) ++reads;
        return {};
    });
    for (int i = 0; i < 3; ++i) EXPECT_EQ(refusal(), "");
    EXPECT_EQ(reads, 1);
    put();
    for (int i = 0; i < 3; ++i) EXPECT_EQ(refusal(), "");
    EXPECT_EQ(reads, 2);
    // What was refused is not kept: a client that tries tokens fills nothing.
    EXPECT_FALSE(authenticate("Bearer loco_two"));
    EXPECT_FALSE(authenticate("Bearer loco_two"));
    EXPECT_EQ(reads, 4);
}

TEST_F(AuthenticatorTest, TeamsAreThoseOfTheUserThatTheTokenIsGoodFor) {
    const Team one{.id = TeamId("team_1"), .slug = "one", .number = 0, .created_at = {}};
    const Team two{.id = TeamId("team_2"), .slug = "two", .number = 1, .created_at = {}};
    EXPECT_TRUE(store_.write([&](WriteTx& tx) -> Result<> {
        LOCO_TRY(tx.put(one));
        LOCO_TRY(tx.put(two));
        LOCO_TRY(tx.put(Membership{.team = one.id, .user = token_.user, .role = Role::viewer}));
        return tx.put(Membership{.team = two.id, .user = token_.user, .role = Role::admin});
    }));
    const auto teams = [&] {
        std::string text;
        for (const auto& in : (*sessions_.of("Bearer loco_one", clock_.now()))->teams)
            text += in.team.slug + ":" + std::string(to_string(in.role)) + " ";
        return text;
    };
    EXPECT_EQ(teams(), "one:viewer two:admin ");
    token_.team = two.id;
    put();
    EXPECT_EQ(teams(), "two:admin ");
    EXPECT_TRUE(
        store_.write([&](WriteTx& tx) { return tx.remove_membership(two.id, token_.user); }));
    EXPECT_EQ(teams(), "");
}

}  // namespace
}  // namespace loco::identity
