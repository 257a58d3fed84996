#include "store/sqlite/migrate.hpp"

#include <string>

#include "crypto/hash.hpp"

namespace loco::store {
namespace {

// "Loco" in the header of the file (`PRAGMA application_id`), so that a foreign database is told.
constexpr std::int64_t kApplicationId = 0x4c6f636f;

Result<std::int64_t> number(sqlite::Database& database, std::string_view sql) {
    sqlite::Query query(database, sql);
    LOCO_TRY(query.step());
    return query.integer(0);
}

Result<> claim(sqlite::Database& database) {
    LOCO_ASSIGN(const auto id, number(database, "PRAGMA application_id"));
    if (id == kApplicationId) return {};
    LOCO_ASSIGN(const auto tables, number(database, "SELECT count(*) FROM sqlite_schema"));
    if (id != 0 || tables != 0) {
        return fail(ErrorKind::refused, "the database is not one of Loco's",
                    "name another data folder", "database_foreign");
    }
    LOCO_TRY(database.run(("PRAGMA application_id = " + std::to_string(kApplicationId)).c_str()));
    return database.run(
        "CREATE TABLE schema_migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 "
        "TEXT NOT NULL,"
        " applied_at INTEGER NOT NULL) STRICT");
}

// How many are applied, each being the one that is known.
Result<std::size_t> applied(sqlite::Database& database, std::span<const Migration> known) {
    sqlite::Query query(database,
                        "SELECT number, name, sha256 FROM schema_migrations ORDER BY number");
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

Result<> apply(sqlite::Database& database, const Migration& migration, Time now) {
    LOCO_TRY(database.run(std::string(migration.sql).c_str()));
    sqlite::Query query(
        database,
        "INSERT INTO schema_migrations (number, name, sha256, applied_at) VALUES (?, ?, ?, ?)");
    query.bind(migration.number).bind(migration.name).bind(crypto::sha256_hex(migration.sql));
    return query.bind(now.time_since_epoch().count()).run();
}

// All of work, or nothing of it.
template <class Work>
Result<> in_transaction(sqlite::Database& database, Work work) {
    LOCO_TRY(database.run("BEGIN IMMEDIATE"));
    auto result = work();
    if (result) result = database.run("COMMIT");
    if (!result && database.in_transaction()) (void)database.run("ROLLBACK");
    return result;
}

}  // namespace

Result<> migrate(sqlite::Database& database, std::span<const Migration> known, Time now) {
    LOCO_TRY(in_transaction(database, [&] { return claim(database); }));
    LOCO_ASSIGN(const auto count, applied(database, known));
    for (const auto& migration : known.subspan(count)) {
        const auto result =
            in_transaction(database, [&] { return apply(database, migration, now); });
        if (!result) {
            return fail(Error(result.error())
                            .while_("migration " + std::to_string(migration.number) + " (" +
                                    std::string(migration.name) + ")"));
        }
    }
    return {};
}

}  // namespace loco::store
