// The lock that makes Loco's writes one after the other, whatever the number of loco-api: an advisory lock of the database,
// held until the transaction ends. Who waits, waits in line (docs/adr/0021-postgresql-with-libpq.md).
#pragma once

#include <string>
#include <string_view>

#include "postgres/database.hpp"

namespace loco::store {

// The lock of who leads (postgres_leadership.hpp), held by a session: whether it got it. A pair of numbers is another kind
// of key than one number.
inline constexpr std::string_view kTryToLead = "SELECT pg_try_advisory_lock(1282368367, 1)";

// Inside a transaction of READ COMMITTED: each statement after it sees all that was committed before. Gives the
// transaction's id, by which its outcome can be asked for when the connection is lost in its commit.
[[nodiscard]] inline Result<std::string> take_write_lock(postgres::Database& database) {
    // 0x4c6f636f: "Loco". The lock first: the id must be of a transaction that has it.
    postgres::Query query(database,
                          "WITH taken AS MATERIALIZED (SELECT pg_advisory_xact_lock(1282368367)) "
                          "SELECT pg_current_xact_id()::text FROM taken");
    LOCO_TRY(query.step());
    return std::string(query.text(0));
}

}  // namespace loco::store
