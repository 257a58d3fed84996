// Files, with the two habits that a crash demands: a file is replaced as a whole or not at all, and what
// was acknowledged is on disk.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace loco::os {

// The whole file; too_large beyond max_bytes, not_found where there is none.
[[nodiscard]] Result<std::string> read_file(const std::filesystem::path& path,
                                            std::size_t max_bytes = 16U << 20);

// Writes a temporary file beside it, fsyncs it, renames it over `path`: whoever opens it finds the former file or this one, whole. After a
// power failure the former may be there again, which is for what can be made anew.
[[nodiscard]] Result<> replace_file(const std::filesystem::path& path, std::string_view contents,
                                    mode_t mode = 0644);

// The same, and fsyncs the folder: this one stays.
[[nodiscard]] Result<> write_file_atomically(const std::filesystem::path& path,
                                             std::string_view contents, mode_t mode = 0644);

// Whether there is something of that name; forbidden where this user may not look.
[[nodiscard]] Result<bool> exists(const std::filesystem::path& path);

// Whether a file that somebody else keeps for us, a mounted Secret, is fit to hold a key: regular once links are followed,
// root's or ours, writable by its owner alone, readable by our group at most. forbidden with what is wrong.
[[nodiscard]] Result<> check_kept_key(const std::filesystem::path& path);
[[nodiscard]] Result<> make_directories(const std::filesystem::path& path, mode_t mode = 0755);

// The folder's entries, made, renamed or removed before, are on disk.
[[nodiscard]] Result<> sync_directory(const std::filesystem::path& path);

// A file that is read piece by piece.
class InputFile {
  public:
    // invalid for what is no regular file.
    [[nodiscard]] static Result<InputFile> open(const std::filesystem::path& path);
    InputFile(InputFile&& other) noexcept;
    InputFile& operator=(InputFile&&) = delete;
    ~InputFile();
    [[nodiscard]] std::int64_t size() const { return size_; }  // when it was opened
    // At most so many bytes; empty at the end.
    [[nodiscard]] Result<std::string> next(std::size_t max);

  private:
    InputFile(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
    int fd_ = -1;
    std::string name_;
    std::int64_t size_ = 0;
};

// A file that was not there before (nor a link), written piece by piece; gone again unless finish() was called.
class NewFile {
  public:
    [[nodiscard]] static Result<NewFile> create(const std::filesystem::path& path, mode_t mode);
    NewFile(NewFile&& other) noexcept;
    NewFile& operator=(NewFile&&) = delete;
    ~NewFile();
    // unavailable (code no_space) where there is no room.
    [[nodiscard]] Result<> write(std::string_view data);
    [[nodiscard]] Result<> finish();  // on disk; its folder's entry is not, see sync_directory

  private:
    NewFile(int fd, std::filesystem::path path) : fd_(fd), path_(std::move(path)) {}
    int fd_ = -1;
    std::filesystem::path path_;
};

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
