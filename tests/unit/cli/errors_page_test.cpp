#include "cli/errors_page.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "domain/catalogue.hpp"

namespace loco::cli {
namespace {

TEST(ErrorsPage, docs_reference_errors_md_is_what_the_catalogue_says) {
    const std::string path = std::string(LOCO_SOURCE_DIR) + "/docs/reference/errors.md";
    if (std::getenv("LOCO_ACCEPT") != nullptr) std::ofstream(path) << errors_markdown();
    std::ostringstream page;
    page << std::ifstream(path).rdbuf();
    EXPECT_EQ(page.str(), errors_markdown()) << "LOCO_ACCEPT=1 rewrites it";
}

TEST(ErrorsPage, every_code_has_a_heading_of_its_own_to_link_to) {
    const auto page = errors_markdown();
    for (const auto& section : catalogue()) {
        for (const auto& entry : section.entries) {
            const auto heading = "\n### " + std::string(entry.code) + "\n";
            const auto at = page.find(heading);
            ASSERT_NE(at, std::string::npos) << entry.code;
            EXPECT_EQ(page.find(heading, at + 1), std::string::npos) << entry.code;
        }
    }
}

TEST(Catalogue, a_code_is_explained_once_and_found_by_its_name) {
    std::set<std::string_view> seen;
    for (const auto& section : catalogue()) {
        for (const auto& entry : section.entries) {
            EXPECT_TRUE(seen.insert(entry.code).second) << entry.code << " is there twice";
            EXPECT_EQ(explain(entry.code).entry, &entry);
            EXPECT_EQ(explain(entry.code).section, &section);
        }
    }
    EXPECT_EQ(explain("").entry, nullptr);
    EXPECT_EQ(explain("no_such_thing").entry, nullptr);
}

TEST(Catalogue, every_kind_of_failure_is_a_code_too) {
    for (int k = 0; k <= static_cast<int>(ErrorKind::interrupted); ++k) {
        const auto kind = static_cast<ErrorKind>(k);
        const auto* entry = explain(traits(kind).name).entry;
        ASSERT_NE(entry, nullptr) << traits(kind).name;
        EXPECT_EQ(entry->kind, kind);
    }
}

TEST(Catalogue, what_users_see_says_what_it_means_or_what_to_do) {
    const std::set<std::string_view> brief{"api", "inside"};
    for (const auto& section : catalogue()) {
        for (const auto& entry : section.entries) {
            EXPECT_FALSE(entry.title.empty()) << entry.code;
            EXPECT_FALSE(entry.title.ends_with('.')) << entry.code;
            EXPECT_LE(entry.title.size(), 80U) << entry.code << ": a title is one line";
            EXPECT_TRUE(entry.meaning.empty() || entry.meaning.ends_with('.')) << entry.code;
            if (brief.contains(section.phase)) continue;
            EXPECT_FALSE(entry.meaning.empty() && entry.next.empty()) << entry.code;
            for (const auto& step : next_steps(entry)) {
                EXPECT_FALSE(step.empty() || step.ends_with('.')) << entry.code << ": " << step;
                EXPECT_LE(step.size(), 200U) << entry.code << ": a step is short";
            }
        }
    }
}

}  // namespace
}  // namespace loco::cli
