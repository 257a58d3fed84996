#include "store/sqlite/env_seal.hpp"

namespace loco::store {
namespace {

// No variable has this name, so it can't be mistaken for one.
const std::string kMark;

}  // namespace

Result<EnvValues> to_kept(const EnvSeal& with, const AppId& app, const EnvValues& values) {
    if (!with.seal || values.empty()) return values;
    EnvValues kept{{kMark, "sealed"}};
    for (const auto& [name, value] : values) {
        LOCO_ASSIGN(kept[name], with.seal(app, name, value));
    }
    return kept;
}

Result<EnvValues> from_kept(const EnvSeal& with, const AppId& app, EnvValues kept) {
    if (kept.erase(kMark) == 0) return kept;
    if (!with.open) {
        return fail(ErrorKind::internal,
                    "the database holds sealed values and there is no key to open them");
    }
    for (auto& [name, value] : kept) {
        LOCO_ASSIGN(value, with.open(app, name, value));
    }
    return kept;
}

}  // namespace loco::store
