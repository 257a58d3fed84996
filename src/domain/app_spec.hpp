// What a loco.toml says once it is read, checked and filled with its defaults (docs/reference/loco-toml.md).
// Shared by everything that deploys: the client sends it as JSON (spec/json.hpp), and the store keeps it with each
// deployment and release.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace loco {

using Millis = std::chrono::milliseconds;

enum class AppType : std::uint8_t { service, worker, static_site };
enum class Protocol : std::uint8_t { http, h2c };
enum class Strategy : std::uint8_t { rolling, recreate };

struct BuildSpec {
    std::string dockerfile = "Dockerfile";  // relative to the loco.toml, as is context
    std::string context = ".";
    std::string target;
    std::map<std::string, std::string> args;
    std::map<std::string, std::string> secrets;  // id → file
    std::string platform;                        // "os/arch[/variant]"; empty: the server's
    std::string image;                           // deploy this reference instead of building
    bool operator==(const BuildSpec&) const = default;
};

struct DeploySpec {
    std::vector<std::string> command;  // empty: the image's
    std::string user;                  // numeric "uid" or "uid:gid"; empty: the image's
    Strategy strategy = Strategy::rolling;
    std::vector<std::string> release_command;
    Millis timeout{300'000};      // until healthy
    Millis stop_timeout{30'000};  // drain, then SIGTERM, then SIGKILL
    bool operator==(const DeploySpec&) const = default;
};

// A port that traffic reaches. The main one ([http]) is named "http".
struct PortSpec {
    std::string name = "http";
    int port = 8080;
    std::string path = "/";  // prefix routed to it; empty: internal only (APP.internal:PORT)
    bool strip_path = false;
    Protocol protocol = Protocol::http;
    Millis idle_timeout{60'000};
    bool operator==(const PortSpec&) const = default;
};

struct HealthSpec {
    std::string path;  // empty: any answer below 500 is healthy
    Millis interval{2'000};
    Millis timeout{2'000};
    int failures = 3;
    Millis grace{60'000};
    bool operator==(const HealthSpec&) const = default;
};

struct Resources {
    std::int64_t cpu_millis = 250;       // guaranteed
    std::int64_t cpu_max_millis = 1000;  // at most
    std::int64_t memory_bytes = 256LL << 20;
    bool writable = true;
    bool operator==(const Resources&) const = default;
};

struct ScaleSpec {
    int min = 1;
    int max = 1;
    int cpu_target = 0;
    Millis idle_after{0};
    bool operator==(const ScaleSpec&) const = default;
};

// [process.NAME]: a further process of the same image, without port or route.
struct ProcessSpec {
    std::vector<std::string> command;
    int replicas = 1;
    std::int64_t cpu_millis = 250;
    std::int64_t cpu_max_millis = 1000;
    std::int64_t memory_bytes = 256LL << 20;
    bool operator==(const ProcessSpec&) const = default;
};

struct AppSpec {
    std::string name;
    AppType type = AppType::service;
    BuildSpec build;
    DeploySpec deploy;
    // For a service: ports[0] is [http], then [[ports]] in the file's order. Empty for a worker.
    std::vector<PortSpec> ports;
    std::vector<std::string> domains;
    std::map<std::string, ProcessSpec> processes;
    HealthSpec health;
    Resources resources;
    ScaleSpec scale;
    // Not secret. Of a kept spec whose values can't be opened (the store's key was lost): as they are kept, see below.
    std::map<std::string, std::string> env;
    std::vector<std::string> required_secrets;
    Millis log_retention{7LL * 24 * 3600 * 1000};
    bool operator==(const AppSpec&) const = default;
};

// The name among [env]'s that says: these values are sealed, and could not be opened. No variable has it. Such a spec can be
// shown and kept again, and starts no container.
inline constexpr std::string_view kSealedEnvMark;

[[nodiscard]] inline bool env_is_sealed(const AppSpec& spec) {
    return spec.env.contains(std::string(kSealedEnvMark));
}

// The process that a spec's own command makes ("web" for a service, "worker" for a worker).
[[nodiscard]] std::string_view main_process(const AppSpec& spec);

}  // namespace loco
