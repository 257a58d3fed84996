// .gitignore, nested ones and those of the folders above up to the repository's root included (libgit2).
// What the user's own git configuration ignores does not count: a build must not depend on who runs it.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/error.hpp"

struct git_repository;

namespace loco::build {

class GitIgnore {
  public:
    // Nothing when there is no .gitignore that could say anything about what is in `context`.
    [[nodiscard]] static Result<std::optional<GitIgnore>> find(
        const std::filesystem::path& context);

    // `path` is relative to the context. A path below an ignored folder is ignored.
    [[nodiscard]] Result<bool> ignored(const std::string& path, bool folder) const;

  private:
    struct Close {
        void operator()(git_repository* repository) const;
    };
    GitIgnore(git_repository* repository, std::string prefix)
        : repository_(repository), prefix_(std::move(prefix)) {}

    std::unique_ptr<git_repository, Close> repository_;  // in memory only, to hold the work folder
    std::string prefix_;  // the context within the repository: "" or "a/b/"
};

}  // namespace loco::build
