#include "spec/init.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "spec/dockerfile.hpp"
#include "spec/folder.hpp"
#include "spec/read.hpp"

namespace loco::spec {
namespace {

namespace fs = std::filesystem;

InitFile init(std::string_view folder, std::string_view dockerfile) {
    auto file = init_from(folder, "Dockerfile", dockerfile);
    const auto spec = read_spec(file.text, {});
    EXPECT_TRUE(spec) << file.text << (spec ? "" : render(spec.error().front(), /*color=*/false));
    if (spec) {
        EXPECT_EQ(spec->name, file.name);
        EXPECT_EQ(spec->ports.at(0).port, file.port);
    }
    return file;
}

TEST(Init, takes_port_and_name_and_warns_of_nothing_when_all_is_well) {
    const auto file = init("shop", "FROM alpine\nEXPOSE 3000\nUSER 1000\nCMD [\"/app\"]\n");
    EXPECT_EQ(file.name, "shop");
    EXPECT_EQ(file.port, 3000);
    EXPECT_TRUE(file.port_found);
    EXPECT_TRUE(file.warnings.empty());
}

TEST(Init, makes_a_name_of_any_folders_name) {
    EXPECT_EQ(init("My Shop_2", "FROM x\n").name, "my-shop-2");
    EXPECT_EQ(init("www", "FROM x\n").name, "my-www");
    EXPECT_EQ(init("2048", "FROM x\n").name, "app-2048");
    EXPECT_EQ(init("店", "FROM x\n").name, "my-app");
    EXPECT_EQ(init("", "FROM x\n").name, "my-app");
    EXPECT_EQ(init(std::string(100, 'a'), "FROM x\n").name, std::string(40, 'a'));
    EXPECT_EQ(init("loco", "FROM x\n").name, "my-loco");
}

TEST(Init, warns_of_root_and_of_what_is_missing) {
    const auto none = init("shop", "FROM alpine\n");
    ASSERT_EQ(none.warnings.size(), 2U);
    EXPECT_NE(none.warnings[0].find("no USER"), std::string::npos);
    EXPECT_NE(none.warnings[1].find("no EXPOSE"), std::string::npos);
    for (const std::string user : {"root", "0", "00:0", "root:app"}) {
        const auto file = init("shop", "FROM alpine\nEXPOSE 80\nUSER " + user + "\n");
        ASSERT_EQ(file.warnings.size(), 1U) << user;
        EXPECT_TRUE(file.warnings[0].starts_with("Dockerfile:3: USER is " + user))
            << file.warnings[0];
    }
    EXPECT_TRUE(
        init("shop", "FROM gcr.io/distroless/static:nonroot\nEXPOSE 80\n").warnings.empty());
    EXPECT_EQ(init("shop", "# nothing\n").warnings.size(), 1U);
}

TEST(Init, without_a_dockerfile_says_so_and_still_writes_a_valid_file) {
    const auto file = init_from("shop", {}, {});
    ASSERT_EQ(file.warnings.size(), 1U);
    EXPECT_NE(file.warnings[0].find("no Dockerfile"), std::string::npos);
    EXPECT_TRUE(read_spec(file.text, {}));
}

TEST(Init, finds_a_containerfile_in_the_folder) {
    std::string path = (fs::temp_directory_path() / "loco-init-XXXXXX").string();
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    const fs::path folder = fs::path(path) / "Web_Shop";
    fs::create_directory(folder);
    std::ofstream(folder / "Containerfile") << "FROM alpine\nEXPOSE 5000\nUSER app\n";
    const auto file = init_folder(folder);
    ASSERT_TRUE(file);
    EXPECT_EQ(file->dockerfile, "Containerfile");
    EXPECT_EQ(file->name, "web-shop");
    EXPECT_EQ(file->port, 5000);
    std::ofstream(folder / "loco.toml") << file->text;
    const auto written = open_spec(folder);
    ASSERT_TRUE(written);
    const auto spec = read_spec(written->text, written->options);
    ASSERT_TRUE(spec) << render(spec.error().front(), /*color=*/false);
    EXPECT_EQ(spec->build.dockerfile, "Containerfile");
    EXPECT_FALSE(init_folder(folder / "absent"));
    fs::remove_all(path);
}

TEST(Dockerfile, the_last_stage_counts_with_what_it_is_built_from) {
    const auto facts = read_dockerfile(R"(
ARG BASE=debian:12
FROM golang:1.22 AS build
EXPOSE 1111
USER builder
FROM ${BASE} AS runtime
ENV PORT=8081
EXPOSE $PORT/tcp 9000/udp
USER app
FROM runtime
EXPOSE 9090
)");
    EXPECT_EQ(facts.base, "debian:12");
    EXPECT_EQ(facts.ports, (std::vector<int>{8081, 9090}));
    EXPECT_EQ(facts.user, "app");
    EXPECT_EQ(facts.user_line, 9);
}

TEST(Dockerfile, comments_continuations_and_here_documents_are_no_instructions) {
    const auto facts = read_dockerfile(
        "# escape=`\n"
        "FROM --platform=linux/amd64 alpine as base\n"
        "# USER root\n"
        "RUN echo a `\n"
        "# in between\n"
        "  USER root\n"
        "RUN <<EOF\n"
        "USER root\n"
        "EXPOSE 1\n"
        "EOF\n"
        "COPY <<-\"END\" /x\n"
        "EXPOSE 2\n"
        "\tEND\n"
        "expose 80/tcp `\n"
        "   443\n"
        "user 1000:1000\n");
    EXPECT_EQ(facts.ports, (std::vector<int>{80, 443}));
    EXPECT_EQ(facts.user, "1000:1000");
}

TEST(Dockerfile, variables_have_defaults_and_bounds) {
    EXPECT_EQ(read_dockerfile("FROM x\nEXPOSE ${PORT:-4000} ${NONE} $ 99999 0 80-90 x\n").ports,
              (std::vector<int>{4000, 80}));
    std::string doubling = "FROM x\nENV A=aaaaaaaaaaaaaaaa\n";
    for (int i = 0; i < 100; ++i) doubling += "ENV A=$A$A$A$A\n";
    EXPECT_TRUE(read_dockerfile(doubling + "EXPOSE $A\n").ports.empty());
}

}  // namespace
}  // namespace loco::spec
