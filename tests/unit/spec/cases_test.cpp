// Runs cases.txt: what a loco.toml says, and what it must answer. LOCO_ACCEPT=1 rewrites the answers.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "spec/read.hpp"

namespace loco::spec {
namespace {

const std::string kPath = std::string(LOCO_SOURCE_DIR) + "/tests/unit/spec/cases.txt";

struct Case {
    std::string name;
    std::map<std::string, std::string> settings;  // profile, folder, missing, outside, directory
    std::string head;                             // the lines before the input, as written
    std::string input;
    std::string expected;
};

struct Table {
    std::string preamble;
    std::vector<Case> cases;
};

Table read_table() {
    Table table;
    std::ifstream file(kPath);
    std::string line;
    enum class Part { preamble, head, input, expected } part = Part::preamble;
    while (std::getline(file, line)) {
        if (line.starts_with("=== ")) {
            table.cases.push_back(
                {.name = line.substr(4), .settings = {}, .head = {}, .input = {}, .expected = {}});
            part = Part::head;
        } else if (part == Part::preamble) {
            table.preamble += line + "\n";
        } else if (line == "---") {
            part = part == Part::head ? Part::input : Part::expected;
        } else if (part == Part::head) {
            table.cases.back().head += line + "\n";
            const auto colon = line.find(": ");
            if (colon != std::string::npos)
                table.cases.back().settings[line.substr(0, colon)] = line.substr(colon + 2);
        } else if (part == Part::input) {
            table.cases.back().input += line + "\n";
        } else if (!line.empty()) {
            table.cases.back().expected += line + "\n";
        }
    }
    return table;
}

std::string answer(const Case& test) {
    const auto setting = [&](const std::string& name) {
        const auto found = test.settings.find(name);
        return found == test.settings.end() ? std::string() : found->second;
    };
    ReadOptions options;
    options.default_name = setting("folder").empty() ? "shop" : setting("folder");
    options.profile = setting("profile");
    options.exists_inside = [&](std::string_view path) {
        if (path == setting("missing")) return PathState::missing;
        if (path == setting("outside")) return PathState::outside;
        if (path == "." || path == setting("directory")) return PathState::folder;
        return PathState::file;
    };
    const auto spec = read_spec(test.input, options);
    if (spec) return "ok\n";
    std::string text;
    for (const auto& d : spec.error()) {
        text += std::to_string(d.line) + ":" + std::to_string(d.column) + "+" +
                std::to_string(d.length) + " " + (d.unsupported ? "not supported: " : "") +
                d.message + "\n";
        if (!d.expected.empty()) text += "  expected: " + d.expected + "\n";
        if (!d.suggestion.empty()) text += "  did you mean: " + d.suggestion + "\n";
        if (!d.fix.empty()) text += "  fix: " + d.fix + "\n";
    }
    return text;
}

TEST(SpecCases, every_case_of_the_table_answers_as_written) {
    auto table = read_table();
    EXPECT_GE(table.cases.size(), 80U);
    std::set<std::string> names;
    for (auto& test : table.cases) {
        EXPECT_TRUE(names.insert(test.name).second) << "two cases are called: " << test.name;
        const auto actual = answer(test);
        if (std::getenv("LOCO_ACCEPT") == nullptr) {
            EXPECT_EQ(actual, test.expected) << "case: " << test.name;
        }
        test.expected = actual;
    }
    if (std::getenv("LOCO_ACCEPT") != nullptr) {
        std::ofstream file(kPath);
        file << table.preamble;
        for (std::size_t i = 0; i < table.cases.size(); ++i) {
            const auto& test = table.cases[i];
            file << "=== " << test.name << "\n"
                 << test.head << "---\n"
                 << test.input << "---\n"
                 << test.expected;
            if (i + 1 < table.cases.size()) file << "\n";
        }
    }
}

}  // namespace
}  // namespace loco::spec
