#include "build/tar_stream.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace loco::build {
namespace {

constexpr std::size_t kChunk = 128U << 10;

std::unexpected<Error> changed(const std::string& path) {
    return fail(ErrorKind::conflict, path + " changed while the build context was packed",
                "let what writes it finish, or leave it out in .dockerignore", "context_changed");
}

}  // namespace

struct TarStream::Impl {
    std::filesystem::path root;
    const std::vector<TarEntry>& entries;
    const std::string& memory;
    archive* writer = nullptr;
    archive_entry* header = nullptr;
    std::string buffer;
    std::size_t at = 0;      // the next entry
    int file = -1;           // the open one, entries[at - 1]
    std::uint64_t left = 0;  // of the open file
    bool ended = false;

    Impl(std::filesystem::path r, const std::vector<TarEntry>& e, const std::string& m)
        : root(std::move(r)), entries(e), memory(m) {
        writer = archive_write_new();
        header = archive_entry_new();
        LOCO_CHECK(writer != nullptr && header != nullptr);
        // GNU's format takes names as the bytes that they are, of any length.
        archive_write_set_format_gnutar(writer);
        archive_write_set_bytes_per_block(writer, 0);
        const auto append = [](archive*, void* self, const void* data, std::size_t size) {
            static_cast<Impl*>(self)->buffer.append(static_cast<const char*>(data), size);
            return static_cast<la_ssize_t>(size);
        };
        LOCO_CHECK(archive_write_open(writer, this, nullptr, append, nullptr) == ARCHIVE_OK);
    }
    ~Impl() {
        if (file >= 0) ::close(file);
        archive_entry_free(header);
        archive_write_free(writer);
    }
    Impl(const Impl&) = delete;
    Impl& operator=(const Impl&) = delete;

    [[nodiscard]] Result<> step();
    [[nodiscard]] Result<> begin(const TarEntry& entry);
    [[nodiscard]] Result<> continue_file(const std::string& path);
    [[nodiscard]] Result<> write(const void* data, std::size_t size) {
        if (archive_write_data(writer, data, size) == static_cast<la_ssize_t>(size)) return {};
        return broken();
    }
    [[nodiscard]] std::unexpected<Error> broken() {
        const char* why = archive_error_string(writer);
        return fail(ErrorKind::internal,
                    "pack the build context: " + std::string(why == nullptr ? "unknown" : why));
    }
};

Result<> TarStream::Impl::begin(const TarEntry& entry) {
    std::uint64_t size = entry.size;
    if (entry.type == EntryType::file && !entry.in_memory) {
        const std::string full = (root / entry.path).string();
        file = ::open(full.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (file < 0) {
            if (errno == ENOENT || errno == ELOOP) return changed(entry.path);
            if (errno == EACCES || errno == EPERM) {
                return fail(ErrorKind::forbidden, "you may not read " + entry.path,
                            "leave it out in .dockerignore, or make it readable",
                            "context_unreadable");
            }
            return fail_errno(errno, "read " + entry.path);
        }
        struct stat status{};
        if (fstat(file, &status) != 0) return fail_errno(errno, "read " + entry.path);
        // A log that has grown is fine, and so is one that was cut: what counts is what it holds now.
        if (!S_ISREG(status.st_mode)) return changed(entry.path);
        size = static_cast<std::uint64_t>(status.st_size);
        left = size;
    }
    archive_entry_clear(header);
    const bool folder = entry.type == EntryType::folder;
    archive_entry_set_pathname(header, (entry.path + (folder ? "/" : "")).c_str());
    archive_entry_set_filetype(header, folder                          ? AE_IFDIR
                                       : entry.type == EntryType::link ? AE_IFLNK
                                                                       : AE_IFREG);
    archive_entry_set_perm(header, static_cast<mode_t>(entry.mode));
    archive_entry_set_size(header, static_cast<la_int64_t>(size));
    archive_entry_set_mtime(header, entry.modified, 0);
    archive_entry_set_uid(header, 0);
    archive_entry_set_gid(header, 0);
    if (entry.type == EntryType::link) archive_entry_set_symlink(header, entry.link.c_str());
    if (archive_write_header(writer, header) < ARCHIVE_WARN) return broken();
    if (entry.in_memory) return write(memory.data(), memory.size());
    return {};
}

Result<> TarStream::Impl::continue_file(const std::string& path) {
    std::array<char, 64U << 10> block;
    const std::size_t want = std::min<std::uint64_t>(left, block.size());
    const ssize_t got = want == 0 ? 0 : ::read(file, block.data(), want);
    if (got < 0) {
        if (errno == EINTR) return {};
        return fail_errno(errno, "read " + path);
    }
    if (got == 0 && left > 0) return changed(path);
    if (got > 0) LOCO_TRY(write(block.data(), static_cast<std::size_t>(got)));
    left -= static_cast<std::uint64_t>(got);
    if (left == 0) {
        ::close(file);
        file = -1;
    }
    return {};
}

Result<> TarStream::Impl::step() {
    if (file >= 0) return continue_file(entries[at - 1].path);
    if (at < entries.size()) return begin(entries[at++]);
    ended = true;
    if (archive_write_close(writer) != ARCHIVE_OK) return broken();
    return {};
}

TarStream::TarStream(std::filesystem::path root, const std::vector<TarEntry>& entries,
                     const std::string& memory)
    : impl_(std::make_unique<Impl>(std::move(root), entries, memory)) {}
TarStream::~TarStream() = default;

Result<std::string> TarStream::next() {
    while (impl_->buffer.size() < kChunk && !impl_->ended) LOCO_TRY(impl_->step());
    return std::exchange(impl_->buffer, {});
}

}  // namespace loco::build
