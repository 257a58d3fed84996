#include "backup/archive.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <optional>
#include <set>
#include <utility>

#include "crypto/hash.hpp"

namespace loco::backup {
namespace {

namespace json = boost::json;

constexpr std::size_t kBlock = 512;
constexpr std::size_t kPiece = 256U << 10;
constexpr std::string_view kManifest = "manifest.json";
constexpr std::string_view kSeal = "loco-backup.sha256";
constexpr std::int64_t kMaxSmall = 64LL << 20;  // of a part that is read into memory
constexpr std::size_t kMaxParts = 50'000;

std::int64_t padded(std::int64_t size) {
    constexpr std::int64_t block = kBlock;
    return (size + block - 1) / block * block;
}

void put(std::string& header, std::size_t at, std::string_view text) {
    header.replace(at, text.size(), text);
}

// POSIX.1-2017 pax, "ustar Interchange Format"; a size that its 11 octal digits can't hold as GNU and star have it, in base 256.
std::string make_header(std::string_view name, std::int64_t size) {
    std::string header(kBlock, '\0');
    put(header, 0, name);
    put(header, 100, "0000600");
    put(header, 108, "0000000");
    put(header, 116, "0000000");
    if (size < (std::int64_t{1} << 33)) {
        put(header, 124, fmt::format("{:011o}", size));
    } else {
        header[124] = '\x80';
        for (std::size_t i = 0; i < 8; ++i)
            header[135 - i] = static_cast<char>(static_cast<std::uint64_t>(size) >> (8 * i) & 0xff);
    }
    put(header, 136, "00000000000");
    put(header, 148, "        ");
    header[156] = '0';
    put(header, 257,
        std::string_view("ustar\0"
                         "00",
                         8));
    unsigned sum = 0;
    for (const char c : header) sum += static_cast<unsigned char>(c);
    put(header, 148, fmt::format("{:06o}", sum));
    header[154] = '\0';
    header[155] = ' ';
    return header;
}

// What is in a header of ours; nothing where it is not byte by byte as make_header makes it.
std::optional<Part> parse_header(const std::string& header) {
    Part part;
    part.name = header.substr(0, std::min(header.find('\0'), std::size_t{100}));
    if (part.name.empty()) return std::nullopt;
    if (header[124] == '\x80') {
        std::uint64_t size = 0;
        for (std::size_t i = 128; i < 136; ++i)
            size = size << 8 | static_cast<unsigned char>(header[i]);
        part.size = static_cast<std::int64_t>(size);
        if (part.size < 0) return std::nullopt;
    } else {
        for (std::size_t i = 124; i < 135; ++i) {
            if (header[i] < '0' || header[i] > '7') return std::nullopt;
            part.size = part.size << 3 | (header[i] - '0');
        }
    }
    if (make_header(part.name, part.size) != header) return std::nullopt;
    return part;
}

std::unexpected<Error> write_failed(int error, const std::filesystem::path& file) {
    if (error == ENOSPC || error == EDQUOT) {
        return fail(ErrorKind::unavailable, "there is no space left for " + file.string(),
                    "name a file on a disk with more room; nothing was left there", "no_space");
    }
    return fail_errno(error, "write " + file.string());
}

std::string directory_of(const std::filesystem::path& file) {
    return file.has_parent_path() ? file.parent_path().string() : ".";
}

}  // namespace

// --- writing

Result<ArchiveWriter> ArchiveWriter::create(const std::filesystem::path& file) {
    auto partial = file;
    partial += ".partial";
    // Whoever is at it renames what both may have opened: then what is locked here is no longer what lies there.
    for (int tries = 0; tries < 10; ++tries) {
        const int fd =
            ::open(partial.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
        if (fd < 0) {
            if (errno == ENOSPC || errno == EDQUOT) return write_failed(errno, file);
            return fail_errno(errno, "create " + partial.string());
        }
        ArchiveWriter writer(fd, file, partial);
        if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
            writer.partial_.clear();  // it is the other's
            return fail(ErrorKind::conflict, "another backup is being written to " + file.string(),
                        "wait for it, or name another file", "backup_under_way");
        }
        struct stat held{};
        struct stat there{};
        const bool same = ::fstat(fd, &held) == 0 && ::lstat(partial.c_str(), &there) == 0 &&
                          held.st_ino == there.st_ino && held.st_dev == there.st_dev;
        if (!same || !S_ISREG(held.st_mode)) {
            writer.partial_.clear();
            continue;
        }
        if (::fchmod(fd, S_IRUSR | S_IWUSR) != 0 || ::ftruncate(fd, 0) != 0)
            return write_failed(errno, file);
        return writer;
    }
    return fail(ErrorKind::conflict, partial.string() + " is in use", "remove it",
                "backup_under_way");
}

ArchiveWriter::ArchiveWriter(ArchiveWriter&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      file_(std::move(other.file_)),
      partial_(std::move(other.partial_)),
      bytes_(other.bytes_),
      parts_(std::move(other.parts_)) {
    other.partial_.clear();
}

ArchiveWriter::~ArchiveWriter() {
    if (fd_ < 0) return;
    if (!partial_.empty()) ::unlink(partial_.c_str());
    ::close(fd_);
}

Result<> ArchiveWriter::write(std::string_view data) {
    while (!data.empty()) {
        const auto n = ::write(fd_, data.data(), data.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return write_failed(errno, file_);
        data.remove_prefix(static_cast<std::size_t>(n));
        bytes_ += n;
    }
    return {};
}

Result<std::string> ArchiveWriter::add(std::string_view name, std::int64_t size,
                                       const Source& source) {
    LOCO_CHECK(!name.empty() && name.size() < 100 && size >= 0);
    LOCO_TRY(write(make_header(name, size)));
    crypto::Sha256 hash;
    std::int64_t seen = 0;
    while (true) {
        LOCO_ASSIGN(const auto piece, source());
        if (piece.empty()) break;
        seen += static_cast<std::int64_t>(piece.size());
        if (seen > size) break;
        hash.add(piece);
        LOCO_TRY(write(piece));
    }
    if (seen != size)
        return fail(ErrorKind::invalid, std::string(name) + " has changed while it was read");
    LOCO_TRY(write(std::string(static_cast<std::size_t>(padded(size) - size), '\0')));
    parts_.push_back({.name = std::string(name), .size = size, .sha256 = hash.hex()});
    return parts_.back().sha256;
}

Result<> ArchiveWriter::add_text(std::string_view name, std::string_view text) {
    bool given = text.empty();
    LOCO_TRY(add(name, static_cast<std::int64_t>(text.size()), [&]() -> Result<std::string> {
        return std::exchange(given, true) ? std::string() : std::string(text);
    }));
    return {};
}

Result<> ArchiveWriter::add_file(std::string_view name, const std::filesystem::path& path) {
    LOCO_ASSIGN(auto file, os::InputFile::open(path));
    LOCO_TRY(add(name, file.size(), [&] { return file.next(kPiece); }));
    return {};
}

Result<> ArchiveWriter::finish() {
    json::array rows;
    for (const auto& part : parts_)
        rows.push_back(
            json::object{{"name", part.name}, {"size", part.size}, {"sha256", part.sha256}});
    const auto manifest = json::serialize(json::object{{"parts", std::move(rows)}}) + "\n";
    LOCO_TRY(add_text(kManifest, manifest));
    LOCO_TRY(add_text(kSeal, crypto::sha256_hex(manifest) + "\n"));
    LOCO_TRY(write(std::string(2 * kBlock, '\0')));
    if (::fsync(fd_) != 0) return write_failed(errno, file_);
    if (::rename(partial_.c_str(), file_.c_str()) != 0)
        return fail_errno(errno, "rename to " + file_.string());
    partial_.clear();
    return os::sync_directory(directory_of(file_));
}

// --- reading

Archive::Archive(Archive&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      shown_(std::move(other.shown_)),
      size_(other.size_),
      parts_(std::move(other.parts_)),
      offsets_(std::move(other.offsets_)) {}

Archive::~Archive() {
    if (fd_ >= 0) ::close(fd_);
}

std::unexpected<Error> Archive::damaged(const std::string& how) const {
    return fail(ErrorKind::invalid, shown_ + " is damaged: " + how,
                "use another backup; nothing was changed", "backup_damaged");
}

Result<std::string> Archive::bytes_at(std::int64_t at, std::size_t size) const {
    std::string data(size, '\0');
    std::size_t have = 0;
    while (have < size) {
        const auto n = ::pread(fd_, data.data() + have, size - have,
                               static_cast<off_t>(at + static_cast<std::int64_t>(have)));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail_errno(errno, "read " + shown_);
        if (n == 0) return damaged("it ends too early");
        have += static_cast<std::size_t>(n);
    }
    return data;
}

Result<Part> Archive::header(std::int64_t at) const {
    LOCO_ASSIGN(const auto bytes, bytes_at(at, kBlock));
    auto part = parse_header(bytes);
    if (!part) return damaged("what stands at byte " + std::to_string(at) + " is no part of it");
    if (part->size > size_ - at - static_cast<std::int64_t>(kBlock))
        return damaged("it ends within " + part->name);
    return std::move(*part);
}

Result<std::string> Archive::small(const Part& part, std::int64_t at) const {
    if (part.size > kMaxSmall) return damaged(part.name + " is too large");
    return bytes_at(at, static_cast<std::size_t>(part.size));
}

Result<Archive> Archive::open(const std::filesystem::path& file) {
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno(errno, "open " + file.string());
    Archive archive(fd, file.string());
    struct stat info{};
    if (::fstat(fd, &info) != 0) return fail_errno(errno, "look at " + file.string());
    if (!S_ISREG(info.st_mode))
        return fail(ErrorKind::invalid, file.string() + " is no file", {}, "backup_foreign");
    archive.size_ = info.st_size;
    LOCO_TRY(archive.scan());
    return archive;
}

Result<> Archive::scan() {
    const auto foreign = [&] {
        return fail(ErrorKind::invalid, shown_ + " is no backup of Loco's",
                    "name a file that `loco-api backup` has written", "backup_foreign");
    };
    if (size_ < static_cast<std::int64_t>(kBlock)) return foreign();
    LOCO_ASSIGN(const auto start, bytes_at(0, kBlock));
    if (!std::string_view(start).starts_with(std::string(kHead) + '\0')) return foreign();

    std::int64_t at = 0;
    std::set<std::string, std::less<>> names;
    std::string manifest;
    while (true) {
        LOCO_ASSIGN(auto part, header(at));
        const auto content = at + static_cast<std::int64_t>(kBlock);
        if (parts_.empty()) {
            // A newer one may go on in another way: that is told before anything else is held against it.
            LOCO_ASSIGN(const auto text, small(part, content));
            boost::system::error_code error;
            const auto head = json::parse(text, error);
            const auto* format =
                !error && head.is_object() ? head.as_object().if_contains("format") : nullptr;
            if (format == nullptr || !format->is_int64())
                return damaged(std::string(kHead) + " can't be read");
            if (format->as_int64() != kFormat) {
                return fail(ErrorKind::refused,
                            shown_ + " was written by a newer Loco: its format is " +
                                std::to_string(format->as_int64()) + ", this one knows " +
                                std::to_string(kFormat),
                            "restore it with the loco-api that wrote it, or a newer one",
                            "backup_newer");
            }
        }
        const auto end = content + padded(part.size);
        LOCO_ASSIGN(
            const auto padding,
            bytes_at(content + part.size, static_cast<std::size_t>(padded(part.size) - part.size)));
        if (padding.find_first_not_of('\0') != std::string::npos)
            return damaged("something stands behind " + part.name);
        if (part.name == kSeal) {
            LOCO_ASSIGN(const auto sealed, small(part, content));
            if (manifest.empty() || sealed != crypto::sha256_hex(manifest) + "\n")
                return damaged("its manifest has another checksum");
            at = end;
            break;
        }
        if (!manifest.empty()) return damaged("it goes on behind its manifest");
        if (part.name == kManifest) {
            LOCO_ASSIGN(manifest, small(part, content));
            if (manifest.empty()) return damaged("its manifest is empty");
        } else {
            if (!names.insert(part.name).second) return damaged("it has " + part.name + " twice");
            if (parts_.size() >= kMaxParts) return damaged("it has too many parts");
            parts_.push_back(std::move(part));
            offsets_.push_back(content);
        }
        at = end;
    }
    if (size_ != at + static_cast<std::int64_t>(2 * kBlock))
        return damaged("it is longer or shorter than it was written");
    LOCO_ASSIGN(const auto rest, bytes_at(at, 2 * kBlock));
    if (rest.find_first_not_of('\0') != std::string::npos)
        return damaged("something stands behind its end");

    boost::system::error_code error;
    const auto listed = json::parse(manifest, error);
    const auto* rows =
        !error && listed.is_object() ? listed.as_object().if_contains("parts") : nullptr;
    if (rows == nullptr || !rows->is_array() || rows->as_array().size() != parts_.size())
        return damaged("its manifest does not fit it");
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        const auto& row = rows->as_array()[i];
        const auto* object = row.if_object();
        const auto* name = object != nullptr ? object->if_contains("name") : nullptr;
        const auto* size = object != nullptr ? object->if_contains("size") : nullptr;
        const auto* sha = object != nullptr ? object->if_contains("sha256") : nullptr;
        if (name == nullptr || !name->is_string() || name->as_string() != parts_[i].name ||
            size == nullptr || !size->is_int64() || size->as_int64() != parts_[i].size ||
            sha == nullptr || !sha->is_string())
            return damaged("its manifest does not fit it");
        parts_[i].sha256 = std::string(sha->as_string());
    }
    for (std::size_t i = 0; i < parts_.size(); ++i)
        LOCO_TRY(read_at(i, [](std::string_view) -> Result<> { return {}; }));
    return {};
}

bool Archive::has(std::string_view name) const {
    return std::ranges::any_of(parts_, [&](const Part& part) { return part.name == name; });
}

Result<> Archive::read(std::string_view name,
                       const std::function<Result<>(std::string_view)>& take) const {
    const auto found =
        std::ranges::find_if(parts_, [&](const Part& part) { return part.name == name; });
    if (found == parts_.end()) return damaged("it has no " + std::string(name));
    return read_at(static_cast<std::size_t>(found - parts_.begin()), take);
}

Result<> Archive::read_at(std::size_t index,
                          const std::function<Result<>(std::string_view)>& take) const {
    const auto& part = parts_[index];
    auto at = offsets_[index];
    crypto::Sha256 hash;
    for (auto left = part.size; left > 0;) {
        const auto piece = std::min(left, static_cast<std::int64_t>(kPiece));
        LOCO_ASSIGN(const auto data, bytes_at(at, static_cast<std::size_t>(piece)));
        hash.add(data);
        LOCO_TRY(take(data));
        at += piece;
        left -= piece;
    }
    if (hash.hex() != part.sha256) return damaged(part.name + " has another checksum");
    return {};
}

Result<std::string> Archive::text(std::string_view name) const {
    std::string text;
    LOCO_TRY(read(name, [&](std::string_view data) -> Result<> {
        if (static_cast<std::int64_t>(text.size() + data.size()) > kMaxSmall)
            return damaged(std::string(name) + " is too large");
        text += data;
        return {};
    }));
    return text;
}

Result<> Archive::extract(std::string_view name, const std::filesystem::path& to) const {
    LOCO_ASSIGN(auto file, os::NewFile::create(to, S_IRUSR | S_IWUSR));
    LOCO_TRY(read(name, [&](std::string_view data) { return file.write(data); }));
    return file.finish();
}

}  // namespace loco::backup
