// TOML text → Node. The only place that knows the TOML library.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "spec/node.hpp"

namespace loco::spec {

struct SyntaxError {
    Mark mark;
    std::string message;
    std::string fix;  // may be empty
};

[[nodiscard]] std::expected<Node, SyntaxError> parse_toml(std::string_view text);

}  // namespace loco::spec
