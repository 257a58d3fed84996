// What a Docker daemon leaves in the packet filter when it ends: its chains and the rules that lead to them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace loco::platform {

// From what `iptables-save -t TABLE` says, the arguments of the `iptables` calls that take Docker's rules and chains out of
// that table, in their order. Rules of others stay: those with a comment, those in Docker's chains that a person put there
// (what DOCKER-USER is for), and such a chain with the jump to it. Calls for a chain that is not empty by then fail: leave it.
[[nodiscard]] std::vector<std::vector<std::string>> removal_of_docker_rules(std::string_view table,
                                                                            std::string_view saved);

}  // namespace loco::platform
