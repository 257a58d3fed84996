// What a container of an instance is made from. Pure.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "base/secret.hpp"
#include "ports/runtime.hpp"
#include "reconcile/rows.hpp"

namespace loco::reconcile {

using SecretEnv = std::map<std::string, Secret<>>;

struct ContainerInput {
    const AppRows& rows;
    const Instance& instance;
    const Release& release;
    TeamNetwork network;
    SecretEnv secrets;  // opened values of the release's env version
    std::string url;    // where the app answers
};

[[nodiscard]] ContainerSpec container_spec(ContainerInput input);

}  // namespace loco::reconcile
