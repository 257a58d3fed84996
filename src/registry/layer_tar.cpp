#include "registry/layer_tar.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <memory>
#include <optional>

namespace loco::registry {
namespace {

using Archive = std::unique_ptr<archive, decltype(&archive_read_free)>;

constexpr std::size_t kPiece = 64U << 10;

std::unexpected<Error> unreadable(std::string message) {
    return fail(ErrorKind::refused, "a layer of the image cannot be read: " + std::move(message),
                "build and push it again", "image_unreadable");
}

std::string words_of(archive* reader) {
    const char* words = archive_error_string(reader);
    return words == nullptr ? "no reason given" : words;
}

// What libarchive reads from, and why it could not go on if it could not.
struct Input {
    ByteSource source;
    std::string piece = {};
    std::optional<Error> error = {};

    static la_ssize_t read(archive*, void* self, const void** data) {
        auto& input = *static_cast<Input*>(self);
        auto next = input.source();
        if (!next) {
            input.error = std::move(next).error();
            return -1;
        }
        input.piece = std::move(*next);
        *data = input.piece.data();
        return static_cast<la_ssize_t>(input.piece.size());
    }
    [[nodiscard]] Result<> open(archive* reader) {
        if (archive_read_open(reader, this, nullptr, &read, nullptr) == ARCHIVE_OK) return {};
        return failure(reader);
    }
    [[nodiscard]] std::unexpected<Error> failure(archive* reader) {
        if (error) return fail(*std::move(error));
        return unreadable(words_of(reader));
    }
};

int filter_of(std::string_view begin) {
    if (begin.starts_with("\x1f\x8b")) return ARCHIVE_FILTER_GZIP;
    if (begin.starts_with("\x28\xb5\x2f\xfd")) return ARCHIVE_FILTER_ZSTD;
    // A skippable frame of zstd.
    if (begin.size() >= 4 && (static_cast<unsigned char>(begin[0]) & 0xF0U) == 0x50U &&
        begin.substr(1, 3) == "\x2a\x4d\x18")
        return ARCHIVE_FILTER_ZSTD;
    return ARCHIVE_FILTER_NONE;
}

// The source unpacked. One filter, chosen here: libarchive would look for another one inside, and another inside that,
// and a few bytes could keep it busy for years between two of our looks at the budget.
class Unpacked {
  public:
    explicit Unpacked(const ByteSource& source) : source_(source) {}

    [[nodiscard]] Result<std::string> next() {
        if (!opened_) LOCO_TRY(open());
        if (ended_) return std::string();
        if (!reader_) {
            if (!begin_.empty()) return std::exchange(begin_, {});
            return source_();
        }
        std::string piece(kPiece, '\0');
        const auto size = archive_read_data(reader_.get(), piece.data(), piece.size());
        if (size < 0) return input_.failure(reader_.get());
        piece.resize(static_cast<std::size_t>(size));
        return piece;
    }

  private:
    [[nodiscard]] Result<> open() {
        opened_ = true;
        while (begin_.size() < 4) {
            LOCO_ASSIGN(const auto piece, source_());
            if (piece.empty()) break;
            begin_ += piece;
        }
        const int filter = filter_of(begin_);
        if (filter == ARCHIVE_FILTER_NONE) return {};
        reader_.reset(archive_read_new());
        LOCO_CHECK(reader_ != nullptr);
        input_.source = [this]() -> Result<std::string> {
            if (!begin_.empty()) return std::exchange(begin_, {});
            return source_();
        };
        archive_read_support_format_raw(reader_.get());
        archive_read_support_format_empty(reader_.get());
        if (archive_read_append_filter(reader_.get(), filter) != ARCHIVE_OK)
            return unreadable(words_of(reader_.get()));
        LOCO_TRY(input_.open(reader_.get()));
        archive_entry* entry = nullptr;
        const int header = archive_read_next_header(reader_.get(), &entry);
        ended_ = header == ARCHIVE_EOF;  // there is nothing in it
        if (header != ARCHIVE_OK && !ended_) return input_.failure(reader_.get());
        return {};
    }

    const ByteSource& source_;
    Input input_ = {};
    Archive reader_{nullptr, &archive_read_free};
    std::string begin_;
    bool opened_ = false;
    bool ended_ = false;
};

const char* name_of(archive_entry* entry) {
    const char* name = archive_entry_pathname(entry);
    return name != nullptr ? name : archive_entry_pathname_utf8(entry);
}

LayerEntry entry_of(archive_entry* from) {
    LayerEntry entry;
    if (const char* name = name_of(from); name != nullptr) entry.path = normal_path(name);
    const char* link = archive_entry_hardlink(from);
    if (link != nullptr) {
        entry.kind = LayerEntry::Kind::hardlink;
        entry.target = link;
        return entry;
    }
    switch (archive_entry_filetype(from)) {
        case AE_IFREG: entry.kind = LayerEntry::Kind::file; break;
        case AE_IFDIR: entry.kind = LayerEntry::Kind::directory; break;
        case AE_IFLNK:
            entry.kind = LayerEntry::Kind::symlink;
            if (const char* target = archive_entry_symlink(from); target != nullptr)
                entry.target = target;
            break;
        default: break;
    }
    return entry;
}

}  // namespace

std::string normal_path(std::string_view path) {
    std::string result;
    while (!path.empty()) {
        const auto slash = path.find('/');
        const auto part = path.substr(0, slash);
        path = slash == std::string_view::npos ? std::string_view() : path.substr(slash + 1);
        if (part.empty() || part == ".") continue;
        if (part == "..") return {};
        if (!result.empty()) result += '/';
        result += part;
    }
    return result;
}

Result<> read_layer(const ByteSource& source, WalkBudget& budget, const ShowEntry& show) {
    const ByteSource counted = [&]() -> Result<std::string> {
        LOCO_TRY(budget.go_on());
        auto piece = source();
        if (piece) LOCO_TRY(budget.stored(piece->size()));
        return piece;
    };
    Unpacked unpacked(counted);
    Input input{.source = [&]() -> Result<std::string> {
        LOCO_TRY(budget.go_on());
        auto piece = unpacked.next();
        if (piece) LOCO_TRY(budget.unpacked(piece->size()));
        return piece;
    }};
    const Archive reader(archive_read_new(), &archive_read_free);
    LOCO_CHECK(reader != nullptr);
    archive_read_support_format_tar(reader.get());
    archive_read_support_format_empty(reader.get());
    LOCO_TRY(input.open(reader.get()));
    const ReadEntry read = [&]() -> Result<std::string> {
        std::string content;
        std::string piece(kPiece, '\0');
        while (true) {
            const auto size = archive_read_data(reader.get(), piece.data(), piece.size());
            if (size < 0) return input.failure(reader.get());
            if (size == 0) return content;
            content.append(piece, 0, static_cast<std::size_t>(size));
            if (content.size() > budget.file_bytes()) {
                return fail(ErrorKind::refused,
                            "the image's /etc/passwd or /etc/group is larger than " +
                                std::to_string(budget.file_bytes()) + " bytes",
                            "set a numeric USER with its group: USER 10001:10001",
                            "image_user_unreadable");
            }
        }
    };
    while (true) {
        archive_entry* entry = nullptr;
        const int header = archive_read_next_header(reader.get(), &entry);
        if (header == ARCHIVE_EOF) break;
        if (header != ARCHIVE_OK && header != ARCHIVE_WARN) return input.failure(reader.get());
        LOCO_TRY(budget.entry());
        const auto shown = entry_of(entry);
        if (!shown.path.empty()) LOCO_TRY(show(shown, read));
    }
    // What comes after the tar's own end belongs to the layer's digest too.
    while (true) {
        LOCO_ASSIGN(const auto piece, counted());
        if (piece.empty()) return {};
    }
}

}  // namespace loco::registry
