#include "spec/reference.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "spec/read.hpp"
#include "spec/schema.hpp"

namespace loco::spec {
namespace {

TEST(Reference, the_page_in_docs_is_what_the_schema_says) {
    const std::string path = std::string(LOCO_SOURCE_DIR) + "/docs/reference/loco-toml.md";
    if (std::getenv("LOCO_ACCEPT") != nullptr) std::ofstream(path) << reference_markdown();
    std::stringstream page;
    page << std::ifstream(path).rdbuf();
    EXPECT_EQ(page.str(), reference_markdown()) << "LOCO_ACCEPT=1 rewrites it";
}

TEST(Reference, names_every_key) {
    const auto page = reference_markdown();
    for (const auto& field : app_fields()) {
        const auto dot = field.path.find('.');
        const auto key =
            std::string(field.path.substr(dot == std::string_view::npos ? 0 : dot + 1));
        if (key != "env")
            EXPECT_NE(page.find("| `" + key + "` |"), std::string::npos) << field.path;
    }
}

TEST(Reference, every_example_in_it_is_valid) {
    const auto page = reference_markdown();
    std::string whole;
    for (std::size_t at = page.find("```toml\n"); at != std::string::npos;
         at = page.find("```toml\n", at)) {
        at += 8;
        whole += page.substr(at, page.find("```", at) - at);
    }
    const auto spec = read_spec(whole, {.profile = "staging"});
    ASSERT_TRUE(spec) << render(spec.error().front(), /*color=*/false);
    EXPECT_EQ(spec->name, "shop-staging");
}

}  // namespace
}  // namespace loco::spec
