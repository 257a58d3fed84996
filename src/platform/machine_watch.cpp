#include "platform/machine_watch.hpp"

#include <algorithm>
#include <map>

#include "os/disk.hpp"
#include "platform/layout.hpp"
#include "spec/quantity.hpp"

namespace loco::platform {
namespace {

std::optional<std::int64_t> bytes_of(const std::string& text) {
    if (text == "0") return 0;
    const auto bytes = spec::parse_memory(text);
    return bytes ? std::optional(*bytes) : std::nullopt;
}

const std::string& path_of(const WatchedDisk& disk) { return disk.disk.path; }

// Folders on one file system are one disk, by the path of the first.
std::vector<WatchedDisk> measure(const std::vector<WatchedFolder>& folders) {
    std::vector<WatchedDisk> disks;
    std::vector<std::uint64_t> devices;
    for (const auto& [folder, holds] : folders) {
        const auto seen = os::file_system_of(folder);
        if (!seen) continue;
        const auto known = std::ranges::find(devices, seen->device);
        if (known != devices.end()) {
            disks[static_cast<std::size_t>(known - devices.begin())].disk.holds.push_back(holds);
            continue;
        }
        devices.push_back(seen->device);
        disks.push_back({.disk = {.path = folder.string(),
                                  .holds = {holds},
                                  .total_bytes = seen->total_bytes,
                                  .free_bytes = seen->free_bytes,
                                  .total_inodes = seen->total_inodes,
                                  .free_inodes = seen->free_inodes},
                         .marks = {},
                         .state = DiskState::ok});
    }
    return disks;
}

}  // namespace

CapacityPolicy capacity_policy(const ServerConfig& config) {
    return {.memory_reserve_bytes = bytes_of(config.memory_reserve),
            .memory_percent = config.memory_overcommit,
            .cpu_percent = config.cpu_overcommit};
}

DiskPolicy disk_policy(const ServerConfig& config) {
    return {.low_bytes = bytes_of(config.disk_low), .full_bytes = bytes_of(config.disk_full)};
}

std::vector<WatchedFolder> watched_folders(const ServerConfig& config) {
    const Layout layout(config.data_dir);
    return {{layout.data(), "Loco's data"},
            {layout.database(), "database"},
            {layout.app_logs(), "logs"},
            {layout.registry(), "registry"}};
}

MachineWatch::MachineWatch(std::vector<WatchedFolder> folders, CapacityPolicy capacity,
                           DiskPolicy disk)
    : folders_(std::move(folders)), disk_(disk) {
    facts_.policy = capacity;
    look();
}

void MachineWatch::look() {
    std::vector<WatchedFolder> folders;
    std::vector<WatchedDisk> before;
    {
        const std::lock_guard lock(mutex_);
        folders = folders_;
        if (!storage_.empty()) folders.push_back({storage_, "images and containers"});
        before = facts_.disks;
    }
    // A disk that hangs keeps nobody from what was measured before.
    auto disks = measure(folders);
    for (auto& one : disks) {
        const auto last = std::ranges::find(before, one.disk.path, path_of);
        one.marks = marks_of(one.disk, disk_);
        one.state = judge(one.disk, disk_, last == before.end() ? DiskState::ok : last->state);
    }
    const std::lock_guard lock(mutex_);
    facts_.disks = std::move(disks);
}

void MachineWatch::learn(const MachineSize& size) {
    const std::lock_guard lock(mutex_);
    facts_.size = Share{.cpu_millis = size.cpu_millis, .memory_bytes = size.memory_bytes};
    storage_ = size.storage;
}

MachineFacts MachineWatch::facts() const {
    const std::lock_guard lock(mutex_);
    return facts_;
}

}  // namespace loco::platform
