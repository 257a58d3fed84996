// Brings a database to the schema that this binary knows: numbered SQL files (store/schema), each applied once, in order,
// in one transaction, its checksum recorded.
#pragma once

#include <span>

#include "base/clock.hpp"
#include "sqlite/database.hpp"
#include "store/common/migration.hpp"

namespace loco::store {

// Those that were built in; generated from store/schema.
[[nodiscard]] std::span<const Migration> migrations();

// Applies what is missing. Changes nothing and gives refused when the database is another program's, was written by a
// newer Loco (code database_newer), or an applied migration is not the one that is known (code database_foreign).
[[nodiscard]] Result<> migrate(sqlite::Database& database, std::span<const Migration> known,
                               Time now);

}  // namespace loco::store
