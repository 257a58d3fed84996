// Tells followers that there is something new to read of a thing (an app's logs, a deployment's events). It carries no
// data: a follower reads on in the store from where it was, so that nothing can be lost or doubled.
#pragma once

#include <functional>
#include <memory>
#include <string>

namespace loco {

class Feed {
  public:
    virtual ~Feed() = default;
    // Calls `waker` (any thread; it must not block) whenever something new is there under `key` (an id), until the
    // subscription is destroyed; after that it is never called.
    [[nodiscard]] virtual std::shared_ptr<void> follow(std::string key,
                                                       std::function<void()> waker) = 0;
};

}  // namespace loco
