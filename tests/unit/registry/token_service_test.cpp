#include "registry/token_service.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <filesystem>

namespace loco::registry {
namespace {

class TokenRequest : public testing::Test {
  protected:
    void SetUp() override {
        char folder[] = "/tmp/loco-token-XXXXXX";
        ASSERT_NE(::mkdtemp(folder), nullptr);
        folder_ = folder;
        auto key = SigningKey::open(folder_);
        ASSERT_TRUE(key) << key.error().message;
        tokens_.emplace(std::move(*key), clock_, random_);
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    // What the token says it may do, as JSON; or the kind of the error.
    std::string granted(const std::string& authorization, const std::string& query) {
        const auto answer = answer_token_request(
            *tokens_, authorization, query, [](const Credentials& c) -> Result<Grant> {
                if (c.user != "ada" || c.password.reveal() != "secret") {
                    return fail(ErrorKind::unauthenticated, "wrong password");
                }
                return Grant{"ada", {{"apps/shop", {"pull", "push"}}, {"apps/blog", {"pull"}}}};
            });
        if (!answer) return std::string(traits(answer.error().kind).name);
        const auto first = answer->find('.');
        const auto claims =
            decode(answer->substr(first + 1, answer->find('.', first + 1) - first - 1));
        const auto at = claims.find("\"access\":");
        return claims.substr(at + 9, claims.size() - at - 10);
    }
    static std::string decode(const std::string& text) {
        const std::string alphabet =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        std::string data;
        unsigned bits = 0;
        int held = 0;
        for (const char c : text) {
            bits = (bits << 6) | static_cast<unsigned>(alphabet.find(c));
            held += 6;
            if (held < 8) continue;
            held -= 8;
            data += static_cast<char>(bits >> held);
        }
        return data;
    }

    static std::string encode(const std::string& data) {
        auto text = base64url(data);
        std::ranges::replace(text, '-', '+');
        std::ranges::replace(text, '_', '/');
        return text;
    }

    class ShiftedClock final : public Clock {
      public:
        [[nodiscard]] Time now() const override { return SystemClock().now() + shift; }
        [[nodiscard]] SteadyTime steady() const override { return SystemClock().steady(); }
        Duration shift{0};
    };

    std::filesystem::path folder_;
    ShiftedClock clock_;
    SystemRandom random_;
    std::optional<TokenService> tokens_;
};

constexpr auto kAda = "Basic YWRhOnNlY3JldA==";  // ada:secret
const std::string kFor = "service=loco-registry";

TEST_F(TokenRequest, GrantsWhatWasAskedForAndIsAllowed) {
    EXPECT_EQ(granted(kAda, kFor + "&scope=repository:apps/shop:pull,push"),
              R"([{"type":"repository","name":"apps/shop","actions":["pull","push"]}])");
    EXPECT_EQ(granted(kAda, kFor + "&scope=repository%3Aapps%2Fshop%3Apull"),
              R"([{"type":"repository","name":"apps/shop","actions":["pull"]}])");
    EXPECT_EQ(granted(kAda, kFor + "&scope=repository:apps/blog:pull,push,delete"),
              R"([{"type":"repository","name":"apps/blog","actions":["pull"]}])");
    EXPECT_EQ(granted(kAda, kFor + "&scope=repository:apps/other:pull"), "[]");
    EXPECT_EQ(
        granted(kAda, kFor + "&scope=repository:apps/shop:pull&scope=repository:apps/blog:pull"),
        R"([{"type":"repository","name":"apps/shop","actions":["pull"]},{"type":"repository","name":"apps/blog","actions":["pull"]}])");
    EXPECT_EQ(
        granted(kAda, kFor + "&scope=repository:apps/shop:pull+repository:apps/blog:pull"),
        R"([{"type":"repository","name":"apps/shop","actions":["pull"]},{"type":"repository","name":"apps/blog","actions":["pull"]}])");
    EXPECT_EQ(granted(kAda, kFor + "&scope=registry:catalog:*"), "[]");
    EXPECT_EQ(granted("basic YWRhOnNlY3JldA==", kFor), "[]") << "docker login asks for nothing";
}

TEST_F(TokenRequest, APullTokenIsAPasswordForWhatItOpensItselfAndForPullingOnly) {
    const auto login = [](const std::string& password) {
        return "Basic " + encode(std::string(kPullTokenUser) + ":" + password);
    };
    const auto token = tokens_->pull_token("apps/shop").value().token.reveal();
    EXPECT_EQ(granted(login(token), kFor + "&scope=repository:apps/shop:pull,push"),
              R"([{"type":"repository","name":"apps/shop","actions":["pull"]}])");
    EXPECT_EQ(granted(login(token), kFor + "&scope=repository:apps/blog:pull"), "[]");
    const auto push = tokens_->push_token("apps/shop").value().token.reveal();
    EXPECT_EQ(granted(login(push), kFor + "&scope=repository:apps/shop:push"), "[]");
    auto forged = token;
    forged[forged.find('.') + 5] ^= 1;
    EXPECT_EQ(granted(login(forged), kFor), "unauthenticated");
    EXPECT_EQ(granted(login(token.substr(0, token.size() - 1)), kFor), "unauthenticated");
    EXPECT_EQ(granted(login(""), kFor), "unauthenticated");
    EXPECT_EQ(granted(login("a.b.c"), kFor), "unauthenticated");
    EXPECT_EQ(granted(login(std::string(7000, '.')), kFor), "unauthenticated");
    clock_.shift = std::chrono::minutes(11);
    EXPECT_EQ(granted(login(token), kFor), "unauthenticated") << "it has ended";
}

TEST_F(TokenRequest, GivesNothingToStrangersOrForNonsense) {
    EXPECT_EQ(granted("", kFor), "unauthenticated");
    EXPECT_EQ(granted("Bearer x", kFor), "unauthenticated");
    EXPECT_EQ(granted("Basic !!!", kFor), "unauthenticated");
    EXPECT_EQ(granted("Basic YWRh", kFor), "unauthenticated");
    EXPECT_EQ(granted("Basic YWRhOndyb25n", kFor), "unauthenticated");
    EXPECT_EQ(granted(kAda, ""), "invalid");
    EXPECT_EQ(granted(kAda, "service=other"), "invalid");
    EXPECT_EQ(granted(kAda, kFor + "&scope=repository:../etc:pull"), "invalid");
    EXPECT_EQ(granted(kAda, kFor + "&scope=repository:apps/shop"), "invalid");
    EXPECT_EQ(granted(kAda, kFor + "&scope=%zz"), "invalid");
    std::string many = kFor;
    for (int i = 0; i < 17; ++i) many += "&scope=repository:apps/shop:pull";
    EXPECT_EQ(granted(kAda, many), "invalid");
}

TEST_F(TokenRequest, NoTokenLivesLongerThanTenMinutes) {
    EXPECT_FALSE(tokens_->issue("x", {}, std::chrono::minutes(11)));
    EXPECT_FALSE(tokens_->issue("x", {}, std::chrono::seconds(0)));
    EXPECT_FALSE(tokens_->issue("x", {{"Bad Name", {"pull"}}}, std::chrono::minutes(1)));
}

TEST(Repository, NamesAreDistributions) {
    for (const auto* good :
         {"a", "apps/shop", "loco/x7k2/shop-1", "a.b", "a_b", "a__b", "a-b", "a--b", "0/1"}) {
        EXPECT_TRUE(is_repository(good)) << good;
    }
    for (const auto* bad :
         {"",   "/",  "a/", "/a",  "a//b", "A",   "a..b", "a___b",  "-a",   "a-",
          ".a", "a.", "_a", "a b", "a:b",  "a@b", "../a", "a/../b", "a._b", "\xc3\xa9"}) {
        EXPECT_FALSE(is_repository(bad)) << bad;
    }
    EXPECT_FALSE(is_repository(std::string(256, 'a')));
}

TEST(Base64Url, IsWithoutPadding) {
    EXPECT_EQ(base64url(""), "");
    EXPECT_EQ(base64url("f"), "Zg");
    EXPECT_EQ(base64url("fo"), "Zm8");
    EXPECT_EQ(base64url("foo"), "Zm9v");
    EXPECT_EQ(base64url("\xff\xfe\xfd"), "__79");
}

}  // namespace
}  // namespace loco::registry
