#include "spec/difference.hpp"

#include <gtest/gtest.h>

#include "spec/read.hpp"

namespace loco::spec {
namespace {

AppSpec read(const std::string& toml) {
    return read_spec("version = 1\nname = \"shop\"\n" + toml, {}).value();
}

std::string told(const std::string& from, const std::string& to) {
    std::string text;
    for (const auto& one : difference(read(from), read(to)))
        text += one.key + " " + one.from + " -> " + one.to + "\n";
    return text;
}

TEST(Difference, equal_specs_have_none) {
    EXPECT_EQ(told("[env]\nA = \"1\"\n", "[http]\nport = 8080\n[env]\nA = \"1\"\n"), "");
}

TEST(Difference, each_key_that_changes_is_named_with_both_values) {
    EXPECT_EQ(told("[http]\nport = 8080\n", "[http]\nport = 3000\n[resources]\nmemory = \"1Gi\"\n"),
              "http.port 8080 -> 3000\nresources.memory \"256Mi\" -> \"1Gi\"\n");
    EXPECT_EQ(told("[deploy]\ncommand = [\"a\"]\n", "[deploy]\ncommand = [\"a\", \"b\"]\n"),
              "deploy.command [\"a\"] -> [\"a\",\"b\"]\n");
}

TEST(Difference, what_comes_and_what_goes_has_one_side) {
    EXPECT_EQ(told("[env]\nOLD = \"1\"\n", "[env]\nNEW = \"2\"\n"),
              "env.OLD \"1\" -> \nenv.NEW  -> \"2\"\n");
    EXPECT_EQ(told("", "[[ports]]\nname = \"admin\"\nport = 9090\n").substr(0, 30),
              "ports[0].name  -> \"admin\"\nport");
}

}  // namespace
}  // namespace loco::spec
