// The disk's side of reading a loco.toml: finding it, its folder's name, and where its paths lead.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "spec/read.hpp"

namespace loco::spec {

// A loco.toml that was found and not read yet: read_spec(file.text, file.options).
struct SpecFile {
    std::filesystem::path folder;  // that its paths are relative to; absolute
    std::string text;
    ReadOptions options;
};

// `path` is a file, or a folder with a loco.toml. Diagnostics name it as it was given. not_found where there is
// none, with the hint to write one.
[[nodiscard]] Result<SpecFile> open_spec(const std::filesystem::path& path,
                                         std::string profile = {});

// The app's name as a loco.toml gives it, under that profile ("": none), whatever else is wrong with it; nothing when it gives
// none that can be.
[[nodiscard]] std::optional<std::string> name_in(std::string_view text, std::string_view profile);

// Where `relative` leads from `folder`, symbolic links followed.
[[nodiscard]] PathState look_inside(const std::filesystem::path& folder, std::string_view relative);

}  // namespace loco::spec
