#include "os/file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace loco::os {
namespace {

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int get() const { return fd_; }
    [[nodiscard]] bool ok() const { return fd_ >= 0; }

  private:
    int fd_;
};

Result<> write_all(int fd, std::string_view data) {
    while (!data.empty()) {
        const auto n = ::write(fd, data.data(), data.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(errno, "write");
        data.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

}  // namespace

Result<> sync_directory(const std::filesystem::path& path) {
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.ok() || ::fsync(fd.get()) != 0) return fail_errno(errno, "sync " + path.string());
    return {};
}

Result<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes) {
    const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.ok()) return fail_errno(errno, "open " + path.string());
    std::string contents;
    char buffer[16384];
    while (true) {
        const auto n = ::read(fd.get(), buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(errno, "read " + path.string());
        if (n == 0) return contents;
        contents.append(buffer, static_cast<std::size_t>(n));
        if (contents.size() > max_bytes) {
            return fail(ErrorKind::too_large,
                        path.string() + " is larger than " + std::to_string(max_bytes) + " bytes");
        }
    }
}

Result<> replace_file(const std::filesystem::path& path, std::string_view contents, mode_t mode) {
    std::string temporary = path.string() + ".XXXXXX";
    const Descriptor fd(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd.ok()) return fail_errno(errno, "create " + temporary);
    auto result = [&]() -> Result<> {
        if (::fchmod(fd.get(), mode) != 0) return fail_errno(errno, "chmod " + temporary);
        LOCO_TRY(write_all(fd.get(), contents));
        if (::fsync(fd.get()) != 0) return fail_errno(errno, "sync " + temporary);
        if (::rename(temporary.c_str(), path.c_str()) != 0) {
            return fail_errno(errno, "rename to " + path.string());
        }
        return {};
    }();
    if (!result) ::unlink(temporary.c_str());
    return result;
}

Result<> write_file_atomically(const std::filesystem::path& path, std::string_view contents,
                               mode_t mode) {
    LOCO_TRY(replace_file(path, contents, mode));
    return sync_directory(path.has_parent_path() ? path.parent_path() : ".");
}

Result<bool> exists(const std::filesystem::path& path) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (std::filesystem::status_known(status)) return std::filesystem::exists(status);
    const auto what = "can't look at " + path.string() + ": " + error.message();
    if (error == std::errc::permission_denied) {
        return fail(ErrorKind::forbidden, what, "it belongs to another user: use sudo");
    }
    return fail(ErrorKind::internal, what);
}

Result<> check_kept_key(const std::filesystem::path& path) {
    struct stat info{};
    if (::stat(path.c_str(), &info) != 0) return fail_errno(errno, "look at " + path.string());
    const bool trusted = info.st_uid == 0 || info.st_uid == ::geteuid();
    if (S_ISREG(info.st_mode) && trusted && (info.st_mode & 027) == 0) return {};
    return fail(ErrorKind::forbidden, "others may read or change the key file " + path.string(),
                "mount it with mode 0400, or 0440 and a group of its own");
}

Result<> make_directories(const std::filesystem::path& path, mode_t mode) {
    std::filesystem::path so_far;
    for (const auto& part : path) {
        so_far /= part;
        if (so_far.empty() || ::mkdir(so_far.c_str(), mode) == 0 || errno == EEXIST) continue;
        return fail_errno(errno, "create folder " + so_far.string());
    }
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
        return fail(ErrorKind::invalid, path.string() + " is no folder");
    }
    return {};
}

Result<InputFile> InputFile::open(const std::filesystem::path& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return fail_errno(errno, "open " + path.string());
    InputFile file(fd, path.string());
    struct stat info{};
    if (::fstat(fd, &info) != 0) return fail_errno(errno, "look at " + path.string());
    if (!S_ISREG(info.st_mode)) return fail(ErrorKind::invalid, path.string() + " is no file");
    file.size_ = info.st_size;
    return file;
}

InputFile::InputFile(InputFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), name_(std::move(other.name_)), size_(other.size_) {}
InputFile::~InputFile() {
    if (fd_ >= 0) ::close(fd_);
}

Result<std::string> InputFile::next(std::size_t max) {
    std::string data(max, '\0');
    while (true) {
        const auto n = ::read(fd_, data.data(), data.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(errno, "read " + name_);
        data.resize(static_cast<std::size_t>(n));
        return data;
    }
}

Result<NewFile> NewFile::create(const std::filesystem::path& path, mode_t mode) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) return fail_errno(errno, "create " + path.string());
    return NewFile(fd, path);
}

NewFile::NewFile(NewFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}
NewFile::~NewFile() {
    if (fd_ < 0) return;
    ::unlink(path_.c_str());
    ::close(fd_);
}

Result<> NewFile::write(std::string_view data) {
    if (auto written = write_all(fd_, data); !written) {
        auto error = std::move(written).error();
        if (error.kind != ErrorKind::unavailable) return fail(std::move(error));
        return fail(ErrorKind::unavailable, "there is no space left for " + path_.string(),
                    "free some on its disk", "no_space");
    }
    return {};
}

Result<> NewFile::finish() {
    if (::fsync(fd_) != 0) return fail_errno(errno, "sync " + path_.string());
    ::close(std::exchange(fd_, -1));
    return {};
}

Result<FileLock> FileLock::acquire(const std::filesystem::path& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return fail_errno(errno, "open " + path.string());
    FileLock lock(fd);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        char holder[32] = {};
        const auto n = ::pread(fd, holder, sizeof holder - 1, 0);
        return fail(ErrorKind::conflict,
                    path.string() + " is held by process " +
                        (n > 0 ? std::string(holder) : std::string("unknown")));
    }
    const auto pid = std::to_string(::getpid());
    if (::ftruncate(fd, 0) != 0 ||
        ::pwrite(fd, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
        return fail_errno(errno, "write " + path.string());
    }
    return lock;
}

FileLock::FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
FileLock& FileLock::operator=(FileLock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
}
FileLock::~FileLock() {
    if (fd_ >= 0) ::close(fd_);
}

}  // namespace loco::os
