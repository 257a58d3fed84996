#include "cli/engine_socket.hpp"

#include <cstdlib>
#include <filesystem>

#include "engine/engine.hpp"

namespace loco::cli {

Result<std::string> find_engine(const Settings& settings) {
    std::error_code error;
    const bool noted =
        std::getenv("DOCKER_HOST") == nullptr && std::filesystem::is_socket(settings.engine, error);
    return engine::find_socket(noted ? settings.engine : std::string());
}

}  // namespace loco::cli
