#include "domain/processes.hpp"

#include <algorithm>

namespace loco {
namespace {

WantedProcess overridden(WantedProcess process, const std::map<std::string, ScaleOverride>& scale) {
    const auto found = scale.find(process.name);
    if (found == scale.end()) return process;
    const auto& change = found->second;
    if (change.replicas) process.replicas = *change.replicas;
    if (change.memory_bytes) process.memory_bytes = *change.memory_bytes;
    if (change.cpu_millis) {
        process.cpu_millis = *change.cpu_millis;
        process.cpu_max_millis = std::max(process.cpu_max_millis, process.cpu_millis);
    }
    return process;
}

}  // namespace

std::vector<WantedProcess> wanted_processes(const AppSpec& spec,
                                            const std::map<std::string, ScaleOverride>& scale) {
    std::vector<WantedProcess> out;
    out.push_back(overridden({.name = std::string(main_process(spec)),
                              .main = true,
                              .command = spec.deploy.command,
                              .replicas = spec.scale.min,
                              .cpu_millis = spec.resources.cpu_millis,
                              .cpu_max_millis = spec.resources.cpu_max_millis,
                              .memory_bytes = spec.resources.memory_bytes},
                             scale));
    for (const auto& [name, process] : spec.processes) {
        out.push_back(overridden({.name = name,
                                  .main = false,
                                  .command = process.command,
                                  .replicas = process.replicas,
                                  .cpu_millis = process.cpu_millis,
                                  .cpu_max_millis = process.cpu_max_millis,
                                  .memory_bytes = process.memory_bytes},
                                 scale));
    }
    return out;
}

}  // namespace loco
