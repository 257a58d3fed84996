#include "store/postgres/migrate.hpp"

#include <string>

#include "store/common/apply_migrations.hpp"
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

Result<> bring_up(Database& database, std::span<const Migration> known, Time now) {
    // Who comes second waits here, for as long as a migration may take, and then sees what the first did.
    LOCO_TRY(database.run(
        "BEGIN; SET LOCAL lock_timeout = '120s'; SET LOCAL statement_timeout = '120s'; "
        "SET LOCAL idle_in_transaction_session_timeout = 0"));
    LOCO_TRY(take_write_lock(database));
    LOCO_TRY(claim(database));
    LOCO_ASSIGN(const auto count, applied<Query>(database, known));
    for (const auto& migration : known.subspan(count)) {
        LOCO_TRY(apply<Query>(database, migration, now));
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
