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
    // One value of that app under that name, and back. What they refuse fails the write or the read.
    std::function<Result<std::string>(const AppId&, const std::string& name,
                                      const std::string& value)>
        seal;
    std::function<Result<std::string>(const AppId&, const std::string& name,
                                      const std::string& sealed)>
        open;
};

using EnvValues = std::map<std::string, std::string>;

// As it is kept: sealed, and marked as such. Without functions, or without values: as it is.
[[nodiscard]] Result<EnvValues> to_kept(const EnvSeal& with, const AppId& app,
                                        const EnvValues& values);
// What was kept, sealed or not. internal when it is sealed and there is nothing to open it with.
[[nodiscard]] Result<EnvValues> from_kept(const EnvSeal& with, const AppId& app, EnvValues kept);

}  // namespace loco::store
