#include "registry/garbage.hpp"

#include <algorithm>
#include <sstream>

#include "base/log.hpp"
#include "os/file.hpp"

namespace loco::registry {

Garbage::Garbage(std::filesystem::path file, const Clock& clock)
    : file_(std::move(file)), clock_(clock) {
    state_.collected_at = clock_.now();
    // "MANIFESTS UNIX-MILLISECONDS"
    int manifests = 0;
    std::int64_t at = 0;
    if (const auto text = os::read_file(file_, 256)) {
        std::istringstream(*text) >> manifests >> at;
        if (manifests >= 0 && at > 0) {
            state_ = {.manifests = manifests, .collected_at = from_unix_ms(at)};
            return;
        }
    }
    keep();
}

void Garbage::keep() {
    const auto text = std::to_string(state_.manifests) + " " +
                      std::to_string(to_unix_ms(state_.collected_at)) + "\n";
    // What is not kept is counted anew at the next restart: it is collected later, never too much.
    if (const auto kept = os::write_file_atomically(file_, text, 0600); !kept)
        log::failure("can't keep how much garbage the registry has", kept.error());
}

void Garbage::add() {
    const std::lock_guard lock(mutex_);
    ++state_.manifests;
    keep();
}

void Garbage::collected(int manifests) {
    const std::lock_guard lock(mutex_);
    state_.manifests = std::max(0, state_.manifests - manifests);
    state_.collected_at = clock_.now();
    keep();
}

Garbage::State Garbage::state() const {
    const std::lock_guard lock(mutex_);
    return state_;
}

}  // namespace loco::registry
