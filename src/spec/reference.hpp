// docs/reference/loco-toml.md, made from the schema: it cannot say anything else than what is checked.
#pragma once

#include <string>

namespace loco::spec {

// The whole page as Markdown. A test compares it with the file; LOCO_ACCEPT=1 rewrites the file.
[[nodiscard]] std::string reference_markdown();

}  // namespace loco::spec
