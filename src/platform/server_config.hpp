// loco-api's configuration: one TOML file, written by `loco up` (or by hand), read by `loco-api serve --config FILE`.
// Nothing in it is secret; the secrets are files in data_dir, mode 0600, or the file that `store` names.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/error.hpp"
#include "domain/network.hpp"

namespace loco::platform {

struct ServerConfig {
    std::filesystem::path data_dir = "/var/lib/loco";
    std::string instance;  // tells this Loco's containers from another's on the same engine
    std::string listen = "127.0.0.1:8081";      // API
    std::string ops_listen = "127.0.0.1:8082";  // /healthz, /readyz, /metrics
    std::string base_domain = "localhost";
    std::string gateway_listen = "0.0.0.0:8080";
    std::string registry_listen = "127.0.0.1:5000";
    std::string engine_socket = "/var/run/docker.sock";
    bool engine_is_ours = false;  // started by `loco up`: then its build cache is Loco's to bound
    std::string subnets{kDefaultNetworkRange};  // teams' networks are cut from it
    std::string collect_every = "1h";           // the registry's garbage, at most once in that time
    std::string store = "sqlite";               // or "postgres:TARGET", "file:PATH" (bin/store.hpp)
    std::string log_level = "info";
    bool operator==(const ServerConfig&) const = default;
};

struct HostPort {
    std::string host;
    std::uint16_t port = 0;
};
// "127.0.0.1:8081"; invalid for anything else than an IPv4 address and a port.
[[nodiscard]] Result<HostPort> parse_host_port(const std::string& text);

// invalid with the key for unknown keys, wrong types and bad values: all of them at once.
[[nodiscard]] Result<ServerConfig> read_server_config(const std::filesystem::path& file);
[[nodiscard]] Result<> write_server_config(const std::filesystem::path& file,
                                           const ServerConfig& config);

}  // namespace loco::platform
