#include "crypto/token.hpp"

#include <gtest/gtest.h>

#include <set>

namespace loco::crypto {
namespace {

TEST(Token, IsMadeInTheFormThatIsRecognised) {
    SystemRandom random;
    std::set<std::string> seen;
    for (int i = 0; i < 1000; ++i) {
        const auto token = make_token(random).reveal();
        EXPECT_EQ(token.size(), 43U);
        EXPECT_TRUE(is_token(token)) << token;
        EXPECT_TRUE(seen.insert(token).second);
    }
}

TEST(Token, WithOneCharacterWrongIsNone) {
    SeededRandom random(7);
    const auto token = make_token(random).reveal();
    for (std::size_t i = 0; i < token.size(); ++i) {
        auto wrong = token;
        wrong[i] = wrong[i] == 'a' ? 'b' : 'a';
        EXPECT_FALSE(is_token(wrong)) << wrong;
    }
}

TEST(Token, CutOffOrLengthenedOrForeignIsNone) {
    SeededRandom random(7);
    const auto token = make_token(random).reveal();
    EXPECT_FALSE(is_token(token.substr(0, token.size() - 1)));
    EXPECT_FALSE(is_token(token + "0"));
    EXPECT_FALSE(is_token(""));
    EXPECT_FALSE(is_token("loco_"));
    EXPECT_FALSE(is_token(std::string(43, 'a')));
    EXPECT_FALSE(is_token("loco_" + std::string(38, '\xff')));
}

}  // namespace
}  // namespace loco::crypto
