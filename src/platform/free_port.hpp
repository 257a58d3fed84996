// Whether a part can listen where it shall: tried before it is started, so that another program there is told and not taken
// for the part.
#pragma once

#include <string>

#include "base/error.hpp"

namespace loco::platform {

struct Listener {
    std::string who;      // "the gateway"
    std::string address;  // "0.0.0.0:8080"
    std::string flag;     // that changes it
};

// unavailable (port_taken) when another listens there for longer than a part that was killed does (1 s); forbidden for a port
// that only root may have; invalid when the machine has no such address.
[[nodiscard]] Result<> check_free(const Listener& listener);

}  // namespace loco::platform
