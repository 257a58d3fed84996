#include "postgres/database.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <array>
#include <charconv>

#include "postgres/errors.hpp"
#include "postgres/text.hpp"

namespace loco::postgres {
namespace {

constexpr int kOldestServer = 130'000;
const std::string kGuard = "SAVEPOINT guarded";
const std::string kUnguard = "RELEASE SAVEPOINT guarded";

std::string_view field(const PGresult* result, int code) {
    const char* text = PQresultErrorField(result, code);
    return text == nullptr ? std::string_view{} : text;
}

bool is_good(const PGresult* result) {
    const auto status = PQresultStatus(result);
    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

// Defaults for what the target leaves out: nothing waits for a peer that is gone.
std::vector<std::pair<std::string, std::string>> defaults(const Database::Limits& limits) {
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(limits.connect).count();
    return {{"connect_timeout", std::to_string(std::max<std::int64_t>(seconds, 2))},
            {"keepalives_idle", "10"},
            {"keepalives_interval", "5"},
            {"keepalives_count", "3"},
            {"tcp_user_timeout", "20000"},
            {"target_session_attrs", "read-write"},
            {"fallback_application_name", "loco-api"}};
}

std::string session_settings(const Database::Limits& limits) {
    const auto set = [](std::string_view name, std::chrono::milliseconds value) {
        return "SET " + std::string(name) + " = " + std::to_string(value.count()) + ";";
    };
    // A write is acknowledged when it is on the disk, whatever the server's default is.
    return set("statement_timeout", limits.statement) + set("lock_timeout", limits.lock) +
           set("idle_in_transaction_session_timeout", limits.idle_in_transaction) +
           "SET client_min_messages = error;"
           "SELECT set_config('synchronous_commit', 'on', false)"
           " WHERE current_setting('synchronous_commit') = 'off'";
}

// A statement with ? for its values, as PostgreSQL has them. None of Loco's has a ? of another kind.
std::string with_numbers(std::string_view sql) {
    std::string text;
    int number = 0;
    for (const char c : sql) {
        if (c == '?') {
            text.append("$").append(std::to_string(++number));
        } else {
            text += c;
        }
    }
    return text;
}

}  // namespace

void ClearResult::operator()(pg_result* result) const { PQclear(result); }

Database::Database(pg_conn* connection, const Target& target)
    : connection_(connection), target_(target), name_(target.name()) {}

Database::~Database() { PQfinish(connection_); }

Result<std::unique_ptr<Database>> Database::open(const Target& target, const Limits& limits) {
    std::vector<const char*> keys, values;
    const auto given = defaults(limits);
    for (const auto& [key, value] : given) {
        keys.push_back(key.c_str());
        values.push_back(value.c_str());
    }
    for (const auto& [key, value] : target.settings()) {  // later ones win
        keys.push_back(key.c_str());
        values.push_back(value.reveal().c_str());
    }
    keys.push_back("client_encoding");
    values.push_back("UTF8");
    keys.push_back(nullptr);
    values.push_back(nullptr);
    auto* connection = PQconnectdbParams(keys.data(), values.data(), /*expand_dbname=*/0);
    if (connection == nullptr)
        return fail(ErrorKind::internal, "no memory left to connect to the database");
    std::unique_ptr<Database> database(new Database(connection, target));
    // Else libpq writes them to stderr; what matters of them comes as an error, too.
    PQsetNoticeProcessor(connection, [](void*, const char*) {}, nullptr);
    if (PQstatus(connection) != CONNECTION_OK) return fail(database->lost());
    if (PQserverVersion(connection) < kOldestServer) {
        return fail(ErrorKind::refused,
                    "the database " + database->name_ + " runs on PostgreSQL " +
                        std::to_string(PQserverVersion(connection) / 10'000) +
                        "; Loco needs 13 or newer",
                    "upgrade it, or name another", "database_too_old");
    }
    const char* encoding = PQparameterStatus(connection, "server_encoding");
    if (encoding == nullptr || std::string_view(encoding) != "UTF8") {
        return fail(ErrorKind::refused, "the database " + database->name_ + " is not kept in UTF-8",
                    "make one that is: createdb -T template0 -E UTF8 loco", "database_not_utf8");
    }
    LOCO_TRY(database->run(session_settings(limits)));
    return database;
}

Error Database::lost() const {
    return unreachable(name_, target_.without_secrets(PQerrorMessage(connection_)));
}

Error Database::error_of(const pg_result* result) const {
    if (PQstatus(connection_) == CONNECTION_BAD) return lost();
    const auto state = field(result, PG_DIAG_SQLSTATE);
    auto detail = std::string(field(result, PG_DIAG_MESSAGE_PRIMARY));
    if (detail.empty()) detail = PQerrorMessage(connection_);
    return of_state(state, std::string(field(result, PG_DIAG_CONSTRAINT_NAME)),
                    target_.without_secrets(std::move(detail)), name_);
}

Result<std::string> Database::run(const std::string& sql) {
    std::string all;
    for (const auto& queued : std::exchange(queued_, {})) all += queued + ";";
    const ResultPtr result(PQexec(connection_, (all + sql).c_str()));
    if (!is_good(result.get())) return fail(error_of(result.get()));
    return std::string(PQcmdStatus(result.get()));
}

Result<std::string> Database::value_within(const std::string& sql,
                                           std::chrono::milliseconds limit) {
    const auto end = std::chrono::steady_clock::now() + limit;
    if (PQsendQuery(connection_, sql.c_str()) != 1) return fail(lost());
    std::string value;
    while (true) {
        while (PQisBusy(connection_) == 1) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(
                end - std::chrono::steady_clock::now());
            if (left.count() <= 0) return fail(unreachable(name_, "it does not answer in time"));
            pollfd descriptor{.fd = PQsocket(connection_), .events = POLLIN, .revents = 0};
            if (::poll(&descriptor, 1, static_cast<int>(left.count())) <= 0) continue;
            if (PQconsumeInput(connection_) != 1) return fail(lost());
        }
        const ResultPtr result(PQgetResult(connection_));
        if (!result) return value;
        if (!is_good(result.get())) return fail(error_of(result.get()));
        value.clear();
        if (PQntuples(result.get()) > 0) value = PQgetvalue(result.get(), 0, 0);
    }
}

Database::Statement& Database::statement(std::string_view sql) {
    if (const auto it = statements_.find(sql); it != statements_.end()) return it->second;
    const auto name = "loco_" + std::to_string(statements_.size() + 1);
    return statements_.emplace(std::string(sql), Statement{.name = name, .sql = with_numbers(sql)})
        .first->second;
}

namespace {

std::vector<const char*> pointers(const std::vector<std::optional<std::string>>& values) {
    std::vector<const char*> texts;
    texts.reserve(values.size());
    for (const auto& value : values) texts.push_back(value ? value->c_str() : nullptr);
    return texts;
}

}  // namespace

Result<ResultPtr> Database::execute_alone(const Statement& statement, const Values& values) {
    const auto texts = pointers(values);
    ResultPtr result(PQexecPrepared(connection_, statement.name.c_str(),
                                    static_cast<int>(texts.size()), texts.data(), nullptr, nullptr,
                                    0));
    if (!is_good(result.get())) return fail(error_of(result.get()));
    return result;
}

bool Database::send(Statement& statement, const Values& values, bool guarded) {
    const auto plain = [&](const std::string& sql) {
        return PQsendQueryParams(connection_, sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr,
                                 0) == 1;
    };
    if (PQenterPipelineMode(connection_) != 1) return false;
    for (const auto& sql : queued_) {
        if (!plain(sql)) return false;
    }
    if (guarded && !plain(kGuard)) return false;
    if (!statement.prepared && PQsendPrepare(connection_, statement.name.c_str(),
                                             statement.sql.c_str(), 0, nullptr) != 1) {
        return false;
    }
    const auto texts = pointers(values);
    if (PQsendQueryPrepared(connection_, statement.name.c_str(), static_cast<int>(texts.size()),
                            texts.data(), nullptr, nullptr, 0) != 1) {
        return false;
    }
    if (guarded && !plain(kUnguard)) return false;
    return PQpipelineSync(connection_) == 1;
}

// `before`: how many results come before those of the statement itself.
Result<ResultPtr> Database::receive(Statement& statement, std::size_t before, bool guarded) {
    const std::size_t prepare_at = statement.prepared ? SIZE_MAX : before;
    const std::size_t own_at = before + (statement.prepared ? 0 : 1);
    const std::size_t count = own_at + 1 + (guarded ? 1 : 0);
    std::optional<Error> error;
    ResultPtr own;
    for (std::size_t i = 0; i < count; ++i) {
        ResultPtr result(PQgetResult(connection_));
        if (!result || PQstatus(connection_) == CONNECTION_BAD) return fail(lost());
        const bool good = is_good(result.get());
        if (good && i == prepare_at) statement.prepared = true;
        if (!good && !error) error = error_of(result.get());
        if (i == own_at) own = std::move(result);
        // What ends the results of one statement of the pipeline.
        while (const ResultPtr more{PQgetResult(connection_)}) {
            if (PQstatus(connection_) == CONNECTION_BAD) return fail(lost());
        }
    }
    const ResultPtr sync(PQgetResult(connection_));
    if (!sync || PQresultStatus(sync.get()) != PGRES_PIPELINE_SYNC) return fail(lost());
    PQexitPipelineMode(connection_);
    if (error) return fail(*error);
    return own;
}

Result<ResultPtr> Database::execute(std::string_view sql, const Values& values, bool guarded) {
    auto& kept = statement(sql);
    if (kept.prepared && queued_.empty() && !guarded) return execute_alone(kept, values);
    const auto before = queued_.size() + (guarded ? 1 : 0);
    const bool sent = send(kept, values, guarded);
    queued_.clear();
    if (!sent) return fail(lost());
    auto result = receive(kept, before, guarded);
    if (!result && guarded && in_failed_transaction()) {
        queue("ROLLBACK TO SAVEPOINT guarded");
        queue(kUnguard);
    }
    return result;
}

bool Database::is_alive() {
    // What the server has said without being asked is read until there is no more of it, or the end.
    for (int i = 0; i < 8; ++i) {
        if (PQstatus(connection_) != CONNECTION_OK ||
            PQpipelineStatus(connection_) != PQ_PIPELINE_OFF) {
            return false;  // the latter: a statement's answer was cut off
        }
        pollfd descriptor{.fd = PQsocket(connection_), .events = POLLIN, .revents = 0};
        if (::poll(&descriptor, 1, 0) <= 0) return true;
        if (PQconsumeInput(connection_) != 1) return false;
    }
    return false;
}

bool Database::in_transaction() const { return PQtransactionStatus(connection_) != PQTRANS_IDLE; }

bool Database::in_failed_transaction() const {
    return PQtransactionStatus(connection_) == PQTRANS_INERROR;
}

Result<std::vector<Database::Notification>> Database::wait_for_notification(
    int wake_fd, std::chrono::milliseconds timeout) {
    const auto end = std::chrono::steady_clock::now() + timeout;
    std::vector<Notification> heard;
    while (true) {
        while (auto* notification = PQnotifies(connection_)) {
            heard.push_back({.channel = notification->relname,
                             .payload = notification->extra,
                             .is_own = notification->be_pid == PQbackendPID(connection_)});
            PQfreemem(notification);
        }
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        if (!heard.empty() || left.count() <= 0) return heard;
        std::array<pollfd, 2> descriptors{
            pollfd{.fd = PQsocket(connection_), .events = POLLIN, .revents = 0},
            pollfd{.fd = wake_fd, .events = POLLIN, .revents = 0}};
        if (::poll(descriptors.data(), descriptors.size(), static_cast<int>(left.count())) <= 0)
            continue;
        if (descriptors[1].revents != 0) return heard;
        if (PQconsumeInput(connection_) != 1) return fail(lost());
    }
}

Result<> Database::copy_in(const std::string& sql, std::string_view data) {
    constexpr std::size_t kPiece = 1U << 20;
    const ResultPtr begun(PQexec(connection_, sql.c_str()));
    if (PQresultStatus(begun.get()) != PGRES_COPY_IN) return fail(error_of(begun.get()));
    for (; !data.empty(); data.remove_prefix(std::min(kPiece, data.size()))) {
        const auto size = static_cast<int>(std::min(kPiece, data.size()));
        if (PQputCopyData(connection_, data.data(), size) != 1) return fail(lost());
    }
    if (PQputCopyEnd(connection_, nullptr) != 1) return fail(lost());
    Result<> copied;
    while (const ResultPtr result{PQgetResult(connection_)}) {
        if (!is_good(result.get()) && copied) copied = fail(error_of(result.get()));
        if (PQstatus(connection_) == CONNECTION_BAD) return fail(lost());
    }
    return copied;
}

Query& Query::bind(std::int64_t value) {
    values_.emplace_back(std::to_string(value));
    return *this;
}
Query& Query::bind(std::string_view value) {
    values_.emplace_back(to_kept_text(value));
    return *this;
}
Query& Query::bind_null() {
    values_.emplace_back();
    return *this;
}

Result<bool> Query::step() {
    if (!result_) {
        LOCO_ASSIGN(result_, database_.execute(sql_, values_, /*guarded=*/false));
    }
    decoded_.clear();
    return ++row_ < PQntuples(result_.get());
}

Result<> Query::run() {
    LOCO_ASSIGN(result_, database_.execute(sql_, values_, /*guarded=*/false));
    return {};
}

Result<> Query::run_guarded() {
    LOCO_ASSIGN(result_, database_.execute(sql_, values_, /*guarded=*/true));
    return {};
}

bool Query::is_null(int column) const { return PQgetisnull(result_.get(), row_, column) == 1; }

std::int64_t Query::integer(int column) const {
    const std::string_view digits(PQgetvalue(result_.get(), row_, column));
    if (digits == "t") return 1;
    std::int64_t value = 0;
    std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return value;
}

std::string_view Query::text(int column) const {
    const std::string_view kept(PQgetvalue(result_.get(), row_, column),
                                static_cast<std::size_t>(PQgetlength(result_.get(), row_, column)));
    if (!is_kept_as_bytes(kept)) return kept;
    return decoded_.emplace_back(from_kept_bytes(kept));
}

}  // namespace loco::postgres
