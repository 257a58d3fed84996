// Closed while the registry's garbage is collected: a layer that a push counts on could be taken from under it. Push tokens
// are the only way to write there, so that whoever holds them back holds back all pushes.
#pragma once

#include <optional>
#include <shared_mutex>

namespace loco {

// Any thread.
class PushGate {
  public:
    using Pass = std::shared_lock<std::shared_mutex>;

    // Nothing when it is closed. While a pass lives, close() waits: no token is given after it returned.
    [[nodiscard]] std::optional<Pass> enter();
    void close();
    void open();

  private:
    std::shared_mutex mutex_;
    bool closed_ = false;
};

}  // namespace loco
