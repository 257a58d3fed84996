// Rules of a deployment's life that everybody who moves one must keep.
#pragma once

#include "base/error.hpp"
#include "domain/model.hpp"

namespace loco {

// Moves it on and notes when. internal when the state machine has no such step: a bug of the caller.
[[nodiscard]] Result<> enter(Deployment& deployment, DeploymentState state, Time now);

// The event of that step, without its app's name: "v7 is live", "deploy failed: …".
[[nodiscard]] Event event_of(const Deployment& deployment, const App& app, std::string message,
                             Time now);

// How long each state after `building` may take when nothing else bounds it.
inline constexpr Millis kCheckingTimeout{10 * 60'000};
// How long a client that builds may be silent before its deployment is given up.
inline constexpr Millis kBuildLease{60'000};

}  // namespace loco
