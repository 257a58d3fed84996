// docs/reference/cli.md, made from the commands' descriptions: it cannot say anything else than the help does.
#pragma once

#include <span>
#include <string>

#include "cli/command.hpp"

namespace loco::cli {

// The whole page as Markdown. A test compares it with the file; LOCO_ACCEPT=1 rewrites the file. Hidden commands and
// options are left out.
[[nodiscard]] std::string reference_markdown(std::span<const Command> commands);

}  // namespace loco::cli
