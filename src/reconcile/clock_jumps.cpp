#include "reconcile/clock_jumps.hpp"

#include <algorithm>
#include <mutex>
#include <optional>

#include "base/log.hpp"
#include "domain/deployment.hpp"

namespace loco::reconcile {
namespace {

// Less is what clocks drift by, and harms no deadline.
constexpr auto kJump = std::chrono::seconds(2);

// Something that was written between the jump and its notice is of the new time already: it must not be over by this.
void shift(Time& time, Duration by, Time now) {
    const Time moved = time + by;
    if (by > Duration(0) || moved > now) time = moved;
}

void shift(std::optional<Time>& time, Duration by, Time now) {
    if (time) shift(*time, by, now);
}

Result<> shift_rows(WriteTx& tx, Duration by, Time now) {
    LOCO_ASSIGN(const auto apps, tx.all_apps());
    for (const auto& app : apps) {
        LOCO_ASSIGN(auto open, tx.open_deployments(app));
        for (auto& deployment : open) {
            shift(deployment.deadline, by, now);
            shift(deployment.lease_until, by, now);
            // No lease is longer, whatever the clock was when it was renewed.
            deployment.lease_until = std::min(deployment.lease_until, now + kBuildLease);
            LOCO_TRY(tx.put(deployment));
        }
    }
    LOCO_ASSIGN(auto instances, tx.all_instances());
    for (auto& instance : instances) {
        shift(instance.deadline, by, now);
        shift(instance.restart_at, by, now);
        instance.state_since += by;
        LOCO_TRY(tx.put(instance));
    }
    return {};
}

}  // namespace

ClockJumps::ClockJumps(Store& store, const Clock& clock)
    : store_(store), clock_(clock), at_start_(offset()), known_(at_start_) {}

Duration ClockJumps::offset() const {
    return clock_.now().time_since_epoch() - clock_.steady().time_since_epoch();
}

Result<Time> ClockJumps::load(const std::function<Result<>()>& load) {
    for (;;) {
        {
            const std::shared_lock lock(mutex_);
            const Time now = clock_.now();
            const auto jump = now.time_since_epoch() - clock_.steady().time_since_epoch() - known_;
            if (jump <= kJump && jump >= -kJump) {
                LOCO_TRY(load());
                return now;
            }
        }
        LOCO_TRY(follow());
    }
}

Result<> ClockJumps::follow() {
    const std::unique_lock lock(mutex_);
    const auto seen = offset();
    const auto jump = seen - known_;
    if (jump <= kJump && jump >= -kJump) return {};  // another thread was faster
    LOCO_TRY(store_.write([&](WriteTx& tx) { return shift_rows(tx, jump, clock_.now()); }));
    known_ = seen;
    log::warning("the machine's clock was set: deadlines are moved with it",
                 {{"seconds", std::chrono::duration_cast<std::chrono::seconds>(jump).count()}});
    return {};
}

Duration ClockJumps::total() {
    const std::shared_lock lock(mutex_);
    return known_ - at_start_;
}

}  // namespace loco::reconcile
