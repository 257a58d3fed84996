// What a failed build failed of, from what BuildKit printed. Codes of the errors:
//   build_step_failed      a RUN ended with an exit status
//   build_wrong_platform   a program of another CPU cannot run here
//   build_no_shell         RUN in its shell form in an image without /bin/sh
//   build_copy_missing     COPY or ADD of what is not in the context
//   build_base_image       an image in FROM or COPY --from cannot be had
//   build_fetch            ADD of a URL failed
//   build_no_stage         build.target names no stage
//   build_secret_missing   RUN --mount=type=secret of what loco.toml does not name
//   dockerfile_invalid     syntax
//   build_failed           anything else, in BuildKit's words
#pragma once

#include "build/builder.hpp"
#include "build/dockerfile.hpp"

namespace loco::build {

struct Evidence {
    const BuildRequest& request;
    const Context& context;
    const Dockerfile& dockerfile;
    const PlainProgress& progress;
    std::string machine;  // the engine's "linux/amd64"
};

[[nodiscard]] BuildFailure diagnose(const Evidence& evidence);

}  // namespace loco::build
