// The functions of libgit2 that Loco calls (base/on_demand.hpp).
#include <git2.h>
#include <git2/sys/repository.h>

#include <cstdarg>

#include "base/on_demand.hpp"

namespace {

const loco::OnDemand& library() {
    static const loco::OnDemand kLibrary("libgit2.so." LOCO_GIT2_VERSION,
                                         "libgit2-" LOCO_GIT2_VERSION);
    return kLibrary;
}

}  // namespace

#define REAL(function) LOCO_FORWARD(library, function)

extern "C" {

int git_libgit2_init() { return REAL(git_libgit2_init)(); }
int git_libgit2_shutdown() { return REAL(git_libgit2_shutdown)(); }
const git_error* git_error_last() { return REAL(git_error_last)(); }
int git_repository_new(git_repository** repository) { return REAL(git_repository_new)(repository); }
void git_repository_free(git_repository* repository) { REAL(git_repository_free)(repository); }
int git_repository_set_config(git_repository* repository, git_config* config) {
    return REAL(git_repository_set_config)(repository, config);
}
int git_repository_set_workdir(git_repository* repository, const char* folder, int update_gitlink) {
    return REAL(git_repository_set_workdir)(repository, folder, update_gitlink);
}
int git_config_new(git_config** config) { return REAL(git_config_new)(config); }
void git_config_free(git_config* config) { REAL(git_config_free)(config); }
int git_ignore_path_is_ignored(int* ignored, git_repository* repository, const char* path) {
    return REAL(git_ignore_path_is_ignored)(ignored, repository, path);
}

// Called with GIT_OPT_SET_SEARCH_PATH only: a level and a path.
int git_libgit2_opts(int option, ...) {
    va_list arguments;
    va_start(arguments, option);
    const int level = va_arg(arguments, int);
    const char* const path = va_arg(arguments, const char*);
    va_end(arguments);
    return REAL(git_libgit2_opts)(option, level, path);
}

}  // extern "C"
