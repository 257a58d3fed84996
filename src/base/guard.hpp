// No exception crosses a module, and still one may: std::bad_alloc, a library's bug, our own. The outermost function of a
// program takes it here, so that it ends with words and an exit status instead of an abort and a core.
#pragma once

#include <functional>

#include "base/error.hpp"

namespace loco {

// What `work` gives; what it throws as an internal error of one line.
[[nodiscard]] Result<> guarded(const std::function<Result<>()>& work);

}  // namespace loco
