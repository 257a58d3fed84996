// One value: document → slot with every check that its kind asks for, and slot → document. Internal to spec/.
#pragma once

#include <string>
#include <string_view>

#include "spec/node.hpp"
#include "spec/reporter.hpp"
#include "spec/schema.hpp"

namespace loco::spec {

// Leaves the slot as it is where there is a mistake. `key` is the whole path.
void read_value(const Rule& rule, const Node& node, const Slot& slot, std::string_view key,
                Reporter& reporter);

[[nodiscard]] Node write_value(const Rule& rule, const Slot& slot);

// What the rule allows, for diagnostics and for the reference: "a whole number from 1 to 65535".
[[nodiscard]] std::string describe(const Rule& rule);

// As TOML has it: `"x"`, `[ "a" ]`, `{ K = "v" }`, 5.
[[nodiscard]] std::string to_toml(const Node& node);

}  // namespace loco::spec
