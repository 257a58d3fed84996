// The names of an app's objects in a cluster, made from ids: for people and against doubles. What is Loco's is found by its
// labels (labels.hpp). A Deployment, its Service, routes, autoscaler and disruption budget are called as their process.
#pragma once

#include <string>
#include <string_view>

#include "domain/ids.hpp"

namespace loco::cluster {

inline constexpr std::string_view kServiceAccountName = "app";

// "loco-shop-3f9a2c1b7d": the app's name and a hash of team and app, at most 63 characters.
[[nodiscard]] std::string namespace_of(const TeamId& team, const AppId& app,
                                       const std::string& app_name);

// A set's environment and its release command: "env-01hx…", "release-01hx…". The other way round a set is read from the
// label kSet.
[[nodiscard]] std::string env_secret_name(const DeploymentId& set);
[[nodiscard]] std::string release_job_name(const DeploymentId& set);

// "loco.dev/instance-of=NAME": all objects of that Loco.
[[nodiscard]] std::string selector_of(std::string_view loco);

}  // namespace loco::cluster
