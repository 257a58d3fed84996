#include "bin/store.hpp"

#include <unistd.h>

#include <array>
#include <cstdlib>

#include "platform/layout.hpp"
#include "store/common/sole_leadership.hpp"
#include "store/postgres/postgres_leadership.hpp"
#include "store/postgres/postgres_store.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace loco {
namespace {

constexpr std::string_view kPostgres = "postgres:";
constexpr std::string_view kFile = "file:";
constexpr std::size_t kMaxTarget = 64U << 10;

// For people: which of several it is.
std::string server_name(const platform::ServerConfig& config) {
    std::array<char, 65> host{};
    (void)::gethostname(host.data(), host.size() - 1);
    return std::string(host.data()) + " " + config.listen;
}

enum class Place { open, secret };  // whether many may read what stands there

Result<StoreName> parse(std::string_view text, Place place) {
    if (text == "sqlite") return StoreName{};
    const bool is_uri = text.starts_with("postgres://") || text.starts_with("postgresql://");
    if (!is_uri && !text.starts_with(kPostgres)) {
        return fail(
            ErrorKind::invalid, "that names no store",
            "write sqlite, postgres:host=… dbname=…, or file:PATH of a file with one of these",
            "store_invalid");
    }
    if (!is_uri) text.remove_prefix(kPostgres.size());
    LOCO_ASSIGN(auto target, postgres::Target::parse(Secret<>(std::string(text))));
    if (place == Place::open && target.has_password()) {
        return fail(
            ErrorKind::invalid, "the store's name holds a password",
            "put the name into a file of mode 0600 and write file:PATH here, or the password "
            "into a file that PGPASSFILE names",
            "store_with_password");
    }
    return StoreName{.postgres = std::move(target)};
}

}  // namespace

Result<StoreName> parse_store_name(const std::string& text) {
    if (!text.starts_with(kFile)) return parse(text, Place::open);
    LOCO_ASSIGN(auto content, os::read_file(text.substr(kFile.size()), kMaxTarget));
    while (content.ends_with('\n') || content.ends_with(' ')) content.pop_back();
    return parse(content, Place::secret);
}

Result<store::TransferEnd> parse_transfer_end(const std::string& text, Presence presence) {
    constexpr std::string_view kSqlite = "sqlite:";
    if (!text.starts_with(kSqlite)) {
        LOCO_ASSIGN(auto name, parse_store_name(text));
        if (name.postgres) return store::TransferEnd{.postgres = std::move(name.postgres)};
        return fail(ErrorKind::invalid, "sqlite needs the data folder here",
                    "write sqlite:/var/lib/loco", "store_invalid");
    }
    const platform::Layout layout(text.substr(kSqlite.size()));
    LOCO_TRY(layout.check_whole());
    if (presence == Presence::made) {
        LOCO_TRY(layout.make_folders());
    } else {
        LOCO_ASSIGN(const bool there, os::exists(layout.database() / "loco.db"));
        if (!there) {
            return fail(ErrorKind::not_found,
                        "there is no database in " + layout.database().string(),
                        "name the data folder, the one with loco-api.toml", "no_database");
        }
    }
    return store::TransferEnd{.folder = layout.database()};
}

Result<StoreName> configured_store(const platform::ServerConfig& config) {
    const char* given = std::getenv("LOCO_STORE");
    const bool from_environment = given != nullptr && *given != '\0';
    const std::string text = from_environment ? given : config.store;
    auto name = from_environment && !text.starts_with(kFile) ? parse(text, Place::secret)
                                                             : parse_store_name(text);
    if (name) return name;
    return fail(std::move(name).error().while_(from_environment ? "LOCO_STORE" : "store"));
}

Result<store::TransferEnd> rows_of(const platform::ServerConfig& config) {
    LOCO_ASSIGN(auto name, configured_store(config));
    if (name.postgres) return store::TransferEnd{.postgres = std::move(name.postgres)};
    return store::TransferEnd{.folder = platform::Layout(config.data_dir).database()};
}

Result<OpenStore> open_store(const platform::ServerConfig& config, store::EnvSeal env_seal,
                             const Clock& clock, Use use) {
    LOCO_ASSIGN(auto name, configured_store(config));
    const platform::Layout layout(config.data_dir);
    LOCO_TRY(layout.check_whole());
    OpenStore opened;
    if (!name.postgres) {
        LOCO_ASSIGN(opened.store,
                    store::SqliteStore::open(
                        {.folder = layout.database(), .env_seal = std::move(env_seal)}, clock));
        opened.leadership = std::make_unique<store::SoleLeadership>(server_name(config));
        return opened;
    }
    if (use == Use::alone) {
        LOCO_ASSIGN(opened.lock, store::lock_folder(layout.database()));
    }
    opened.leadership = std::make_unique<store::PostgresLeadership>(
        store::PostgresLeadershipOptions{.target = *name.postgres, .name = server_name(config)});
    LOCO_ASSIGN(opened.store,
                store::PostgresStore::open(
                    {.target = *std::move(name.postgres), .env_seal = std::move(env_seal)}, clock));
    return opened;
}

}  // namespace loco
