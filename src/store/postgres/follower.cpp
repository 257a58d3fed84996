#include "store/postgres/follower.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.hpp"
#include "store/postgres/postgres_sql.hpp"
#include "store/postgres/writer.hpp"

namespace loco::store {
namespace {

constexpr int kPage = 500;
// Also without a notification it looks, in case one was lost on a way that is not PostgreSQL's (a proxy).
constexpr std::chrono::milliseconds kLookEvery{10'000};
constexpr int kBetweenMs = 500;
constexpr std::string_view kWakesChannel = "loco_wakes";
constexpr std::string_view kEveryApp = "*";
constexpr std::size_t kMostToTell = 1'000;

}  // namespace

Follower::Follower(Open open, std::int64_t after, Listener listener, WakeListener on_wake)
    : open_(std::move(open)),
      after_(after),
      listener_(std::move(listener)),
      on_wake_(std::move(on_wake)),
      wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Follower::~Follower() {
    thread_.request_stop();
    (void)::eventfd_write(wake_fd_, 1);
    thread_.join();
    ::close(wake_fd_);
}

void Follower::tell(const AppId& app) {
    {
        const std::lock_guard lock(mutex_);
        // The bound is for a database that is away for long: then the others look at every app.
        if (to_tell_.size() < kMostToTell)
            to_tell_.insert(app.str());
        else
            to_tell_ = {std::string(kEveryApp)};
    }
    (void)::eventfd_write(wake_fd_, 1);
}

void Follower::run(const std::stop_token& stop) {
    bool in_trouble = false;
    while (!stop.stop_requested()) {
        const auto result = follow(stop);
        if (result) continue;
        if (!in_trouble) log::failure("following the events of other servers", result.error());
        in_trouble = true;
        pollfd descriptor{.fd = wake_fd_, .events = POLLIN, .revents = 0};
        (void)::poll(&descriptor, 1, kBetweenMs);
    }
}

Result<> Follower::follow(const std::stop_token& stop) {
    LOCO_ASSIGN(const auto database, open_());
    // First listen, then read: what comes between is heard of.
    LOCO_TRY(database->run("LISTEN " + std::string(kEventsChannel) + "; LISTEN " +
                           std::string(kWakesChannel)));
    // What was told while nobody listened is not repeated.
    if (on_wake_) on_wake_({});
    while (!stop.stop_requested()) {
        LOCO_TRY(tell_all(*database));
        LOCO_TRY(catch_up(*database));
        LOCO_ASSIGN(const auto notifications,
                    database->wait_for_notification(wake_fd_, kLookEvery));
        for (const auto& notification : notifications) heard(notification);
        eventfd_t ignored = 0;
        if (!stop.stop_requested()) (void)::eventfd_read(wake_fd_, &ignored);
    }
    return {};
}

Result<> Follower::tell_all(postgres::Database& database) {
    std::set<std::string> apps;
    {
        const std::lock_guard lock(mutex_);
        apps.swap(to_tell_);
    }
    for (auto it = apps.begin(); it != apps.end(); it = apps.erase(it)) {
        postgres::Query query(database, "SELECT pg_notify(?, ?)");
        query.bind(kWakesChannel).bind(std::string_view(*it));
        const auto told = query.run();
        if (told) continue;
        const std::lock_guard lock(mutex_);
        to_tell_.merge(apps);
        return told;
    }
    return {};
}

void Follower::heard(const postgres::Database::Notification& notification) const {
    if (notification.is_own || notification.channel != kWakesChannel || !on_wake_) return;
    if (notification.payload == kEveryApp)
        on_wake_({});
    else
        on_wake_(AppId(notification.payload));
}

Result<> Follower::catch_up(postgres::Database& database) {
    static const EnvSeal kNone;
    while (true) {
        const PostgresTx tx(database, kNone);
        LOCO_ASSIGN(const auto events, tx.events({}, after_, kPage));
        if (events.empty()) return {};
        listener_(events);
        after_ = events.back().seq;
    }
}

}  // namespace loco::store
