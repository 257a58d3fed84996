#include "telemetry/log_bell.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.hpp"

namespace loco::telemetry {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view kChannel = "loco_logs";
constexpr milliseconds kBetweenRings{50};
// Also without a notification it looks, in case one was lost on a way that is not PostgreSQL's (a proxy).
constexpr milliseconds kLookEvery{10'000};
constexpr int kReconnectMs = 500;
constexpr std::size_t kMaxTold = 10'000;

// So that it can stand in a statement as it is.
bool is_plain(std::string_view id) {
    return std::ranges::all_of(id, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
    });
}

}  // namespace

LogBell::LogBell(Open open, std::string own_name, std::int64_t after, Listener listener)
    : open_(std::move(open)),
      own_name_(std::move(own_name)),
      listener_(std::move(listener)),
      looked_(after),
      wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {
    LOCO_CHECK(is_plain(own_name_));
}

LogBell::~LogBell() {
    thread_.request_stop();
    (void)::eventfd_write(wake_fd_, 1);
    thread_.join();
    ::close(wake_fd_);
}

std::string LogBell::statement(const std::set<AppId>& apps) const {
    std::string sql;
    for (const auto& app : apps) {
        if (!is_plain(app.str())) continue;
        sql += "SELECT pg_notify('" + std::string(kChannel) + "', '" + own_name_ + " " + app.str() +
               "');";
    }
    return sql;
}

std::string LogBell::ring(const std::set<AppId>& apps) {
    const auto now = std::chrono::steady_clock::now();
    std::set<AppId> due;
    bool left = false;
    {
        const std::lock_guard lock(mutex_);
        if (told_.size() > kMaxTold) told_.clear();
        for (const auto& app : apps) {
            auto& told = told_[app];
            if (now - told >= kBetweenRings) {
                told = now;
                pending_.erase(app);
                due.insert(app);
            } else {
                left = pending_.insert(app).second || left;
            }
        }
    }
    if (left) (void)::eventfd_write(wake_fd_, 1);
    return statement(due);
}

void LogBell::run(const std::stop_token& stop) {
    bool in_trouble = false;
    while (!stop.stop_requested()) {
        const auto served = serve(stop);
        if (served) continue;
        if (!in_trouble) log::failure("following the logs of other servers", served.error());
        in_trouble = true;
        pollfd descriptor{.fd = wake_fd_, .events = 0, .revents = 0};
        for (int waited = 0; waited < kReconnectMs && !stop.stop_requested(); waited += 50)
            (void)::poll(&descriptor, 1, 50);
    }
}

Result<> LogBell::serve(const std::stop_token& stop) {
    LOCO_ASSIGN(const auto database, open_());
    // First listen, then look: what comes between is heard of.
    LOCO_TRY(database->run("LISTEN " + std::string(kChannel)));
    auto look_at = std::chrono::steady_clock::now();
    while (!stop.stop_requested()) {
        auto now = std::chrono::steady_clock::now();
        if (now >= look_at) {
            LOCO_TRY(look(*database));
            look_at = now + kLookEvery;
        }
        LOCO_TRY(ring_pending(*database));
        bool pending = false;
        {
            const std::lock_guard lock(mutex_);
            pending = !pending_.empty();
        }
        now = std::chrono::steady_clock::now();
        const auto wait = pending ? kBetweenRings : std::chrono::ceil<milliseconds>(look_at - now);
        LOCO_ASSIGN(const auto told, database->wait_for_notification(wake_fd_, wait));
        std::uint64_t ignored = 0;
        (void)::eventfd_read(wake_fd_, &ignored);
        hear(told);
    }
    return {};
}

Result<> LogBell::ring_pending(postgres::Database& database) {
    const auto now = std::chrono::steady_clock::now();
    std::set<AppId> due;
    {
        const std::lock_guard lock(mutex_);
        std::erase_if(pending_, [&](const AppId& app) {
            auto& told = told_[app];
            if (now - told < kBetweenRings) return false;
            told = now;
            due.insert(app);
            return true;
        });
    }
    const auto sql = statement(due);
    if (sql.empty()) return {};
    auto rung = database.run(sql);
    if (!rung) {
        const std::lock_guard lock(mutex_);
        pending_.merge(due);
        return fail(std::move(rung).error());
    }
    return {};
}

void LogBell::hear(const std::vector<postgres::Database::Notification>& told) {
    std::set<std::string> apps;
    for (const auto& notification : told) {
        const auto& text = notification.payload;
        const auto space = text.find(' ');
        if (space != std::string::npos && text.substr(0, space) != own_name_)
            apps.insert(text.substr(space + 1));
    }
    for (const auto& app : apps) listener_(AppId(app));
}

Result<> LogBell::look(postgres::Database& database) {
    postgres::Query query(
        database, "SELECT app, max(last_seq) FROM log_sources WHERE last_seq > ? GROUP BY app");
    query.bind(looked_);
    std::vector<AppId> apps;
    auto newest = looked_;
    while (true) {
        LOCO_ASSIGN(const bool more, query.step());
        if (!more) break;
        apps.emplace_back(std::string(query.text(0)));
        newest = std::max(newest, query.integer(1));
    }
    for (const auto& app : apps) listener_(app);
    looked_ = newest;
    return {};
}

}  // namespace loco::telemetry
