#include "telemetry/sqlite_log_store.hpp"

#include <algorithm>
#include <set>

#include "base/log.hpp"
#include "os/file.hpp"

namespace loco::telemetry {
namespace {

constexpr int kMaxLines = 10'000;
constexpr std::size_t kMaxBytes = 8U << 20;
constexpr std::string_view kSuffix = ".db";
constexpr std::string_view kForm = "0000-00-00";
constexpr std::string_view kFormOfMore = "0000-00-00.000000";
// A day's lines are in several files when they are many, so that the oldest can go without the rest: each at most that part of
// what all may take.
constexpr std::int64_t kParts = 8;

std::string day_of(Time time) { return to_rfc3339(time).substr(0, kForm.size()); }

bool has_form(std::string_view text, std::string_view form) {
    if (text.size() != form.size()) return false;
    for (std::size_t i = 0; i < form.size(); ++i) {
        const bool digit = text[i] >= '0' && text[i] <= '9';
        if (form[i] == '0' ? !digit : text[i] != form[i]) return false;
    }
    return true;
}

// "2026-11-23.db" → "2026-11-23", "2026-11-23.000001.db" → "2026-11-23.000001"; empty for any other name.
std::string part_of_file(const std::string& name) {
    if (!name.ends_with(kSuffix)) return {};
    auto part = name.substr(0, name.size() - kSuffix.size());
    return has_form(part, kForm) || has_form(part, kFormOfMore) ? part : std::string();
}

// The next of the same day. In the order of their names, too.
std::string part_after(const std::string& part) {
    constexpr std::size_t kDigits = 6;
    const int number = part.size() == kForm.size() ? 0 : std::stoi(part.substr(kForm.size() + 1));
    const auto digits = std::to_string(number + 1);
    if (digits.size() > kDigits) return part;  // no day has so many
    return part.substr(0, kForm.size()) + "." + std::string(kDigits - digits.size(), '0') + digits;
}

// With what SQLite keeps beside it.
std::int64_t size_of(const std::filesystem::path& file) {
    std::int64_t sum = 0;
    for (const auto* suffix : {"", "-wal"}) {
        std::error_code error;
        const auto size = std::filesystem::file_size(file.string() + suffix, error);
        if (!error) sum += static_cast<std::int64_t>(size);
    }
    return sum;
}

void remove_files(const std::filesystem::path& file) {
    std::error_code ignored;
    for (const auto* suffix : {"", "-wal", "-shm"})
        std::filesystem::remove(file.string() + suffix, ignored);
}

Budget budget_for(int limit) {
    return {.lines = std::clamp(limit, 0, kMaxLines), .bytes = kMaxBytes};
}

void order_by_time(std::vector<LogLine>& lines) {
    std::ranges::sort(lines, [](const LogLine& a, const LogLine& b) {
        return a.at != b.at ? a.at < b.at : a.seq < b.seq;
    });
}

}  // namespace

Result<std::unique_ptr<SqliteLogStore>> SqliteLogStore::open(LogStoreOptions options,
                                                             const Clock& clock) {
    LOCO_TRY(os::make_directories(options.folder, 0700));
    std::unique_ptr<SqliteLogStore> store(new SqliteLogStore(std::move(options), clock));
    LOCO_TRY(store->open_days());
    store->remove_old(day_of(clock.now()));
    return store;
}

Result<> SqliteLogStore::open_days() {
    std::set<std::string> names;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(options_.folder, error)) {
        if (auto day = part_of_file(entry.path().filename().string()); !day.empty())
            names.insert(std::move(day));
    }
    if (error) return fail_errno(error.value(), "read the folder " + options_.folder.string());
    for (const auto& name : names) {
        LOCO_ASSIGN(const auto day, open_day(name));
        next_seq_ = std::max(next_seq_, day->last_seq() + 1);
        days_.emplace(name, day);
    }
    return {};
}

Result<SqliteLogStore::Day> SqliteLogStore::open_day(const std::string& name) {
    const auto file = file_of(name);
    auto day = LogDay::open(file, next_seq_);
    if (!day && day.error().code == "database_damaged") {
        log::failure("opening the logs of " + name, day.error());
        std::error_code ignored;
        std::filesystem::rename(file, file.string() + ".damaged", ignored);
        remove_files(file);
        day = LogDay::open(file, next_seq_);
    }
    if (!day) return fail(std::move(day).error().while_("open the logs of " + name));
    return Day(*std::move(day));
}

Result<SqliteLogStore::Day> SqliteLogStore::today() {
    auto name = day_of(clock_.now());
    {
        const std::lock_guard lock(days_mutex_);
        // A clock that was put back does not lead back to an older file: seqs and files are in one order.
        if (!days_.empty() && days_.rbegin()->first >= name) {
            const auto& [newest, day] = *days_.rbegin();
            if (size_of(file_of(newest)) < options_.most_bytes / kParts) return day;
            name = part_after(newest);
            if (name == newest) return day;
        }
    }
    LOCO_ASSIGN(const auto day, open_day(name));
    {
        const std::lock_guard lock(days_mutex_);
        days_.emplace(name, day);
    }
    remove_old(name.substr(0, kForm.size()));
    return day;
}

void SqliteLogStore::remove_old(const std::string& today) {
    const auto midnight = parse_rfc3339(today + "T00:00:00Z");
    if (!midnight) return;
    const auto oldest = day_of(*midnight - std::chrono::hours(24) * options_.retention_days);
    const std::lock_guard lock(days_mutex_);
    std::int64_t bytes = 0;
    for (const auto& [name, day] : days_) bytes += size_of(file_of(name));
    while (days_.size() > 1 && (days_.begin()->first < oldest || bytes > options_.most_bytes)) {
        const auto file = file_of(days_.begin()->first);
        bytes -= size_of(file);
        // One that is being read stays until that has ended; its file has no name any more.
        remove_files(file);
        days_.erase(days_.begin());
    }
}

std::filesystem::path SqliteLogStore::file_of(const std::string& part) const {
    return options_.folder / (part + std::string(kSuffix));
}

std::vector<SqliteLogStore::Day> SqliteLogStore::days() {
    const std::lock_guard lock(days_mutex_);
    std::vector<Day> all;
    for (const auto& [name, day] : days_) all.push_back(day);
    return all;
}

Result<> SqliteLogStore::append(std::vector<LogLine> lines) {
    if (lines.empty()) return {};
    {
        const std::lock_guard one(append_mutex_);
        LOCO_ASSIGN(const auto day, today());
        LOCO_TRY(day->append(lines, next_seq_));
        next_seq_ += std::ssize(lines);
    }
    if (!listener_) return {};
    std::set<AppId> apps;
    for (const auto& line : lines) {
        if (apps.empty() || line.app != *apps.rbegin()) apps.insert(line.app);
    }
    for (const auto& app : apps) listener_(app);
    return {};
}

Result<std::vector<LogLine>> SqliteLogStore::after(const LogFilter& filter, std::int64_t after,
                                                   int limit) {
    auto budget = budget_for(limit);
    std::vector<LogLine> lines;
    for (const auto& day : days()) {
        if (budget.spent()) break;
        LOCO_TRY(day->after(filter, after, budget, lines));
    }
    order_by_time(lines);
    return lines;
}

Result<std::vector<LogLine>> SqliteLogStore::last(const LogFilter& filter, int limit) {
    auto budget = budget_for(limit);
    std::vector<LogLine> lines;
    auto all = days();
    for (auto it = all.rbegin(); it != all.rend() && !budget.spent(); ++it) {
        LOCO_TRY((*it)->latest(filter, budget, lines));
    }
    order_by_time(lines);
    return lines;
}

Result<std::optional<Time>> SqliteLogStore::newest(const std::string& instance) {
    auto all = days();
    for (auto it = all.rbegin(); it != all.rend(); ++it) {
        if (const auto time = (*it)->newest(instance)) return time;
    }
    return std::optional<Time>();
}

Result<> SqliteLogStore::remove_app(const AppId& app) {
    for (const auto& day : days()) LOCO_TRY(day->remove_app(app));
    return {};
}

}  // namespace loco::telemetry
