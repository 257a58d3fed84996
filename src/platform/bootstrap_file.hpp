// DATA/bootstrap.json: how `loco up` tells the server of the owner that it has made. It holds the hash of a token, not the
// token; the server reads it at each start, and reading it twice does nothing more.
#pragma once

#include <filesystem>
#include <optional>

#include "usecase/bootstrap.hpp"

namespace loco::platform {

// Nothing where there is no such file.
[[nodiscard]] Result<std::optional<Bootstrap>> read_bootstrap(const std::filesystem::path& file);
[[nodiscard]] Result<> write_bootstrap(const std::filesystem::path& file,
                                       const Bootstrap& bootstrap);

}  // namespace loco::platform
