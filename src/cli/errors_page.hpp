// docs/reference/errors.md: every error code, from the catalogue.
#pragma once

#include <string>

namespace loco::cli {

[[nodiscard]] std::string errors_markdown();

}  // namespace loco::cli
