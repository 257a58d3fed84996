// Manifests as YAML (1.2, and understood the same by readers of 1.1), for people.
#pragma once

#include <string>
#include <vector>

#include "cluster/kubernetes/render.hpp"

namespace loco::cluster {

// One document each, behind its comment; keys in the order in which the object has them.
[[nodiscard]] std::string to_yaml(const std::vector<Manifest>& manifests);
[[nodiscard]] std::string to_yaml(const kubernetes::Object& object);

}  // namespace loco::cluster
