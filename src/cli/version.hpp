// The release that this build is.
#pragma once

#include <string_view>

namespace loco::cli {

inline constexpr std::string_view kVersion = LOCO_VERSION;

}  // namespace loco::cli
