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

// What all containers of the release have in their environment; what differs by instance is missing. Loco's own names win over
// everything, secrets over [env].
[[nodiscard]] SecretEnv environment(const AppRows& rows, const Release& release, SecretEnv secrets,
                                    const std::string& url);

}  // namespace loco::reconcile
