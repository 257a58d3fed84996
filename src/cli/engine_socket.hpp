// Which container engine this client builds with and pushes from.
#pragma once

#include <string>

#include "cli/settings.hpp"

namespace loco::cli {

// The socket. DOCKER_HOST goes before the engine that `loco up` has noted, which may be one of its own at no usual place.
[[nodiscard]] Result<std::string> find_engine(const Settings& settings);

}  // namespace loco::cli
