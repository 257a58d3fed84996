#include "spec/folder.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace loco::spec {
namespace {

namespace fs = std::filesystem;

class SpecFolder : public testing::Test {
  protected:
    void SetUp() override {
        std::string path = (fs::temp_directory_path() / "loco-spec-XXXXXX").string();
        ASSERT_NE(mkdtemp(path.data()), nullptr);
        top_ = path;
        app_ = top_ / "shop";
        fs::create_directories(app_ / "src");
        write(app_ / "Dockerfile", "FROM scratch\n");
        write(top_ / "secret", "outside\n");
    }
    void TearDown() override {
        std::error_code code;
        fs::remove_all(top_, code);
    }
    static void write(const fs::path& path, std::string_view text) { std::ofstream(path) << text; }

    fs::path top_;
    fs::path app_;
};

TEST_F(SpecFolder, paths_are_followed_and_may_not_leave_the_folder) {
    fs::create_symlink("../secret", app_ / "escape");
    fs::create_symlink("Dockerfile", app_ / "inside");
    fs::create_symlink("..", app_ / "up");
    fs::create_symlink("loop", app_ / "loop");
    EXPECT_EQ(look_inside(app_, "Dockerfile"), PathState::file);
    EXPECT_EQ(look_inside(app_, "inside"), PathState::file);
    EXPECT_EQ(look_inside(app_, "."), PathState::folder);
    EXPECT_EQ(look_inside(app_, "src"), PathState::folder);
    EXPECT_EQ(look_inside(app_, "absent"), PathState::missing);
    EXPECT_EQ(look_inside(app_, "Dockerfile/x"), PathState::missing);
    EXPECT_EQ(look_inside(app_, "escape"), PathState::outside);
    EXPECT_EQ(look_inside(app_, "up/secret"), PathState::outside);
    EXPECT_EQ(look_inside(app_, ".."), PathState::outside);
    EXPECT_EQ(look_inside(app_, "/etc/passwd"), PathState::outside);
    EXPECT_EQ(look_inside(app_, "loop"), PathState::other);
    EXPECT_EQ(look_inside(app_, "/dev/null"), PathState::outside);
}

TEST_F(SpecFolder, a_sibling_whose_name_begins_alike_is_outside) {
    fs::create_directory(top_ / "shop2");
    fs::create_symlink("../shop2", app_ / "sibling");
    EXPECT_EQ(look_inside(app_, "sibling"), PathState::outside);
}

TEST_F(SpecFolder, the_folder_gives_the_name_and_its_files_are_checked) {
    write(app_ / "loco.toml", "version = 1\n[build]\ncontext = \"lib\"\n");
    for (const auto& path : {app_, app_ / "loco.toml"}) {
        const auto file = open_spec(path);
        ASSERT_TRUE(file);
        EXPECT_EQ(file->folder, fs::canonical(app_));
        const auto spec = read_spec(file->text, file->options);
        ASSERT_FALSE(spec);
        ASSERT_EQ(spec.error().size(), 1U);
        EXPECT_EQ(spec.error()[0].message, "there is no context \"lib\"");
        EXPECT_EQ(spec.error()[0].file, (app_ / "loco.toml").string());
    }
    write(app_ / "loco.toml", "version = 1\n");
    const auto file = open_spec(app_);
    ASSERT_TRUE(file);
    const auto spec = read_spec(file->text, file->options);
    ASSERT_TRUE(spec);
    EXPECT_EQ(spec->name, "shop");
}

TEST_F(SpecFolder, no_file_is_told_with_what_writes_one) {
    const auto file = open_spec(app_);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().kind, ErrorKind::not_found);
    EXPECT_NE(file.error().hint.find("loco init"), std::string::npos);
}

TEST(SpecExamples, every_example_is_valid) {
    int count = 0;
    for (const auto& entry : fs::directory_iterator(fs::path(LOCO_SOURCE_DIR) / "examples")) {
        if (!fs::exists(entry.path() / "loco.toml")) continue;
        const auto file = open_spec(entry.path());
        ASSERT_TRUE(file) << entry.path();
        const auto spec = read_spec(file->text, file->options);
        EXPECT_TRUE(spec) << (spec ? "" : render(spec.error().front(), /*color=*/false));
        ++count;
    }
    EXPECT_GE(count, 3);
}

}  // namespace
}  // namespace loco::spec
