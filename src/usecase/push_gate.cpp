#include "usecase/push_gate.hpp"

#include <mutex>

namespace loco {

std::optional<PushGate::Pass> PushGate::enter() {
    Pass pass(mutex_);
    if (closed_) return std::nullopt;
    return pass;
}

void PushGate::close() {
    const std::unique_lock lock(mutex_);
    closed_ = true;
}

void PushGate::open() {
    const std::unique_lock lock(mutex_);
    closed_ = false;
}

}  // namespace loco
