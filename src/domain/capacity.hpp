// Whether one machine has room: memory and CPU for what a deployment adds, and disk for what is written. Pure.
//
// Memory is a guarantee and a limit at once: the limits of all instances together fit into the machine. CPU is a share that counts
// when others want it too, and most apps want none most of the time: there may be more shares than cores
// (docs/adr/0029-capacity-is-checked-before-a-deploy.md).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "domain/processes.hpp"

namespace loco {

// A part of a machine, or all of it.
struct Share {
    std::int64_t cpu_millis = 0;
    std::int64_t memory_bytes = 0;

    Share& operator+=(const Share& other) {
        cpu_millis += other.cpu_millis;
        memory_bytes += other.memory_bytes;
        return *this;
    }
    friend Share operator+(Share a, const Share& b) { return a += b; }
    bool operator==(const Share&) const = default;
};

struct CapacityPolicy {
    // Of the machine's memory, for the system and Loco itself. None: a tenth, at least 256 MiB and at most 2 GiB.
    std::optional<std::int64_t> memory_reserve_bytes;
    int memory_percent = 100;  // of the rest, that instances are given
    int cpu_percent = 1000;    // of the cores
    bool operator==(const CapacityPolicy&) const = default;
};

[[nodiscard]] std::int64_t memory_reserve(const Share& machine, const CapacityPolicy& policy);
// What instances may be given, all together.
[[nodiscard]] Share room_of(const Share& machine, const CapacityPolicy& policy);

// What a rollout replaces and brings up.
struct Rollout {
    const AppSpec* old = nullptr;  // what serves; none: nothing
    std::map<std::string, ScaleOverride> old_scale;
    const AppSpec* next = nullptr;
    std::map<std::string, ScaleOverride> scale;
    bool in_place = false;  // a change of replicas: only what it adds is brought up
    bool command = false;   // its release command is still to run
};

// What all processes of a release are given.
[[nodiscard]] Share need_of(const AppSpec& spec, const std::map<std::string, ScaleOverride>& scale);
// What the app is given at the height of its rollout: old and new beside each other, or the larger of the two where the old makes
// room first. A release command runs beside the old.
[[nodiscard]] Share peak_of(const Rollout& rollout);

// What one app holds of the machine.
struct Holding {
    TeamId team;
    std::string app;
    Share share;
    bool operator==(const Holding&) const = default;
};

// What is asked for.
struct RoomRequest {
    TeamId team;
    std::string app;
    std::string what;  // "deploy"
    Share now;         // what it holds
    Rollout rollout;
};

// Why there is no room for it on the machine, if so: refused, with what is needed, what is free and which apps hold the rest, those of
// other teams without their names. does_not_fit when the machine could never hold one of its instances; else not_enough_memory or
// not_enough_cpu. What asks for no more than it holds already is not refused.
[[nodiscard]] Result<> check_room(const Share& machine, const CapacityPolicy& policy,
                                  std::vector<Holding> others, const RoomRequest& request);

// --- disk

struct DiskPolicy {
    // None: a tenth of the disk, at least 2 GiB and at most 10 GiB.
    std::optional<std::int64_t> low_bytes;
    // None: 3 % of the disk, at least 512 MiB and at most 3 GiB.
    std::optional<std::int64_t> full_bytes;
    bool operator==(const DiskPolicy&) const = default;
};

// One file system that Loco writes to.
struct Disk {
    std::string path;                // a folder on it
    std::vector<std::string> holds;  // "database", "images", …
    std::int64_t total_bytes = 0;
    std::int64_t free_bytes = 0;
    std::int64_t total_inodes = 0;  // 0: it has no such bound
    std::int64_t free_inodes = 0;
    bool operator==(const Disk&) const = default;
};

enum class DiskState : std::uint8_t {
    ok,
    low,   // warned of; what needs no keeping is removed
    full,  // nothing new is deployed
};
[[nodiscard]] std::string_view to_string(DiskState state);

struct DiskMarks {
    std::int64_t low_bytes = 0;  // with less free than that it is low
    std::int64_t full_bytes = 0;
};
[[nodiscard]] DiskMarks marks_of(const Disk& disk, const DiskPolicy& policy);
// A state ends when a little more is free than begins it, so that it does not come and go with every file.
[[nodiscard]] DiskState judge(const Disk& disk, const DiskPolicy& policy, DiskState before);

struct WatchedDisk {
    Disk disk;
    DiskMarks marks;
    DiskState state = DiskState::ok;
};

// What is known of the machine.
struct MachineFacts {
    std::optional<Share> size;  // none: the engine has not told yet
    CapacityPolicy policy;
    std::vector<WatchedDisk> disks;

    [[nodiscard]] DiskState disk_state() const;  // of the worst
};
// As last measured: does not block, may be called from any thread. Empty: there is not one machine.
using MachineView = std::function<MachineFacts()>;

// refused, code disk_full, when one of the disks is full.
[[nodiscard]] Result<> check_disks(const MachineFacts& facts);

// What a person should know of a disk that is not well.
struct DiskWarning {
    std::string code;  // disk_low, disk_full
    std::string message;
    std::vector<std::string> next_steps;
};
[[nodiscard]] std::optional<DiskWarning> warning_of(const WatchedDisk& watched);

// --- words

// "1.5 CPU"
[[nodiscard]] std::string cpu_text(std::int64_t millis);
// "3.5 GiB", "256 MiB": rounded down, for sums and what is free.
[[nodiscard]] std::string size_text(std::int64_t bytes);

}  // namespace loco
