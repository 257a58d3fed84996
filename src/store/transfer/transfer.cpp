#include "store/transfer/transfer.hpp"

#include <variant>

#include "sqlite/database.hpp"
#include "store/common/rows.hpp"
#include "store/postgres/postgres_store.hpp"
#include "store/postgres/write_lock.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace loco::store {
namespace {

constexpr std::size_t kPage = 2'000;
// One transaction writes all; PostgreSQL must not take the time that the other side needs for idleness.
const postgres::Database::Limits kLimits{.statement = std::chrono::minutes(10),
                                         .lock = std::chrono::seconds(30),
                                         .idle_in_transaction = std::chrono::minutes(10)};

// An open end; `store` has brought the schema up to date, and keeps loco-api from the folder.
struct SqliteEnd {
    using Query = sqlite::Query;
    std::unique_ptr<Store> store;
    std::unique_ptr<sqlite::Database> database;

    [[nodiscard]] Result<> run(const std::string& sql) const { return database->run(sql.c_str()); }
    [[nodiscard]] Result<> begin_read() const { return run("BEGIN"); }
    [[nodiscard]] Result<> begin_write() const { return run("BEGIN IMMEDIATE"); }
    // SQLite counts on from the largest number that there was.
    [[nodiscard]] Result<> end_write() const { return run("COMMIT"); }
};

struct PostgresEnd {
    using Query = postgres::Query;
    std::unique_ptr<Store> store;
    std::unique_ptr<postgres::Database> database;  // its session has the lock of who leads

    [[nodiscard]] Result<> run(const std::string& sql) const {
        LOCO_TRY(database->run(sql));
        return {};
    }
    [[nodiscard]] Result<> begin_read() const {
        return run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    }
    [[nodiscard]] Result<> begin_write() const {
        LOCO_TRY(run("BEGIN"));
        LOCO_TRY(take_write_lock(*database));
        return {};
    }
    [[nodiscard]] Result<> end_write() const {
        LOCO_TRY(
            run("SELECT setval(pg_get_serial_sequence('events', 'seq'), coalesce(max(seq), 1), "
                "max(seq) IS NOT NULL) FROM events"));
        return run("COMMIT");
    }
};

using End = std::variant<SqliteEnd, PostgresEnd>;

Result<End> open(const TransferEnd& end, const Clock& clock) {
    if (!end.postgres) {
        SqliteEnd sqlite;
        LOCO_ASSIGN(sqlite.store, SqliteStore::open({.folder = end.folder}, clock));
        LOCO_ASSIGN(sqlite.database, sqlite::Database::open(end.folder / "loco.db", {}));
        LOCO_TRY(sqlite.database->run("PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL"));
        return End(std::move(sqlite));
    }
    PostgresEnd server;
    LOCO_ASSIGN(server.store, PostgresStore::open({.target = *end.postgres}, clock));
    LOCO_ASSIGN(server.database, postgres::Database::open(*end.postgres, kLimits));
    postgres::Query query(*server.database, kTryToLead);
    LOCO_TRY(query.step());
    if (query.integer(0) != 1) {
        return fail(ErrorKind::conflict, "a loco-api uses the database " + server.database->name(),
                    "stop all that do", "already_running");
    }
    return End(std::move(server));
}

// "id" or "team", "user"
template <class Row>
std::string key_columns() {
    std::string text;
    int index = 0;
    std::apply(
        [&](const auto&... column) {
            (void)(((index++ < Rows<Row>::kKeys) &&
                    (text.append(text.empty() ? "\"" : ", \"").append(column.name).append("\""),
                     true)) &&
                   ...);
        },
        Rows<Row>::columns());
    return text;
}

// The rows after `last`, in the order of their keys.
template <class Row, class Side>
Result<std::vector<Row>> page(const Side& side, const Row* last) {
    static const std::string keys = key_columns<Row>();
    static const std::string order = " ORDER BY " + keys + " LIMIT " + std::to_string(kPage);
    static const std::string first = select_from<Row>() + order;
    static const std::string next = select_from<Row>() + "WHERE (" + keys + ") > (" +
                                    (Rows<Row>::kKeys == 1 ? "?" : "?, ?") + ")" + order;
    typename Side::Query query(*side.database, last == nullptr ? first : next);
    if (last != nullptr) {
        constexpr auto columns = Rows<Row>::columns();
        bind_value(query, last->*std::get<0>(columns).member);
        if constexpr (Rows<Row>::kKeys == 2) bind_value(query, last->*std::get<1>(columns).member);
    }
    std::vector<Row> rows;
    while (true) {
        LOCO_ASSIGN(const bool more, query.step());
        if (!more) return rows;
        LOCO_ASSIGN(auto row, take_row<Row>(query));
        rows.push_back(std::move(row));
    }
}

template <class Row, class From, class To>
Result<> copy(const From& from, const To& to) {
    static const std::string sql = upsert<Row>();
    std::vector<Row> rows;
    do {
        LOCO_ASSIGN(rows, page<Row>(from, rows.empty() ? nullptr : &rows.back()));
        for (const auto& row : rows) {
            typename To::Query query(*to.database, sql);
            bind_row(query, row);
            LOCO_TRY(query.run());
        }
    } while (rows.size() == kPage);
    return {};
}

// How many rows both have, or nothing where one differs from the other's.
template <class Row, class From, class To>
Result<std::optional<std::int64_t>> compare(const From& from, const To& to) {
    std::vector<Row> rows;
    std::int64_t count = 0;
    do {
        const Row* last = rows.empty() ? nullptr : &rows.back();
        LOCO_ASSIGN(auto theirs, page<Row>(to, last));
        LOCO_ASSIGN(auto own, page<Row>(from, last));
        if (own != theirs) return std::optional<std::int64_t>();
        count += static_cast<std::int64_t>(own.size());
        rows = std::move(own);
    } while (rows.size() == kPage);
    return count;
}

// Parents before what belongs to them.
template <class Do>
Result<> each_table(const Do& work) {
    LOCO_TRY(work.template operator()<User>());
    LOCO_TRY(work.template operator()<Team>());
    LOCO_TRY(work.template operator()<Membership>());
    LOCO_TRY(work.template operator()<Token>());
    LOCO_TRY(work.template operator()<App>());
    LOCO_TRY(work.template operator()<EnvVersion>());
    LOCO_TRY(work.template operator()<Deployment>());
    LOCO_TRY(work.template operator()<Release>());
    LOCO_TRY(work.template operator()<Instance>());
    LOCO_TRY(work.template operator()<Host>());
    LOCO_TRY(work.template operator()<IdempotencyRecord>());
    return work.template operator()<Event>();
}

template <class Side>
Result<bool> is_empty(const Side& side) {
    bool empty = true;
    LOCO_TRY(each_table([&]<class Row>() -> Result<> {
        if (!empty) return {};
        LOCO_ASSIGN(const auto rows, page<Row>(side, nullptr));
        empty = rows.empty();
        return {};
    }));
    return empty;
}

// The table of which not all rows are the same, if there is one.
template <class From, class To>
Result<std::optional<std::string>> differs(const From& from, const To& to, Transferred& done) {
    std::optional<std::string> table;
    done.rows.clear();
    LOCO_TRY(each_table([&]<class Row>() -> Result<> {
        if (table) return {};
        LOCO_ASSIGN(const auto count, (compare<Row>(from, to)));
        const std::string name(Rows<Row>::kTable);
        if (count)
            done.rows.emplace_back(name, *count);
        else
            table = name;
        return {};
    }));
    return table;
}

template <class From, class To>
Result<Transferred> move_rows(const From& from, const To& to) {
    LOCO_TRY(from.begin_read());
    LOCO_ASSIGN(const bool nothing, is_empty(from));
    if (nothing) {
        return fail(ErrorKind::refused, "there is nothing to move: the source has no rows",
                    "look at what you gave as --from", "transfer_empty");
    }
    Transferred done;
    LOCO_ASSIGN(const bool target_empty, is_empty(to));
    if (!target_empty) {
        LOCO_ASSIGN(const auto table, differs(from, to, done));
        if (table) {
            return fail(ErrorKind::refused,
                        "the target has rows that the source has not (" + *table + ")",
                        "name an empty database; nothing was changed", "transfer_target_in_use");
        }
        done.was_there = true;
        return done;
    }
    LOCO_TRY(to.begin_write());
    LOCO_TRY(each_table([&]<class Row>() { return copy<Row>(from, to); }));
    LOCO_TRY(to.end_write());
    LOCO_ASSIGN(const auto table, differs(from, to, done));
    if (table) {
        return fail(ErrorKind::internal,
                    "after moving, the rows of " + *table + " are not the same in both",
                    "do not use the target; report this");
    }
    return done;
}

}  // namespace

Result<Transferred> transfer(const TransferEnd& from, const TransferEnd& to, const Clock& clock) {
    LOCO_ASSIGN(const auto source, open(from, clock));
    LOCO_ASSIGN(const auto target, open(to, clock));
    return std::visit([](const auto& one, const auto& other) { return move_rows(one, other); },
                      source, target);
}

}  // namespace loco::store
