// Decides when the registry's garbage is collected, and sees to it that nobody pushes meanwhile. What it decides, `loco up`
// carries out (registry/handover.hpp): stop the registry, collect, start it again.
#pragma once

#include <atomic>
#include <optional>

#include "base/clock.hpp"
#include "ports/store.hpp"
#include "registry/garbage.hpp"
#include "registry/handover.hpp"
#include "usecase/push_gate.hpp"

namespace loco::registry {

struct CollectorOptions {
    Duration every = std::chrono::hours(1);  // at most once in that time
    int enough = 5;                          // removed manifests; fewer wait 24 times as long
    // When no quiet moment comes for so long, pushes are held until those under way have ended …
    Duration patience = std::chrono::minutes(10);
    // … but at most for so long; then it is put off by another `patience`.
    Duration hold_at_most = std::chrono::seconds(30);
    Duration taken_within = std::chrono::seconds(10);  // else no `loco up` is there
    Duration look_every = std::chrono::seconds(2);     // for a quiet moment
};

// One thread calls it, but for hurry().
class Collector {
  public:
    Collector(Store& store, const Clock& clock, PushGate& gate, Garbage& garbage, Handover handover,
              CollectorOptions options = {});

    // Before anybody is given a token: takes up what the process before has begun.
    void begin();
    // Looks what is to be done now; to be called about every 100 ms.
    void step();
    // The disk is short of room: the next quiet moment will do, however few manifests were removed, but at most once a minute.
    void hurry() { hurried_ = true; }
    // Another server decides from now on: takes back what was asked for and not begun, and holds no push up. begin() may
    // follow.
    void stop();

  private:
    enum class Step : unsigned char { idle, holding, asked, running };

    void enter(Step step);
    void look();   // idle
    void hold();   // holding
    void await();  // asked
    void give_up();
    void end();
    [[nodiscard]] bool is_due();
    // Nothing is being pushed, and no deployment needs the registry now.
    [[nodiscard]] bool is_quiet() const;

    Store& store_;
    const Clock& clock_;
    PushGate& gate_;
    Garbage& garbage_;
    Handover handover_;
    CollectorOptions options_;
    Step step_ = Step::idle;
    Time since_;  // of step_
    std::optional<Time> due_since_;
    Time next_look_;
    Time put_off_until_;
    int manifests_ = 0;  // counted when it was asked for
    std::atomic<bool> hurried_ = false;
};

}  // namespace loco::registry
