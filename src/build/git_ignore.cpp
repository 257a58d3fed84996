#include "build/git_ignore.hpp"

#include <git2.h>
#include <git2/sys/repository.h>

namespace loco::build {
namespace {

namespace fs = std::filesystem;

struct Library {
    Library() {
        git_libgit2_init();
        for (const int level : {GIT_CONFIG_LEVEL_PROGRAMDATA, GIT_CONFIG_LEVEL_SYSTEM,
                                GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL}) {
            git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "");
        }
    }
    ~Library() { git_libgit2_shutdown(); }
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;
};

std::unexpected<Error> git_failure(const std::string& what) {
    const git_error* last = git_error_last();
    return fail(ErrorKind::internal,
                what + ": " + (last == nullptr ? "libgit2 gives no reason" : last->message));
}

// The nearest folder at or above `context` that holds a .git; the context itself when there is none.
fs::path root_of(const fs::path& context) {
    std::error_code error;
    for (fs::path at = context;; at = at.parent_path()) {
        if (fs::exists(at / ".git", error)) return at;
        if (at == at.root_path()) return context;
    }
}

// Folders that can hold no rules of this project are not searched.
bool any_inside(const fs::path& folder) {
    std::error_code error;
    constexpr auto kOptions = fs::directory_options::skip_permission_denied;
    for (fs::recursive_directory_iterator it(folder, kOptions, error), end; !error && it != end;
         it.increment(error)) {
        const auto name = it->path().filename();
        if (name == ".gitignore") return true;
        if (name == ".git" || name == "node_modules" || it.depth() > 16) {
            it.disable_recursion_pending();
        }
    }
    return false;
}

}  // namespace

void GitIgnore::Close::operator()(git_repository* repository) const {
    git_repository_free(repository);
}

Result<std::optional<GitIgnore>> GitIgnore::find(const fs::path& context) {
    const fs::path root = root_of(context);
    std::error_code error;
    bool any = false;
    for (fs::path at = context; at != root && !any; at = at.parent_path()) {
        any = fs::exists(at / ".gitignore", error);
    }
    if (!any && !fs::exists(root / ".gitignore", error) && !any_inside(context)) {
        return std::nullopt;
    }
    static const Library library;
    git_repository* repository = nullptr;
    git_config* config = nullptr;
    if (git_repository_new(&repository) != 0) return git_failure("read .gitignore");
    GitIgnore rules(repository, fs::relative(context, root, error).generic_string() + "/");
    if (rules.prefix_ == "./") rules.prefix_.clear();
    if (git_config_new(&config) != 0) return git_failure("read .gitignore");
    const int configured = git_repository_set_config(repository, config);
    git_config_free(config);
    if (configured != 0 ||
        git_repository_set_workdir(repository, root.c_str(), /*update_gitlink=*/0) != 0) {
        return git_failure("read .gitignore");
    }
    return std::optional<GitIgnore>(std::move(rules));
}

Result<bool> GitIgnore::ignored(const std::string& path, bool folder) const {
    int result = 0;
    const std::string full = prefix_ + path + (folder ? "/" : "");
    if (git_ignore_path_is_ignored(&result, repository_.get(), full.c_str()) != 0) {
        return git_failure("ask .gitignore about " + path);
    }
    return result != 0;
}

}  // namespace loco::build
