// The processes that a release runs, and how much each of them is given. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "domain/model.hpp"

namespace loco {

// A process under what `loco scale` has set.
struct WantedProcess {
    std::string name;
    bool main = false;                 // the one with ports
    std::vector<std::string> command;  // empty: the image's
    int replicas = 0;
    std::int64_t cpu_millis = 0;
    std::int64_t cpu_max_millis = 0;
    std::int64_t memory_bytes = 0;
};
[[nodiscard]] std::vector<WantedProcess> wanted_processes(
    const AppSpec& spec, const std::map<std::string, ScaleOverride>& scale);

}  // namespace loco
