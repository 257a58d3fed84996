#include "telemetry/log_day.hpp"

#include <algorithm>
#include <limits>

namespace loco::telemetry {
namespace {

using sqlite::Database;
using sqlite::Query;

constexpr std::size_t kMaxText = 64U << 10;
constexpr auto kEver = std::numeric_limits<std::int64_t>::min();

constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS meta (first_seq INTEGER NOT NULL) STRICT;"
    // AUTOINCREMENT: an id that was removed is never another app's, not even for a query that runs just then.
    "CREATE TABLE IF NOT EXISTS sources (id INTEGER PRIMARY KEY AUTOINCREMENT, app TEXT NOT NULL, "
    "deployment TEXT NOT NULL,"
    " instance TEXT NOT NULL, process TEXT NOT NULL, release INTEGER NOT NULL, build INTEGER NOT "
    "NULL,"
    " last_seq INTEGER NOT NULL, newest INTEGER NOT NULL) STRICT;"
    "CREATE TABLE IF NOT EXISTS lines (seq INTEGER PRIMARY KEY, source INTEGER NOT NULL, at "
    "INTEGER NOT NULL,"
    " stream INTEGER NOT NULL, text TEXT NOT NULL) STRICT;"
    // It ends with the seq, as all of SQLite's do: each source's lines are found in their order.
    "CREATE INDEX IF NOT EXISTS lines_source ON lines (source);";

std::int64_t count(Time time) { return time.time_since_epoch().count(); }
Time time_of(std::int64_t nanoseconds) { return Time(Duration(nanoseconds)); }

}  // namespace

bool LogDay::Source::is_of(const LogLine& line) const {
    return instance == line.instance && deployment == line.deployment && process == line.process &&
           release == line.release && app == line.app && build == (line.stream == LogStream::build);
}

bool LogDay::Source::passes(const LogFilter& filter) const {
    if (filter.build ? !build || deployment != *filter.build : build) return false;
    return (!filter.process || process == *filter.process) &&
           (!filter.release || release == *filter.release) &&
           (!filter.instance || instance == *filter.instance) &&
           (!filter.since || newest >= *filter.since);
}

Result<std::unique_ptr<LogDay>> LogDay::open(const std::filesystem::path& file,
                                             std::int64_t first_seq) {
    std::unique_ptr<LogDay> day(new LogDay);
    LOCO_ASSIGN(day->writer_, Database::open(file, {.create = true, .cache_kib = 4096}));
    LOCO_TRY(day->make(first_seq));
    LOCO_ASSIGN(day->reader_, Database::open(file, {.read_only = true, .cache_kib = 1024}));
    LOCO_TRY(day->load());
    return day;
}

Result<> LogDay::make(std::int64_t first_seq) {
    // NORMAL: what a dying process wrote is there; only a machine that loses power may lose the last moment's lines.
    LOCO_TRY(
        writer_->run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
                     "PRAGMA journal_size_limit = 67108864;"));
    LOCO_TRY(writer_->run(kSchema));
    Query query(*writer_,
                "INSERT INTO meta (first_seq) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM meta)");
    return query.bind(first_seq).run();
}

Result<> LogDay::load() {
    Query meta(*reader_, "SELECT first_seq FROM meta");
    LOCO_TRY(meta.step());
    last_seq_ = meta.integer(0) - 1;
    Query query(*reader_,
                "SELECT id, app, deployment, instance, process, release, build, last_seq, newest "
                "FROM sources");
    while (true) {
        LOCO_ASSIGN(const bool more, query.step());
        if (!more) return {};
        Source source{.id = query.integer(0),
                      .app = AppId(std::string(query.text(1))),
                      .deployment = DeploymentId(std::string(query.text(2))),
                      .instance = std::string(query.text(3)),
                      .process = std::string(query.text(4)),
                      .release = static_cast<int>(query.integer(5)),
                      .build = query.integer(6) != 0,
                      .last_seq = query.integer(7),
                      .newest = time_of(query.integer(8))};
        last_seq_ = std::max(last_seq_, source.last_seq);
        by_app_.emplace(source.app, source.id);
        by_instance_.emplace(source.instance, source.id);
        sources_.emplace(source.id, std::move(source));
    }
}

std::int64_t LogDay::last_seq() {
    const std::lock_guard lock(index_mutex_);
    return last_seq_;
}

Result<LogDay::Source*> LogDay::source_of(const LogLine& line,
                                          std::vector<std::unique_ptr<Source>>& touched) {
    // Most often that of the line before.
    for (auto it = touched.rbegin(); it != touched.rend(); ++it) {
        if ((*it)->is_of(line)) return it->get();
    }
    {
        const std::lock_guard lock(index_mutex_);
        const auto [first, last] = by_app_.equal_range(line.app);
        for (auto it = first; it != last; ++it) {
            if (const auto& known = sources_.at(it->second); known.is_of(line)) {
                return touched.emplace_back(std::make_unique<Source>(known)).get();
            }
        }
    }
    auto source = std::make_unique<Source>(Source{.id = 0,
                                                  .app = line.app,
                                                  .deployment = line.deployment,
                                                  .instance = line.instance,
                                                  .process = line.process,
                                                  .release = line.release,
                                                  .build = line.stream == LogStream::build,
                                                  .last_seq = 0,
                                                  .newest = line.at});
    Query query(
        *writer_,
        "INSERT INTO sources (app, deployment, instance, process, release, build, last_seq, newest)"
        " VALUES (?, ?, ?, ?, ?, ?, 0, 0)");
    query.bind(source->app.str())
        .bind(source->deployment.str())
        .bind(source->instance)
        .bind(source->process);
    LOCO_TRY(query.bind(source->release).bind(source->build ? 1 : 0).run());
    source->id = writer_->last_row_id();
    return touched.emplace_back(std::move(source)).get();
}

Result<> LogDay::write(std::span<LogLine> lines, std::int64_t first_seq,
                       std::vector<std::unique_ptr<Source>>& touched) {
    LOCO_TRY(writer_->run("BEGIN IMMEDIATE"));
    Query insert(*writer_,
                 "INSERT INTO lines (seq, source, at, stream, text) VALUES (?, ?, ?, ?, ?)");
    for (auto& line : lines) {
        line.seq = first_seq++;
        LOCO_ASSIGN(auto* source, source_of(line, touched));
        source->last_seq = line.seq;
        source->newest = std::max(source->newest, line.at);
        insert.reset();
        insert.bind(line.seq)
            .bind(source->id)
            .bind(count(line.at))
            .bind(static_cast<std::int64_t>(line.stream));
        LOCO_TRY(insert.bind_borrowed(std::string_view(line.text).substr(0, kMaxText)).run());
    }
    for (const auto& source : touched) {
        Query query(*writer_, "UPDATE sources SET last_seq = ?, newest = ? WHERE id = ?");
        LOCO_TRY(query.bind(source->last_seq).bind(count(source->newest)).bind(source->id).run());
    }
    return writer_->run("COMMIT");
}

Result<> LogDay::append(std::span<LogLine> lines, std::int64_t first_seq) {
    if (lines.empty()) return {};
    const std::lock_guard one(write_mutex_);
    std::vector<std::unique_ptr<Source>> touched;
    if (auto written = write(lines, first_seq, touched); !written) {
        if (writer_->in_transaction()) (void)writer_->run("ROLLBACK");
        return written;
    }
    const std::lock_guard lock(index_mutex_);
    last_seq_ = lines.back().seq;
    for (auto& source : touched) {
        const auto id = source->id;
        if (!sources_.contains(id)) {
            by_app_.emplace(source->app, id);
            by_instance_.emplace(source->instance, id);
        }
        sources_.insert_or_assign(id, std::move(*source));
    }
    return {};
}

std::vector<LogDay::Source> LogDay::matching(const LogFilter& filter, std::int64_t after) {
    const std::lock_guard lock(index_mutex_);
    std::vector<Source> sources;
    const auto [first, last] = by_app_.equal_range(filter.app);
    for (auto it = first; it != last; ++it) {
        const auto& source = sources_.at(it->second);
        if (source.last_seq > after && source.passes(filter)) sources.push_back(source);
    }
    std::ranges::sort(sources, {}, &Source::id);
    return sources;
}

Result<std::vector<std::int64_t>> LogDay::seqs(const std::vector<Source>& sources,
                                               const LogFilter& filter, std::int64_t after,
                                               int limit, bool newest_first) {
    std::vector<std::int64_t> found;
    const auto first = [newest_first](std::int64_t a, std::int64_t b) {
        return newest_first ? a > b : a < b;
    };
    const auto cut = [&] {
        std::ranges::sort(found, first);
        if (std::ssize(found) > limit) found.resize(static_cast<std::size_t>(limit));
    };
    for (const auto& source : sources) {
        Query query(*reader_, newest_first
                                  ? "SELECT seq FROM lines WHERE source = ? AND seq > ? AND at >= ?"
                                    " AND at <= ? ORDER BY seq DESC LIMIT ?"
                                  : "SELECT seq FROM lines WHERE source = ? AND seq > ? AND at >= ?"
                                    " AND at <= ? ORDER BY seq LIMIT ?");
        query.bind(source.id)
            .bind(after)
            .bind(filter.since ? count(*filter.since) : kEver)
            .bind(filter.until ? count(*filter.until) : std::numeric_limits<std::int64_t>::max())
            .bind(limit);
        while (true) {
            LOCO_ASSIGN(const bool more, query.step());
            if (!more) break;
            found.push_back(query.integer(0));
        }
        if (std::ssize(found) > 8LL * limit) cut();
    }
    cut();
    return found;
}

Result<> LogDay::fetch(const std::vector<Source>& sources, const std::vector<std::int64_t>& seqs,
                       Budget& budget, std::vector<LogLine>& lines) {
    for (const auto seq : seqs) {
        if (budget.spent()) return {};
        Query query(*reader_, "SELECT source, at, stream, text FROM lines WHERE seq = ?");
        LOCO_ASSIGN(const bool there, query.bind(seq).step());
        if (!there) continue;  // its app was removed meanwhile
        const auto source = std::ranges::lower_bound(sources, query.integer(0), {}, &Source::id);
        lines.push_back({.seq = seq,
                         .app = source->app,
                         .deployment = source->deployment,
                         .instance = source->instance,
                         .process = source->process,
                         .release = source->release,
                         .stream = static_cast<LogStream>(query.integer(2)),
                         .at = time_of(query.integer(1)),
                         .text = std::string(query.text(3))});
        --budget.lines;
        budget.bytes -= std::min(budget.bytes, lines.back().text.size() + 1);
    }
    return {};
}

Result<> LogDay::after(const LogFilter& filter, std::int64_t after, Budget& budget,
                       std::vector<LogLine>& lines) {
    const auto sources = matching(filter, after);
    if (sources.empty() || budget.spent()) return {};
    const std::lock_guard one(read_mutex_);
    LOCO_ASSIGN(const auto wanted,
                seqs(sources, filter, after, budget.lines, /*newest_first=*/false));
    return fetch(sources, wanted, budget, lines);
}

Result<> LogDay::latest(const LogFilter& filter, Budget& budget, std::vector<LogLine>& lines) {
    const auto sources = matching(filter, 0);
    if (sources.empty() || budget.spent()) return {};
    const std::lock_guard one(read_mutex_);
    LOCO_ASSIGN(const auto wanted, seqs(sources, filter, 0, budget.lines, /*newest_first=*/true));
    return fetch(sources, wanted, budget, lines);
}

std::optional<Time> LogDay::newest(const std::string& instance) {
    const std::lock_guard lock(index_mutex_);
    std::optional<Time> time;
    const auto [first, last] = by_instance_.equal_range(instance);
    for (auto it = first; it != last; ++it) {
        const auto newest = sources_.at(it->second).newest;
        if (!time || newest > *time) time = newest;
    }
    return time;
}

Result<> LogDay::remove_app(const AppId& app) {
    const std::lock_guard one(write_mutex_);
    {
        const std::lock_guard lock(index_mutex_);
        if (!by_app_.contains(app)) return {};
    }
    const auto removed = [&]() -> Result<> {
        LOCO_TRY(writer_->run("BEGIN IMMEDIATE"));
        Query lines(*writer_,
                    "DELETE FROM lines WHERE source IN (SELECT id FROM sources WHERE app = ?)");
        LOCO_TRY(lines.bind(app.str()).run());
        // A seq is never used again, though the newest lines may be among those that go.
        Query meta(*writer_, "UPDATE meta SET first_seq = max(first_seq, ? + 1)");
        LOCO_TRY(meta.bind(last_seq()).run());
        Query sources(*writer_, "DELETE FROM sources WHERE app = ?");
        LOCO_TRY(sources.bind(app.str()).run());
        return writer_->run("COMMIT");
    }();
    if (!removed) {
        if (writer_->in_transaction()) (void)writer_->run("ROLLBACK");
        return removed;
    }
    const std::lock_guard lock(index_mutex_);
    std::erase_if(by_instance_,
                  [&](const auto& entry) { return sources_.at(entry.second).app == app; });
    std::erase_if(sources_, [&](const auto& entry) { return entry.second.app == app; });
    by_app_.erase(app);
    return {};
}

}  // namespace loco::telemetry
