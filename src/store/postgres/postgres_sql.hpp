// What is PostgreSQL's own in the statements that all databases share (store/common/sql_tx.hpp).
#pragma once

#include "postgres/database.hpp"
#include "postgres/errors.hpp"
#include "store/common/sql_tx.hpp"

namespace loco::store {

struct PostgresSql {
    using Database = postgres::Database;
    using Query = postgres::Query;
    static constexpr std::string_view kNoIndex = "";  // the planner knows better
    static constexpr std::string_view kNoParent = postgres::kNoParent;
    static constexpr std::string_view kColumns = postgres::kColumns;
    // A statement that fails would take the transaction with it.
    [[nodiscard]] static Result<> run(Query& query) { return query.run_guarded(); }
    // Goes with the first statement of the read.
    [[nodiscard]] static Result<> begin_read(Database& database) {
        database.queue("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
        return {};
    }
    // False when the connection can't be used further.
    [[nodiscard]] static bool end_read(Database& database) {
        database.forget_queued();
        return !database.in_transaction() ? database.is_alive()
                                          : database.run("COMMIT").has_value();
    }
    [[nodiscard]] static bool is_usable(Database& database) { return database.is_alive(); }
    [[nodiscard]] static bool is_trouble(const Error& error) { return postgres::is_trouble(error); }
};

using PostgresTx = SqlTx<PostgresSql>;
extern template class SqlTx<PostgresSql>;

}  // namespace loco::store
