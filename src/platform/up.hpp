// One machine's platform: a container engine (the machine's own, or one started here when none answers), the image registry,
// HAProxy and loco-api, all kept running.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/random.hpp"
#include "base/secret.hpp"
#include "platform/layout.hpp"

namespace loco::platform {

struct UpOptions {
    std::filesystem::path data_dir;
    // What is not given stays as it was at the last `up` of that folder, else the default.
    std::optional<std::string> listen, ops_listen, gateway_listen, registry_listen, base_domain,
        subnets;
    std::string engine;  // "unix:///…" or a path; empty: the one that answers, else one of our own
    std::string server_program;   // loco-api's path
    std::string login = "owner";  // of the first user
    std::string client = {};      // the file that this user's token is kept in
};

// What the client needs to speak to the platform.
struct Access {
    std::string url;
    Secret<> token;  // empty: none was made, the client's own works
    std::string team = "main";
    std::string engine_socket;  // of the container engine, which may be one of our own
};

struct UpHooks {
    std::function<void(const std::string&)> step;  // "gateway on 0.0.0.0:8080"
    // The token that the client has for the URL; empty if none.
    std::function<Secret<>(const std::string& url)> known_token;
    // Keeps the access (the client's configuration). Called once all parts are ready.
    std::function<Result<>(const Access&)> keep;
    std::function<bool()> stop;  // asked often; true: end
};

// Brings it up, calls hooks.keep, then supervises until hooks.stop says so and stops what it supervises (the engine too, if
// it is ours). conflict (code already_up) when another `loco up` does this for the folder already.
[[nodiscard]] Result<> up(const UpOptions& options, const UpHooks& hooks);

// For a user of a platform that is up: sees to it that they have a token that works (hooks.keep), and that the API runs the
// program that is there now. Apps and gateway notice nothing.
[[nodiscard]] Result<Access> sign_in(const UpOptions& options, const UpHooks& hooks);

// conflict (code up_with_other_options) when the platform that is up was given other options.
[[nodiscard]] Result<> check_same_options(const UpOptions& options);

// A range for the teams' networks that neither this machine's routes nor that engine's networks use. An engine that does not
// answer keeps nobody from choosing.
[[nodiscard]] Result<std::string> choose_range(const std::string& engine_socket, Random& random);

// Stops the supervisor and all parts; app containers stop too. Nothing to do where nothing runs. With purge everything of this
// Loco goes: containers, networks, firewall rules, images, and the data folder.
[[nodiscard]] Result<> down(const std::filesystem::path& data_dir, bool purge,
                            const std::function<void(const std::string&)>& step);

// /var/lib/loco for root, else $XDG_DATA_HOME/loco.
[[nodiscard]] std::filesystem::path default_data_dir();
// forbidden when `system` (root's folder) is there and this user has no Loco in `own`: who forgot sudo means the former.
[[nodiscard]] Result<> check_not_beside(const std::filesystem::path& system,
                                        const std::filesystem::path& own,
                                        const std::string& command);

}  // namespace loco::platform
