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

}  // namespace

Follower::Follower(Open open, std::int64_t after, Listener listener)
    : open_(std::move(open)),
      after_(after),
      listener_(std::move(listener)),
      wake_fd_(::eventfd(0, EFD_CLOEXEC)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

Follower::~Follower() {
    thread_.request_stop();
    (void)::eventfd_write(wake_fd_, 1);
    thread_.join();
    ::close(wake_fd_);
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
    LOCO_TRY(database->run("LISTEN " + std::string(kEventsChannel)));
    while (!stop.stop_requested()) {
        LOCO_TRY(catch_up(*database));
        LOCO_TRY(database->wait_for_notification(wake_fd_, kLookEvery));
    }
    return {};
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
