// How much was taken off the registry's list since its disk was last cleaned: deleting a manifest frees nothing by itself.
// Kept in DATA/registry/garbage, so that a restart forgets nothing. It decides when to collect, never what.
#pragma once

#include <filesystem>
#include <mutex>

#include "base/clock.hpp"

namespace loco::registry {

// Any thread.
class Garbage {
  public:
    struct State {
        int manifests = 0;  // removed and not yet collected
        Time collected_at;  // the last time; at first when this file was made
        bool operator==(const State&) const = default;
    };

    // A file that is missing or malformed counts as collected now.
    Garbage(std::filesystem::path file, const Clock& clock);

    // One more manifest was removed.
    void add();
    // `manifests` of what add() has counted are gone from the disk.
    void collected(int manifests);
    [[nodiscard]] State state() const;

  private:
    void keep();

    std::filesystem::path file_;
    const Clock& clock_;
    mutable std::mutex mutex_;
    State state_;
};

}  // namespace loco::registry
