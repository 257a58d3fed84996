// One connection to a PostgreSQL database, with its prepared statements kept; used by one thread at a time. Nothing else
// calls libpq (docs/adr/0021-postgresql-with-libpq.md tells why libpq).
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.hpp"
#include "postgres/target.hpp"

struct pg_conn;
struct pg_result;

namespace loco::postgres {

struct ClearResult {
    void operator()(pg_result* result) const;
};
using ResultPtr = std::unique_ptr<pg_result, ClearResult>;

class Database {
  public:
    // Bounds of everything that waits, set on the server for this connection.
    struct Limits {
        std::chrono::milliseconds connect{5'000};
        std::chrono::milliseconds statement{15'000};
        std::chrono::milliseconds lock{5'000};
        std::chrono::milliseconds idle_in_transaction{
            10'000};  // then PostgreSQL ends the connection
    };
    // unavailable (database_unreachable) with libpq's words; refused when the server is older than 13 or the database is
    // not in UTF-8.
    [[nodiscard]] static Result<std::unique_ptr<Database>> open(const Target& target,
                                                                const Limits& limits);
    ~Database();
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;

    // One or more statements without values; gives the tag of the last ("COMMIT", "ROLLBACK", …).
    [[nodiscard]] Result<std::string> run(const std::string& sql);
    // Statements without values; gives the first value of the last one's first row, empty when there is none. With no answer
    // within the time it is as if the connection were lost, and it can't be used further.
    [[nodiscard]] Result<std::string> value_within(const std::string& sql,
                                                   std::chrono::milliseconds limit);
    // To be sent with the next statement, so that it costs no round trip. What it fails with, that one fails with.
    void queue(std::string sql) { queued_.push_back(std::move(sql)); }
    void forget_queued() { queued_.clear(); }

    // COPY … FROM STDIN with all of its data.
    [[nodiscard]] Result<> copy_in(const std::string& sql, std::string_view data);

    // Nothing is heard of a connection that the server has ended until it is asked; this asks without a round trip.
    [[nodiscard]] bool is_alive();
    [[nodiscard]] bool in_transaction() const;
    // A statement has failed: nothing but a rollback (to a savepoint) is taken.
    [[nodiscard]] bool in_failed_transaction() const;
    struct Notification {
        std::string channel;
        std::string payload;
        bool is_own = false;  // sent on this connection
    };
    // Waits until a NOTIFY has come on a channel that is listened to, `wake_fd` is readable or the time is over. Gives all
    // that have come.
    [[nodiscard]] Result<std::vector<Notification>> wait_for_notification(
        int wake_fd, std::chrono::milliseconds timeout);

    [[nodiscard]] const std::string& name() const { return name_; }

  private:
    friend class Query;
    using Values = std::vector<std::optional<std::string>>;
    struct Statement {
        std::string name;
        std::string sql;  // with $1, $2, … for ?
        bool prepared = false;
    };
    struct Hash {
        using is_transparent = void;
        std::size_t operator()(std::string_view text) const {
            return std::hash<std::string_view>{}(text);
        }
    };

    Database(pg_conn* connection, const Target& target);
    // In one round trip: what is queued, the statement prepared if it is not yet, run with its values; in a savepoint that
    // undoes only it when it fails, if `guarded`.
    [[nodiscard]] Result<ResultPtr> execute(std::string_view sql, const Values& values,
                                            bool guarded);
    [[nodiscard]] Result<ResultPtr> execute_alone(const Statement& statement, const Values& values);
    [[nodiscard]] bool send(Statement& statement, const Values& values, bool guarded);
    [[nodiscard]] Result<ResultPtr> receive(Statement& statement, std::size_t before, bool guarded);
    [[nodiscard]] Statement& statement(std::string_view sql);
    [[nodiscard]] Error error_of(const pg_result* result) const;
    [[nodiscard]] Error lost() const;

    pg_conn* connection_;
    Target target_;
    std::string name_;
    std::vector<std::string> queued_;
    std::unordered_map<std::string, Statement, Hash, std::equal_to<>> statements_;
};

// One execution of a kept statement, with ? for its values. Same use as sqlite::Query.
class Query {
  public:
    Query(Database& database, std::string_view sql) : database_(database), sql_(sql) {}
    Query(const Query&) = delete;
    Query& operator=(const Query&) = delete;

    // The next parameter, in order.
    Query& bind(std::int64_t value);
    Query& bind(std::string_view value);
    Query& bind_null();

    // Whether there is a further row.
    [[nodiscard]] Result<bool> step();
    // For statements that give no rows. Guarded: when it fails, the transaction goes on without it.
    [[nodiscard]] Result<> run();
    [[nodiscard]] Result<> run_guarded();

    // Of the row; columns from 0. A boolean is 0 or 1.
    [[nodiscard]] bool is_null(int column) const;
    [[nodiscard]] std::int64_t integer(int column) const;
    [[nodiscard]] std::string_view text(int column) const;  // as long as the query

  private:
    Database& database_;
    std::string_view sql_;
    std::vector<std::optional<std::string>> values_;
    ResultPtr result_;
    int row_ = -1;
    mutable std::deque<std::string> decoded_;
};

}  // namespace loco::postgres
