// DATA/bootstrap.json: how `loco up` tells the server of the owner that it has made. It holds the hash of a token, not the
// token. The server applies it at its start and then removes it: a file that lies there for good would make an owner again
// of somebody who was shut out. Applying it twice does nothing more, so that the server may be killed in between.
#pragma once

#include <filesystem>
#include <optional>

#include "usecase/bootstrap.hpp"

namespace loco::platform {

// Nothing where there is no such file.
[[nodiscard]] Result<std::optional<Bootstrap>> read_bootstrap(const std::filesystem::path& file);
[[nodiscard]] Result<> write_bootstrap(const std::filesystem::path& file,
                                       const Bootstrap& bootstrap);
// Once it was applied. Nothing to do where it is gone.
[[nodiscard]] Result<> remove_bootstrap(const std::filesystem::path& file);

}  // namespace loco::platform
