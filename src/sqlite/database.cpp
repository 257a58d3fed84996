#include "sqlite/database.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace loco::sqlite {
namespace {

std::atomic<int> stuck = 0;

Error of_constraint(int extended, const std::string& detail) {
    if (extended == SQLITE_CONSTRAINT_FOREIGNKEY) {
        return {ErrorKind::not_found, "what the row belongs to is not there", "",
                std::string(kNoParent)};
    }
    if (extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY) {
        // "UNIQUE constraint failed: apps.team, apps.name"
        const auto columns = detail.rfind(": ");
        Error error{ErrorKind::conflict, "that value is taken"};
        if (columns == std::string::npos) return error;
        return std::move(error).with(std::string(kColumns), detail.substr(columns + 2));
    }
    return {ErrorKind::internal, "the database refused a row: " + detail};
}

Error of_trouble(int primary, const std::string& file, const std::string& detail) {
    switch (primary) {
        case SQLITE_FULL:
            return {ErrorKind::unavailable, "there is no space left for the database " + file,
                    "free some space on its disk; loco-api then goes on by itself",
                    "database_full"};
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return {ErrorKind::unavailable, "another program holds the database " + file,
                    "close it (is an sqlite3 shell open?); loco-api then goes on by itself",
                    "database_locked"};
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
            return {ErrorKind::unavailable, "the database " + file + " is damaged: " + detail,
                    "stop loco-api and restore the last backup", "database_damaged"};
        case SQLITE_PROTOCOL:
            ++stuck;
            return {ErrorKind::unavailable,
                    "the database " + file + " is held by a lock that was not given back",
                    "loco-api starts anew by itself; if it stays, end what else has the file open",
                    "database_stuck"};
        default:
            return {ErrorKind::unavailable,
                    "the database " + file + " can't be read or written: " + detail,
                    "look at its disk and at who may write there; loco-api goes on by itself once "
                    "it can",
                    "database_unreachable"};
    }
}

}  // namespace

int times_stuck() { return stuck; }

bool is_trouble(const Error& error) {
    return error.kind == ErrorKind::unavailable && error.code.starts_with("database_");
}

Result<std::unique_ptr<Database>> Database::open(const std::filesystem::path& file,
                                                 const Options& options) {
    if (options.create) {
        // Made here so that it is never readable by others, not even for a moment.
        const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0) return fail_errno(errno, "open the database " + file.string());
        ::close(fd);
    }
    sqlite3* handle = nullptr;
    const int code = sqlite3_open_v2(file.c_str(), &handle,
                                     SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
    std::unique_ptr<Database> database(new Database(handle, file));
    if (handle == nullptr)
        return fail(ErrorKind::internal, "no memory to open the database " + file.string());
    if (code != SQLITE_OK) return fail(database->error());
    sqlite3_extended_result_codes(handle, 1);
    sqlite3_busy_timeout(handle, options.busy_timeout_ms);
    const auto settings =
        "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;"
        "PRAGMA cache_size = -" +
        std::to_string(options.cache_kib) + ";";
    LOCO_TRY(database->run(settings.c_str()));
    if (options.read_only) LOCO_TRY(database->run("PRAGMA query_only = ON"));
    return database;
}

Database::~Database() {
    statements_.clear();
    sqlite3_close_v2(handle_);
}

void Database::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

Result<> Database::run(const char* sql) {
    if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return fail(error());
    return {};
}

Result<sqlite3_stmt*> Database::prepare(std::string_view sql) {
    if (const auto it = statements_.find(sql); it != statements_.end()) return it->second.get();
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(handle_, sql.data(), static_cast<int>(sql.size()),
                           SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
        return fail(error());
    }
    statements_.emplace(std::string(sql), statement);
    return statement;
}

bool Database::in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

std::int64_t Database::last_row_id() const { return sqlite3_last_insert_rowid(handle_); }

Error Database::error() const {
    const int extended = sqlite3_extended_errcode(handle_);
    const std::string detail = sqlite3_errmsg(handle_);
    switch (const int primary = extended & 0xff) {
        case SQLITE_CONSTRAINT: return of_constraint(extended, detail);
        case SQLITE_TOOBIG: return {ErrorKind::too_large, "a value is too large for the database"};
        case SQLITE_NOMEM: return {ErrorKind::internal, "no memory left for the database"};
        case SQLITE_FULL:
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_IOERR:
        case SQLITE_CANTOPEN:
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_PROTOCOL:
        case SQLITE_NOLFS:
        case SQLITE_AUTH: return of_trouble(primary, file_.string(), detail);
        default:
            return {ErrorKind::internal,
                    "the database: " + detail + " (" + std::to_string(extended) + ")"};
    }
}

Query::Query(Database& database, std::string_view sql) : database_(database) {
    if (auto prepared = database.prepare(sql)) {
        statement_ = *prepared;
    } else {
        error_ = std::move(prepared).error();
    }
}

Query::~Query() {
    if (statement_ == nullptr) return;
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
}

Query& Query::bind(std::int64_t value) {
    if (!error_ && sqlite3_bind_int64(statement_, ++bound_, value) != SQLITE_OK)
        error_ = database_.error();
    return *this;
}

Query& Query::bind(std::string_view value) { return bind_text(value, /*borrowed=*/false); }
Query& Query::bind_borrowed(std::string_view value) { return bind_text(value, /*borrowed=*/true); }

Query& Query::bind_text(std::string_view value, bool borrowed) {
    // An empty view may have no address, which SQLite would take for NULL.
    const char* text = value.empty() ? "" : value.data();
    if (!error_ && sqlite3_bind_text64(statement_, ++bound_, text, value.size(),
                                       borrowed ? SQLITE_STATIC : SQLITE_TRANSIENT,
                                       SQLITE_UTF8) != SQLITE_OK) {
        error_ = database_.error();
    }
    return *this;
}

Query& Query::bind_null() {
    if (!error_ && sqlite3_bind_null(statement_, ++bound_) != SQLITE_OK) error_ = database_.error();
    return *this;
}

Result<bool> Query::step() {
    if (error_) return fail(*error_);
    switch (sqlite3_step(statement_)) {
        case SQLITE_ROW: return true;
        case SQLITE_DONE: return false;
        default: return fail(database_.error());
    }
}

Result<> Query::run() {
    LOCO_ASSIGN(const bool row, step());
    (void)row;
    return {};
}

void Query::reset() {
    if (statement_ != nullptr) sqlite3_reset(statement_);
    bound_ = 0;
}

bool Query::is_null(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}
std::int64_t Query::integer(int column) const { return sqlite3_column_int64(statement_, column); }
std::string_view Query::text(int column) const {
    const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    if (data == nullptr) return {};
    return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

}  // namespace loco::sqlite
