// Text that others wrote, shown on a terminal or in a log.
#pragma once

#include <cstddef>
#include <string_view>

namespace loco {

// How many bytes of UTF-8 at the front are a character that steers where it is shown: C1 controls, which some terminals take for
// escape sequences (ECMA-48 section 5.3), and those that turn the direction of writing, by which a text can look like another
// (Unicode TR 36, section 3.3). 0: none. The controls of ASCII are not among them.
[[nodiscard]] std::size_t steering(std::string_view text);

}  // namespace loco
