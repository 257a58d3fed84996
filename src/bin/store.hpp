// Which store the configuration names, and opening it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "os/file.hpp"
#include "platform/server_config.hpp"
#include "ports/store.hpp"
#include "postgres/target.hpp"
#include "store/common/env_seal.hpp"

namespace loco {

// A store as people name it: "sqlite" (in data_dir), "postgres:TARGET" (libpq's connection string or URI), or "file:PATH":
// a file with one of those, which may hold a password where the others must not, as the configuration and a command
// line are read by more people.
struct StoreName {
    std::optional<postgres::Target> postgres = {};  // nothing: SQLite
};
// invalid with what is wrong, never with the text of a target.
[[nodiscard]] Result<StoreName> parse_store_name(const std::string& text);
// The environment's LOCO_STORE, which may hold a password, goes before the configuration's `store`.
[[nodiscard]] Result<StoreName> configured_store(const platform::ServerConfig& config);

// With the lock that keeps a second loco-api from the same data folder.
struct OpenStore {
    std::optional<os::FileLock> lock = {};
    std::unique_ptr<Store> store;
};
[[nodiscard]] Result<OpenStore> open_store(const platform::ServerConfig& config,
                                           store::EnvSeal env_seal, const Clock& clock);

}  // namespace loco
