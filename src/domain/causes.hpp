// The causes that Facts can have, one rule each. Private to diagnosis.cpp, which says them in whole sentences.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "domain/facts.hpp"

namespace loco {

struct Cause {
    std::string code;
    std::string
        why;  // a clause: "it listens on port 3000, not on port 8080"; empty: nothing to add
    bool guess = false;  // by what the app wrote
    std::vector<std::string> next_steps;
    std::vector<std::string> shows = {};  // what shows it, besides what it wrote
    bool could_not_start = false;         // whatever its exit status says
};

// Of a container that could not be started, or whose program could not; none when it ran.
[[nodiscard]] std::optional<Cause> start_cause(const Facts& facts);
// Of one that ran and ended.
[[nodiscard]] Cause end_cause(const Facts& facts);
// Of one that runs and is not healthy.
[[nodiscard]] Cause health_cause(const Facts& facts);
// What a cluster says keeps it from running; none when it says nothing.
[[nodiscard]] std::optional<Cause> cluster_cause(const Facts& facts);

// The cluster has ended one that served because it failed its health checks.
[[nodiscard]] bool was_put_down(const Facts& facts);

// "SIGSEGV", and what it means; empty for an exit status that is no signal's.
struct SignalName {
    std::string name;
    std::string meaning;
};
[[nodiscard]] std::optional<SignalName> signal_of(int exit_code);
// "127.0.0.1:3000 (TCP)"
[[nodiscard]] std::string listener_text(const Listener& listener);
// "5m", "1500ms"
[[nodiscard]] std::string duration_text(Millis time);

}  // namespace loco
