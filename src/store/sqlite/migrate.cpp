#include "store/sqlite/migrate.hpp"

#include <string>

#include "store/common/apply_migrations.hpp"

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
    LOCO_ASSIGN(const auto count, applied<sqlite::Query>(database, known));
    for (const auto& migration : known.subspan(count)) {
        LOCO_TRY(in_transaction(database,
                                [&] { return apply<sqlite::Query>(database, migration, now); }));
    }
    return {};
}

}  // namespace loco::store
