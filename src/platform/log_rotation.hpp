// Bounds the parts' log files. Whoever writes one keeps it open (appending, os::start_daemon) and need not be told: what is
// old is copied to FILE.1 and then cut off the front of FILE.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>

#include "base/error.hpp"

namespace loco::platform {

struct LogBounds {
    std::uintmax_t bytes = 10U << 20;  // from this size on it is rotated
    int files = 3;                     // FILE, FILE.1, …; the oldest goes
};

// True when it was large enough. No byte is lost where the file system can cut off the front of a file (ext4, XFS);
// elsewhere what is written between the last look and the cut, some microseconds, is. A line may begin in FILE.1 and end
// in FILE. Killed in the middle it leaves bytes twice, none missing.
[[nodiscard]] Result<bool> rotate(const std::filesystem::path& file, const LogBounds& bounds);

// All *.log of a folder, looked at once in a second.
class LogRotation {
  public:
    explicit LogRotation(std::filesystem::path folder, LogBounds bounds = {})
        : folder_(std::move(folder)), bounds_(bounds) {}

    // For Supervisor::watch.
    void step();

  private:
    std::filesystem::path folder_;
    LogBounds bounds_;
    std::chrono::steady_clock::time_point next_;
};

}  // namespace loco::platform
