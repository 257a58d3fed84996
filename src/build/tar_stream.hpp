// The tar of a list of entries, made as it is read: never more than a chunk in memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "build/guard.hpp"

namespace loco::build {

struct TarEntry {
    std::string path;  // relative, '/' between its parts
    EntryType type = EntryType::file;
    std::uint64_t size = 0;
    std::uint32_t mode = 0644;
    std::int64_t modified = 0;  // seconds since the epoch
    std::string link = {};      // of a link: where it points to
    bool in_memory = false;     // its content is `memory`, not a file's
};

class TarStream {
  public:
    // `entries` and `memory` must outlive it.
    TarStream(std::filesystem::path root, const std::vector<TarEntry>& entries,
              const std::string& memory);
    ~TarStream();
    TarStream(const TarStream&) = delete;
    TarStream& operator=(const TarStream&) = delete;

    // The next chunk, at most about 256 KiB; empty at the end. conflict when a file is not what it was
    // when the entries were made.
    [[nodiscard]] Result<std::string> next();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace loco::build
