// What is SQLite's own in the statements that all databases share (store/common/sql_tx.hpp).
#pragma once

#include "sqlite/database.hpp"
#include "store/common/sql_tx.hpp"

namespace loco::store {

struct SqliteSql {
    using Database = sqlite::Database;
    using Query = sqlite::Query;
    static constexpr std::string_view kNoIndex = "+";
    static constexpr std::string_view kNoParent = sqlite::kNoParent;
    static constexpr std::string_view kColumns = sqlite::kColumns;
    [[nodiscard]] static Result<> run(Query& query) { return query.run(); }
    // A kept statement, as all are: parsing these two would be a tenth of what a small read costs.
    [[nodiscard]] static Result<> begin_read(Database& database) {
        return Query(database, "BEGIN").run();
    }
    // False when the connection can't be used further.
    [[nodiscard]] static bool end_read(Database& database) {
        return !database.in_transaction() || Query(database, "COMMIT").run();
    }
    [[nodiscard]] static bool is_usable(Database&) { return true; }
    [[nodiscard]] static bool is_trouble(const Error& error) { return sqlite::is_trouble(error); }
};

using SqliteTx = SqlTx<SqliteSql>;
extern template class SqlTx<SqliteSql>;

}  // namespace loco::store
