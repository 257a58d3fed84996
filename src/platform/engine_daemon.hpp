// The container engine of one machine: the one that answers, or a Docker daemon of our own.
#pragma once

#include <functional>
#include <string>

#include "platform/layout.hpp"

namespace loco::platform {

// Finds the engine that answers (`given` first, then DOCKER_HOST and the usual sockets) or, as root and with dockerd
// installed, starts one in the data folder and has it supervised. Sets config.engine_socket and engine_is_ours.
// unavailable with what to install or start.
[[nodiscard]] Result<> ensure_engine(const std::string& given, const Layout& layout,
                                     ServerConfig& config, Supervisor& supervisor,
                                     const std::function<void(const std::string&)>& step);

// Removes every container, network, image and firewall rule of this Loco; of an engine of our own, all that it left on the
// machine. Nothing that is not Loco's.
[[nodiscard]] Result<> purge_engine(const Layout& layout, const ServerConfig& config,
                                    const std::function<void(const std::string&)>& step);

}  // namespace loco::platform
