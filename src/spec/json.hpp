// AppSpec ↔ JSON, in the shape of the TOML with every default filled in: what the client sends and the store
// keeps. Reading applies all rules again but those about files on the client's disk: a client is never trusted.
// spec/json_value.hpp has the same over boost::json::value.
#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "domain/app_spec.hpp"

namespace loco::spec {

// Keys in the schema's order: equal specs give equal texts.
[[nodiscard]] std::string to_json(const AppSpec& spec);

// invalid (code "invalid_spec") with every mistake in next_steps; too_large beyond 256 KiB.
[[nodiscard]] Result<AppSpec> from_json(std::string_view text);

}  // namespace loco::spec
