// Brings a PostgreSQL database to the schema that this binary knows: numbered SQL files (store/schema/postgres), all that
// are missing applied in one transaction, their checksums recorded. Of several servers that start at once one does it and
// the others wait for it.
#pragma once

#include <span>

#include "base/clock.hpp"
#include "postgres/database.hpp"
#include "store/common/migration.hpp"

namespace loco::store {

// Those that were built in; generated from store/schema/postgres.
[[nodiscard]] std::span<const Migration> postgres_migrations();

// Changes nothing and gives refused when the database has another program's tables, was written by a newer Loco (code
// database_newer), or an applied migration is not the one that is known (code database_foreign).
[[nodiscard]] Result<> migrate(postgres::Database& database, std::span<const Migration> known,
                               Time now);

}  // namespace loco::store
