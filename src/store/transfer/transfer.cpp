#include "store/transfer/transfer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <variant>

#include "os/file.hpp"
#include "sqlite/database.hpp"
#include "store/common/apply_migrations.hpp"
#include "store/common/rows.hpp"
#include "store/postgres/migrate.hpp"
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

constexpr const char* kFile = "loco.db";

// Made here, so that it is never readable by others; VACUUM INTO takes an empty file.
Result<> copy_sqlite(const std::filesystem::path& from, const std::filesystem::path& to) {
    LOCO_ASSIGN(const bool there, os::exists(from));
    if (!there) {
        return fail(ErrorKind::not_found, "there is no database " + from.string(),
                    "name the configuration of the Loco that you mean with --config",
                    "no_database");
    }
    const int fd = ::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return fail_errno(errno, "create " + to.string());
    ::close(fd);
    LOCO_ASSIGN(const auto source, sqlite::Database::open(from, {.busy_timeout_ms = 30'000}));
    sqlite::Query query(*source, "VACUUM INTO ?");
    return query.bind(std::string_view(to.native())).run();
}

Result<> copy_postgres(const postgres::Target& target, const std::filesystem::path& folder,
                       const Clock& clock) {
    PostgresEnd source;
    LOCO_ASSIGN(source.database, postgres::Database::open(target, kLimits));
    LOCO_TRY(source.begin_read());
    const auto known = postgres_migrations();
    LOCO_ASSIGN(const auto count, applied<postgres::Query>(*source.database, known));
    if (count != known.size()) {
        return fail(ErrorKind::refused,
                    "the database was written by an older Loco than this loco-api",
                    "back it up with the loco-api that serves it, or `loco-api migrate` it first",
                    "database_older");
    }
    LOCO_ASSIGN(const auto opened, open(TransferEnd{.folder = folder}, clock));
    const auto& to = std::get<SqliteEnd>(opened);
    LOCO_TRY(to.begin_write());
    LOCO_TRY(each_table([&]<class Row>() { return copy<Row>(source, to); }));
    return to.end_write();
}

Result<std::int64_t> count(sqlite::Database& database, std::string_view sql) {
    sqlite::Query query(database, sql);
    LOCO_TRY(query.step());
    return query.integer(0);
}

// Its tables, indexes and whatever else, as the statements that made them.
Result<std::vector<std::string>> schema_of(const std::filesystem::path& file) {
    LOCO_ASSIGN(const auto database, sqlite::Database::open(file, {.read_only = true}));
    sqlite::Query query(*database,
                        "SELECT type, name, coalesce(sql, '') FROM sqlite_schema ORDER BY 1, 2");
    std::vector<std::string> schema;
    while (true) {
        LOCO_ASSIGN(const bool more, query.step());
        if (!more) return schema;
        schema.push_back(std::string(query.text(0)) + " " + std::string(query.text(1)) + " " +
                         std::string(query.text(2)));
    }
}

Result<> check_sound(const std::filesystem::path& folder) {
    const auto damaged = [](const std::string& how) {
        return fail(ErrorKind::invalid, "the backup's rows are damaged: " + how,
                    "use another backup", "rows_damaged");
    };
    LOCO_ASSIGN(const auto database, sqlite::Database::open(folder / kFile, {.read_only = true}));
    {
        sqlite::Query check(*database, "PRAGMA quick_check(1)");
        const auto row = check.step();
        if (!row) return damaged(row.error().message);
        if (check.text(0) != "ok") return damaged(std::string(check.text(0)));
    }
    sqlite::Query strays(*database, "PRAGMA foreign_key_check");
    LOCO_ASSIGN(const bool stray, strays.step());
    if (stray) return damaged("a row of " + std::string(strays.text(0)) + " belongs to nothing");
    return {};
}

// A trigger or a view that somebody has put there would run in the server.
Result<> check_schema(const std::filesystem::path& folder, const Clock& clock) {
    const auto plain = folder / "plain";
    LOCO_TRY(os::make_directories(plain, 0700));
    LOCO_TRY(SqliteStore::open({.folder = plain}, clock));
    LOCO_ASSIGN(const auto wanted, schema_of(plain / kFile));
    LOCO_ASSIGN(const auto found, schema_of(folder / kFile));
    if (found == wanted) return {};
    return fail(ErrorKind::refused, "the backup's database has other tables than one of Loco's",
                "use another backup", "database_foreign");
}

}  // namespace

Result<> snapshot(const TransferEnd& from, const std::filesystem::path& folder,
                  const Clock& clock) {
    if (from.postgres) return copy_postgres(*from.postgres, folder, clock);
    return copy_sqlite(from.folder / kFile, folder / kFile);
}

Result<RowsSummary> summarize(const std::filesystem::path& folder) {
    LOCO_ASSIGN(const auto database, sqlite::Database::open(folder / kFile, {.read_only = true}));
    RowsSummary summary;
    LOCO_ASSIGN(summary.apps, count(*database, "SELECT count(*) FROM apps"));
    LOCO_ASSIGN(summary.releases, count(*database, "SELECT count(*) FROM releases"));
    sqlite::Query query(*database,
                        "SELECT a.name, r.number, coalesce(a.live_release = r.id, 0), "
                        "r.repository, r.digest FROM releases r JOIN apps a ON a.id = r.app "
                        "WHERE r.image_kept AND NOT a.destroying ORDER BY a.id, r.number DESC");
    while (true) {
        LOCO_ASSIGN(const bool more, query.step());
        if (!more) return summary;
        summary.images.push_back({.app = std::string(query.text(0)),
                                  .release = static_cast<int>(query.integer(1)),
                                  .live = query.integer(2) != 0,
                                  .repository = std::string(query.text(3)),
                                  .digest = std::string(query.text(4))});
    }
}

Result<> check_rows(const std::filesystem::path& folder, const Clock& clock) {
    LOCO_TRY(check_sound(folder));
    LOCO_TRY(SqliteStore::open({.folder = folder}, clock));
    return check_schema(folder, clock);
}

Result<> check_free(const TransferEnd& to, const Clock& clock) {
    if (!to.postgres) return {};
    LOCO_ASSIGN(const auto opened, open(to, clock));
    LOCO_ASSIGN(const bool empty, is_empty(std::get<PostgresEnd>(opened)));
    if (empty) return {};
    return fail(ErrorKind::refused,
                "the database " + std::get<PostgresEnd>(opened).database->name() + " has rows",
                "name an empty one as `store` in the configuration; nothing was changed",
                "transfer_target_in_use");
}

Result<> settle_elsewhere(const std::filesystem::path& folder, const std::string& message, Time at,
                          const Clock& clock) {
    LOCO_ASSIGN(const auto store, SqliteStore::open({.folder = folder}, clock));
    return store->write([&](WriteTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto instances, tx.all_instances());
        for (const auto& instance : instances) {
            if (!instance.one_shot) LOCO_TRY(tx.remove_instance(instance.id));
        }
        LOCO_ASSIGN(const auto apps, tx.all_apps());
        for (const auto& id : apps) {
            LOCO_ASSIGN(const auto app, tx.app(id));
            LOCO_TRY(tx.append(Event{.team = app.team,
                                     .app = app.id,
                                     .deployment = {},
                                     .actor = "loco",
                                     .kind = "app.restored",
                                     .message = message,
                                     .data = {},
                                     .at = at}));
        }
        return {};
    });
}

Result<> put_back(const std::filesystem::path& folder, const TransferEnd& to, const Clock& clock) {
    if (to.postgres) {
        LOCO_TRY(transfer({.folder = folder}, to, clock));
        return {};
    }
    const auto target = to.folder / kFile;
    if (::link((folder / kFile).c_str(), target.c_str()) != 0)
        return fail_errno(errno, "put the rows to " + target.string());
    return os::sync_directory(to.folder);
}

Result<Transferred> transfer(const TransferEnd& from, const TransferEnd& to, const Clock& clock) {
    LOCO_ASSIGN(const auto source, open(from, clock));
    LOCO_ASSIGN(const auto target, open(to, clock));
    return std::visit([](const auto& one, const auto& other) { return move_rows(one, other); },
                      source, target);
}

}  // namespace loco::store
