#include "cli/terminal.hpp"

#include <gtest/gtest.h>

namespace loco::cli {
namespace {

TEST(Harmless, NothingCanMoveTheCursorOrChangeTheTerminal) {
    EXPECT_EQ(harmless("a\x1b[2Jb\rc\x07\x1b]0;title\x07 d\te", false), "abc d\te");
    EXPECT_EQ(harmless("\x1b[31mred\x1b[0m", false), "red");
    EXPECT_EQ(harmless("\x1b[31mred", true), "\x1b[31mred\x1b[0m");
    EXPECT_EQ(harmless("\x1b[", true), "");
    EXPECT_EQ(harmless("\x1b", true), "");
}

TEST(Harmless, NothingLooksLikeAnotherTextAndNoCharacterIsAControlSequence) {
    EXPECT_EQ(harmless("\u202etxt.exe \u2066a\u2069 \u200f\u061cb", false), "txt.exe a b");
    EXPECT_EQ(harmless("\xc2\x9b"
                       "2Jx\xc2\x85y",
                       true),
              "2Jxy");
    EXPECT_EQ(harmless("é ä 你好 😀 \u2019 \u200b \xe2", false), "é ä 你好 😀 \u2019 \u200b \xe2");
}

TEST(Table, ColumnsAreAsWideAsTheirWidestAndTheLastGoesOnBelow) {
    EXPECT_EQ(table({{"A", "BB"}, {"CCC", "D"}}, 0), "A    BB\nCCC  D\n");
    EXPECT_EQ(table({{"ä", "x"}, {"bb", "y"}}, 0), "ä   x\nbb  y\n");
    EXPECT_EQ(table({{"name", "a last column that is very long"}}, 26),
              "name  a last column that\n      is very long\n");
    EXPECT_EQ(
        table({{"name", std::string(45, 'x')}}, 26),
        "name  " + std::string(20, 'x') + "\n      " + std::string(20, 'x') + "\n      xxxxx\n");
    EXPECT_EQ(table({{styled("x", Style::red, true), "y"}, {"xx", "y"}}, 0),
              "\x1b[31mx\x1b[0m   y\nxx  y\n");
}

TEST(Styled, IsPlainWithoutColour) {
    EXPECT_EQ(styled("text", Style::green, false), "text");
    EXPECT_EQ(styled("text", Style::plain, true), "text");
}

}  // namespace
}  // namespace loco::cli
