// The values of a spec's [env] are kept sealed, like those of `loco env`: nobody reads them in the database, its
// journal or a backup. With what, the store's maker says; the rest of a spec is kept as it is.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/error.hpp"
#include "domain/ids.hpp"

namespace loco::store {

// Both or neither; any thread.
struct EnvSeal {
    // One value of that app under that name, and back. What `seal` refuses fails the write; what `open` refuses stays
    // sealed (kSealedEnvMark in domain/app_spec.hpp).
    std::function<Result<std::string>(const AppId&, const std::string& name,
                                      const std::string& value)>
        seal;
    std::function<Result<std::string>(const AppId&, const std::string& name,
                                      const std::string& sealed)>
        open;
};

using EnvValues = std::map<std::string, std::string>;

// As it is kept: sealed, and marked as such. As it is without functions, without values, or when it is sealed still.
[[nodiscard]] Result<EnvValues> to_kept(const EnvSeal& with, const AppId& app,
                                        const EnvValues& values);
// What was kept, opened; still sealed and marked when one of its values can't be opened. The row it belongs to must be
// read all the same: an app whose key was lost is shown, stopped, removed and deployed anew like any other.
[[nodiscard]] EnvValues from_kept(const EnvSeal& with, const AppId& app, EnvValues kept);

}  // namespace loco::store
