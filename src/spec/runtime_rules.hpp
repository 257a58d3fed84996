// What of a valid loco.toml one runtime does otherwise than the other, or cannot do: known only where the runtime is, by the
// server that takes the deploy. What cannot be done is refused, never ignored. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "domain/app_spec.hpp"

namespace loco {

enum class RuntimeKind : std::uint8_t { machine, kubernetes };

}  // namespace loco

namespace loco::spec {

struct Unhonoured {
    std::string key;      // "http.idle_timeout"
    std::string message;  // what is so, or is done instead; a sentence without a final stop
    std::string fix;      // what to write instead; empty where nothing need be
    // False: something is done instead that serves nearly as well, and an event says so. True: the deploy is refused.
    bool refused = false;
};

[[nodiscard]] std::vector<Unhonoured> unhonoured(const AppSpec& spec, RuntimeKind runtime);

// invalid, code "unsupported_spec", when something of it is refused.
[[nodiscard]] Result<> check_runtime(const AppSpec& spec, RuntimeKind runtime);

}  // namespace loco::spec
