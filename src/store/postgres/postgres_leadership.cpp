#include "store/postgres/postgres_leadership.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "store/postgres/write_lock.hpp"

namespace loco::store {
namespace {

using std::chrono::milliseconds;

// As kTryToLead has it.
constexpr std::string_view kLock =
    "FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.classid = 1282368367 AND "
    "l.objid = 1 AND l.objsubid = 2 AND l.database = (SELECT oid FROM pg_database WHERE datname = "
    "current_database())";
constexpr std::string_view kPrefix = "loco-api ";
constexpr std::size_t kMostName = 50;  // PostgreSQL cuts such names at 63 bytes
// Who leads is asked for at every so many tries.
constexpr int kAskEvery = 10;

std::string session_settings(const PostgresLeadershipOptions& options) {
    const auto number = [](milliseconds value) { return std::to_string(value.count()); };
    const auto seconds = [](milliseconds value) {
        return std::to_string(
            std::max<std::int64_t>(1, std::chrono::floor<std::chrono::seconds>(value).count()));
    };
    // A holder that can't be reached: no answer to a third probe, within `silence`. One that does not ask any more, though
    // its machine's kernel answers: idle_session_timeout, which is not there before PostgreSQL 14.
    return "SET tcp_keepalives_idle = " + seconds(options.silence * 4 / 10) +
           ";SET tcp_keepalives_interval = " + seconds(options.silence * 2 / 10) +
           ";SET tcp_keepalives_count = 3;SET tcp_user_timeout = " + number(options.silence) +
           ";SELECT set_config('idle_session_timeout', '" + number(options.silence) +
           "', false) WHERE current_setting('server_version_num')::int >= 140000";
}

void wait(int wake_fd, milliseconds time) {
    pollfd descriptor{.fd = wake_fd, .events = POLLIN, .revents = 0};
    (void)::poll(&descriptor, 1, static_cast<int>(time.count()));
}

}  // namespace

PostgresLeadership::PostgresLeadership(PostgresLeadershipOptions options)
    : options_(std::move(options)), wake_fd_(::eventfd(0, EFD_CLOEXEC)) {
    if (options_.name.size() > kMostName) options_.name.resize(kMostName);
}

PostgresLeadership::~PostgresLeadership() {
    PostgresLeadership::stop();
    ::close(wake_fd_);
}

void PostgresLeadership::start(std::function<void()> on_gained, std::function<void()> on_lost) {
    on_gained_ = std::move(on_gained);
    on_lost_ = std::move(on_lost);
    thread_ = std::thread([this] { run(); });
}

void PostgresLeadership::stop() {
    stopping_ = true;
    (void)::eventfd_write(wake_fd_, 1);
    if (thread_.joinable()) thread_.join();
}

std::string PostgresLeadership::leader() const {
    const std::lock_guard lock(mutex_);
    return leader_;
}

void PostgresLeadership::set_leader(std::string name) {
    const std::lock_guard lock(mutex_);
    leader_ = std::move(name);
}

std::string PostgresLeadership::application_name() const {
    return std::string(kPrefix) + options_.name;
}

void PostgresLeadership::run() {
    bool in_trouble = false;
    while (!stopping_) {
        const auto began = std::chrono::steady_clock::now();
        const auto result = contend();
        set_leader({});
        if (result) continue;
        // Told once for a trouble that lasts.
        if (std::chrono::steady_clock::now() - began > 4 * options_.try_every) in_trouble = false;
        if (!in_trouble) log::failure("asking the database who leads", result.error());
        in_trouble = true;
        wait(wake_fd_, options_.try_every);
    }
}

Result<> PostgresLeadership::contend() {
    LOCO_ASSIGN(const auto database, postgres::Database::open(options_.target, options_.limits));
    LOCO_TRY(database->value_within(session_settings(options_), options_.answer_within));
    postgres::Query name(*database, "SELECT set_config('application_name', ?, false)");
    name.bind(application_name());
    LOCO_TRY(name.step());
    for (int tries = 0; !stopping_; ++tries) {
        LOCO_ASSIGN(const auto got,
                    database->value_within(std::string(kTryToLead), options_.answer_within));
        if (got == "t") {
            // But at its start: another had it until now, who may not have noticed yet.
            if (!std::exchange(is_first_try_, false))
                LOCO_TRY(database->wait_for_notification(wake_fd_, options_.settle));
            return stopping_ ? Result<>{} : lead(*database);
        }
        is_first_try_ = false;
        if (tries % kAskEvery == 0) {
            LOCO_ASSIGN(auto holder,
                        database->value_within(
                            "SELECT (SELECT a.application_name FROM pg_stat_activity a WHERE "
                            "a.pid = l.pid) " +
                                std::string(kLock),
                            options_.answer_within));
            if (holder.starts_with(kPrefix)) holder.erase(0, kPrefix.size());
            set_leader(std::move(holder));
        }
        LOCO_TRY(database->wait_for_notification(wake_fd_, options_.try_every));
    }
    return {};
}

Result<> PostgresLeadership::lead(postgres::Database& database) {
    set_leader(options_.name);
    leads_ = true;
    log::info("this server leads", {{"name", options_.name}});
    on_gained_();
    const auto held = hold(database);
    leads_ = false;
    set_leader({});
    if (!held) log::failure("this server leads no longer", held.error());
    // The lock is let go, if it is still held, only after this: with the connection.
    on_lost_();
    return held;
}

Result<> PostgresLeadership::hold(postgres::Database& database) {
    static const std::string kHeld =
        "SELECT count(*) " + std::string(kLock) + " AND l.pid = pg_backend_pid()";
    while (!stopping_) {
        // Returns at once when the server ends the connection.
        LOCO_TRY(database.wait_for_notification(wake_fd_, options_.check_every));
        if (stopping_) break;
        LOCO_ASSIGN(const auto held, database.value_within(kHeld, options_.answer_within));
        if (held != "1") {
            return fail(ErrorKind::unavailable, "the lock of who leads is another session's",
                        "a pooler that shares connections can't be between loco-api and PostgreSQL",
                        "leadership_lost");
        }
    }
    return {};
}

}  // namespace loco::store
