// loco-api backup, restore: what they are asked for and what they tell.
#pragma once

#include <optional>
#include <string>

#include "platform/server_config.hpp"

namespace loco {

struct BackupWords {
    std::string file;
    bool no_images = false;
    bool force = false;
};
[[nodiscard]] Result<> back_up(const platform::ServerConfig& config, const BackupWords& words);

struct RestoreWords {
    std::string file;
    std::string config_file;
    std::string seal_key, subnets;  // empty: not given
    bool force = false;
};
[[nodiscard]] Result<> restore(const RestoreWords& words);

}  // namespace loco
