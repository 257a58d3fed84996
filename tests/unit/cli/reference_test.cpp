#include "cli/reference.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace loco::cli {
namespace {

TEST(CliReference, docs_reference_cli_md_is_what_the_commands_say) {
    const std::string path = std::string(LOCO_SOURCE_DIR) + "/docs/reference/cli.md";
    if (std::getenv("LOCO_ACCEPT") != nullptr)
        std::ofstream(path) << reference_markdown(all_commands());
    std::ostringstream page;
    page << std::ifstream(path).rdbuf();
    EXPECT_EQ(page.str(), reference_markdown(all_commands())) << "LOCO_ACCEPT=1 rewrites it";
}

TEST(CliReference, tells_of_every_option_and_argument_but_hidden_ones) {
    const auto page = reference_markdown(all_commands());
    for (const auto& command : all_commands()) {
        if (command.hidden) continue;
        const auto head = page.find("### loco " + std::string(command.name) + "\n");
        ASSERT_NE(head, std::string::npos) << command.name;
        const auto section = page.substr(head, page.find("\n### ", head) - head);
        for (const auto& option : command.options) {
            const bool told = section.find("`" + std::string(option.name)) != std::string::npos;
            EXPECT_EQ(told, !option.hidden) << command.name << " " << option.name;
        }
        for (const auto& argument : command.arguments) {
            EXPECT_NE(section.find("`" + std::string(argument.name) + "`"), std::string::npos)
                << command.name;
        }
    }
}

TEST(CliReference, keeps_tables_whole_and_examples_apart) {
    const std::array commands{
        Command{
            .name = "env set",
            .summary = "Set a|b",
            .help = "What it does.\n\n    loco env set A",
            .options = {{.name = "--stage", .letter = 's', .help = "this | that"}},
            .arguments = {{.name = "NAME", .help = "which", .required = true, .repeated = true}},
            .aliases = {"variables"}},
        Command{.name = "inner", .summary = "For itself", .help = "Nothing.", .hidden = true}};
    const auto page = reference_markdown(commands);
    EXPECT_NE(page.find("| [`env set`](#loco-env-set) | Set a\\|b |\n"), std::string::npos);
    EXPECT_NE(page.find("### loco env set\n\nSet a|b. Also `loco variables set`.\n\n    loco env "
                        "set NAME… [options]\n\n"
                        "What it does.\n\n| | |\n| --- | --- |\n| `NAME` | which |\n| `-s`, "
                        "`--stage` | this \\| that |\n"
                        "\nFor example\n\n    loco env set A\n"),
              std::string::npos)
        << page;
    EXPECT_EQ(page.find("inner"), std::string::npos);
}

}  // namespace
}  // namespace loco::cli
