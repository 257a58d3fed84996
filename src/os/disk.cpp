#include "os/disk.hpp"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <set>

namespace loco::os {
namespace {

constexpr std::int64_t kStatBlock = 512;  // of st_blocks, whatever st_blksize says

}  // namespace

Result<FileSystem> file_system_of(const std::filesystem::path& folder) {
    struct stat info{};
    struct statvfs space{};
    if (::stat(folder.c_str(), &info) != 0 || ::statvfs(folder.c_str(), &space) != 0)
        return fail_errno(errno, "look at the disk of " + folder.string());
    const auto block = static_cast<std::int64_t>(space.f_frsize);
    return FileSystem{.device = info.st_dev,
                      .total_bytes = static_cast<std::int64_t>(space.f_blocks) * block,
                      .free_bytes = static_cast<std::int64_t>(space.f_bavail) * block,
                      .total_inodes = static_cast<std::int64_t>(space.f_files),
                      .free_inodes = static_cast<std::int64_t>(space.f_favail)};
}

std::int64_t bytes_below(const std::filesystem::path& folder, std::size_t most_files) {
    using Walk = std::filesystem::recursive_directory_iterator;
    std::int64_t sum = 0;
    std::size_t seen = 0;
    std::set<std::pair<dev_t, ino_t>> several;  // files with more than one name
    std::error_code error;
    Walk walk(folder, std::filesystem::directory_options::skip_permission_denied, error);
    for (; !error && walk != Walk() && seen < most_files; walk.increment(error), ++seen) {
        struct stat info{};
        if (::lstat(walk->path().c_str(), &info) != 0) continue;  // gone since
        if (info.st_nlink > 1 && !S_ISDIR(info.st_mode) &&
            !several.emplace(info.st_dev, info.st_ino).second)
            continue;
        sum += info.st_blocks * kStatBlock;
    }
    return sum;
}

}  // namespace loco::os
