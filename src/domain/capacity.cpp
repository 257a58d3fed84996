#include "domain/capacity.hpp"

#include <algorithm>
#include <array>

namespace loco {
namespace {

constexpr std::int64_t kKi = 1LL << 10;
constexpr std::int64_t kMi = 1LL << 20;
constexpr std::int64_t kGi = 1LL << 30;
constexpr std::size_t kMostNamed = 4;

Share times(const WantedProcess& process, int replicas) {
    return {.cpu_millis = process.cpu_millis * replicas,
            .memory_bytes = process.memory_bytes * replicas};
}

Share larger(const Share& a, const Share& b) {
    return {.cpu_millis = std::max(a.cpu_millis, b.cpu_millis),
            .memory_bytes = std::max(a.memory_bytes, b.memory_bytes)};
}

// Replicas go and come one process at a time: of each the larger number.
Share in_place(const Rollout& rollout) {
    Share sum;
    const auto before = wanted_processes(*rollout.next, rollout.old_scale);
    for (const auto& process : wanted_processes(*rollout.next, rollout.scale)) {
        const auto old = std::ranges::find(before, process.name, &WantedProcess::name);
        const int replicas =
            old == before.end() ? process.replicas : std::max(process.replicas, old->replicas);
        sum += times(process, replicas);
    }
    return sum;
}

Share command_of(const Rollout& rollout) {
    const auto& spec = *rollout.next;
    if (!rollout.command || spec.deploy.release_command.empty()) return {};
    return {.cpu_millis = spec.resources.cpu_millis, .memory_bytes = spec.resources.memory_bytes};
}

// One of the two resources, so that both are judged and told in the same way.
struct Resource {
    const char* code;
    const char* name;
    const char* key;
    std::int64_t Share::* amount;
    std::string (*text)(std::int64_t);
};
constexpr std::array<Resource, 2> kResources{Resource{.code = "not_enough_memory",
                                                      .name = "memory",
                                                      .key = "memory",
                                                      .amount = &Share::memory_bytes,
                                                      .text = size_text},
                                             Resource{.code = "not_enough_cpu",
                                                      .name = "CPU",
                                                      .key = "cpu",
                                                      .amount = &Share::cpu_millis,
                                                      .text = cpu_text}};

// "blog 2 GiB, api 1 GiB, 3 other apps 512 MiB"
std::string holders_text(const Resource& resource, const std::vector<Holding>& all,
                         const TeamId& team) {
    std::vector<Holding> named;
    std::int64_t rest = 0;
    int unnamed = 0;
    for (const auto& one : all) {
        if (one.share.*resource.amount == 0) continue;
        if (one.team == team && named.size() < kMostNamed) {
            named.push_back(one);
        } else {
            rest += one.share.*resource.amount;
            ++unnamed;
        }
    }
    std::string out;
    for (const auto& one : named) {
        out +=
            (out.empty() ? "" : ", ") + one.app + " " + resource.text(one.share.*resource.amount);
    }
    if (unnamed > 0) {
        out += (out.empty() ? "" : ", ") + std::to_string(unnamed) +
               (named.empty() ? "" : " other") + (unnamed == 1 ? " app " : " apps ") +
               resource.text(rest);
    }
    return out;
}

bool rolls(const Rollout& rollout) {
    return rollout.old != nullptr && !rollout.in_place &&
           rollout.next->deploy.strategy == Strategy::rolling;
}

Error no_room(const Resource& resource, const Share& room, std::vector<Holding> all,
              std::int64_t free, const RoomRequest& request) {
    std::ranges::sort(all, [&](const Holding& a, const Holding& b) {
        const auto most = a.share.*resource.amount <=> b.share.*resource.amount;
        return most != 0 ? most > 0 : a.app < b.app;
    });
    const auto needed = peak_of(request.rollout).*resource.amount;
    const auto now = request.now.*resource.amount;
    Error error{.kind = ErrorKind::refused, .message = {}, .code = resource.code};
    error.message = std::string("not enough ") + resource.name + " on this machine: the " +
                    request.what + " of " + request.app + " needs " + resource.text(needed - now) +
                    (now > 0 ? " more" : "") +
                    (rolls(request.rollout) ? " while old and new run beside each other" : "") +
                    ", and of " + resource.text(room.*resource.amount) + " for apps " +
                    (free > 0 ? resource.text(free) + " is free" : "nothing is free");
    const auto held = holders_text(resource, all, request.team);
    if (!held.empty()) error.message += "; held by " + held;
    error.hint = std::string("ask for less, or make room: what holds ") + resource.name +
                 " gives it back when it is scaled down or destroyed";
    error.next_steps.push_back(std::string("ask for less: [resources] ") + resource.key +
                               " in loco.toml, or loco scale -a " + request.app);
    if (rolls(request.rollout)) {
        AppSpec recreated = *request.rollout.next;
        recreated.deploy.strategy = Strategy::recreate;
        auto other = request.rollout;
        other.next = &recreated;
        if (peak_of(other).*resource.amount - now <= free) {
            error.next_steps.emplace_back(
                "or set [deploy] strategy = \"recreate\" in loco.toml: the old stops before the "
                "new "
                "starts, and that fits");
        }
    }
    const auto other = std::ranges::find_if(all, [&](const Holding& one) {
        return one.team == request.team && one.app != request.app && one.share.*resource.amount > 0;
    });
    if (other != all.end()) {
        error.next_steps.push_back("or make room: loco scale -a " + other->app +
                                   " with less, or loco destroy what is not needed");
    }
    error.next_steps.emplace_back(
        "see what the machine has and what holds it: GET /api/v1/machine, or loco doctor");
    return error;
}

Result<> check_each_fits(const Share& machine, const Share& room, const RoomRequest& request) {
    for (const auto& process : wanted_processes(*request.rollout.next, request.rollout.scale)) {
        const bool fits =
            process.cpu_millis <= machine.cpu_millis && process.memory_bytes <= room.memory_bytes;
        if (process.replicas == 0 || fits) continue;
        return fail(
            ErrorKind::refused,
            "this machine can never hold one instance of " + process.name + ": it asks for " +
                cpu_text(process.cpu_millis) + " and " + size_text(process.memory_bytes) +
                ", and the most that it has for apps is " + cpu_text(machine.cpu_millis) + " and " +
                size_text(room.memory_bytes),
            "ask for less: [resources] in loco.toml, or loco scale; or use a larger machine",
            "does_not_fit");
    }
    return {};
}

// x % of y, of sizes that may be large.
std::int64_t percent(std::int64_t of, int percents) {
    return of / 100 * percents + of % 100 * percents / 100;
}

bool is_below(std::int64_t free, std::int64_t mark, bool already) {
    return free < mark + (already ? mark / 10 : 0);
}

// Few are left when 5 % are, none when 1 % is.
bool lacks_inodes(const Disk& disk, int percents, bool already) {
    return disk.total_inodes > 0 &&
           is_below(disk.free_inodes, percent(disk.total_inodes, percents), already);
}

}  // namespace

std::int64_t memory_reserve(const Share& machine, const CapacityPolicy& policy) {
    return policy.memory_reserve_bytes.value_or(
        std::clamp(machine.memory_bytes / 10, 256 * kMi, 2 * kGi));
}

Share room_of(const Share& machine, const CapacityPolicy& policy) {
    const auto memory =
        std::max<std::int64_t>(machine.memory_bytes - memory_reserve(machine, policy), 0);
    return {.cpu_millis = machine.cpu_millis * policy.cpu_percent / 100,
            .memory_bytes = percent(memory, policy.memory_percent)};
}

Share need_of(const AppSpec& spec, const std::map<std::string, ScaleOverride>& scale) {
    Share sum;
    for (const auto& process : wanted_processes(spec, scale))
        sum += times(process, process.replicas);
    return sum;
}

Share peak_of(const Rollout& rollout) {
    if (rollout.in_place) return in_place(rollout);
    const auto next = need_of(*rollout.next, rollout.scale);
    const auto command = command_of(rollout);
    if (rollout.old == nullptr) return larger(next, command);
    const auto old = need_of(*rollout.old, rollout.old_scale);
    return rollout.next->deploy.strategy == Strategy::recreate ? larger(old + command, next)
                                                               : old + larger(next, command);
}

Result<> check_room(const Share& machine, const CapacityPolicy& policy, std::vector<Holding> others,
                    const RoomRequest& request) {
    const auto room = room_of(machine, policy);
    const auto peak = peak_of(request.rollout);
    // Of both resources: what is not asked for anew may be more than the machine has, by a setting that was changed.
    const bool more =
        peak.cpu_millis > request.now.cpu_millis || peak.memory_bytes > request.now.memory_bytes;
    if (!more) return {};
    LOCO_TRY(check_each_fits(machine, room, request));
    for (const auto& resource : kResources) {
        auto held = request.now.*resource.amount;
        for (const auto& one : others) held += one.share.*resource.amount;
        const auto free = room.*resource.amount - held;
        const auto added = peak.*resource.amount - request.now.*resource.amount;
        if (added <= 0 || added <= free) continue;
        others.push_back({request.team, request.app, request.now});
        return fail(no_room(resource, room, std::move(others), free, request));
    }
    return {};
}

// --- disk

std::string_view to_string(DiskState state) {
    switch (state) {
        case DiskState::ok: return "ok";
        case DiskState::low: return "low";
        case DiskState::full: return "full";
    }
    return "ok";
}

DiskMarks marks_of(const Disk& disk, const DiskPolicy& policy) {
    const auto full =
        policy.full_bytes.value_or(std::clamp(percent(disk.total_bytes, 3), kGi / 2, 3 * kGi));
    const auto low =
        policy.low_bytes.value_or(std::clamp(percent(disk.total_bytes, 10), 2 * kGi, 10 * kGi));
    return {.low_bytes = std::max(low, full), .full_bytes = full};
}

DiskState judge(const Disk& disk, const DiskPolicy& policy, DiskState before) {
    const auto marks = marks_of(disk, policy);
    const bool was_full = before == DiskState::full;
    const bool was_low = before != DiskState::ok;
    if (is_below(disk.free_bytes, marks.full_bytes, was_full) || lacks_inodes(disk, 1, was_full))
        return DiskState::full;
    if (is_below(disk.free_bytes, marks.low_bytes, was_low) || lacks_inodes(disk, 5, was_low))
        return DiskState::low;
    return DiskState::ok;
}

DiskState MachineFacts::disk_state() const {
    auto worst = DiskState::ok;
    for (const auto& one : disks) worst = std::max(worst, one.state);
    return worst;
}

std::optional<DiskWarning> warning_of(const WatchedDisk& watched) {
    if (watched.state == DiskState::ok) return std::nullopt;
    const auto& disk = watched.disk;
    const bool full = watched.state == DiskState::full;
    const bool inodes = disk.free_bytes >= watched.marks.low_bytes + watched.marks.low_bytes / 10;
    std::string holds;
    for (const auto& one : disk.holds) holds += (holds.empty() ? "" : ", ") + one;
    DiskWarning out;
    out.code = full ? "disk_full" : "disk_low";
    out.message =
        "the disk of " + disk.path + " (" + holds + ") is " + (full ? "full" : "nearly full") +
        ": " +
        (inodes ? std::to_string(disk.free_inodes) + " of " + std::to_string(disk.total_inodes) +
                      " inodes are free"
                : size_text(disk.free_bytes) + " of " + size_text(disk.total_bytes) + " is free") +
        (full ? "; what runs goes on, new deploys wait for room"
              : "; Loco removes what it need not keep");
    out.next_steps = {
        "see what takes it: GET /api/v1/machine, or loco doctor; du -xh -d2 " + disk.path,
        "make room: loco destroy what is not needed, docker builder prune, or a "
        "larger disk; Loco goes on by itself"};
    return out;
}

Result<> check_disks(const MachineFacts& facts) {
    for (const auto& watched : facts.disks) {
        if (watched.state != DiskState::full) continue;
        auto warning = *warning_of(watched);
        return fail(Error{.kind = ErrorKind::refused,
                          .message = std::move(warning.message),
                          .hint = "make room on the server's disk, then deploy again",
                          .code = "disk_full",
                          .next_steps = std::move(warning.next_steps)});
    }
    return {};
}

// --- words

std::string cpu_text(std::int64_t millis) {
    if (millis % 1000 == 0) return std::to_string(millis / 1000) + " CPU";
    auto fraction = std::to_string(1000 + millis % 1000).substr(1);
    while (fraction.back() == '0') fraction.pop_back();
    return std::to_string(millis / 1000) + "." + fraction + " CPU";
}

std::string size_text(std::int64_t bytes) {
    if (bytes >= 10 * kGi || (bytes >= kGi && bytes % kGi < kGi / 10))
        return std::to_string(bytes / kGi) + " GiB";
    if (bytes >= kGi) {
        return std::to_string(bytes / kGi) + "." + std::to_string(bytes % kGi * 10 / kGi) + " GiB";
    }
    if (bytes >= kMi) return std::to_string(bytes / kMi) + " MiB";
    if (bytes >= kKi) return std::to_string(bytes / kKi) + " KiB";
    return std::to_string(std::max<std::int64_t>(bytes, 0)) + " bytes";
}

}  // namespace loco
