#include "base/guard.hpp"

#include <algorithm>
#include <exception>

namespace loco {

Result<> guarded(const std::function<Result<>()>& work) {
    try {
        return work();
    } catch (const std::exception& thrown) {
        std::string message = std::string("a bug in Loco: ") + thrown.what();
        std::ranges::replace(message, '\n', ' ');
        return fail(ErrorKind::internal, std::move(message));
    } catch (...) {
        return fail(ErrorKind::internal, "a bug in Loco: something unknown was thrown");
    }
}

}  // namespace loco
