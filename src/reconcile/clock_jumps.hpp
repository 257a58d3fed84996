// Deadlines and leases are kept as times of the wall clock, as they must outlive the process. When that clock is set (after a
// suspend, by an administrator), they are moved with it: the steady clock says by how much.
#pragma once

#include <functional>
#include <shared_mutex>

#include "base/clock.hpp"
#include "ports/store.hpp"

namespace loco::reconcile {

// Any thread.
class ClockJumps {
  public:
    ClockJumps(Store& store, const Clock& clock);

    // Reads rows by `load`, and gives the time that their deadlines are to be compared with. What `load` or the store says when
    // that fails.
    [[nodiscard]] Result<Time> load(const std::function<Result<>()>& load);
    // By how much the clock was set since the process began, as far as it was noticed.
    [[nodiscard]] Duration total();

  private:
    [[nodiscard]] Duration offset() const;
    [[nodiscard]] Result<> follow();

    Store& store_;
    const Clock& clock_;
    const Duration at_start_;
    std::shared_mutex mutex_;  // over what follows, and the rows' deadlines
    Duration known_;           // the wall clock minus the steady one
};

}  // namespace loco::reconcile
