#include <algorithm>
#include <boost/json.hpp>
#include <map>
#include <set>

#include "backup/archive.hpp"
#include "backup/backup.hpp"
#include "base/log.hpp"
#include "crypto/seal.hpp"
#include "platform/layout.hpp"
#include "registry/storage.hpp"

namespace loco::backup {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

constexpr std::size_t kPiece = 256U << 10;

Result<> check_target(const fs::path& file, bool force) {
    std::error_code error;
    const auto status = fs::symlink_status(file, error);
    if (!fs::exists(status)) return {};
    if (!fs::is_regular_file(status)) {
        return fail(ErrorKind::invalid, file.string() + " is there and is no file",
                    "name a file, such as " + (file / "loco-backup.tar").string(), "usage");
    }
    if (force) return {};
    return fail(ErrorKind::conflict, "there is a file " + file.string(),
                "name another, or replace it with --force", "backup_exists");
}

// A folder of its own for the copy of the rows, gone with the object.
class Scratch {
  public:
    static Result<Scratch> make(const fs::path& path) {
        std::error_code error;
        fs::remove_all(path, error);  // of one that was killed
        Scratch scratch(path);
        LOCO_TRY(os::make_directories(path, 0700));
        return scratch;
    }
    Scratch(Scratch&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    Scratch& operator=(Scratch&&) = delete;
    ~Scratch() {
        std::error_code error;
        if (!path_.empty()) fs::remove_all(path_, error);
    }
    [[nodiscard]] const fs::path& path() const { return path_; }

  private:
    explicit Scratch(fs::path path) : path_(std::move(path)) {}
    fs::path path_;
};

struct SealKey {
    std::optional<fs::path> file;
    std::string id;
};

// Where the key is, and which it is; nothing of it goes into the backup.
Result<SealKey> find_seal_key(const platform::ServerConfig& config) {
    const auto file = config.seal_key.empty() ? platform::Layout(config.data_dir).seal_key()
                                              : fs::path(config.seal_key);
    LOCO_ASSIGN(const bool there, os::exists(file));
    if (!there) return SealKey{};  // a server that never started, or a key that is lost
    auto sealer =
        config.seal_key.empty() ? crypto::Sealer::open(file) : crypto::Sealer::open_kept(file);
    if (!sealer) return fail(std::move(sealer).error().while_("which key sealed the values"));
    return SealKey{.file = file, .id = sealer->key_id()};
}

// Writes the images of kept releases, each blob once.
class Images {
  public:
    Images(const registry::Storage& storage, ArchiveWriter& writer,
           const std::function<bool()>& cancelled)
        : storage_(storage), writer_(writer), cancelled_(cancelled) {}

    Result<> add(const std::vector<store::KeptImage>& kept) {
        for (const auto& one : kept) {
            LOCO_ASSIGN(const auto why, why_not(one));
            if (!why.empty()) {
                left_out.push_back(
                    {.app = one.app, .release = one.release, .live = one.live, .why = why});
                continue;
            }
            const auto at = std::pair(one.repository, one.digest);
            if (std::ranges::find(whole, at) == whole.end()) whole.push_back(at);
        }
        return {};
    }

    std::vector<std::pair<std::string, std::string>> whole = {};  // repository, digest
    std::vector<LeftOut> left_out = {};

  private:
    // Empty once all of it is written. What is not whole in the registry is no reason to have no backup of the rest.
    Result<std::string> why_not(const store::KeptImage& kept) {
        if (!registry::is_digest(kept.digest)) return std::string("its digest is malformed");
        const auto image = storage_.image(kept.digest);
        if (!image) {
            return image.error().kind == ErrorKind::not_found
                       ? std::string("the registry does not have all of it")
                       : image.error().message;
        }
        for (const auto& manifest : image->manifests) {
            LOCO_ASSIGN(const bool good, blob(manifest));
            if (!good) return "the manifest " + manifest + " can't be read, or is damaged";
        }
        for (const auto& part : image->blobs) {
            LOCO_ASSIGN(const bool good, blob(part.digest));
            if (!good) return "the layer " + part.digest + " can't be read, or is damaged";
        }
        return std::string();
    }

    // Whether it is in the file and has its digest.
    Result<bool> blob(const std::string& digest) {
        if (const auto known = written_.find(digest); known != written_.end()) return known->second;
        auto file = os::InputFile::open(storage_.blob(digest));
        if (!file) return written_[digest] = false;
        const auto hex = digest.substr(digest.find(':') + 1);
        LOCO_ASSIGN(
            const auto sha256,
            writer_.add(std::string(kBlobs) + hex, file->size(), [&]() -> Result<std::string> {
                if (cancelled_()) return fail(ErrorKind::interrupted, "stopped");
                return file->next(kPiece);
            }));
        return written_[digest] = sha256 == hex;
    }

    const registry::Storage& storage_;
    ArchiveWriter& writer_;
    const std::function<bool()>& cancelled_;
    std::map<std::string, bool> written_;
};

std::string describe(const Images& images) {
    json::array whole, left_out;
    for (const auto& [repository, digest] : images.whole)
        whole.push_back(json::object{{"repository", repository}, {"digest", digest}});
    for (const auto& one : images.left_out)
        left_out.push_back(json::object{
            {"app", one.app}, {"release", one.release}, {"live", one.live}, {"why", one.why}});
    return json::serialize(
               json::object{{"images", std::move(whole)}, {"left_out", std::move(left_out)}}) +
           "\n";
}

}  // namespace

Result<Taken> take(const TakeOptions& options, const Clock& clock) {
    const platform::Layout layout(options.config.data_dir);
    LOCO_TRY(layout.check_whole());
    LOCO_TRY(check_target(options.file, options.force));
    LOCO_ASSIGN(const auto key, find_seal_key(options.config));
    LOCO_ASSIGN(auto writer, ArchiveWriter::create(options.file));
    auto scratch_path = writer.partial();
    scratch_path += ".d";
    LOCO_ASSIGN(const auto scratch, Scratch::make(scratch_path));

    Taken taken{.at = to_rfc3339(clock.now()), .seal_key = key.file};
    // Rows first: the images that they name are kept at least as long as they say so.
    if (auto copied = store::snapshot(options.rows, scratch.path(), clock); !copied) {
        auto error = std::move(copied).error();
        if (error.code != "database_full") return fail(std::move(error));
        return fail(
            ErrorKind::unavailable,
            "there is no space left for the copy of the rows beside " + options.file.string(),
            "name a file on a disk with more room; nothing was left there", "no_space");
    }
    if (options.cancelled()) return fail(ErrorKind::interrupted, "stopped");
    LOCO_ASSIGN(const auto summary, store::summarize(scratch.path()));
    taken.apps = summary.apps;
    taken.releases = summary.releases;
    json::object head{{"format", kFormat},
                      {"loco", options.version},
                      {"taken_at", taken.at},
                      {"instance", options.config.instance},
                      {"data_dir", options.config.data_dir.string()},
                      {"images", options.images},
                      {"seal_key", key.file ? json::value(key.id) : json::value()}};
    LOCO_TRY(writer.add_text(kHead, json::serialize(head) + "\n"));
    LOCO_TRY(writer.add_text(kConfig, platform::render_server_config(options.config)));
    LOCO_TRY(writer.add_file(kRows, scratch.path() / "loco.db"));
    const registry::Storage storage(layout.registry() / "storage");
    Images images(storage, writer, options.cancelled);
    if (options.images) LOCO_TRY(images.add(summary.images));
    LOCO_TRY(writer.add_text(kImages, describe(images)));
    LOCO_TRY(writer.finish());
    taken.bytes = writer.bytes();
    taken.images = images.whole.size();
    taken.left_out = std::move(images.left_out);
    return taken;
}

}  // namespace loco::backup
