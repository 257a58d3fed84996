// Whether an image may run: the rules of `checking`. Pure.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "domain/app_spec.hpp"
#include "domain/model.hpp"
#include "ports/runtime.hpp"

namespace loco::reconcile {

struct ImageUser {
    std::int64_t uid = 0;
    std::int64_t gid = 0;
};

// Who the image's containers run as: [deploy] user, else what the image's user resolves to in its own passwd.
// refused when that is root or cannot be known.
[[nodiscard]] Result<ImageUser> image_user(const AppSpec& spec, const ImageFacts& facts);

// refused when the spec's [env] could not be opened: the key of the database's sealed values was lost.
[[nodiscard]] Result<> check_env(const AppSpec& spec);

// refused when its config and layers are more than that, in bytes as the registry has them.
[[nodiscard]] Result<> check_size(std::int64_t bytes, std::int64_t max_bytes);

// Why the image is refused, if it is. `platform` is the machine's, `secrets` the names that are set.
[[nodiscard]] std::optional<Diagnosis> check_image(const AppSpec& spec, const ImageFacts& facts,
                                                   const std::string& platform,
                                                   const std::set<std::string>& secrets);

}  // namespace loco::reconcile
