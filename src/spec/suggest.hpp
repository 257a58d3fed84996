// "Did you mean …?" for keys, names and commands.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace loco::spec {

// Insertions, deletions, substitutions and swaps of neighbours that make `b` of `a`, case ignored
// (optimal string alignment). Texts over 64 bytes are as far apart as they are long.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate that was probably meant, or "": equal but for case and -/_, or within a third of its length.
[[nodiscard]] std::string_view nearest(std::string_view text,
                                       std::span<const std::string_view> candidates);

}  // namespace loco::spec
