// The labels by which Loco knows its things in an engine, and the names that are made from ids. Names are for people
// (`docker ps`) and against doubles; nothing is ever found by them.
#pragma once

#include <string>
#include <string_view>

#include "domain/ids.hpp"
#include "engine/types.hpp"

namespace loco::runtime {

namespace label {
inline constexpr std::string_view kApp = "loco.dev/app";
inline constexpr std::string_view kTeam = "loco.dev/team";
inline constexpr std::string_view kAppId = "loco.dev/app-id";
inline constexpr std::string_view kTeamId = "loco.dev/team-id";
inline constexpr std::string_view kRelease = "loco.dev/release";
inline constexpr std::string_view kProcess = "loco.dev/process";
inline constexpr std::string_view kInstance = "loco.dev/instance";
inline constexpr std::string_view kAttempt = "loco.dev/attempt";
inline constexpr std::string_view kSet = "loco.dev/set";
// Whose it is: the name of one Loco (of its data), so that two on one engine never touch each other's things.
inline constexpr std::string_view kInstanceOf = "loco.dev/instance-of";
// "facts": a container that is only made to look into its image and never started.
inline constexpr std::string_view kPurpose = "loco.dev/purpose";
}  // namespace label

// Five characters that stand for a Loco in names that must be short (interfaces, chains).
[[nodiscard]] std::string tag_of(std::string_view loco);

[[nodiscard]] std::string container_name(const InstanceId& instance, int attempt);
[[nodiscard]] std::string network_name(std::string_view loco, const TeamId& team);
// Interfaces have at most 15 characters: "lc" + tag + "-" + seven that stand for the team.
[[nodiscard]] std::string bridge_prefix(std::string_view loco);
[[nodiscard]] std::string bridge_name(std::string_view loco, const TeamId& team);

}  // namespace loco::runtime
