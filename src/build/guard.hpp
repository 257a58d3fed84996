// What never enters a build context unless it is named on purpose: secrets, and Git's own data.
#pragma once

#include <filesystem>
#include <string_view>

namespace loco::build {

enum class EntryType : unsigned char { file, folder, link };

// Why the entry is kept out ("an environment file"), empty when it may go in. Decided by the name; where
// a name says too little (*.pem may be a public certificate, .npmrc may hold no token) by the content of
// `file`, and what cannot be read is kept out.
[[nodiscard]] std::string_view why_guarded(std::string_view path, EntryType type,
                                           const std::filesystem::path& file);

}  // namespace loco::build
