// The order of what is done decides what a kill leaves. Until the marker is there, nothing but DATA/restore was made. While it is
// there no server starts, and all that it covers (rows, images, gateway files) is this restore's, to be cleared by the next.
// The marker goes when all of it is on disk.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>

#include "backup/archive.hpp"
#include "backup/backup.hpp"
#include "base/log.hpp"
#include "crypto/seal.hpp"
#include "os/disk.hpp"
#include "platform/layout.hpp"
#include "platform/up.hpp"
#include "registry/storage.hpp"
#include "registry/token_service.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace loco::backup {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

constexpr std::size_t kInstanceName = 8;
constexpr std::int64_t kSpare = 64LL << 20;  // beyond what the file holds

struct Head {
    std::string version, taken_at, instance, data_dir;
    std::optional<std::string> seal_key;
    bool images = true;
};

std::string text_at(const json::object& object, std::string_view key) {
    const auto* value = object.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->as_string()) : std::string();
}

Result<json::object> object_of(const std::string& text, std::string_view what) {
    boost::system::error_code error;
    auto value = json::parse(text, error);
    if (!error && value.is_object()) return std::move(value.as_object());
    return fail(ErrorKind::invalid, "the backup's " + std::string(what) + " can't be read",
                "use another backup", "backup_damaged");
}

Result<Head> read_head(const Archive& archive) {
    LOCO_ASSIGN(const auto text, archive.text(kHead));
    LOCO_ASSIGN(const auto object, object_of(text, kHead));
    Head head{.version = text_at(object, "loco"),
              .taken_at = text_at(object, "taken_at"),
              .instance = text_at(object, "instance"),
              .data_dir = text_at(object, "data_dir")};
    if (auto key = text_at(object, "seal_key"); !key.empty()) head.seal_key = std::move(key);
    const auto* images = object.if_contains("images");
    head.images = images == nullptr || !images->is_bool() || images->as_bool();
    return head;
}

struct Marker {
    bool there = false;
    bool put_aside = true;      // nothing of what was here before is left where it was
    bool makes_config = false;  // the configuration is the backup's
};

Result<Marker> read_marker(const platform::Layout& layout) {
    LOCO_ASSIGN(const bool there, os::exists(layout.restore_marker()));
    if (!there) return Marker{};
    // It is replaced whole or not at all.
    LOCO_ASSIGN(const auto text, os::read_file(layout.restore_marker(), 64U << 10));
    LOCO_ASSIGN(const auto object, object_of(text, "marker"));
    const auto flag = [&](std::string_view key) {
        const auto* value = object.if_contains(key);
        return value != nullptr && value->is_bool() && value->as_bool();
    };
    return Marker{
        .there = true, .put_aside = flag("put_aside"), .makes_config = flag("makes_config")};
}

Result<> write_marker(const platform::Layout& layout, const Marker& marker) {
    return os::write_file_atomically(
        layout.restore_marker(),
        json::serialize(
            json::object{{"put_aside", marker.put_aside}, {"makes_config", marker.makes_config}}) +
            "\n",
        0600);
}

bool has_files(const fs::path& folder) {
    std::error_code error;
    const fs::recursive_directory_iterator end;
    for (auto entry = fs::recursive_directory_iterator(folder, error); !error && entry != end;
         entry.increment(error)) {
        if (!entry->is_directory(error)) return true;
    }
    return static_cast<bool>(error) && error != std::errc::no_such_file_or_directory;
}

// A marker that a killed restore has written and not given its name yet.
bool is_nameless_marker(const platform::Layout& layout, const fs::path& path) {
    return path.filename().string().starts_with(layout.restore_marker().filename().string() + ".");
}

void remove_nameless_markers(const platform::Layout& layout) {
    std::error_code error;
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(layout.data(), error)) {
        if (is_nameless_marker(layout, entry.path())) found.push_back(entry.path());
    }
    for (const auto& path : found) fs::remove(path, error);
}

// What is in the data folder that a restore would be in the way of; empty if nothing is.
Result<std::string> in_use(const platform::Layout& layout, const fs::path& config_file) {
    std::error_code error;
    if (!fs::exists(layout.data(), error) && !error) return std::string();
    const fs::directory_iterator end;
    for (auto entry = fs::directory_iterator(layout.data(), error); !error && entry != end;
         entry.increment(error)) {
        const auto path = entry->path();
        const auto name = path.filename().string();
        if (path == config_file || path == layout.restoring() || name == "lost+found" ||
            path == layout.keys() || path == layout.directories().run ||
            path == layout.directories().log || is_nameless_marker(layout, path))
            continue;
        if (path == layout.database()) {
            std::error_code ignored;
            if (fs::exists(path / "loco.db", ignored)) return name + "/loco.db";
            continue;
        }
        std::error_code ignored;
        if (!entry->is_directory(ignored) || has_files(path)) return name;
    }
    if (error) return fail_errno(error.value(), "look into " + layout.data().string());
    return std::string();
}

// As long as it lives neither `loco up` nor a loco-api starts on the folder.
struct Held {
    os::FileLock up;
    os::FileLock server;
};

Result<Held> hold(const platform::Layout& layout) {
    const auto down = "stop it first: loco down --data " + layout.data().string();
    const auto busy = [&](const std::string& who) {
        return fail(ErrorKind::conflict, who + " runs on " + layout.data().string(), down,
                    "restore_while_up");
    };
    auto up = os::FileLock::acquire(layout.up_lock());
    if (!up && up.error().kind == ErrorKind::conflict) return busy("Loco");
    if (!up) return fail(std::move(up).error());
    auto server = store::lock_folder(layout.database());
    if (!server && server.error().kind == ErrorKind::conflict) return busy("a loco-api");
    if (!server) return fail(std::move(server).error());
    // What a supervisor that was killed has left.
    for (const auto* part : {"supervisor", "loco-api", "haproxy", "registry"}) {
        if (platform::running(layout.directories(), part)) return busy(part);
    }
    return Held{.up = std::move(*up), .server = std::move(*server)};
}

struct Plan {
    fs::path config_file;
    platform::ServerConfig config;
    bool writes_config = false;  // it is not as it stands in config_file
    bool makes_config = false;
    bool beside_the_original = false;
};

// Whether the folder that the backup is of is on this machine, and another than the one to restore into: two Locos of one name
// would take each other's containers for their own.
bool is_beside(const Head& head, const fs::path& data_dir) {
    std::error_code error;
    if (head.data_dir.empty() || fs::equivalent(head.data_dir, data_dir, error)) return false;
    if (fs::path(head.data_dir).lexically_normal() == data_dir.lexically_normal()) return false;
    const auto original =
        platform::read_server_config(platform::Layout(head.data_dir).server_config());
    return original && original->instance == head.instance;
}

Result<Plan> plan_config(const RestoreOptions& options, const Archive& archive, const Head& head,
                         Random& random) {
    Plan plan;
    std::error_code error;
    plan.config_file = fs::absolute(options.config_file, error).lexically_normal();
    LOCO_ASSIGN(const bool there, os::exists(plan.config_file));
    const platform::Layout beside_it(plan.config_file.parent_path());
    LOCO_ASSIGN(const auto begun, read_marker(beside_it));
    if (there && !(begun.there && begun.makes_config)) {
        LOCO_ASSIGN(plan.config, platform::read_server_config(plan.config_file));
    } else {
        LOCO_ASSIGN(const auto text, archive.text(kConfig));
        LOCO_ASSIGN(plan.config, platform::parse_server_config(text, "the backup's loco-api.toml"));
        plan.config.data_dir = plan.config_file.parent_path();
        plan.config.engine_is_ours = false;  // `loco up` finds out
        plan.makes_config = plan.writes_config = true;
        if (is_beside(head, plan.config.data_dir)) {
            plan.beside_the_original = true;
            plan.config.instance.clear();
            LOCO_ASSIGN(plan.config.subnets,
                        platform::choose_range(plan.config.engine_socket, random));
        }
    }
    if (plan.config.instance.empty()) {
        plan.config.instance = plan.beside_the_original || head.instance.empty()
                                   ? random_word(random, kInstanceName)
                                   : head.instance;
        plan.writes_config = true;
    }
    if (options.subnets) {
        LOCO_TRY(parse_network_range(*options.subnets));
        plan.config.subnets = *options.subnets;
        plan.writes_config = true;
    }
    return plan;
}

struct Image {
    std::string repository;
    registry::StoredImage parts;
};

Result<std::vector<Image>> read_images(const Archive& archive, std::vector<LeftOut>& left_out) {
    LOCO_ASSIGN(const auto text, archive.text(kImages));
    LOCO_ASSIGN(const auto object, object_of(text, kImages));
    std::vector<Image> images;
    const auto hex_of = [](const std::string& digest) { return digest.substr(7); };
    const auto* list = object.if_contains("images");
    for (const auto& row : list != nullptr && list->is_array() ? list->as_array() : json::array()) {
        if (!row.is_object()) continue;
        Image image{.repository = text_at(row.as_object(), "repository"), .parts = {}};
        auto parts = registry::read_image(
            text_at(row.as_object(), "digest"),
            [&](const std::string& of) { return archive.text(std::string(kBlobs) + hex_of(of)); });
        const bool named = registry::is_repository(image.repository);
        if (!named || !parts) {
            return fail(ErrorKind::invalid,
                        "the backup's images are damaged: " +
                            (parts ? std::string("no repository's name") : parts.error().message),
                        "use another backup", "backup_damaged");
        }
        image.parts = std::move(*parts);
        images.push_back(std::move(image));
    }
    const auto* rest = object.if_contains("left_out");
    for (const auto& row : rest != nullptr && rest->is_array() ? rest->as_array() : json::array()) {
        if (!row.is_object()) continue;
        const auto& one = row.as_object();
        const auto* release = one.if_contains("release");
        const auto* live = one.if_contains("live");
        left_out.push_back({.app = text_at(one, "app"),
                            .release = release != nullptr && release->is_int64()
                                           ? static_cast<int>(release->as_int64())
                                           : 0,
                            .live = live != nullptr && live->is_bool() && live->as_bool(),
                            .why = text_at(one, "why")});
    }
    return images;
}

Result<> check_room(const Archive& archive, const platform::Layout& layout) {
    std::int64_t needed = kSpare;
    for (const auto& part : archive.parts()) needed += part.size;
    LOCO_ASSIGN(const auto space, os::file_system_of(layout.data()));
    if (space.free_bytes >= needed) return {};
    return fail(ErrorKind::unavailable,
                "there is no space for this backup in " + layout.data().string() + ": it needs " +
                    std::to_string(needed >> 20) + " MiB, " +
                    std::to_string(space.free_bytes >> 20) + " MiB are free",
                "free some, or name a configuration whose data folder is on a larger disk",
                "no_space");
}

// The key that opens what the backup holds, into DATA/restore/seal.key, where it is not there already.
Result<bool> stage_key(const RestoreOptions& options, const Head& head, const Plan& plan,
                       const platform::Layout& layout) {
    const auto place = plan.config.seal_key.empty() ? layout.seal_key() : plan.config.seal_key;
    const auto check = [&](const fs::path& file, const std::string& hint) -> Result<> {
        LOCO_ASSIGN(const auto sealer, plan.config.seal_key.empty() || options.seal_key
                                           ? crypto::Sealer::open(file)
                                           : crypto::Sealer::open_kept(file));
        if (!head.seal_key || sealer.key_id() == *head.seal_key) return {};
        return fail(ErrorKind::refused,
                    file.string() +
                        " is not the key that sealed the values in this backup: it is " +
                        sealer.key_id() + ", theirs is " + *head.seal_key,
                    hint, "seal_key_wrong");
    };
    LOCO_ASSIGN(const bool there, os::exists(place));
    if (there && !options.seal_key) {
        LOCO_TRY(check(place, "move it away, and give the right one with --seal-key"));
        return true;
    }
    if (!options.seal_key) return false;
    if (!plan.config.seal_key.empty()) {
        return fail(ErrorKind::invalid,
                    "the configuration has the key kept elsewhere: " + place.string(),
                    "put it there, and leave --seal-key out", "usage");
    }
    if (there) {
        LOCO_TRY(check(place, "move it away: it is not overwritten"));
        return true;
    }
    LOCO_ASSIGN(const auto key, os::read_file(*options.seal_key, 4096));
    const auto staged = layout.restoring() / "seal.key";
    LOCO_TRY(os::write_file_atomically(staged, key, 0600));
    if (auto checked = check(staged, "give a copy of the right one with --seal-key"); !checked)
        return fail(std::move(checked).error().while_("--seal-key " + options.seal_key->string()));
    return true;
}

Result<> move_into(const fs::path& from, const fs::path& folder) {
    std::error_code error;
    if (!fs::exists(fs::symlink_status(from, error))) return {};
    LOCO_TRY(os::make_directories(folder, 0700));
    fs::rename(from, folder / from.filename(), error);
    if (!error) return {};
    return fail(ErrorKind::internal,
                "can't move " + from.string() + " to " + folder.string() + ": " + error.message());
}

// What the restore will write in place of.
Result<> put_aside(const platform::Layout& layout) {
    const auto aside = layout.before_restore();
    for (const auto* name : {"loco.db", "loco.db-wal", "loco.db-shm"})
        LOCO_TRY(move_into(layout.database() / name, aside / "db"));
    LOCO_TRY(move_into(layout.registry() / "storage", aside / "registry"));
    LOCO_TRY(move_into(layout.bootstrap(), aside));
    return {};
}

// What a restore that was killed has left; and what follows from the rows that are gone.
Result<> clear(const platform::Layout& layout) {
    std::error_code error;
    for (const auto* name : {"loco.db", "loco.db-wal", "loco.db-shm"})
        fs::remove(layout.database() / name, error);
    for (const auto& path : {layout.registry() / "storage", layout.gateway(), layout.bootstrap()}) {
        fs::remove_all(path, error);
        if (error) return fail_errno(error.value(), "remove " + path.string());
    }
    return layout.make_folders();
}

Result<> put_images(const Archive& archive, const std::vector<Image>& images,
                    const registry::Storage& storage) {
    for (const auto& part : archive.parts()) {
        if (!part.name.starts_with(kBlobs)) continue;
        const auto digest = "sha256:" + part.name.substr(kBlobs.size());
        // One that the registry had damaged is named by no image.
        if (!registry::is_digest(digest) || digest.substr(7) != part.sha256) continue;
        const auto to = storage.blob(digest);
        LOCO_TRY(os::make_directories(to.parent_path(), 0700));
        LOCO_TRY(archive.extract(part.name, to));
    }
    for (const auto& image : images) {
        for (const auto& blob : image.parts.blobs) {
            LOCO_ASSIGN(const bool there, os::exists(storage.blob(blob.digest)));
            if (!there) {
                return fail(ErrorKind::invalid, "the backup lacks the layer " + blob.digest,
                            "use another backup", "backup_damaged");
            }
        }
        LOCO_TRY(storage.link(image.repository, image.parts));
    }
    return {};
}

// All of the disk: hundreds of small files were written.
Result<> sync_all(const fs::path& folder) {
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail_errno(errno, "open " + folder.string());
    const int result = ::syncfs(fd);
    const int why = errno;
    ::close(fd);
    if (result != 0) return fail_errno(why, "sync " + folder.string());
    return {};
}

class Staging {
  public:
    static Result<Staging> make(const fs::path& path) {
        std::error_code error;
        fs::remove_all(path, error);
        LOCO_TRY(os::make_directories(path, 0700));
        return Staging(path);
    }
    Staging(Staging&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    Staging& operator=(Staging&&) = delete;
    ~Staging() {
        std::error_code error;
        if (!path_.empty()) fs::remove_all(path_, error);
    }

  private:
    explicit Staging(fs::path path) : path_(std::move(path)) {}
    fs::path path_;
};

}  // namespace

Result<Restored> restore(const RestoreOptions& options, const Clock& clock, Random& random) {
    LOCO_ASSIGN(const auto archive, Archive::open(options.file));
    LOCO_ASSIGN(const auto head, read_head(archive));
    LOCO_ASSIGN(const auto plan, plan_config(options, archive, head, random));
    LOCO_ASSIGN(const auto rows, options.rows_of(plan.config));
    const platform::Layout layout(plan.config.data_dir);
    LOCO_ASSIGN(auto marker, read_marker(layout));
    LOCO_ASSIGN(const auto found, in_use(layout, plan.config_file));
    if (!options.force && !found.empty() && (!marker.there || !marker.put_aside)) {
        return fail(ErrorKind::refused, layout.data().string() + " is not empty: it has " + found,
                    "name a configuration with another data_dir, or --force: what is there is put "
                    "aside, to " +
                        layout.before_restore().string(),
                    "restore_not_empty");
    }
    LOCO_ASSIGN(const bool has_aside, os::exists(layout.before_restore()));
    if (!marker.there && options.force && has_aside) {
        return fail(ErrorKind::refused,
                    layout.before_restore().string() + " is there from an earlier restore",
                    "move it away, or remove it, if what it holds is no longer needed",
                    "restore_not_empty");
    }
    LOCO_TRY(layout.make_folders());
    LOCO_ASSIGN(const auto held, hold(layout));
    remove_nameless_markers(layout);
    LOCO_TRY(check_room(archive, layout));
    // One that a restore of before has filled holds the same rows: that is looked at when they are put there.
    if (!marker.there) LOCO_TRY(store::check_free(rows, clock));

    Restored done{.data_dir = layout.data(),
                  .taken_at = head.taken_at,
                  .version = head.version,
                  .images_in_it = head.images,
                  .beside_the_original = plan.beside_the_original};
    LOCO_ASSIGN(const auto staging, Staging::make(layout.restoring()));
    LOCO_ASSIGN(const auto images, read_images(archive, done.left_out));
    LOCO_ASSIGN(done.has_key, stage_key(options, head, plan, layout));
    done.needs_key = head.seal_key && !done.has_key;
    LOCO_TRY(archive.extract(kRows, layout.restoring() / "loco.db"));
    LOCO_TRY(store::check_rows(layout.restoring(), clock));
    LOCO_ASSIGN(const auto taken_at, parse_rfc3339(head.taken_at));
    LOCO_TRY(store::settle_elsewhere(
        layout.restoring(), "restored from a backup of " + head.taken_at, taken_at, clock));
    LOCO_ASSIGN(const auto summary, store::summarize(layout.restoring()));
    done.apps = summary.apps;
    done.images = images.size();

    if (!marker.there) {
        marker = {.there = true, .put_aside = found.empty(), .makes_config = plan.makes_config};
        LOCO_TRY(write_marker(layout, marker));
    }
    if (!marker.put_aside) {
        LOCO_TRY(put_aside(layout));
        marker.put_aside = true;
        LOCO_TRY(write_marker(layout, marker));
    }
    LOCO_ASSIGN(done.put_aside, os::exists(layout.before_restore()));
    LOCO_TRY(clear(layout));
    LOCO_TRY(put_images(archive, images, registry::Storage(layout.registry() / "storage")));
    const auto key = layout.restoring() / "seal.key";
    std::error_code error;
    if (fs::exists(key, error)) {
        fs::rename(key, layout.seal_key(), error);
        if (error) return fail_errno(error.value(), "put the key to " + layout.seal_key().string());
    }
    if (plan.writes_config) LOCO_TRY(platform::write_server_config(plan.config_file, plan.config));
    LOCO_TRY(store::put_back(layout.restoring(), rows, clock));
    LOCO_TRY(sync_all(layout.data()));
    fs::remove(layout.restore_marker(), error);
    if (error) return fail_errno(error.value(), "remove " + layout.restore_marker().string());
    LOCO_TRY(os::sync_directory(layout.data()));
    return done;
}

}  // namespace loco::backup
