// From what Loco wants of a container to what the engine is told, and from what the engine says to what Loco sees. Pure.
#pragma once

#include <string>

#include "engine/types.hpp"
#include "ports/runtime.hpp"
#include "runtime/log_collector/log_collector.hpp"

namespace loco::runtime {

struct ContainerPolicy {
    std::string loco;  // whose containers: label loco.dev/instance-of
    std::int64_t pids_limit = 512;
    std::int64_t most_cpu_millis = 1'000'000;  // a limit beyond the machine's cores is none
    std::int64_t log_megabytes = 10;           // of each of two files that the engine keeps
};

// `image` is the reference or id that the engine knows it by, `network` the network's id.
[[nodiscard]] engine::ContainerSpec to_engine(const ContainerSpec& spec,
                                              const ContainerPolicy& policy,
                                              const std::string& image, const std::string& network);

// What the labels and the state say; without start, end and exit, which only an inspection gives.
[[nodiscard]] ObservedContainer observed(const engine::ContainerSummary& summary);
void fill_in(ObservedContainer& container, const engine::ContainerState& state);

[[nodiscard]] LogSource log_source(const std::string& container, const engine::Labels& labels);

// Why a container did not start, from the engine's words: refused for what only the app's owner can mend.
[[nodiscard]] Error start_failure(Error error);

}  // namespace loco::runtime
