// loco-api: every part, put together. The only place, with loco.cpp, that names concrete adapters.
#pragma once

#include "base/error.hpp"
#include "platform/server_config.hpp"

namespace loco {

// Serves until SIGTERM or SIGINT, then ends what runs within 10 s. conflict when another loco-api uses the same data.
[[nodiscard]] Result<> serve(const platform::ServerConfig& config);

}  // namespace loco
