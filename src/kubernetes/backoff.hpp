// How long to wait before the next attempt: doubled each time, up to a bound, each a little at random so that many who
// failed together do not come back together. Not for several threads at once.
#pragma once

#include <chrono>

#include "base/random.hpp"

namespace loco::kubernetes {

struct BackoffOptions {
    std::chrono::milliseconds initial{200};
    std::chrono::milliseconds max{30'000};
    double jitter = 0.5;  // the part of each wait that is random: 0 to 1
};

class Backoff {
  public:
    Backoff(BackoffOptions options, Random& random) : options_(options), random_(random) {}

    // Between (1 - jitter) times the full wait, and all of it.
    [[nodiscard]] std::chrono::milliseconds next();
    void reset() { full_ = {}; }

  private:
    BackoffOptions options_;
    Random& random_;
    std::chrono::milliseconds full_{};  // of the last one; zero: there was none
};

}  // namespace loco::kubernetes
