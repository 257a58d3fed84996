// The build context: what of a folder goes into a build, and the tar of it. What goes in is decided by
// DOCKERFILE.dockerignore, else .dockerignore, else .gitignore; secrets never go in unless a pattern without
// wildcards names them (`!config/.env`); the Dockerfile always does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "build/guard.hpp"

namespace loco::build {

// What a context may have where nobody says otherwise.
inline constexpr std::uint64_t kMaxContext = 8ULL << 30;

struct PackRequest {
    std::filesystem::path context;                         // a folder
    std::filesystem::path dockerfile;                      // may lie outside the context
    std::vector<std::filesystem::path> secret_files = {};  // never packed: given as secret mounts
    std::uint64_t max_bytes = kMaxContext;
    std::size_t max_entries = 500'000;
    std::function<bool()> cancelled = {};
};

struct Offender {
    std::string path;  // a folder's ends in '/'
    std::uint64_t bytes = 0;
};

struct LeftOut {
    std::string path;
    std::string why;  // "an environment file", "a socket"
};

// Above this it is worth telling what is large.
inline constexpr std::uint64_t kLargeContext = 50ULL << 20;

struct ContextSummary {
    std::size_t files = 0;
    std::uint64_t bytes = 0;        // of the files' contents
    std::string ignore_file;        // that decided; empty: none
    std::vector<Offender> largest;  // at most 8, the largest first
    std::vector<LeftOut> left_out;  // not because of ignore_file; at most 100
};

class Context {
  public:
    // invalid: no such folder or Dockerfile, or a malformed ignore file; too_large beyond the limits;
    // forbidden for what cannot be read.
    [[nodiscard]] static Result<Context> scan(const PackRequest& request);
    Context(Context&&) noexcept;
    Context& operator=(Context&&) noexcept;
    ~Context();

    [[nodiscard]] const ContextSummary& summary() const;
    [[nodiscard]] const std::string& dockerfile_name() const;  // in the tar
    [[nodiscard]] const std::string& dockerfile_text() const;

    // The paths in the tar, in its order; folders end in '/'.
    [[nodiscard]] std::vector<std::string> paths() const;
    // The tar in chunks, then an empty one; os::RunOptions::input. Sorted, uid and gid 0, modes and times
    // (whole seconds) kept. conflict when a file changes while it is read. Must not outlive the Context.
    [[nodiscard]] std::function<Result<std::string>()> stream() const;

    // Why `path` (relative to the context) is not in the tar: "`.dockerignore` line 3 (`*.txt`) leaves it
    // out"; nothing when it is there or does not exist.
    [[nodiscard]] std::optional<std::string> why_left_out(const std::string& path) const;

    struct Impl;

  private:
    explicit Context(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace loco::build
