#include "telemetry/postgres_log_store.hpp"

#include <algorithm>
#include <set>
#include <span>

#include "base/log.hpp"

namespace loco::telemetry {
namespace {

using postgres::Query;

constexpr int kMaxLines = 10'000;
constexpr std::int64_t kMaxBytes = 8 << 20;
constexpr std::size_t kMaxText = 64U << 10;
constexpr auto kReaderPatience = std::chrono::seconds(10);
constexpr int kRemoveAtOnce = 10'000;

// Held by who makes or drops tables of logs: "Log2".
constexpr const char* kTablesLock = "SELECT pg_advisory_xact_lock(1282369330);";

constexpr const char* kSchema =
    // One row. Who appends locks it until the commit.
    "CREATE TABLE IF NOT EXISTS log_state (one boolean PRIMARY KEY DEFAULT true CHECK (one),"
    " next_seq bigint NOT NULL) WITH (fillfactor = 10);"
    "INSERT INTO log_state (next_seq) VALUES (1) ON CONFLICT DO NOTHING;"
    // Lines of a day that share all of this. last_seq and newest say, without a look at the lines, who has some after.
    "CREATE TABLE IF NOT EXISTS log_sources (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " day date NOT NULL, app text COLLATE \"C\" NOT NULL, deployment text COLLATE \"C\" NOT NULL,"
    " instance text COLLATE \"C\" NOT NULL, process text COLLATE \"C\" NOT NULL,"
    " release integer NOT NULL, build boolean NOT NULL, last_seq bigint NOT NULL,"
    " newest bigint NOT NULL, UNIQUE (app, day, deployment, instance, process, release, build))"
    " WITH (fillfactor = 50);"
    "CREATE INDEX IF NOT EXISTS log_sources_instance ON log_sources (instance);"
    "CREATE TABLE IF NOT EXISTS log_lines (day date NOT NULL, source bigint NOT NULL,"
    " seq bigint NOT NULL, at bigint NOT NULL, stream smallint NOT NULL, text bytea NOT NULL)"
    " PARTITION BY RANGE (day);"
    "CREATE INDEX IF NOT EXISTS log_lines_source ON log_lines (source, seq);";

std::int64_t count(Time time) { return time.time_since_epoch().count(); }
Time time_of(std::int64_t nanoseconds) { return Time(Duration(nanoseconds)); }

std::string day_of(Time time) { return to_rfc3339(time).substr(0, 10); }

// The first moment of "2026-11-23".
Time midnight(const std::string& day) { return parse_rfc3339(day + "T00:00:00Z").value_or(Time()); }

std::string day_before(const std::string& day, int days) {
    return day_of(midnight(day) - std::chrono::hours(24) * days);
}

// "log_lines_20261123"
std::string partition(std::string day) {
    std::erase(day, '-');
    return "log_lines_" + day;
}

// Of PostgreSQL's array literals.
std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') result += '\\';
        result += c;
    }
    return result + "\"";
}

template <class Range, class Fn>
std::string array_of(const Range& range, const Fn& text_of) {
    std::string result = "{";
    for (const auto& one : range) {
        if (result.size() > 1) result += ',';
        result += text_of(one);
    }
    return result + "}";
}

void put(std::string& to, std::uint64_t value, int bytes) {
    for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8)
        to += static_cast<char>((value >> shift) & 0xFFU);
}

void put_field(std::string& to, std::int64_t value, int bytes) {
    put(to, static_cast<std::uint64_t>(bytes), 4);
    put(to, static_cast<std::uint64_t>(value), bytes);
}

std::string from_hex(std::string_view hex) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    std::string bytes;
    bytes.reserve(hex.size() / 2);
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes += static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1]));
    return bytes;
}

std::size_t hash_of(std::span<const LogLine> lines) {
    std::size_t result = lines.size();
    const auto mix = [&](std::size_t value) {
        result ^= value + 0x9e3779b97f4a7c15U + (result << 6U) + (result >> 2U);
    };
    for (const auto& line : lines) {
        mix(std::hash<std::string>{}(line.text));
        mix(std::hash<std::string>{}(line.instance));
        mix(static_cast<std::size_t>(count(line.at)));
    }
    return result;
}

std::set<AppId> apps_of(const std::vector<LogLine>& lines) {
    std::set<AppId> apps;
    for (const auto& line : lines) apps.insert(line.app);
    return apps;
}

}  // namespace

struct PostgresLogStore::Source {
    std::int64_t id = 0;
    const LogLine* like = nullptr;
    std::int64_t last_seq = 0;
    Time newest;

    [[nodiscard]] bool is_of(const LogLine& line) const {
        return like->instance == line.instance && like->deployment == line.deployment &&
               like->process == line.process && like->release == line.release &&
               like->app == line.app &&
               (like->stream == LogStream::build) == (line.stream == LogStream::build);
    }
};

// ---- opening

Result<std::unique_ptr<PostgresLogStore>> PostgresLogStore::open(PostgresLogOptions options,
                                                                 const Clock& clock,
                                                                 Random& random) {
    std::unique_ptr<PostgresLogStore> store(
        new PostgresLogStore(std::move(options), clock, random_word(random, 12)));
    LOCO_TRY(store->make_tables());
    return store;
}

Result<PostgresLogStore::DatabasePtr> PostgresLogStore::connect() const {
    return postgres::Database::open(options_.target, options_.limits);
}

Result<> PostgresLogStore::make_tables() {
    LOCO_TRY(use_writer());
    LOCO_TRY(writer_->run("BEGIN;" + std::string(kTablesLock) + kSchema + "COMMIT"));
    const auto today = day_of(clock_.now());
    LOCO_TRY(ensure_day(today));
    Query state(*writer_, "SELECT next_seq - 1 FROM log_state");
    LOCO_TRY(state.step());
    opened_at_ = state.integer(0);
    return {};
}

void PostgresLogStore::set_listener(Listener listener) {
    listener_ = std::move(listener);
    bell_.emplace([this] { return connect(); }, own_name_, opened_at_, listener_);
}

// ---- appending

Result<> PostgresLogStore::use_writer() {
    if (writer_ != nullptr && writer_->is_alive()) {
        if (!writer_->in_transaction()) return {};
        if (writer_->run("ROLLBACK")) return {};
    }
    writer_.reset();
    LOCO_ASSIGN(writer_, connect());
    return {};
}

Result<> PostgresLogStore::ensure_day(const std::string& day) {
    if (day_ == day) return {};
    const auto name = partition(day);
    LOCO_TRY(writer_->run("BEGIN;" + std::string(kTablesLock)));
    Query known(*writer_, "SELECT to_regclass(?) IS NULL");
    LOCO_TRY(known.bind(name).step());
    if (known.integer(0) != 0) {
        // Attached and not made as a partition: that would keep readers out.
        LOCO_TRY(writer_->run("CREATE TABLE " + name +
                              " (LIKE log_lines INCLUDING DEFAULTS INCLUDING CONSTRAINTS);"
                              "ALTER TABLE log_lines ATTACH PARTITION " +
                              name + " FOR VALUES FROM ('" + day + "') TO ('" +
                              day_before(day, -1) + "')"));
    }
    LOCO_TRY(writer_->run("COMMIT"));
    day_ = day;
    remove_old(day);
    return {};
}

void PostgresLogStore::remove_old(const std::string& today) {
    const auto oldest = day_before(today, options_.retention_days);
    const auto removed = [&]() -> Result<> {
        LOCO_TRY(writer_->run("BEGIN;" + std::string(kTablesLock)));
        Query old(*writer_,
                  "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
                  " WHERE i.inhparent = to_regclass('log_lines') AND c.relname COLLATE \"C\" < ?");
        old.bind(partition(oldest));
        std::string drop;
        while (true) {
            LOCO_ASSIGN(const bool more, old.step());
            if (!more) break;
            drop += "DROP TABLE \"" + std::string(old.text(0)) + "\";";
        }
        Query sources(*writer_, "DELETE FROM log_sources WHERE day < ?::date");
        LOCO_TRY(sources.bind(oldest).run());
        LOCO_TRY(writer_->run(drop + "COMMIT"));
        return {};
    }();
    if (removed) return;
    // They go with the next day, or the next start.
    log::failure("removing old logs", removed.error());
    if (writer_->in_transaction()) (void)writer_->run("ROLLBACK");
}

Result<> PostgresLogStore::append(std::vector<LogLine> lines) {
    if (lines.empty()) return {};
    {
        const std::lock_guard one(writer_mutex_);
        LOCO_TRY(use_writer());
        LOCO_ASSIGN(const std::size_t kept, settle_doubt(lines));
        if (kept < lines.size()) {
            auto written = write(lines, kept);
            if (!written) {
                if (writer_->in_transaction()) (void)writer_->run("ROLLBACK");
                return fail(std::move(written).error().while_("keep log lines"));
            }
        }
    }
    if (listener_) {
        for (const auto& app : apps_of(lines)) listener_(app);
    }
    return {};
}

Result<std::size_t> PostgresLogStore::settle_doubt(const std::vector<LogLine>& lines) {
    if (!doubt_) return 0;
    Query query(*writer_, "SELECT coalesce(pg_xact_status(?::xid8), 'unknown')");
    LOCO_TRY(query.bind(doubt_->transaction).step());
    const auto outcome = std::string(query.text(0));
    if (outcome == "in progress") {
        return fail(ErrorKind::unavailable, "what became of the log lines before is not known yet",
                    {}, "database_unreachable");
    }
    const auto doubt = *std::exchange(doubt_, {});
    const bool same =
        lines.size() >= doubt.lines && hash_of(std::span(lines).first(doubt.lines)) == doubt.hash;
    return outcome == "committed" && same ? doubt.lines : 0;
}

Result<> PostgresLogStore::write(std::vector<LogLine>& lines, std::size_t kept) {
    const auto day = day_of(clock_.now());
    LOCO_TRY(ensure_day(day));
    const auto rest = std::span(lines).subspan(kept);
    auto transaction = write_lines(rest, day);
    if (!transaction) {
        day_.clear();  // its partition may be gone
        return fail(std::move(transaction).error());
    }
    const auto tell = bell_ ? bell_->ring(apps_of(lines)) : std::string();
    auto committed = writer_->run(tell + "COMMIT");
    if (committed && *committed == "COMMIT") return {};
    if (committed) return fail(ErrorKind::unavailable, "the database rolled the lines back");
    if (!writer_->is_alive())
        doubt_ = {.transaction = *transaction, .lines = rest.size(), .hash = hash_of(rest)};
    return fail(std::move(committed).error());
}

// Gives the transaction's id; it is left to be committed.
Result<std::string> PostgresLogStore::write_lines(std::span<LogLine> lines,
                                                  const std::string& day) {
    writer_->queue("BEGIN");
    Query numbers(*writer_,
                  "UPDATE log_state SET next_seq = next_seq + ? RETURNING next_seq, "
                  "pg_current_xact_id()::text");
    LOCO_TRY(numbers.bind(std::ssize(lines)).step());
    auto seq = numbers.integer(0) - std::ssize(lines);
    const auto transaction = std::string(numbers.text(1));

    std::vector<Source> sources;
    std::vector<std::size_t> source_of;
    for (auto& line : lines) {
        line.seq = seq++;
        // Most often that of the line before.
        auto found = std::find_if(sources.rbegin(), sources.rend(),
                                  [&](const Source& source) { return source.is_of(line); });
        if (found == sources.rend()) {
            sources.push_back({.id = 0, .like = &line, .last_seq = 0, .newest = line.at});
            found = sources.rbegin();
        }
        found->last_seq = line.seq;
        found->newest = std::max(found->newest, line.at);
        source_of.push_back(static_cast<std::size_t>(sources.rend() - found) - 1);
    }
    LOCO_TRY(upsert(sources, day));

    // COPY's binary form: https://www.postgresql.org/docs/current/sql-copy.html
    const auto days =
        std::chrono::floor<std::chrono::days>(midnight(day).time_since_epoch()).count() -
        10'957;  // since 2000-01-01
    std::string data("PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", 19);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const auto text = std::string_view(lines[i].text).substr(0, kMaxText);
        put(data, 6, 2);
        put_field(data, days, 4);
        put_field(data, sources[source_of[i]].id, 8);
        put_field(data, lines[i].seq, 8);
        put_field(data, count(lines[i].at), 8);
        put_field(data, static_cast<std::int64_t>(lines[i].stream), 2);
        put(data, text.size(), 4);
        data += text;
    }
    put(data, 0xFFFF, 2);
    LOCO_TRY(writer_->copy_in(
        "COPY log_lines (day, source, seq, at, stream, text) FROM STDIN (FORMAT binary)", data));
    return transaction;
}

Result<> PostgresLogStore::upsert(std::vector<Source>& sources, const std::string& day) {
    const auto text = [&](auto member) {
        return array_of(sources,
                        [&](const Source& source) { return quoted(member(*source.like)); });
    };
    Query query(*writer_,
                "INSERT INTO log_sources AS s (day, app, deployment, instance, process, release, "
                "build, last_seq, newest) SELECT ?::date, * FROM unnest(?::text[], ?::text[], "
                "?::text[], ?::text[], ?::int[], ?::boolean[], ?::bigint[], ?::bigint[])"
                " ON CONFLICT (app, day, deployment, instance, process, release, build) DO UPDATE"
                " SET last_seq = excluded.last_seq, newest = greatest(s.newest, excluded.newest)"
                " RETURNING id, last_seq");
    query.bind(day)
        .bind(text([](const LogLine& line) { return line.app.str(); }))
        .bind(text([](const LogLine& line) { return line.deployment.str(); }))
        .bind(text([](const LogLine& line) { return line.instance; }))
        .bind(text([](const LogLine& line) { return line.process; }))
        .bind(array_of(sources, [](const Source& s) { return std::to_string(s.like->release); }))
        .bind(array_of(sources,
                       [](const Source& s) {
                           return std::string(s.like->stream == LogStream::build ? "t" : "f");
                       }))
        .bind(array_of(sources, [](const Source& s) { return std::to_string(s.last_seq); }))
        .bind(array_of(sources, [](const Source& s) { return std::to_string(count(s.newest)); }));
    while (true) {
        LOCO_ASSIGN(const bool more, query.step());
        if (!more) return {};
        // A seq is one source's alone.
        const auto found = std::ranges::find(sources, query.integer(1), &Source::last_seq);
        if (found != sources.end()) found->id = query.integer(0);
    }
}

// ---- reading

Result<> PostgresLogStore::with_reader(const std::function<Result<>(postgres::Database&)>& work) {
    DatabasePtr database;
    {
        std::unique_lock lock(readers_mutex_);
        if (!reader_freed_.wait_for(lock, kReaderPatience,
                                    [&] { return out_ < options_.readers; })) {
            return fail(ErrorKind::unavailable, "too many readers of logs wait for the database",
                        "try again in a moment", "database_busy");
        }
        ++out_;
        if (!idle_.empty()) {
            database = std::move(idle_.back());
            idle_.pop_back();
        }
    }
    Result<> result;
    if (database == nullptr || !database->is_alive()) {
        database.reset();
        auto opened = connect();
        if (opened) {
            database = *std::move(opened);
        } else {
            result = fail(std::move(opened).error());
        }
    }
    if (database != nullptr) {
        result = work(*database);
        const bool open = database->is_alive() && database->in_transaction();
        if (!database->is_alive() || (open && !database->run("ROLLBACK"))) database.reset();
    }
    {
        const std::lock_guard lock(readers_mutex_);
        --out_;
        if (database != nullptr) idle_.push_back(std::move(database));
    }
    reader_freed_.notify_one();
    return result;
}

Result<std::vector<LogLine>> PostgresLogStore::query(const LogFilter& filter, std::int64_t after,
                                                     int limit, bool newest_first) {
    std::vector<LogLine> lines;
    limit = std::clamp(limit, 0, kMaxLines);
    if (limit == 0) return lines;
    const std::string order = newest_first ? " ORDER BY seq DESC" : " ORDER BY seq";
    // Of each source the first lines, of those the first, of those as many as have so many bytes.
    std::string sql =
        "SELECT seq, deployment, instance, process, release, at, stream, encode(text, 'hex') FROM ("
        "SELECT t.*, sum(octet_length(text) + 1) OVER (" +
        order + ") AS total FROM (SELECT l.*, s.deployment, s.instance, s.process, s.release" +
        " FROM log_sources s CROSS JOIN LATERAL (SELECT seq, at, stream, text FROM log_lines"
        " WHERE source = s.id AND day = s.day AND seq > ?";
    if (filter.since) sql += " AND at >= ?";
    if (filter.until) sql += " AND at <= ?";
    sql += order + " LIMIT ?) l WHERE s.app = ? AND s.last_seq > ? AND s.build = ?";
    if (filter.since) sql += " AND s.newest >= ?";
    if (filter.build) sql += " AND s.deployment = ?";
    if (filter.process) sql += " AND s.process = ?";
    if (filter.release) sql += " AND s.release = ?";
    if (filter.instance) sql += " AND s.instance = ?";
    sql += order +
           " LIMIT ?) t) u WHERE total - octet_length(text) <= " + std::to_string(kMaxBytes) +
           order;
    LOCO_TRY(with_reader([&](postgres::Database& database) -> Result<> {
        Query query(database, sql);
        query.bind(after);
        if (filter.since) query.bind(count(*filter.since));
        if (filter.until) query.bind(count(*filter.until));
        query.bind(limit).bind(filter.app.str()).bind(after).bind(filter.build ? "t" : "f");
        if (filter.since) query.bind(count(*filter.since));
        if (filter.build) query.bind(filter.build->str());
        if (filter.process) query.bind(*filter.process);
        if (filter.release) query.bind(*filter.release);
        if (filter.instance) query.bind(*filter.instance);
        query.bind(limit);
        while (true) {
            LOCO_ASSIGN(const bool more, query.step());
            if (!more) return {};
            lines.push_back({.seq = query.integer(0),
                             .app = filter.app,
                             .deployment = DeploymentId(std::string(query.text(1))),
                             .instance = std::string(query.text(2)),
                             .process = std::string(query.text(3)),
                             .release = static_cast<int>(query.integer(4)),
                             .stream = static_cast<LogStream>(query.integer(6)),
                             .at = time_of(query.integer(5)),
                             .text = from_hex(query.text(7))});
        }
    }));
    std::ranges::sort(lines, [](const LogLine& a, const LogLine& b) {
        return a.at != b.at ? a.at < b.at : a.seq < b.seq;
    });
    return lines;
}

Result<std::vector<LogLine>> PostgresLogStore::after(const LogFilter& filter, std::int64_t after,
                                                     int limit) {
    return query(filter, after, limit, /*newest_first=*/false);
}

Result<std::vector<LogLine>> PostgresLogStore::last(const LogFilter& filter, int limit) {
    return query(filter, 0, limit, /*newest_first=*/true);
}

Result<std::optional<Time>> PostgresLogStore::newest(const std::string& instance) {
    std::optional<Time> time;
    LOCO_TRY(with_reader([&](postgres::Database& database) -> Result<> {
        Query query(database, "SELECT max(newest) FROM log_sources WHERE instance = ?");
        LOCO_TRY(query.bind(instance).step());
        if (!query.is_null(0)) time = time_of(query.integer(0));
        return {};
    }));
    return time;
}

Result<> PostgresLogStore::remove_app(const AppId& app) {
    return with_reader([&](postgres::Database& database) -> Result<> {
        // Without its source a line is found by nobody. The lock: no append adds to a source that goes.
        database.queue("BEGIN");
        database.queue("SELECT 1 FROM log_state FOR UPDATE");
        Query sources(database, "DELETE FROM log_sources WHERE app = ? RETURNING id");
        sources.bind(app.str());
        std::vector<std::int64_t> ids;
        while (true) {
            LOCO_ASSIGN(const bool more, sources.step());
            if (!more) break;
            ids.push_back(sources.integer(0));
        }
        LOCO_TRY(database.run("COMMIT"));
        // A part at a time, so that none takes longer than a statement may.
        while (!ids.empty()) {
            Query lines(database,
                        "WITH gone AS (DELETE FROM log_lines WHERE ctid = ANY (ARRAY(SELECT ctid"
                        " FROM log_lines WHERE source = ?::bigint ORDER BY seq LIMIT ?)) AND "
                        "source = ?::bigint"
                        " RETURNING 1) SELECT count(*) FROM gone");
            LOCO_TRY(lines.bind(ids.back()).bind(kRemoveAtOnce).bind(ids.back()).step());
            if (lines.integer(0) < kRemoveAtOnce) ids.pop_back();
        }
        return {};
    });
}

}  // namespace loco::telemetry
