// Which of several loco-api on one database does what only one may do: the passes of the reconciler, collecting output,
// upkeep. Where there is one only, it always leads. Why it is so: docs/adr/0022-one-leader-by-an-advisory-lock.md.
//
// At most one leads at a time as far as this can be seen from inside of one process: one that is stopped in its tracks
// (SIGSTOP, a frozen machine) and goes on later acts for a moment longer than it may. What leaders do must bear that.
#pragma once

#include <functional>
#include <string>

namespace loco {

class Leadership {
  public:
    virtual ~Leadership() = default;

    // From now on it tries to lead, again whenever it was lost, until stop(). The two are called strictly in turn, never
    // at once, on a thread of its own (or, where there is nobody to ask, on the caller's of start() and stop()): first
    // on_gained, which begins the work and returns soon; then on_lost, which returns when the work has ended. Neither may
    // throw, nor call this object's stop(). Once.
    virtual void start(std::function<void()> on_gained, std::function<void()> on_lost) = 0;
    // After it no call is made and it does not lead; on_lost was called if it did. Others may lead then. May be repeated.
    virtual void stop() = 0;

    // From before on_gained is called until before on_lost is. Any thread.
    [[nodiscard]] virtual bool is_leader() const = 0;
    // The name of who leads, for people; empty when nobody does or it is not known (yet). Any thread.
    [[nodiscard]] virtual std::string leader() const = 0;
};

}  // namespace loco
