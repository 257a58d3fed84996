#include "platform/log_rotation.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/log.hpp"

namespace loco::platform {
namespace {

constexpr auto kLookEvery = std::chrono::seconds(1);
constexpr std::size_t kChunk = 64U << 10;

class File {
  public:
    File(const std::filesystem::path& path, int flags)
        : fd_(::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600)) {}
    ~File() {
        if (fd_ >= 0) ::close(fd_);
    }
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] bool ok() const { return fd_ >= 0; }

  private:
    int fd_;
};

std::filesystem::path numbered(const std::filesystem::path& file, int number) {
    return file.string() + "." + std::to_string(number);
}

// [from, to) of one file to the end of the other; gives how far it came.
Result<off_t> copy(const File& in, const File& out, off_t from, off_t to) {
    std::array<char, kChunk> buffer{};
    while (from < to) {
        const auto want = std::min<off_t>(static_cast<off_t>(buffer.size()), to - from);
        const auto got = ::pread(in.fd(), buffer.data(), static_cast<std::size_t>(want), from);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno(errno, "read a log");
        if (got == 0) break;
        for (ssize_t done = 0; done < got;) {
            const auto n =
                ::write(out.fd(), buffer.data() + done, static_cast<std::size_t>(got - done));
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) return fail_errno(errno, "write a rotated log");
            done += n;
        }
        from += got;
    }
    return from;
}

off_t size_of(const File& file) {
    struct stat info{};
    return ::fstat(file.fd(), &info) == 0 ? info.st_size : 0;
}

// FILE.1 to FILE.2 and so on.
Result<> shift(const std::filesystem::path& file, int files) {
    std::error_code error;
    std::filesystem::remove(numbered(file, files - 1), error);
    for (int number = files - 2; number >= 1; --number) {
        std::filesystem::rename(numbered(file, number), numbered(file, number + 1), error);
        if (error && error != std::errc::no_such_file_or_directory)
            return fail(ErrorKind::internal, "rotate " + file.string() + ": " + error.message());
    }
    return {};
}

}  // namespace

Result<bool> rotate(const std::filesystem::path& file, const LogBounds& bounds) {
    const File log(file, O_RDWR);
    if (!log.ok()) return fail_errno(errno, "open " + file.string());
    struct stat info{};
    if (::fstat(log.fd(), &info) != 0) return fail_errno(errno, "stat " + file.string());
    if (!S_ISREG(info.st_mode) || static_cast<std::uintmax_t>(info.st_size) < bounds.bytes)
        return false;

    const auto part = std::filesystem::path(file.string() + ".part");
    const File out(part, O_WRONLY | O_CREAT | O_TRUNC);
    if (!out.ok()) return fail_errno(errno, "open " + part.string());
    // Only whole blocks can be cut off the front, and not all of the file.
    const off_t block = std::max<off_t>(info.st_blksize, 512);
    const off_t whole = (info.st_size - 1) / block * block;
    LOCO_ASSIGN(auto copied, copy(log, out, 0, whole));
    LOCO_TRY(shift(file, bounds.files));
    std::error_code error;
    std::filesystem::rename(part, numbered(file, 1), error);
    if (error) return fail(ErrorKind::internal, "rotate " + file.string() + ": " + error.message());
    if (whole > 0 && ::fallocate(log.fd(), FALLOC_FL_COLLAPSE_RANGE, 0, whole) == 0) return true;

    // Not on this file system: everything is copied, then thrown away.
    while (copied < size_of(log)) {
        LOCO_ASSIGN(copied, copy(log, out, copied, size_of(log)));
    }
    if (::ftruncate(log.fd(), 0) != 0) return fail_errno(errno, "truncate " + file.string());
    return true;
}

void LogRotation::step() {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return;
    next_ = now + kLookEvery;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
        if (entry.path().extension() != ".log") continue;
        if (const auto rotated = rotate(entry.path(), bounds_); !rotated)
            log::failure("a log was not rotated", rotated.error());
    }
}

}  // namespace loco::platform
