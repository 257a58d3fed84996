// `loco env`: secrets of an app. Values are sealed here and never read back but by the reconciler, when it starts a container.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/secret.hpp"
#include "usecase/context.hpp"

namespace loco {

// Seals one value; bound to the app and the variable's name, so that sealed values can't be swapped.
using SealFn = std::function<Result<std::string>(const AppId&, const std::string& name,
                                                 const Secret<>& value)>;

struct EnvChange {
    std::map<std::string, std::optional<Secret<>>> values;  // none: unset
    bool stage = false;  // with the next deploy, instead of a release now
};

struct EnvResult {
    int version = 0;
    std::optional<Deployment>
        deployment;  // none when staged, when nothing is live, or when nothing changed
};

// invalid for a bad or reserved name, or a value that no variable can have.
[[nodiscard]] Result<> check_env_value(const std::string& name, const Secret<>& value);

// invalid for bad or reserved names (PORT, LOCO_*), too many or too large values.
[[nodiscard]] Result<EnvResult> change_env(Context& context, const Actor& actor, const AppId& app,
                                           const EnvChange& change, const SealFn& seal);

}  // namespace loco
