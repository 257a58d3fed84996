#include "kubernetes/backoff.hpp"

#include <algorithm>

namespace loco::kubernetes {

std::chrono::milliseconds Backoff::next() {
    full_ = full_.count() == 0 ? options_.initial : std::min(full_ * 2, options_.max);
    constexpr double kSteps = 1U << 20;
    const double random = static_cast<double>(random_.next() % (1U << 20)) / kSteps;
    const double part = 1.0 - options_.jitter * random;
    return std::chrono::milliseconds(
        static_cast<std::int64_t>(static_cast<double>(full_.count()) * part));
}

}  // namespace loco::kubernetes
