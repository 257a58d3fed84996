// loco.toml → AppSpec, or everything that is wrong with it at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/app_spec.hpp"
#include "spec/diagnostic.hpp"

namespace loco::spec {

inline constexpr std::size_t kMaxSpecBytes = 256 << 10;

// What a path of the spec leads to. Folder (spec/folder.hpp) answers for the disk.
enum class PathState : std::uint8_t {
    file,
    folder,
    other,  // a device, a socket, unreadable
    missing,
    outside,  // outside the app's folder, symbolic links followed
};

struct ReadOptions {
    std::string file = "loco.toml";  // as diagnostics name it
    std::string default_name = {};   // the app's name where the file gives none: its folder's name
    std::string profile = {};        // [profile.X] to lay over; empty: none
    // Asked for the Dockerfile, the context and build secrets; without it, their existence is not checked.
    std::function<PathState(std::string_view relative)> exists_inside = {};
};

using Diagnostics = std::vector<Diagnostic>;

// Every default is filled in. All profiles are checked, whichever is asked for. Diagnostics come in the text's
// order, at most 100; after a TOML syntax error, that one alone.
[[nodiscard]] std::expected<AppSpec, Diagnostics> read_spec(std::string_view text,
                                                            const ReadOptions& options);

}  // namespace loco::spec
