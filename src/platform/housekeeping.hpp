// Keeps within bounds what Loco writes on this machine, and says so when the disk gets short of room: events, and housekeeping at
// once. Never what a rollback needs, never what is not Loco's.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "base/clock.hpp"
#include "domain/capacity.hpp"
#include "ports/runtime.hpp"
#include "ports/store.hpp"

namespace loco::platform {

struct HousekeepingOptions {
    std::int64_t writable_max = 4LL << 30;  // that a container may write into itself
    // By the steady clock: they are no promises.
    Duration prune_every = std::chrono::minutes(15);
    Duration look_every =
        std::chrono::minutes(5);  // at what containers have written, and at what is held
    int events_kept = 10'000;     // of each app, looked at once an hour
    // While a disk is short of room:
    Duration prune_every_when_low = std::chrono::minutes(1);
    Duration look_every_when_low = std::chrono::seconds(30);
};

struct HousekeepingPorts {
    Store& store;
    const Clock& clock;
    Runtime& runtime;
    MachineView machine;
    // Brings the build cache within its bound; short of room: all of it that nothing uses. Empty: the engine is another's.
    std::function<Result<>(bool short_of_room)> prune_builds;
    // The registry's garbage goes as soon as nobody pushes.
    std::function<void()> collect_garbage;
    // What is held besides containers, by kind, in bytes.
    std::function<std::map<std::string, std::int64_t>()> measure;
};

// One thread calls step().
class Housekeeping {
  public:
    Housekeeping(HousekeepingPorts ports, HousekeepingOptions options = {});

    // Does what is due; to be called every second or two.
    void step();

    // What Loco holds of the disk, by kind, as last measured. Any thread.
    [[nodiscard]] std::map<std::string, std::int64_t> held() const;

  private:
    void tell(const MachineFacts& facts);
    void trim_events();
    void look(DiskState state);
    void bound(const WrittenBytes& written);
    [[nodiscard]] Result<> note(const WrittenBytes& written, const std::string& kind);
    [[nodiscard]] bool is_due(SteadyTime& next, Duration every);

    HousekeepingPorts ports_;
    HousekeepingOptions options_;
    DiskState told_ = DiskState::ok;
    SteadyTime next_prune_;
    SteadyTime next_look_;
    SteadyTime next_trim_;
    DiskState state_ = DiskState::ok;              // when last looked at
    std::set<std::pair<InstanceId, int>> warned_;  // whose container has written much already
    mutable std::mutex mutex_;                     // guards held_
    std::map<std::string, std::int64_t> held_;
};

}  // namespace loco::platform
