#include "store/postgres/migrate.hpp"

#include <string>

#include "crypto/hash.hpp"
#include "store/postgres/write_lock.hpp"

namespace loco::store {
namespace {

using postgres::Database;
using postgres::Query;

Result<std::int64_t> number(Database& database, std::string_view sql) {
    Query query(database, sql);
    LOCO_TRY(query.step());
    return query.integer(0);
}

Result<> claim(Database& database) {
    LOCO_ASSIGN(const auto own,
                number(database,
                       "SELECT count(*) FROM information_schema.tables WHERE "
                       "table_schema = current_schema() AND table_name = 'schema_migrations'"));
    if (own != 0) return {};
    LOCO_ASSIGN(const auto tables, number(database,
                                          "SELECT count(*) FROM information_schema.tables WHERE "
                                          "table_schema = current_schema()"));
    if (tables != 0) {
        return fail(
            ErrorKind::refused, "the database " + database.name() + " is not one of Loco's",
            "name another one; an empty one is made with: createdb -E UTF8 -T template0 loco",
            "database_foreign");
    }
    LOCO_TRY(database.run(
        "CREATE TABLE schema_migrations (number BIGINT PRIMARY KEY, name TEXT NOT NULL, "
        "sha256 TEXT NOT NULL, applied_at BIGINT NOT NULL)"));
    return {};
}

// How many are applied, each being the one that is known.
Result<std::size_t> applied(Database& database, std::span<const Migration> known) {
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

Result<> apply(Database& database, const Migration& migration, Time now) {
    LOCO_TRY(database.run(std::string(migration.sql)));
    Query query(
        database,
        "INSERT INTO schema_migrations (number, name, sha256, applied_at) VALUES (?, ?, ?, ?)");
    query.bind(migration.number).bind(migration.name).bind(crypto::sha256_hex(migration.sql));
    return query.bind(now.time_since_epoch().count()).run();
}

Result<> bring_up(Database& database, std::span<const Migration> known, Time now) {
    // Who comes second waits here, for as long as a migration may take, and then sees what the first did.
    LOCO_TRY(database.run(
        "BEGIN; SET LOCAL lock_timeout = '120s'; SET LOCAL statement_timeout = '120s'; "
        "SET LOCAL idle_in_transaction_session_timeout = 0"));
    LOCO_TRY(take_write_lock(database));
    LOCO_TRY(claim(database));
    LOCO_ASSIGN(const auto count, applied(database, known));
    for (const auto& migration : known.subspan(count)) {
        if (const auto result = apply(database, migration, now); !result) {
            return fail(Error(result.error())
                            .while_("migration " + std::to_string(migration.number) + " (" +
                                    std::string(migration.name) + ")"));
        }
    }
    LOCO_TRY(database.run("COMMIT"));
    return {};
}

}  // namespace

Result<> migrate(Database& database, std::span<const Migration> known, Time now) {
    auto result = bring_up(database, known, now);
    if (!result && database.in_transaction()) (void)database.run("ROLLBACK");
    return result;
}

}  // namespace loco::store
