// Wakes those who follow something (an app's logs, a deployment's events) when there is more of it to read. It carries
// no data and keeps none: a follower reads on in the store from the seq where it was, so one that is slow loses nothing
// and costs nobody anything. No threads.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "domain/model.hpp"
#include "ports/feed.hpp"

namespace loco::telemetry {

class FanOut final : public Feed {
  public:
    FanOut();
    ~FanOut() override;

    // Destroying the subscription waits for a call of its waker that is running on another thread. It may outlive
    // the FanOut, and be destroyed by its own waker.
    [[nodiscard]] std::shared_ptr<void> follow(std::string key,
                                               std::function<void()> waker) override;

    // Any thread. On the caller's thread, those who follow `key` are called one after the other.
    void wake(std::string_view key);
    // Those who follow the events' teams, apps and deployments, each once. For Store::on_events.
    void wake_for(const std::vector<Event>& events);

  private:
    struct Followers;
    std::shared_ptr<Followers> followers_;
};

}  // namespace loco::telemetry
