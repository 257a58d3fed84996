// Which store the configuration names, and opening it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "os/file.hpp"
#include "platform/server_config.hpp"
#include "ports/leadership.hpp"
#include "ports/store.hpp"
#include "postgres/target.hpp"
#include "store/common/env_seal.hpp"
#include "store/transfer/transfer.hpp"

namespace loco {

// A store as people name it: "sqlite" (in data_dir), "postgres:TARGET" (libpq's connection string or URI), or "file:PATH":
// a file with one of those, which may hold a password where the others must not, as the configuration and a command
// line are read by more people.
struct StoreName {
    std::optional<postgres::Target> postgres = {};  // nothing: SQLite
};
// invalid with what is wrong, never with the text of a target.
[[nodiscard]] Result<StoreName> parse_store_name(const std::string& text);
// What `loco-api migrate --from A --to B` names: as above, but "sqlite:DIR" with a data folder instead of "sqlite".
// not_found where there must be a database in it and is none; else the folder is made.
enum class Presence : bool { made, needed };
[[nodiscard]] Result<store::TransferEnd> parse_transfer_end(const std::string& text,
                                                            Presence presence);
// The environment's LOCO_STORE, which may hold a password, goes before the configuration's `store`.
[[nodiscard]] Result<StoreName> configured_store(const platform::ServerConfig& config);

// Where its rows are, for what does not open the store.
[[nodiscard]] Result<store::TransferEnd> rows_of(const platform::ServerConfig& config);

// `alone`: as the one server on the data folder; not so for a command that runs beside it on the same PostgreSQL.
enum class Use : unsigned char { alone, beside };
// With the lock that keeps a second loco-api from the same data folder.
struct OpenStore {
    std::optional<os::FileLock> lock = {};
    std::unique_ptr<Store> store;
    std::unique_ptr<Leadership> leadership;  // among those that share it; not started
};
[[nodiscard]] Result<OpenStore> open_store(const platform::ServerConfig& config,
                                           store::EnvSeal env_seal, const Clock& clock,
                                           Use use = Use::alone);

}  // namespace loco
