// What this machine has and what is left of it: its size as the engine tells, and the disks that Loco writes to.
#pragma once

#include <filesystem>
#include <mutex>
#include <string>
#include <vector>

#include "domain/capacity.hpp"
#include "platform/server_config.hpp"
#include "ports/runtime.hpp"

namespace loco::platform {

// By the configuration, which was checked.
[[nodiscard]] CapacityPolicy capacity_policy(const ServerConfig& config);
[[nodiscard]] DiskPolicy disk_policy(const ServerConfig& config);

// A folder that is written to, and what lies there: "database", "images".
struct WatchedFolder {
    std::filesystem::path folder;
    std::string holds;
};
// All that Loco writes in its data folder.
[[nodiscard]] std::vector<WatchedFolder> watched_folders(const ServerConfig& config);

// Any thread.
class MachineWatch {
  public:
    MachineWatch(std::vector<WatchedFolder> folders, CapacityPolicy capacity, DiskPolicy disk);

    // Measures the disks. Asks the kernel only, and costs next to nothing; a folder that can't be looked at is left out, for it is
    // not on this machine (the engine's, when that runs in a machine of its own).
    void look();
    // What the engine has told. Its folder is watched from then on.
    void learn(const MachineSize& size);
    // As last measured.
    [[nodiscard]] MachineFacts facts() const;

  private:
    mutable std::mutex mutex_;
    std::vector<WatchedFolder> folders_;
    std::string storage_;
    DiskPolicy disk_;
    MachineFacts facts_;
};

}  // namespace loco::platform
