// Files, with the two habits that a crash demands: a file is replaced as a whole or not at all, and what
// was acknowledged is on disk.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace loco::os {

// The whole file; too_large beyond max_bytes, not_found where there is none.
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& path,
                                            std::size_t max_bytes = 16U << 20);

// Writes a temporary file beside it, fsyncs it, renames it over `path`, fsyncs the folder.
[[nodiscard]] Result<> write_file_atomically(const std::filesystem::path& path,
                                             std::string_view contents, mode_t mode = 0644);

// Whether there is something of that name; forbidden where this user may not look.
[[nodiscard]] Result<bool> exists(const std::filesystem::path& path);

// Whether a file that somebody else keeps for us, a mounted Secret, is fit to hold a key: regular once links are followed,
// root's or ours, writable by its owner alone, readable by our group at most. forbidden with what is wrong.
[[nodiscard]] Result<> check_kept_key(const std::filesystem::path& path);
[[nodiscard]] Result<> make_directories(const std::filesystem::path& path, mode_t mode = 0755);

// An advisory lock (flock) held while the object lives; the kernel lets go when the process dies.
class FileLock {
  public:
    // conflict at once when another process holds it; the file then names that process's id.
    [[nodiscard]] static Result<FileLock> acquire(const std::filesystem::path& path);
    FileLock(FileLock&& other) noexcept;
    FileLock& operator=(FileLock&& other) noexcept;
    ~FileLock();

  private:
    explicit FileLock(int fd) : fd_(fd) {}
    int fd_ = -1;
};

}  // namespace loco::os
