// An app as plain manifests for people: they need no Loco, and none takes them for its own.
#pragma once

#include <string>
#include <vector>

#include "cluster/kubernetes/render.hpp"

namespace loco::cluster {

// Stands where a person must write a value before the manifests are applied.
inline constexpr std::string_view kFillIn = "FILL-IN";

struct ExportRequest {
    ClusterApp app;  // env: without secrets
    // Variables that were set with `loco env`: their values are never read, and kFillIn stands for each.
    std::vector<std::string> secrets;
    std::string namespace_;         // empty: the app's name
    std::string gateway_namespace;  // where the Gateway is that routes attach to
    std::string gateway_name;
    std::string registry_host;  // as the cluster's nodes reach it
};

// YAML documents. Errors as of manifests().
[[nodiscard]] Result<std::string> export_yaml(ExportRequest request);

}  // namespace loco::cluster
