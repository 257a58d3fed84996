// The labels and annotations by which Loco knows its things in a cluster. Every object carries kInstanceOf and kAppId;
// nothing is ever found by its name.
#pragma once

#include <string_view>

namespace loco::cluster {

namespace label {
inline constexpr std::string_view kManagedBy = "app.kubernetes.io/managed-by";  // "loco"
// Whose it is: the name of one Loco, so that two on one cluster never touch each other's things.
inline constexpr std::string_view kInstanceOf = "loco.dev/instance-of";
inline constexpr std::string_view kApp = "loco.dev/app";
inline constexpr std::string_view kTeam = "loco.dev/team";
inline constexpr std::string_view kAppId = "loco.dev/app-id";
inline constexpr std::string_view kTeamId = "loco.dev/team-id";
// Of Deployments, Jobs and their pods (template): "web", and "release" for a release command.
inline constexpr std::string_view kProcess = "loco.dev/process";
// Of the same, and of what is made for one set only. Not in a Deployment's selector: a new set rolls it.
inline constexpr std::string_view kSet = "loco.dev/set";
inline constexpr std::string_view kRelease = "loco.dev/release";       // "v7"
inline constexpr std::string_view kReleaseId = "loco.dev/release-id";  // "rel_…"
// Of a Namespace: its routes may attach to the Gateway.
inline constexpr std::string_view kRoutes = "loco.dev/routes";
inline constexpr std::string_view kRoutesAllowed = "allowed";
}  // namespace label

// Of a Deployment, rendered: the keys of its loco.toml that are left to the Gateway's own policy (spec/runtime_rules.hpp).
namespace annotation {
inline constexpr std::string_view kNotApplied = "loco.dev/not-applied";
}  // namespace annotation

// Set by the adapter beside what is rendered; `loco export` has none of them.
namespace annotation {
// A hash of the object as it was ordered last: tells a new order from somebody else's change.
inline constexpr std::string_view kOrdered = "loco.dev/ordered";
// Of a Deployment: a keyed hash of the Secrets that were ordered with it, as Secrets are never read.
inline constexpr std::string_view kSecrets = "loco.dev/secrets";
// Of a Namespace: "Deployment/web Secret/…", all that was ordered in it.
inline constexpr std::string_view kInventory = "loco.dev/inventory";
// Of a Namespace: the newest set whose release command was taken away; none up to it may run again.
inline constexpr std::string_view kCommandsDone = "loco.dev/commands-done";
}  // namespace annotation

// The container of a pod that is the app's; whatever else a mesh puts beside it.
inline constexpr std::string_view kContainer = "app";
inline constexpr std::string_view kReleaseProcess = "release";

}  // namespace loco::cluster
