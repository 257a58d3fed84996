// What an app would be on Kubernetes, as plain manifests. How they are written is an adapter's (cluster/kubernetes), put in by
// the wiring.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ports/cluster.hpp"

namespace loco::api {

struct ManifestRequest {
    ClusterApp app;                    // env: without secrets
    std::vector<std::string> secrets;  // names of variables whose values are not shown
    std::string namespace_;            // empty: the usual one
    std::string gateway_namespace;
    std::string gateway_name;
    std::string registry_host;
};

// YAML documents.
using ManifestFn = std::function<Result<std::string>(ManifestRequest)>;

}  // namespace loco::api
