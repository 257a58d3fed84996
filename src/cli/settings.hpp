// What the client remembers: $XDG_CONFIG_HOME/loco/config.toml, mode 0600 for the token in it. The environment (LOCO_HOST,
// LOCO_TOKEN, LOCO_TEAM) goes before it, the command line before both.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/secret.hpp"

namespace loco::cli {

struct Settings {
    std::string host = "http://127.0.0.1:8081";
    Secret<> token;
    std::string team = "main";
    std::string engine;  // the socket of the engine that `loco up` uses; empty: unknown
    bool operator==(const Settings&) const = default;
};

[[nodiscard]] std::filesystem::path
config_file();  // of this user, by the environment; under sudo, of who called it
[[nodiscard]] std::filesystem::path state_directory();  // $XDG_STATE_HOME/loco
// Under sudo: makes what root has made on the way to `path`, below the home of who called it, theirs. Else nothing.
void give_to_caller(const std::filesystem::path& path);

// Defaults where there is no file. forbidden when others may read it; invalid with line and column when it is malformed.
[[nodiscard]] Result<Settings> load_settings(const std::filesystem::path& file);
[[nodiscard]] Result<> save_settings(const std::filesystem::path& file, const Settings& settings);
// The environment's values over those of the file, and the host that --host names over both.
[[nodiscard]] Settings with_environment(
    Settings settings, const std::optional<std::string>& host_option = std::nullopt);
// With another host. A token that was stored for one host is not sent to another; LOCO_TOKEN is meant for any.
[[nodiscard]] Settings with_host(Settings settings, std::string host);

}  // namespace loco::cli
