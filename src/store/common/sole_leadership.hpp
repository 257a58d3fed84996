// Of one loco-api alone on its database: it leads from start() to stop().
#pragma once

#include <atomic>
#include <utility>

#include "ports/leadership.hpp"

namespace loco::store {

class SoleLeadership final : public Leadership {
  public:
    explicit SoleLeadership(std::string name) : name_(std::move(name)) {}
    ~SoleLeadership() override { end(); }
    SoleLeadership(const SoleLeadership&) = delete;
    SoleLeadership& operator=(const SoleLeadership&) = delete;

    void start(std::function<void()> on_gained, std::function<void()> on_lost) override {
        on_lost_ = std::move(on_lost);
        leads_ = true;
        on_gained();
    }
    void stop() override { end(); }
    [[nodiscard]] bool is_leader() const override { return leads_; }
    [[nodiscard]] std::string leader() const override { return leads_ ? name_ : std::string(); }

  private:
    void end() {
        if (leads_.exchange(false)) on_lost_();
    }

    std::string name_;
    std::function<void()> on_lost_;
    std::atomic<bool> leads_ = false;
};

}  // namespace loco::store
