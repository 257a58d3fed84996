#include "store/common/env_seal.hpp"

#include "domain/app_spec.hpp"

namespace loco::store {
namespace {

const std::string kMark{kSealedEnvMark};

}  // namespace

Result<EnvValues> to_kept(const EnvSeal& with, const AppId& app, const EnvValues& values) {
    if (!with.seal || values.empty() || values.contains(kMark)) return values;
    EnvValues kept{{kMark, "sealed"}};
    for (const auto& [name, value] : values) {
        LOCO_ASSIGN(kept[name], with.seal(app, name, value));
    }
    return kept;
}

EnvValues from_kept(const EnvSeal& with, const AppId& app, EnvValues kept) {
    if (!kept.contains(kMark) || !with.open) return kept;
    EnvValues opened;
    for (const auto& [name, value] : kept) {
        if (name == kMark) continue;
        auto plain = with.open(app, name, value);
        if (!plain) return kept;
        opened[name] = std::move(*plain);
    }
    return opened;
}

}  // namespace loco::store
