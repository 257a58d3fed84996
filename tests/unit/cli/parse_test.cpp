#include <gtest/gtest.h>

#include <sstream>

#include "cli/invocation.hpp"

namespace loco::cli {
namespace {

Result<Parsed> parse_words(std::vector<std::string> words) { return parse(words, all_commands()); }

TEST(Parse, ACommandItsOptionsAndGlobalOnesInAnyOrder) {
    for (const auto& words : std::vector<std::vector<std::string>>{
             {"--json", "scale", "--replicas", "3", "-a", "shop"},
             {"scale", "-a", "shop", "--replicas=3", "--json"},
             {"scale", "--json", "--app=shop", "--replicas", "3"}}) {
        const auto parsed = parse_words(words);
        ASSERT_TRUE(parsed) << parsed.error().message;
        EXPECT_EQ(parsed->command->name, "scale");
        EXPECT_EQ(parsed->app, "shop");
        EXPECT_TRUE(parsed->json);
        EXPECT_EQ(parsed->options.at("--replicas").back(), "3");
    }
}

TEST(Parse, AnAliasIsTheCommand) {
    EXPECT_EQ(parse_words({"account"})->command->name, "whoami");
    EXPECT_EQ(parse_words({"variables", "list"})->command->name, "env list");
    EXPECT_EQ(parse_words({"variables", "set", "A", "B=c"})->arguments.at("NAME"),
              (std::vector<std::string>{"A", "B=c"}));
}

TEST(Parse, AMistypedCommandOrOptionGetsASuggestion) {
    const struct {
        std::vector<std::string> words;
        std::string hint;
    } cases[] = {{{"depoly"}, "deploy"},
                 {{"statsu", "-a", "x"}, "status"},
                 {{"env", "lst"}, "list"},
                 {{"deploy", "--dry-rn"}, "--dry-run"},
                 {{"logs", "--folow"}, "--follow"},
                 {{"env"}, "set"},
                 {{"variables"}, "set"}};
    for (const auto& c : cases) {
        const auto parsed = parse_words(c.words);
        ASSERT_FALSE(parsed) << c.words[0];
        EXPECT_EQ(traits(parsed.error().kind).exit_status, 2);
        EXPECT_NE(parsed.error().hint.find(c.hint), std::string::npos)
            << c.words[0] << ": " << parsed.error().hint;
    }
}

TEST(Parse, HelpIsAnsweredWhateverElseIsMissing) {
    for (const auto& words :
         std::vector<std::vector<std::string>>{{"env", "set", "--help"}, {"env", "set", "-h"}}) {
        const auto parsed = parse_words(words);
        ASSERT_TRUE(parsed);
        EXPECT_TRUE(parsed->help);
        EXPECT_EQ(parsed->command->name, "env set");
    }
}

TEST(Parse, WithoutARequiredArgumentItIsAUsageError) {
    const auto parsed = parse_words({"env", "set"});
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, "usage");
}

std::vector<std::string> lines_of(const std::string& text) {
    std::istringstream stream(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

TEST(Help, NamesEveryCommandOnceAndFitsEightyColumns) {
    const auto text = help_text(nullptr, all_commands(), /*colour=*/false, 80);
    for (const auto& command : all_commands()) {
        if (!command.hidden)
            EXPECT_NE(text.find("  " + std::string(command.name) + " "), std::string::npos)
                << command.name;
        const auto help = help_text(&command, all_commands(), false, 80);
        EXPECT_NE(help.find("loco " + std::string(command.name)), std::string::npos);
        EXPECT_EQ(help.find('\x1b'), std::string::npos);
        for (const auto& line : lines_of(help)) EXPECT_LE(line.size(), 80) << line;
    }
    for (const auto& line : lines_of(text)) EXPECT_LE(line.size(), 80) << line;
}

}  // namespace
}  // namespace loco::cli
