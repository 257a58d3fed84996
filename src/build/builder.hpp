// Builders: from a folder with a Dockerfile to an image in the local container engine. The port, and
// DockerBuilder, which runs the docker command with BuildKit.
#pragma once

#include <expected>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "build/pack.hpp"
#include "build/progress.hpp"

namespace loco::build {

struct BuildRequest {
    std::filesystem::path context;
    std::filesystem::path dockerfile;  // as the caller found it, not relative to the context
    std::string target = {};           // a stage; empty: the last
    std::string platform = {};         // "linux/arm64"; empty: the engine's
    std::map<std::string, std::string> args = {};  // seen in the process list: no secrets
    std::map<std::string, std::filesystem::path> secrets = {};  // id → file
    std::vector<std::string> tags = {};
    std::map<std::string, std::string> labels = {};
    std::uint64_t max_context_bytes = kMaxContext;
    bool pull = false;  // ask for newer base images
    bool no_cache = false;
};

struct BuildHooks {
    std::function<void(const ContextSummary&)> on_context = {};  // once, before anything is sent
    std::function<void(const StepEvent&)> on_event = {};
    std::function<void(std::string_view)> on_output = {};  // all that the builder writes, unchanged
    std::function<bool()> cancelled = {};                  // asked at least every 100 ms
};

struct BuildResult {
    std::string image_id;  // "sha256:…"
    ContextSummary context;
    int steps = 0;   // of the Dockerfile
    int cached = 0;  // of these
    double seconds = 0;
};

// Why there is no image. `error` says it all in words; the rest is for showing it well, and empty where the
// failure has no such part.
struct BuildFailure {
    Error error;
    std::string dockerfile;         // its name in the context
    int line = 0;                   // of the instruction, from 1; 0: not known
    std::string instruction;        // as the Dockerfile has it, on one line, at most 400 bytes
    int exit_code = 0;              // of the RUN's command
    std::vector<std::string> tail;  // the step's last output lines, at most 20
};

class Builder {
  public:
    virtual ~Builder() = default;
    // Kinds of errors: build_failed (codes in diagnose.hpp), invalid (context, Dockerfile, ignore file),
    // unavailable (no engine, no disk), interrupted, too_large.
    [[nodiscard]] virtual std::expected<BuildResult, BuildFailure> build(
        const BuildRequest& request, const BuildHooks& hooks) = 0;
};

class DockerBuilder final : public Builder {
  public:
    // Looks for a docker command that can build with BuildKit: /usr/bin/docker, then PATH. `socket` as from
    // engine::find_socket. unavailable, with what to install, when there is none.
    [[nodiscard]] static Result<DockerBuilder> find(std::string socket);

    [[nodiscard]] std::expected<BuildResult, BuildFailure> build(const BuildRequest& request,
                                                                 const BuildHooks& hooks) override;

    [[nodiscard]] const std::string& program() const { return program_; }

  private:
    DockerBuilder(std::string program, std::string socket, bool buildx)
        : program_(std::move(program)), socket_(std::move(socket)), buildx_(buildx) {}

    std::string program_;
    std::string socket_;
    bool buildx_;  // Docker 23 and newer: `docker build` is buildx
};

}  // namespace loco::build
