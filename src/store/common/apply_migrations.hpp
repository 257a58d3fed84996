// What every SQL store does alike when it brings its schema up to date; the transactions around it are each store's own.
// Included by their migrate.cpp only.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "crypto/hash.hpp"
#include "store/common/migration.hpp"

namespace loco::store {

// How many are applied, each being the one that is known; refused where another Loco wrote the database.
template <class Query, class Database>
[[nodiscard]] Result<std::size_t> applied(Database& database, std::span<const Migration> known) {
    Query query(database, "SELECT number, name, sha256 FROM schema_migrations ORDER BY number");
    std::size_t count = 0;
    while (true) {
        LOCO_ASSIGN(const bool row, query.step());
        if (!row) return count;
        const auto label =
            std::to_string(query.integer(0)) + " (" + std::string(query.text(1)) + ")";
        if (count == known.size()) {
            return fail(ErrorKind::refused,
                        "the database was written by a newer Loco: it has migration " + label +
                            ", this one knows " + std::to_string(known.size()),
                        "run the newer loco-api, or restore the backup made before the upgrade",
                        "database_newer");
        }
        const auto& migration = known[count];
        if (query.integer(0) != migration.number ||
            query.text(2) != crypto::sha256_hex(migration.sql)) {
            return fail(ErrorKind::refused,
                        "the database was made by a different build of Loco: its migration " +
                            label + " is not the one that this one knows",
                        "run the loco-api that made it", "database_foreign");
        }
        ++count;
    }
}

// Within a transaction of the caller's: the migration, and that it was applied.
template <class Query, class Database>
[[nodiscard]] Result<> apply(Database& database, const Migration& migration, Time now) {
    const auto done = [&]() -> Result<> {
        LOCO_TRY(database.run(std::string(migration.sql).c_str()));
        Query query(
            database,
            "INSERT INTO schema_migrations (number, name, sha256, applied_at) VALUES (?, ?, ?, ?)");
        query.bind(migration.number).bind(migration.name).bind(crypto::sha256_hex(migration.sql));
        return query.bind(now.time_since_epoch().count()).run();
    }();
    if (done) return {};
    return fail(Error(done.error())
                    .while_("migration " + std::to_string(migration.number) + " (" +
                            std::string(migration.name) + ")"));
}

}  // namespace loco::store
