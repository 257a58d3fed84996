// File systems of this machine.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/error.hpp"

namespace loco::os {

struct FileSystem {
    std::uint64_t device = 0;  // the same for all folders on it
    std::int64_t total_bytes = 0;
    std::int64_t free_bytes = 0;    // for who is not root
    std::int64_t total_inodes = 0;  // 0: it has no such bound
    std::int64_t free_inodes = 0;
};

// The one that the folder is on. Two system calls; not_found where there is no such folder.
[[nodiscard]] Result<FileSystem> file_system_of(const std::filesystem::path& folder);

// What all files below it take on their disk, each counted once; not beyond `most_files`, and what can't be read is left out. Links
// are not followed.
[[nodiscard]] std::int64_t bytes_below(const std::filesystem::path& folder,
                                       std::size_t most_files = 1'000'000);

}  // namespace loco::os
