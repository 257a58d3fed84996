// How loco-api, which gives the tokens that pushes need, and `loco up`, which runs the registry, agree on collecting its
// garbage: by files in one folder. Each step is one rename or unlink, so that either may be killed at any moment.
//
//   collect.request   loco-api wants it, and lets nobody push. It may take that back as long as nobody has taken it
//   collect.running   `loco up` has taken it: the registry is going down, away, or coming back
//   collect.done      it was collected; loco-api takes note and removes it
#pragma once

#include <filesystem>

#include "base/error.hpp"

namespace loco::registry {

class Handover {
  public:
    // DATA/run
    explicit Handover(std::filesystem::path folder) : folder_(std::move(folder)) {}

    // loco-api's side.
    [[nodiscard]] Result<> ask() const;
    // False when it was taken already, or there was none.
    bool withdraw() const;
    [[nodiscard]] bool asked() const;
    [[nodiscard]] bool under_way() const;
    // Whether one was collected since this was last asked.
    bool take_done() const;

    // The side of `loco up`.
    // Whether there was a request; it is ours now.
    [[nodiscard]] bool take() const;
    // The registry serves again.
    void finish(bool collected) const;
    // After whoever took it was killed, and before the registry is started.
    void abandon() const;

  private:
    [[nodiscard]] std::filesystem::path file(const char* state) const;

    std::filesystem::path folder_;
};

}  // namespace loco::registry
