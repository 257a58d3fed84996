// The entries of one layer, one after the other.
#pragma once

#include <string>

#include "registry/layer_walk.hpp"

namespace loco::registry {

struct LayerEntry {
    enum class Kind : std::uint8_t { file, directory, symlink, hardlink, other };
    std::string path;  // "etc/passwd": no leading slash, no "." and no ".."
    Kind kind = Kind::other;
    std::string target = {};  // of a link, as it stands in the layer
};

// The path as LayerEntry has it; empty when it is the root, or leads out of the image.
[[nodiscard]] std::string normal_path(std::string_view path);

// Gives the entry's content when it is called while the entry is shown; refused when it has more bytes than the budget
// allows for a file.
using ReadEntry = std::function<Result<std::string>()>;
using ShowEntry = std::function<Result<>(const LayerEntry& entry, const ReadEntry& read)>;

// Shows every entry and reads the source to its end. refused when it is no tar, plain, gzip or zstd.
[[nodiscard]] Result<> read_layer(const ByteSource& source, WalkBudget& budget,
                                  const ShowEntry& show);

}  // namespace loco::registry
