// The one file of a backup: a tar of plain files (POSIX.1-2017, pax's ustar format) that any tar can list, with checksums of
// its own. Every byte of it counts: a file that is cut off, changed anywhere or longer than it was is told from a whole one.
//
//   loco-backup.json      what it is, of when, of which Loco: the first part
//   loco-api.toml, rows.db, blobs/sha256/…, images.json
//   manifest.json         name, size and SHA-256 of every part before it
//   loco-backup.sha256    the SHA-256 of manifest.json: the last part
//
// What the reader accepts is what the writer writes and nothing else: no folders, links, devices, owners or extensions. Names
// are looked up, never used as paths.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "os/file.hpp"

namespace loco::backup {

inline constexpr std::string_view kHead = "loco-backup.json";
inline constexpr std::string_view kConfig = "loco-api.toml";
inline constexpr std::string_view kRows = "rows.db";
inline constexpr std::string_view kImages = "images.json";
inline constexpr std::string_view kBlobs = "blobs/sha256/";  // and 64 hex digits
inline constexpr int kFormat = 1;

struct Part {
    std::string name;
    std::int64_t size = 0;
    std::string sha256 = {};
};

// Gives the next piece; an empty one at the end.
using Source = std::function<Result<std::string>()>;

// Writes FILE.partial, which becomes FILE as the last step of finish(), with all of it on the disk. An object that goes before
// that leaves nothing; a process that is killed leaves FILE.partial, which the next one for that FILE overwrites.
class ArchiveWriter {
  public:
    // conflict while another process writes it. unavailable (code no_space) where there is no room, here and in what follows.
    [[nodiscard]] static Result<ArchiveWriter> create(const std::filesystem::path& file);
    ~ArchiveWriter();
    ArchiveWriter(ArchiveWriter&& other) noexcept;
    ArchiveWriter& operator=(ArchiveWriter&&) = delete;

    // A part of exactly that size; gives its SHA-256. invalid when the source has more or less: then the file can't be
    // finished any more.
    [[nodiscard]] Result<std::string> add(std::string_view name, std::int64_t size,
                                          const Source& source);
    [[nodiscard]] Result<> add_text(std::string_view name, std::string_view text);
    [[nodiscard]] Result<> add_file(std::string_view name, const std::filesystem::path& path);
    // Replaces FILE where there is one.
    [[nodiscard]] Result<> finish();

    // "FILE.partial"
    [[nodiscard]] const std::filesystem::path& partial() const { return partial_; }
    [[nodiscard]] std::int64_t bytes() const { return bytes_; }  // written so far

  private:
    ArchiveWriter(int fd, std::filesystem::path file, std::filesystem::path partial)
        : fd_(fd), file_(std::move(file)), partial_(std::move(partial)) {}
    [[nodiscard]] Result<> write(std::string_view data);

    int fd_ = -1;
    std::filesystem::path file_;
    std::filesystem::path partial_;
    std::int64_t bytes_ = 0;
    std::vector<Part> parts_;
};

// A backup that was read to its end and found whole.
class Archive {
  public:
    // invalid with what is wrong: no backup at all (code backup_foreign), damaged or cut off (backup_damaged). refused
    // (backup_newer) where a newer Loco wrote it in a form that this one does not know.
    [[nodiscard]] static Result<Archive> open(const std::filesystem::path& file);
    Archive(Archive&& other) noexcept;
    Archive& operator=(Archive&&) = delete;
    ~Archive();

    [[nodiscard]] const std::vector<Part>& parts() const { return parts_; }
    [[nodiscard]] bool has(std::string_view name) const;
    // Verifies it again: a file may be changed after it was opened.
    [[nodiscard]] Result<> read(std::string_view name,
                                const std::function<Result<>(std::string_view)>& take) const;
    [[nodiscard]] Result<std::string> text(std::string_view name) const;
    // Into a new file, mode 0600.
    [[nodiscard]] Result<> extract(std::string_view name, const std::filesystem::path& to) const;

  private:
    Archive(int fd, std::string shown) : fd_(fd), shown_(std::move(shown)) {}
    [[nodiscard]] Result<> scan();
    [[nodiscard]] Result<> read_at(std::size_t index,
                                   const std::function<Result<>(std::string_view)>& take) const;
    [[nodiscard]] Result<Part> header(std::int64_t at) const;
    [[nodiscard]] Result<std::string> bytes_at(std::int64_t at, std::size_t size) const;
    [[nodiscard]] Result<std::string> small(const Part& part, std::int64_t at) const;
    [[nodiscard]] std::unexpected<Error> damaged(const std::string& how) const;

    int fd_ = -1;
    std::string shown_;  // its name, for people
    std::int64_t size_ = 0;
    std::vector<Part> parts_;
    std::vector<std::int64_t> offsets_;  // of their contents
};

}  // namespace loco::backup
