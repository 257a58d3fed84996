// The rules of https://docs.docker.com/build/concepts/context/#dockerignore-files and of moby's patternmatcher.
#include "build/ignore.hpp"

#include <gtest/gtest.h>

namespace loco::build {
namespace {

struct Case {
    const char* rules;
    const char* path;
    bool ignored;
};

class IgnoreTable : public testing::TestWithParam<Case> {};

TEST_P(IgnoreTable, decides_as_docker_does) {
    const Case& c = GetParam();
    auto rules = IgnoreRules::parse(c.rules, ".dockerignore");
    ASSERT_TRUE(rules) << rules.error().message;
    EXPECT_EQ(rules->decide(c.path).ignored, c.ignored) << c.rules << "\n--\n" << c.path;
}

INSTANTIATE_TEST_SUITE_P(
    plain, IgnoreTable,
    testing::Values(Case{"", "a", false}, Case{"a", "a", true}, Case{"a", "b", false},
                    Case{"a", "a/b", true}, Case{"a", "a/b/c", true}, Case{"a", "b/a", false},
                    Case{"a", "ab", false}, Case{"a/b", "a/b", true}, Case{"a/b", "a", false},
                    Case{"a/b", "a/bc", false}, Case{"a/b", "x/a/b", false}, Case{"/a", "a", true},
                    Case{"a/", "a", true}, Case{"a/", "a/b", true}, Case{"./a", "a", true},
                    Case{"a/../b", "b", true}, Case{"a//b", "a/b", true}, Case{"../a", "a", false},
                    Case{"A", "a", false}, Case{"a", "A", false}, Case{" a \t", "a", true},
                    Case{"a\r\n", "a", true},
                    Case{"\xEF\xBB\xBF"
                         "a",
                         "a", true},
                    Case{"# a\nb", "b", true}, Case{"#a", "#a", false}, Case{" #a", "#a", true},
                    Case{"\\#a", "#a", true}, Case{"a\n\n  \nb", "b", true},
                    Case{"a.b", "axb", false}, Case{"a+(b)|{c}$", "a+(b)|{c}$", true},
                    Case{"a^b", "a^b", true}, Case{"sp ace", "sp ace", true}));

INSTANTIATE_TEST_SUITE_P(
    wildcards, IgnoreTable,
    testing::Values(
        Case{"*", "a", true}, Case{"*", "a/b", true}, Case{"*.md", "README.md", true},
        Case{"*.md", "docs/README.md", false}, Case{"*/temp*", "somedir/temporary.txt", true},
        Case{"*/temp*", "somedir/temp", true}, Case{"*/temp*", "temp", false},
        Case{"*/temp*", "a/b/temp", false}, Case{"*/*/temp*", "a/b/temporary", true},
        Case{"temp?", "tempa", true}, Case{"temp?", "temp", false}, Case{"temp?", "temp/x", false},
        Case{"temp?", "tempaa", false}, Case{"a*c", "ac", true}, Case{"a*c", "abbc", true},
        Case{"a*c", "ab/c", false},
        Case{"a?c",
             "a\xC3\xA9"
             "c",
             true},
        Case{"\xC3\xA9*", "\xC3\xA9t", true},
        Case{"a?c",
             "a\xFF"
             "c",
             true},
        Case{"[ab].c", "a.c", true}, Case{"[ab].c", "c.c", false}, Case{"[a-c]x", "bx", true},
        Case{"[^a-c]x", "bx", false}, Case{"[^a-c]x", "zx", true}, Case{"[\\]]x", "]x", true},
        Case{"[a\\-c]x", "-x", true}, Case{"[a\\-c]x", "bx", false}, Case{"a\\*b", "a*b", true},
        Case{"a\\*b", "axb", false}, Case{"a\\?", "a?", true}));

INSTANTIATE_TEST_SUITE_P(
    double_stars, IgnoreTable,
    testing::Values(Case{"**", "a", true}, Case{"**", "a/b/c", true}, Case{"**/", "a/b", true},
                    Case{"**/*.go", "a.go", true}, Case{"**/*.go", "x/y/a.go", true},
                    Case{"**/*.go", "a.got", false}, Case{"**/foo", "foo", true},
                    Case{"**/foo", "a/b/foo", true}, Case{"**/foo", "a/foo/b", true},
                    Case{"**/foo", "afoo", false}, Case{"**/foo", "a/xfoo", false},
                    Case{"**/foo/bar", "foo/bar", true}, Case{"**/foo/bar", "x/foo/bar", true},
                    Case{"**/foo/bar", "x/foo/y/bar", false}, Case{"foo/**", "foo/a", true},
                    Case{"foo/**", "foo/a/b", true}, Case{"foo/**", "foo", false},
                    Case{"foo/**", "xfoo/a", false}, Case{"a/**/b", "a/b", true},
                    Case{"a/**/b", "a/x/b", true}, Case{"a/**/b", "a/x/y/b", true},
                    Case{"a/**/b", "a/xb", false}, Case{"a/**/b", "ab", false},
                    Case{"a/**/*.c", "a/x/y.c", true}, Case{"**/a*", "x/abc", true},
                    Case{"**/a*", "x/babc", false}, Case{"a**", "abc/d", true},
                    Case{"**/node_modules", "web/node_modules/x/y.js", true},
                    Case{"**/.git/**", "x/.git/config", true},
                    Case{"**/.git/**", ".git/config", true},
                    Case{"**/.git/**", "x/.gitignore", false}, Case{"dir/**/*.o", "dir/a.o", true},
                    Case{"**/x/**/y", "x/y", true}, Case{"**/x/**/y", "a/x/b/c/y", true},
                    Case{"**/x/**/y", "a/b/y", false}));

INSTANTIATE_TEST_SUITE_P(
    negation, IgnoreTable,
    testing::Values(Case{"*.md\n!README.md", "README.md", false},
                    Case{"*.md\n!README.md", "a.md", true},
                    Case{"*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true},
                    Case{"*.md\n!README*.md\nREADME-secret.md", "README-x.md", false},
                    Case{"*.md\nREADME-secret.md\n!README*.md", "README-secret.md", false},
                    Case{"!a\na", "a", true}, Case{"*\n!src", "src/a.c", false},
                    Case{"*\n!src", "src", false}, Case{"*\n!src", "other", true},
                    Case{"*\n!src/keep", "src/keep", false}, Case{"*\n!src/keep", "src/drop", true},
                    Case{"dir\n!dir/a", "dir/a", false}, Case{"dir\n!dir/a", "dir/b", true},
                    Case{"dir\n!dir/a\ndir/a", "dir/a", true}, Case{"**\n!**/*.c", "a/b.c", false},
                    Case{"**\n!**/*.c", "a/b.h", true}, Case{"! a", "a", false},
                    Case{"a\n! a", "a", false}, Case{"a\n!/a", "a", false},
                    Case{"dir/a\n!dir", "dir/a", false}, Case{"a\n!b\n!a/x", "a/x/y", false}));

TEST(IgnoreRules, names_the_line_that_decided) {
    auto rules = IgnoreRules::parse("# generated\n\n*.log\n!keep.log\nkeep.log\n", ".dockerignore");
    ASSERT_TRUE(rules);
    const auto decision = rules->decide("keep.log");
    ASSERT_NE(decision.rule, nullptr);
    EXPECT_EQ(decision.rule->line, 5);
    EXPECT_EQ(decision.rule->pattern, "keep.log");
    EXPECT_EQ(rules->decide("a.txt").rule, nullptr);
}

TEST(IgnoreRules, refuses_malformed_patterns_with_their_line) {
    for (const char* pattern : {"[a", "[", "[^", "a\\", "!", "[a-", "[]a", "! "}) {
        auto rules = IgnoreRules::parse(std::string("ok\n") + pattern + "\n", ".dockerignore");
        ASSERT_FALSE(rules) << pattern;
        EXPECT_EQ(rules.error().kind, ErrorKind::invalid);
        EXPECT_NE(rules.error().message.find(".dockerignore line 2"), std::string::npos);
    }
    EXPECT_FALSE(IgnoreRules::parse(std::string(2000, 'a'), "f"));
    std::string many;
    for (int i = 0; i < 10'001; ++i) many += "a\n";
    EXPECT_FALSE(IgnoreRules::parse(many, "f"));
}

TEST(IgnoreRules, knows_where_a_negation_can_take_something_back) {
    auto rules = IgnoreRules::parse("*\n!src/app/main.c\n!lib/*.h\n", "f");
    ASSERT_TRUE(rules);
    for (const char* folder : {"src", "src/app", "lib"}) {
        EXPECT_TRUE(rules->may_take_back_below(folder)) << folder;
    }
    for (const char* folder : {"docs", "src/other", "srcs"}) {
        EXPECT_FALSE(rules->may_take_back_below(folder)) << folder;
    }
    auto deep = IgnoreRules::parse("*\n!**/keep\n", "f");
    ASSERT_TRUE(deep);
    EXPECT_TRUE(deep->may_take_back_below("any/where"));
    auto none = IgnoreRules::parse("node_modules\n", "f");
    ASSERT_TRUE(none);
    EXPECT_FALSE(none->may_take_back_below("node_modules"));
}

TEST(IgnoreRules, a_name_on_purpose_has_no_wildcard_and_is_negated) {
    auto rules = IgnoreRules::parse("!.env\n!/certs/a.pem\n!*.key\n.npmrc\n!.ssh/\n", "f");
    ASSERT_TRUE(rules);
    EXPECT_TRUE(rules->names(".env"));
    EXPECT_TRUE(rules->names("certs/a.pem"));
    EXPECT_TRUE(rules->names(".ssh"));
    EXPECT_TRUE(rules->names_below("certs"));
    EXPECT_FALSE(rules->names("x.key"));
    EXPECT_FALSE(rules->names(".npmrc"));
    EXPECT_FALSE(rules->names("sub/.env"));
}

}  // namespace
}  // namespace loco::build
