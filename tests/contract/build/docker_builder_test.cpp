// DockerBuilder against the real daemon at DOCKER_HOST, with images made of nothing but a static busybox.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>

#include "base/random.hpp"
#include "build/builder.hpp"
#include "engine/engine.hpp"
#include "tests/unit/build/folder.hpp"

namespace loco::build {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBase =
    "FROM scratch AS base\n"
    "COPY busybox /bin/busybox\n"
    "RUN [\"/bin/busybox\", \"--install\", \"-s\", \"/bin\"]\n";

// A header for AArch64 and nothing to run: enough for the kernel to refuse it.
std::string arm_program() {
    std::string elf(
        "\x7f"
        "ELF\2\1\1",
        7);
    elf.resize(120, '\0');
    elf[16] = 2;
    elf[18] = '\xb7';
    elf[20] = 1;
    elf[24] = 0x78;
    elf[26] = 0x40;
    elf[32] = 64;
    elf[52] = 64;
    elf[54] = 56;
    elf[56] = 1;
    elf[64] = 1;
    elf[68] = 5;
    elf[82] = 0x40;
    elf[96] = '\x80';
    elf[104] = '\x80';
    return elf;
}

class DockerBuilderContract : public testing::Test {
  protected:
    void SetUp() override {
        auto socket = engine::find_socket();
        if (socket) engine = std::make_unique<engine::Engine>(*socket);
        if (!engine || !engine->ping()) {
            GTEST_SKIP() << "no container engine answers at DOCKER_HOST";
        }
        auto found = DockerBuilder::find(engine->socket());
        ASSERT_TRUE(found) << found.error().message;
        builder = std::make_unique<DockerBuilder>(*std::move(found));
        fs::copy_file("/bin/busybox", folder.path() / "busybox");
        SystemRandom random;
        tag = "loco-test/build-" + random_word(random, 10) + ":t";
        request = {.context = folder.path(),
                   .dockerfile = folder.path() / "Dockerfile",
                   .tags = {tag},
                   .labels = {{"loco-test", "build"}}};
    }
    void TearDown() override {
        if (engine && !tag.empty()) EXPECT_TRUE(engine->remove_image(tag, /*force=*/true));
    }

    std::expected<BuildResult, BuildFailure> build(const std::string& dockerfile) {
        folder.write("Dockerfile", dockerfile);
        output.clear();
        events.clear();
        return builder->build(
            request,
            {.on_event =
                 [this](const StepEvent& e) { events.emplace_back(e.kind, std::string(e.name)); },
             .on_output = [this](std::string_view text) { output += text; },
             .cancelled = [this] { return cancel && cancel(output); }});
    }
    BuildFailure failed(const std::string& dockerfile) {
        auto result = build(dockerfile);
        EXPECT_FALSE(result) << output;
        if (result) return {};
        EXPECT_FALSE(engine->inspect_image(tag));
        return std::move(result).error();
    }
    // What lies at a path of the built image.
    Result<std::string> file(const std::string& path) {
        auto id = engine->create_container(
            "", {.image = tag, .command = {"/bin/true"}, .labels = {{"loco-test", "build"}}});
        if (!id) return fail(id.error());
        auto content = engine->read_file(*id, path);
        EXPECT_TRUE(engine->remove_container(*id, /*force=*/true));
        return content;
    }

    Folder folder;
    std::unique_ptr<engine::Engine> engine;
    std::unique_ptr<DockerBuilder> builder;
    BuildRequest request;
    std::string tag;
    std::string output;
    std::vector<std::pair<StepEvent::Kind, std::string>> events;
    std::function<bool(const std::string&)> cancel;
};

TEST_F(DockerBuilderContract, builds_an_image_with_arguments_target_labels_and_a_secret) {
    folder.write("n\xC3\xA4me, \"q\".txt", "hush");
    folder.write("app.txt", "content");
    request.target = "wanted";
    request.args = {{"WHO", "loco, \"x\" $HOME"}};
    request.secrets = {{"token", folder.path() / "n\xC3\xA4me, \"q\".txt"}};
    auto result =
        build(std::string(kBase) +
              "FROM base AS wanted\nARG WHO\nCOPY . /src/\n"
              "RUN --mount=type=secret,id=token,required=true "
              "cat /run/secrets/token | tr a-z A-Z > /proof && printf '%s' \"$WHO\" > /who\n"
              "FROM base\nRUN exit 1\n");
    ASSERT_TRUE(result) << result.error().error.message << "\n" << output;
    EXPECT_TRUE(result->image_id.starts_with("sha256:"));
    EXPECT_EQ(result->steps, 4);
    auto image = engine->inspect_image(tag);
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->id, result->image_id);
    EXPECT_EQ(image->labels.at("loco-test"), "build");
    EXPECT_EQ(file("/proof").value_or(""), "HUSH");
    EXPECT_EQ(file("/who").value_or(""), "loco, \"x\" $HOME");
    EXPECT_EQ(file("/src/app.txt").value_or(""), "content");
    EXPECT_FALSE(file("/src/n\xC3\xA4me, \"q\".txt"));
    EXPECT_EQ(output.find("hush"), std::string::npos);
    EXPECT_TRUE(std::ranges::any_of(
        events, [](const auto& e) { return e.second.starts_with("[wanted 1/2] COPY"); }));

    auto again = build(std::string(kBase) + "FROM base AS wanted\nARG WHO\nCOPY app.txt /src/\n");
    ASSERT_TRUE(again);
    EXPECT_EQ(again->steps, 3);
    EXPECT_GE(again->cached, 2);
}

TEST_F(DockerBuilderContract, an_unchanged_folder_builds_from_the_cache_to_the_same_image) {
    folder.write("src/a", "a");
    const std::string dockerfile = std::string(kBase) + "COPY src /src\nRUN echo made > /made\n";
    auto first = build(dockerfile);
    ASSERT_TRUE(first) << first.error().error.message;
    auto second = build(dockerfile);
    ASSERT_TRUE(second) << second.error().error.message;
    EXPECT_EQ(second->cached, second->steps);
    EXPECT_EQ(second->image_id, first->image_id);
}

TEST_F(DockerBuilderContract, tells_the_failing_instruction_its_line_and_its_last_lines) {
    const BuildFailure failure = failed(std::string(kBase) +
                                        "\n# and now\nRUN echo first && \\\n    seq 1 30 && \\\n"
                                        "    echo boom && \\\n    exit 42\nRUN echo never\n");
    EXPECT_EQ(failure.error.kind, ErrorKind::build_failed);
    EXPECT_EQ(failure.error.code, "build_step_failed");
    EXPECT_EQ(failure.line, 6);
    EXPECT_EQ(failure.exit_code, 42);
    EXPECT_TRUE(failure.instruction.starts_with("RUN echo first &&")) << failure.instruction;
    ASSERT_EQ(failure.tail.size(), 20U);
    EXPECT_EQ(failure.tail.back(), "boom");
    EXPECT_NE(output.find("first"), std::string::npos);
}

TEST_F(DockerBuilderContract, secrets_and_git_do_not_reach_the_image) {
    for (const char* path :
         {".env", "sub/.env.production", ".git/config", "id_rsa", "tls/server.key"}) {
        folder.write(path, "canary-4711");
    }
    folder.write("sub/app.txt", "fine");
    ContextSummary summary;
    folder.write("Dockerfile",
                 std::string(kBase) +
                     "COPY . /src\nRUN if grep -r canary-471[1] /src; then exit 1; fi; "
                     "ls -A /src /src/sub > /list\n");
    auto result =
        builder->build(request, {.on_context = [&](const ContextSummary& s) { summary = s; }});
    ASSERT_TRUE(result) << result.error().error.message;
    const std::string list = file("/list").value_or("");
    EXPECT_NE(list.find("app.txt"), std::string::npos);
    EXPECT_EQ(list.find(".env"), std::string::npos) << list;
    EXPECT_EQ(list.find(".git"), std::string::npos) << list;
    EXPECT_EQ(summary.left_out.size(), 5U);
}

TEST_F(DockerBuilderContract, a_program_of_another_cpu_is_told_as_such) {
    folder.write("sh", arm_program());
    fs::permissions(folder.path() / "sh", fs::perms(0755));
    request.platform = "linux/arm64";
    auto version = engine->version();
    ASSERT_TRUE(version);
    if (version->arch == "arm64") GTEST_SKIP() << "this machine runs arm64 programs";
    const BuildFailure failure = failed("FROM scratch\nCOPY sh /bin/sh\nRUN echo cross\n");
    EXPECT_EQ(failure.error.kind, ErrorKind::build_failed);
    EXPECT_EQ(failure.error.code, "build_wrong_platform") << output;
    EXPECT_EQ(failure.line, 3);
    EXPECT_NE(failure.error.message.find("linux/arm64"), std::string::npos);
    EXPECT_FALSE(failure.error.next_steps.empty());
}

TEST_F(DockerBuilderContract, a_failing_step_for_another_platform_fails_with_its_line) {
    request.platform = "linux/arm64";
    const BuildFailure failure = failed(std::string(kBase) + "RUN exit 9\n");
    EXPECT_EQ(failure.error.code, "build_step_failed") << output;
    EXPECT_EQ(failure.line, 4);
    EXPECT_EQ(failure.exit_code, 9);
}

TEST_F(DockerBuilderContract, a_copy_of_what_is_ignored_names_the_rule) {
    folder.write(".dockerignore", "# generated\n*.txt\n");
    folder.write("notes.txt");
    const BuildFailure failure = failed(std::string(kBase) + "COPY notes.txt /\n");
    EXPECT_EQ(failure.error.code, "build_copy_missing") << output;
    EXPECT_EQ(failure.line, 4);
    EXPECT_EQ(failure.error.hint, ".dockerignore line 2 (`*.txt`) leaves notes.txt out");
}

TEST_F(DockerBuilderContract, what_is_wrong_with_a_dockerfile_is_told_with_its_line) {
    const BuildFailure syntax = failed(std::string(kBase) + "COPPY a b\n");
    EXPECT_EQ(syntax.error.code, "dockerfile_invalid") << output;
    EXPECT_EQ(syntax.line, 4);
    request.target = "nope";
    const BuildFailure target = failed(kBase);
    EXPECT_EQ(target.error.code, "build_no_stage") << output;
    EXPECT_NE(target.error.hint.find("base"), std::string::npos);
    request.target = "";
    EXPECT_EQ(failed("# nothing\n").error.code, "dockerfile_invalid") << output;
    const BuildFailure shell = failed("FROM scratch\nCOPY busybox /x\nRUN echo hi\n");
    EXPECT_EQ(shell.error.code, "build_no_shell") << output;
    EXPECT_EQ(shell.line, 3);
    const BuildFailure image = failed("FROM 127.0.0.1:1/loco-test/none:1\n");
    EXPECT_EQ(image.error.code, "build_base_image") << output;
    EXPECT_EQ(image.line, 1);
    fs::remove(folder.path() / "Dockerfile");
    auto none = builder->build(request, {});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().error.code, "no_dockerfile");
}

TEST_F(DockerBuilderContract, can_be_cancelled_in_the_middle) {
    cancel = [](const std::string& text) { return text.find("sleeping") != std::string::npos; };
    const auto begin = std::chrono::steady_clock::now();
    const BuildFailure failure =
        failed(std::string(kBase) + "RUN date +%N; echo sleeping; sleep 300\n");
    EXPECT_EQ(failure.error.kind, ErrorKind::interrupted) << failure.error.message;
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

TEST_F(DockerBuilderContract, without_a_daemon_it_is_unavailable) {
    auto nobody = DockerBuilder::find("/nonexistent/docker.sock");
    ASSERT_TRUE(nobody);
    folder.write("Dockerfile", kBase);
    auto result = nobody->build(request, {});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().error.kind, ErrorKind::unavailable);
    EXPECT_FALSE(result.error().error.hint.empty());
}

}  // namespace
}  // namespace loco::build
