// A Kubernetes cluster as the place where apps run.
#pragma once

#include <memory>

#include "bin/place.hpp"
#include "http/client.hpp"
#include "platform/server_config.hpp"

namespace loco {

// All must outlive the place.
struct ClusterNeeds {
    const platform::ServerConfig& server;
    const Config& config;
    const Clock& clock;
    Random& random;
    LogStore& logs;
    Registry& registry;
    http::Client& http;
    Secret<> hash_key;  // the same for all loco-api of this Loco
};

// Begins to watch the cluster and does not wait for it. invalid when the configuration names no cluster.
[[nodiscard]] Result<std::unique_ptr<Place>> make_cluster_place(ClusterNeeds needs);

}  // namespace loco
