// What every use case works with. A use case is one function: it reads and writes the store in one transaction,
// wakes the reconciler, and does nothing else to the world. Rights were checked before it is called (api/).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "domain/capacity.hpp"
#include "domain/model.hpp"
#include "ports/store.hpp"
#include "spec/runtime_rules.hpp"
#include "usecase/push_gate.hpp"

namespace loco {

struct Config {
    std::string base_domain = "localhost";
    int gateway_port = 8080;               // in URLs
    bool https = false;                    // likewise
    std::string platform = "linux/amd64";  // of the machine that runs the apps
    int max_apps_per_team = 1000;
    int max_replicas = 50;                       // of one process
    std::int64_t max_image_bytes = 8LL << 30;    // config and layers, compressed
    RuntimeKind runtime = RuntimeKind::machine;  // what it cannot do is refused
};

// Who asks, for events and records.
struct Actor {
    UserId user;
    std::string login;
};

struct Context {
    Store& store;
    const Clock& clock;
    Random& random;
    const Config& config;
    // The reconciler looks at that app soon. Must not block.
    std::function<void(const AppId&)> wake;
    PushGate* pushes = nullptr;  // none: always open
    MachineView machine = {};    // that runs the apps; empty: they run on a cluster
};

}  // namespace loco
