// What failed builds are told as. The outputs are BuildKit's own: of Docker 20.10 as recorded, of Docker 27 in
// its form.
#include "build/diagnose.hpp"

#include <gtest/gtest.h>

#include "tests/unit/build/folder.hpp"

namespace loco::build {
namespace {

struct Told {
    const char* name;
    std::string_view dockerfile;
    std::string_view output;
    const char* code;
    int line;
    const char* message;  // part of it
    const char* hint;     // part of it
    const char* target = "";
    const char* platform = "";
};

class Diagnose : public testing::TestWithParam<Told> {};

TEST_P(Diagnose, names_cause_line_and_what_to_do) {
    const Told& told = GetParam();
    Folder folder;
    folder.write("Dockerfile", std::string(told.dockerfile));
    folder.write(".dockerignore", "*.log\n");
    folder.write("app.log");
    folder.write(".env");
    const BuildRequest request{.context = folder.path(),
                               .dockerfile = folder.path() / "Dockerfile",
                               .target = told.target,
                               .platform = told.platform};
    auto context = Context::scan({.context = request.context, .dockerfile = request.dockerfile});
    ASSERT_TRUE(context);
    PlainProgress progress;
    progress.feed(told.output);
    progress.finish();
    const Dockerfile dockerfile = parse_dockerfile(told.dockerfile);
    const BuildFailure failure = diagnose({.request = request,
                                           .context = *context,
                                           .dockerfile = dockerfile,
                                           .progress = progress,
                                           .machine = "linux/amd64"});
    EXPECT_EQ(failure.error.code, told.code) << failure.error.message;
    EXPECT_EQ(failure.line, told.line) << failure.error.message;
    EXPECT_NE(failure.error.message.find(told.message), std::string::npos) << failure.error.message;
    EXPECT_NE(failure.error.hint.find(told.hint), std::string::npos) << failure.error.hint;
    EXPECT_TRUE(failure.error.kind == ErrorKind::build_failed ||
                failure.error.kind == ErrorKind::unavailable);
}

INSTANTIATE_TEST_SUITE_P(
    recorded, Diagnose,
    testing::Values(
        Told{.name = "step",
             .dockerfile = "FROM scratch\nCOPY a /a\nRUN one\nRUN echo failing >&2; exit 7\n",
             .output =
                 "#7 [3/3] RUN echo failing >&2; exit 7\n#7 0.307 failing\n"
                 "#7 ERROR: executor failed running [/bin/sh -c echo failing >&2; exit 7]: exit "
                 "code: 7\n"
                 "------\n > [3/3] RUN echo failing >&2; exit 7:\n------\n"
                 "executor failed running [/bin/sh -c echo failing >&2; exit 7]: exit code: 7\n",
             .code = "build_step_failed",
             .line = 4,
             .message = "Dockerfile line 4: RUN echo failing >&2; exit 7 ended with exit code 7",
             .hint = ""},
        Told{.name = "step_27",
             .dockerfile = "FROM scratch\nRUN npm ci\n",
             .output = "#5 [2/2] RUN npm ci\n#5 0.2 x\n#5 0.307 /bin/sh: npm: not found\n"
                       "#5 ERROR: process \"/bin/sh -c npm ci\" did not complete successfully: "
                       "exit code: 127\n"
                       "------\n > [2/2] RUN npm ci:\n0.307 /bin/sh: npm: not found\n------\n"
                       "Dockerfile:2\n--------------------\n   1 |     FROM scratch\n   2 | >>> "
                       "RUN npm ci\n"
                       "--------------------\nERROR: failed to solve: process \"/bin/sh -c npm "
                       "ci\" did not complete "
                       "successfully: exit code: 127\n",
             .code = "build_step_failed",
             .line = 2,
             .message = "exit code 127",
             .hint = "no such command"},
        Told{.name = "copy_ignored",
             .dockerfile = "FROM scratch\nCOPY app.log /x\n",
             .output =
                 "#3 [1/1] COPY app.log /x\n#3 ERROR: \"/app.log\" not found: not found\n------\n"
                 " > [1/1] COPY app.log /x:\n------\nfailed to compute cache key: \"/app.log\" not "
                 "found: not found\n",
             .code = "build_copy_missing",
             .line = 2,
             .message = "\"app.log\" is not in the build context",
             .hint = ".dockerignore line 1 (`*.log`) leaves app.log out"},
        Told{.name = "copy_secret",
             .dockerfile = "FROM scratch\nCOPY .env /x\n",
             .output = "#3 [1/1] COPY .env /x\n#3 ERROR: failed to calculate checksum of ref a::b: "
                       "\"/.env\": not found\n"
                       "ERROR: failed to solve: failed to compute cache key: failed to calculate "
                       "checksum of ref a::b: \"/.env\": not found\n",
             .code = "build_copy_missing",
             .line = 2,
             .message = "\".env\" is not in the build context",
             .hint = "`!.env`"},
        Told{.name = "copy_nowhere",
             .dockerfile = "FROM scratch\nCOPY missing.txt /x\n",
             .output = "#3 [1/1] COPY missing.txt /x\n#3 ERROR: \"/missing.txt\" not found: not "
                       "found\n------\n",
             .code = "build_copy_missing",
             .line = 2,
             .message = "missing.txt",
             .hint = "does not exist in"},
        Told{.name = "copy_from_stage",
             .dockerfile = "FROM scratch AS a\nFROM scratch\nCOPY --from=a /out /out\n",
             .output = "#3 [stage-1 1/1] COPY --from=a /out /out\n#3 ERROR: \"/out\" not found: "
                       "not found\n------\n",
             .code = "build_copy_missing",
             .line = 3,
             .message = "\"/out\" is not in the stage",
             .hint = ""},
        Told{.name = "no_network",
             .dockerfile = "ARG A=1\nFROM debian:nosuchtag\nRUN x\n",
             .output =
                 "#3 [internal] load metadata for docker.io/library/debian:nosuchtag\n"
                 "#3 ERROR: failed to do request: Head "
                 "\"https://registry-1.docker.io/v2/library/debian/manifests/"
                 "nosuchtag\": dial tcp: lookup registry-1.docker.io on 10.0.0.1:53: no such "
                 "host\n------\n"
                 " > [internal] load metadata for docker.io/library/debian:nosuchtag:\n------\n"
                 "failed to solve with frontend dockerfile.v0: failed to create LLB definition: "
                 "failed to do request\n",
             .code = "build_base_image",
             .line = 2,
             .message = "the image docker.io/library/debian:nosuchtag cannot be had",
             .hint = "cannot reach that registry"},
        Told{.name = "no_such_image",
             .dockerfile = "FROM nosuch/image\n",
             .output = "#2 [internal] load metadata for docker.io/nosuch/image:latest\n#2 ERROR: "
                       "pull access denied, "
                       "repository does not exist or may require authorization: server message: "
                       "insufficient_scope: "
                       "authorization failed\n",
             .code = "build_base_image",
             .line = 1,
             .message = "docker.io/nosuch/image:latest",
             .hint = "docker login"},
        Told{.name = "no_stage_to_copy_from",
             .dockerfile = "FROM scratch AS a\nCOPY --from=nostage /a /b\n",
             .output = "#3 FROM docker.io/library/nostage:latest\n#3 resolve "
                       "docker.io/library/nostage:latest done\n"
                       "#3 ERROR: failed to do request: Head "
                       "\"https://registry-1.docker.io/v2/library/nostage/manifests/"
                       "latest\": dial tcp: lookup registry-1.docker.io: no such host\n------\n",
             .code = "build_base_image",
             .line = 2,
             .message = "nostage",
             .hint = "no stage has that name"},
        Told{.name = "frontend",
             .dockerfile = "# syntax=docker/dockerfile:1\nFROM scratch\n",
             .output = "#3 resolve image config for docker.io/docker/dockerfile:1\n#3 ERROR: "
                       "failed to do request: Head "
                       "\"https://registry-1.docker.io/v2/\": dial tcp: lookup "
                       "registry-1.docker.io: no such host\n",
             .code = "build_base_image",
             .line = 1,
             .message = "# syntax=docker/dockerfile:1",
             .hint = "cannot reach"},
        Told{.name = "unknown_instruction",
             .dockerfile = "FROM scratch\nCOPPY a b\n",
             .output = "#2 copy /context /\n#2 CACHED\nfailed to solve with frontend "
                       "dockerfile.v0: failed to create LLB "
                       "definition: dockerfile parse error line 2: unknown instruction: COPPY\n",
             .code = "dockerfile_invalid",
             .line = 2,
             .message = "Dockerfile line 2: unknown instruction: COPPY",
             .hint = ""},
        Told{.name = "unknown_instruction_27",
             .dockerfile = "FROM scratch\nCOPPY a b\n",
             .output = "Dockerfile:2\n--------------------\n   2 | >>> COPPY a "
                       "b\n--------------------\nERROR: failed to "
                       "build: failed to solve: dockerfile parse error on line 2: unknown "
                       "instruction: COPPY (did you mean COPY?)\n",
             .code = "dockerfile_invalid",
             .line = 2,
             .message = "did you mean COPY?",
             .hint = ""},
        Told{.name = "old_heredoc",
             .dockerfile = "FROM scratch\nCOPY a /a\nRUN <<EOF\necho hi\nEOF\n",
             .output = "failed to solve with frontend dockerfile.v0: failed to create LLB "
                       "definition: dockerfile parse "
                       "error line 4: unknown instruction: ECHO\n",
             .code = "dockerfile_invalid",
             .line = 3,
             .message = "unknown instruction: ECHO",
             .hint = "here-document of line 3"},
        Told{.name = "empty",
             .dockerfile = "",
             .output = "failed to solve with frontend dockerfile.v0: failed to create LLB "
                       "definition: the Dockerfile cannot be empty\n",
             .code = "dockerfile_invalid",
             .line = 0,
             .message = "Dockerfile: the Dockerfile cannot be empty",
             .hint = "starts with FROM"},
        Told{.name = "target",
             .dockerfile = "FROM scratch AS one\nFROM one AS two\n",
             .output = "failed to solve with frontend dockerfile.v0: failed to create LLB "
                       "definition: target stage nope could not be found\n",
             .code = "build_no_stage",
             .line = 0,
             .message = "no stage \"nope\"",
             .hint = "one, two",
             .target = "nope"},
        Told{.name = "cross",
             .dockerfile = "FROM scratch\nCOPY sh /bin/sh\nRUN echo cross\n",
             .output = "#5 [2/2] RUN echo cross\n#5 0.441 exec /bin/sh: exec format error\n#5 "
                       "ERROR: executor failed running "
                       "[/bin/sh -c echo cross]: exit code: 1\n------\n",
             .code = "build_wrong_platform",
             .line = 3,
             .message =
                 "the build is for linux/arm64, this machine is linux/amd64 (exec format error)",
             .hint = "emulator",
             .platform = "linux/arm64"},
        Told{.name = "no_shell",
             .dockerfile = "FROM scratch\nRUN echo hi\n",
             .output = "#4 [1/1] RUN echo hi\n#4 0.281 runc run failed: unable to start container "
                       "process: exec: \"/bin/sh\": "
                       "stat /bin/sh: no such file or directory\n#4 ERROR: executor failed running "
                       "[/bin/sh -c echo hi]: exit code: 1\n",
             .code = "build_no_shell",
             .line = 2,
             .message = "no /bin/sh",
             .hint = "RUN [\"/program\""},
        Told{.name = "secret",
             .dockerfile =
                 "FROM scratch\nRUN --mount=type=secret,id=t,required=true cat /run/secrets/t\n",
             .output = "#5 [1/1] RUN --mount=type=secret,id=t,required=true cat /run/secrets/t\n#5 "
                       "ERROR: secret t not found: not found\n",
             .code = "build_secret_missing",
             .line = 2,
             .message = "it mounts the secret \"t\"",
             .hint = "secrets = {"},
        Told{.name = "fetch",
             .dockerfile = "FROM scratch AS a\nADD http://127.0.0.1:1/x /x\n",
             .output = "#4 http://127.0.0.1:1/x\n#4 ERROR: Get \"http://127.0.0.1:1/x\": dial tcp "
                       "127.0.0.1:1: connect: connection refused\n",
             .code = "build_fetch",
             .line = 2,
             .message = "connection refused",
             .hint = ""},
        Told{.name = "disk",
             .dockerfile = "FROM scratch\nRUN big\n",
             .output = "#4 [1/1] RUN big\n#4 1.000 write /x: no space left on device\n#4 ERROR: "
                       "executor failed: exit code: 1\n",
             .code = "engine_disk_full",
             .line = 2,
             .message = "the disk is full",
             .hint = "free some disk"},
        Told{.name = "unknown",
             .dockerfile = "FROM scratch\n",
             .output = "ERROR: failed to solve: something new\n",
             .code = "build_failed",
             .line = 0,
             .message = "the build failed: something new",
             .hint = ""},
        Told{.name = "silent",
             .dockerfile = "FROM scratch\n",
             .output = "",
             .code = "build_failed",
             .line = 0,
             .message = "the build failed",
             .hint = ""}),
    [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace loco::build
