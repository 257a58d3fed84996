// What can be seen of a container beyond what the engine lists: its sockets, its limits, its program. Internal to this folder.
#pragma once

#include "domain/facts.hpp"
#include "engine/engine.hpp"

namespace loco::runtime {

// Of one that runs through /proc, as far as this user may look there; of one that has ended, its program where that may be why.
[[nodiscard]] ContainerFacts examine(engine::Engine& engine, const engine::Container& container);

}  // namespace loco::runtime
