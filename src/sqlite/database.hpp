// One connection to a SQLite database, with its prepared statements kept; used by one thread at a time. Nothing else
// calls SQLite's C functions (docs/adr/0004-sqlite-access.md tells why they are called directly).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/error.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace loco::sqlite {

// Codes and context of the errors that are not the database's own trouble: a row whose parent is not there (not_found),
// and the columns of the unique value that another row has (conflict), e.g. "apps.team, apps.name".
inline constexpr std::string_view kNoParent = "no_parent";
inline constexpr std::string_view kColumns = "columns";

class Database {
  public:
    struct Options {
        bool create = false;
        bool read_only = false;
        int busy_timeout_ms = 2000;  // how long to wait for another program's lock
        int cache_kib = 2048;
    };
    // The file is made with mode 0600; what SQLite puts beside it gets the same.
    [[nodiscard]] static Result<std::unique_ptr<Database>> open(const std::filesystem::path& file,
                                                                const Options& options);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    // One or more statements without values.
    [[nodiscard]] Result<> run(const char* sql);
    // The kept statement of that text. It stays until the connection goes.
    [[nodiscard]] Result<sqlite3_stmt*> prepare(std::string_view sql);
    // False also after SQLite has rolled back by itself, which it does on some errors.
    [[nodiscard]] bool in_transaction() const;
    [[nodiscard]] std::int64_t last_row_id() const;
    // What the last call failed with.
    [[nodiscard]] Error error() const;

  private:
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const;
    };
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };

    Database(sqlite3* handle, std::filesystem::path file)
        : handle_(handle), file_(std::move(file)) {}

    sqlite3* handle_;
    std::filesystem::path file_;
    std::unordered_map<std::string, std::unique_ptr<sqlite3_stmt, Finalize>, Hash, std::equal_to<>>
        statements_;
};

// One execution of a kept statement. It is ready for the next once the object goes.
class Query {
  public:
    Query(Database& database, std::string_view sql);
    ~Query();
    Query(const Query&) = delete;
    Query& operator=(const Query&) = delete;

    // The next parameter, in order.
    Query& bind(std::int64_t value);
    Query& bind(std::string_view value);
    Query& bind_borrowed(
        std::string_view value);  // not copied: it stays as it is until the statement has run
    Query& bind_null();

    // Whether there is a further row. Errors of preparing and binding come here too.
    [[nodiscard]] Result<bool> step();
    // For statements that give no rows.
    [[nodiscard]] Result<> run();
    // Ready to be bound and run once more.
    void reset();

    // Of the row; columns from 0.
    [[nodiscard]] bool is_null(int column) const;
    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] std::string_view text(int column) const;  // until the next step

  private:
    Query& bind_text(std::string_view value, bool borrowed);

    Database& database_;
    sqlite3_stmt* statement_ = nullptr;
    std::optional<Error> error_;
    int bound_ = 0;
};

// Whether the database itself is in trouble (full, locked, unreadable), rather than what was asked of it wrong.
[[nodiscard]] bool is_trouble(const Error& error);
// How often this process found a database stuck (code database_stuck). Any thread.
[[nodiscard]] int times_stuck();

}  // namespace loco::sqlite
