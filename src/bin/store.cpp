#include "bin/store.hpp"

#include <cstdlib>

#include "platform/layout.hpp"
#include "store/postgres/postgres_store.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace loco {
namespace {

constexpr std::string_view kPostgres = "postgres:";
constexpr std::string_view kFile = "file:";
constexpr std::size_t kMaxTarget = 64U << 10;

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

Result<StoreName> configured_store(const platform::ServerConfig& config) {
    const char* given = std::getenv("LOCO_STORE");
    const bool from_environment = given != nullptr && *given != '\0';
    const std::string text = from_environment ? given : config.store;
    auto name = from_environment && !text.starts_with(kFile) ? parse(text, Place::secret)
                                                             : parse_store_name(text);
    if (name) return name;
    return fail(std::move(name).error().while_(from_environment ? "LOCO_STORE" : "store"));
}

Result<OpenStore> open_store(const platform::ServerConfig& config, store::EnvSeal env_seal,
                             const Clock& clock) {
    LOCO_ASSIGN(auto name, configured_store(config));
    const platform::Layout layout(config.data_dir);
    OpenStore opened;
    if (!name.postgres) {
        LOCO_ASSIGN(opened.store,
                    store::SqliteStore::open(
                        {.folder = layout.database(), .env_seal = std::move(env_seal)}, clock));
        return opened;
    }
    LOCO_ASSIGN(opened.lock, store::lock_folder(layout.database()));
    LOCO_ASSIGN(opened.store,
                store::PostgresStore::open(
                    {.target = *std::move(name.postgres), .env_seal = std::move(env_seal)}, clock));
    return opened;
}

}  // namespace loco
