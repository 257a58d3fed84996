// The rules of the names that people choose: apps, processes, ports, environment variables, hosts.
// Used by loco.toml, by the API and by the client, so that all three refuse the same things.
//
// Each `…_problem` says in words what is wrong with a name ("it is reserved"), or nothing.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace loco {

// A DNS label may have 63 characters; an app's name leaves room for "-TEAM" and a hash in its host.
inline constexpr std::size_t kMaxAppName = 40;
inline constexpr std::size_t kMaxProcessName = 20;
inline constexpr std::size_t kMaxPortName =
    15;  // Kubernetes: IANA service name, RFC 6335 section 5.1
inline constexpr std::size_t kMaxEnvName = 128;
inline constexpr std::size_t kMaxEnvValue = 64U << 10;
inline constexpr std::size_t kMaxEnvNames = 500;

// 1 to 40 of a-z, 0-9 and "-", beginning with a letter, not ending in "-"; not reserved.
[[nodiscard]] std::optional<std::string> app_name_problem(std::string_view name);
// "web", "release" and "run" are Loco's own. "worker" is the main process of an app of type worker, and the
// name of a further one only in a service: spec/rules.cpp.
[[nodiscard]] std::optional<std::string> process_name_problem(std::string_view name);
[[nodiscard]] std::optional<std::string> port_name_problem(std::string_view name);
// Environment variables: PORT and LOCO_* are set by Loco.
[[nodiscard]] std::optional<std::string> env_name_problem(std::string_view name);
// A full host name in lower case, no wildcard, no address (RFC 1123 section 2.1).
[[nodiscard]] std::optional<std::string> host_name_problem(std::string_view host);

// Names that would be mistaken for Loco itself or for a part of the instance.
[[nodiscard]] bool is_reserved_app_name(std::string_view name);
// What Loco sets in every container: PORT and LOCO_*.
[[nodiscard]] bool is_reserved_env_name(std::string_view name);

// invalid, with a hint where a valid name is near. Codes: invalid_name, reserved_name, invalid_env_name,
// reserved_env_name, invalid_host.
[[nodiscard]] Result<> check_app_name(std::string_view name);
[[nodiscard]] Result<> check_env_name(std::string_view name);
[[nodiscard]] Result<> check_host_name(std::string_view host);

// The nearest app's name: "My Shop" → "my-shop", "2048" → "app-2048"; empty if nothing can be kept.
[[nodiscard]] std::string to_app_name(std::string_view text);
// The nearest DNS label of at most `max` characters; empty if nothing of `text` can be kept.
[[nodiscard]] std::string to_dns_label(std::string_view text, std::size_t max);
// The nearest environment variable's name; empty if nothing can be kept.
[[nodiscard]] std::string to_env_name(std::string_view text);
// The host in what was meant as one: "https://Shop.example.com/x" → "shop.example.com". May be invalid still.
[[nodiscard]] std::string to_host_name(std::string_view text);

}  // namespace loco
