#include "build/dockerfile.hpp"

#include <gtest/gtest.h>

namespace loco::build {
namespace {

int line_of(const Dockerfile& dockerfile, std::string_view step) {
    const Instruction* found = locate(dockerfile, step);
    return found == nullptr ? 0 : found->line;
}

constexpr std::string_view kStages = R"(# a comment
ARG VERSION=12
FROM debian:${VERSION} AS Build

WORKDIR /src
copy . .
RUN apt-get update && \
    # a comment inside
    apt-get install -y gcc \

    && make
RUN make install

FROM build AS test
RUN make test
RUN make install

FROM scratch
COPY --from=build /out /out
RUN ["/out/app", "--check"]
USER 1000
)";

TEST(Locate, finds_a_step_by_stage_and_number) {
    const Dockerfile d = parse_dockerfile(kStages);
    ASSERT_EQ(d.stages.size(), 3U);
    EXPECT_EQ(d.stages[0].name, "build");
    EXPECT_EQ(d.stages[0].base, "debian:12");
    EXPECT_TRUE(d.stages[1].from_stage);
    EXPECT_EQ(d.stages[2].name, "stage-2");
    EXPECT_EQ(line_of(d, "[build 1/5] FROM docker.io/library/debian:12@sha256:abc"), 3);
    EXPECT_EQ(line_of(d, "[build 2/5] WORKDIR /src"), 5);
    EXPECT_EQ(line_of(d, "[build 3/5] COPY . ."), 6);
    EXPECT_EQ(
        line_of(d, "[build 4/5] RUN apt-get update &&     apt-get install -y gcc     && make"), 7);
    EXPECT_EQ(line_of(d, "[build 5/5] RUN make install"), 12);
    EXPECT_EQ(line_of(d, "[test 1/2] RUN make test"), 15);
    EXPECT_EQ(line_of(d, "[test 2/2] RUN make install"), 16);
    EXPECT_EQ(line_of(d, "[stage-2 1/2] COPY --from=build /out /out"), 19);
    EXPECT_EQ(line_of(d, "[stage-2 2/2] RUN [\"/out/app\", \"--check\"]"), 20);
    EXPECT_EQ(line_of(d, "[linux/arm64 test  2/12] RUN make install"), 16);
    EXPECT_EQ(line_of(d, "[internal] load build context"), 0);
    EXPECT_EQ(line_of(d, "[build 9/9] RUN nothing like it"), 0);
    EXPECT_EQ(line_of(d, "exporting to image"), 0);
    EXPECT_EQ(locate(d, "[build 4/5] RUN apt-get update &&     apt-get install -y gcc     && make")
                  ->last_line,
              11);
}

TEST(Locate, trusts_the_number_where_arguments_changed_the_text) {
    const Dockerfile d =
        parse_dockerfile("FROM scratch\nARG WHO=x\nRUN echo $WHO\nRUN echo hello $WHO\n");
    EXPECT_EQ(line_of(d, "[2/2] RUN echo hello world"), 4);
    EXPECT_EQ(line_of(d, "[1/2] RUN echo world"), 3);
}

TEST(Locate, trusts_the_text_where_a_base_image_adds_steps_in_front) {
    const Dockerfile d = parse_dockerfile("FROM base\nRUN one\nRUN two\n");
    EXPECT_EQ(line_of(d, "[4/5] RUN one"), 2);
    EXPECT_EQ(line_of(d, "[5/5] RUN two"), 3);
    EXPECT_EQ(line_of(d, "[2/5] RUN one"), 2);
}

TEST(Locate, skips_the_bodies_of_here_documents) {
    const Dockerfile d = parse_dockerfile(
        "FROM scratch\nRUN <<EOF\nFROM fake\nRUN not an instruction\nEOF\nRUN <<-\"A\" cat && <<B "
        "tac\nx\n\tA\ny\nB\n"
        "COPY <<f.txt /f\nRUN no\nf.txt\nRUN cat <<<word\nRUN last\n");
    ASSERT_EQ(d.stages.size(), 1U);
    EXPECT_EQ(d.heredoc_line, 2);
    EXPECT_EQ(line_of(d, "[5/5] RUN last"), 15);
    EXPECT_EQ(line_of(d, "[4/5] RUN cat <<<word"), 14);
    EXPECT_EQ(line_of(d, "[1/5] RUN <<EOF (FROM fake...)"), 2);
}

TEST(Locate, follows_directives_for_syntax_and_escape) {
    const Dockerfile d = parse_dockerfile(
        "# syntax=docker/dockerfile:1\n# escape=`\n\nFROM scratch\nRUN one `\n two\nRUN "
        "three\\\nRUN four\r\n");
    EXPECT_EQ(d.syntax, "docker/dockerfile:1");
    EXPECT_EQ(line_of(d, "[1/3] RUN one  two"), 5);
    EXPECT_EQ(line_of(d, "[2/3] RUN three\\"), 7);
    EXPECT_EQ(line_of(d, "[3/3] RUN four"), 8);
}

TEST(Dockerfile, fills_in_arguments_given_and_defaulted) {
    const std::string text = "ARG BASE=debian\nARG TAG\nFROM ${BASE}:${TAG:-12}\nFROM $BASE:$TAG\n";
    const Dockerfile plain = parse_dockerfile(text);
    EXPECT_EQ(plain.stages[0].base, "debian:12");
    EXPECT_EQ(plain.stages[1].base, "debian:$TAG");
    const Dockerfile given = parse_dockerfile(text, {{"BASE", "alpine"}, {"TAG", "3"}});
    EXPECT_EQ(given.stages[0].base, "alpine:3");
    EXPECT_EQ(given.stages[1].base, "alpine:3");
}

TEST(LocateImage, finds_who_needs_an_image) {
    const Dockerfile d = parse_dockerfile(
        "FROM debian AS a\nFROM --platform=linux/amd64 ghcr.io/x/y:1\nCOPY --from=nostage /a /b\n"
        "RUN --mount=type=bind,from=tools:2,target=/t x\n");
    const auto at = [&](std::string_view image) {
        const auto* found = locate_image(d, image);
        return found == nullptr ? 0 : found->line;
    };
    EXPECT_EQ(at("docker.io/library/debian:latest"), 1);
    EXPECT_EQ(at("ghcr.io/x/y:1@sha256:00"), 2);
    EXPECT_EQ(at("docker.io/library/nostage:latest"), 3);
    EXPECT_EQ(at("docker.io/library/tools:2"), 4);
    EXPECT_EQ(at("other"), 0);
}

TEST(CopySources, are_all_but_flags_and_destination) {
    const auto sources = [](const std::string& text) {
        return copy_sources(parse_dockerfile("FROM x\n" + text).instructions.at(1));
    };
    EXPECT_EQ(sources("COPY a b /c"), (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(sources("COPY --chown=1:1 --link a /c"), (std::vector<std::string>{"a"}));
    EXPECT_EQ(sources("ADD [\"a b\", \"c\", \"/d\"]"), (std::vector<std::string>{"a b", "c"}));
    EXPECT_TRUE(sources("COPY").empty());
}

TEST(Dockerfile, survives_nonsense) {
    for (const std::string text :
         {"", "\n\n", "\\", "FROM", "FROM --x", "\\\n\\\n", "RUN x", "ARG\nARG =\nFROM $\nFROM ${",
          "COPY <<", "FROM a\nRUN <<EOF\n", "#", "# =", "FROM a AS"}) {
        const Dockerfile d = parse_dockerfile(text);
        EXPECT_EQ(locate(d, "[1/1] RUN x") == nullptr, true) << text;
    }
}

}  // namespace
}  // namespace loco::build
