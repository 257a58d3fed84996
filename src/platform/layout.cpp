#include "platform/layout.hpp"

#include <pwd.h>
#include <unistd.h>

#include "os/file.hpp"

namespace loco::platform {

Result<> Layout::make_folders() const {
    LOCO_TRY(os::make_directories(data_.parent_path()));
    LOCO_TRY(os::make_directories(data_, 0700));
    LOCO_TRY(os::exists(server_config()));  // another user's folder: says what to do
    for (const auto& folder : {database(), app_logs(), keys(), gateway(), registry(),
                               directories().run, directories().log}) {
        LOCO_TRY(os::make_directories(folder, 0700));
    }
    return {};
}

Result<> Layout::check_whole() const {
    LOCO_ASSIGN(const bool restoring, os::exists(restore_marker()));
    if (!restoring) return {};
    return fail(ErrorKind::refused, "a restore into " + data_.string() + " was not finished",
                "run it again: loco-api restore FILE --config " + server_config().string(),
                "restore_unfinished");
}

namespace {

// HAProxy gives up root once it has its sockets: its package makes a user for that.
std::string gateway_user() {
    return ::geteuid() == 0 && ::getpwnam("haproxy") != nullptr ? "haproxy" : "";
}

}  // namespace

gateway::haproxy::Options gateway_options(const ServerConfig& config) {
    return {.listen = {config.gateway_listen},
            .data_dir = Layout(config.data_dir).gateway(),
            .base_domain = config.base_domain,
            .api_address = config.listen,
            .trusted_proxies =
                parse_trusted_proxies(config.trusted_proxies).value_or(std::vector<std::string>()),
            .run_as = gateway_user()};
}

registry::Options registry_options(const ServerConfig& config) {
    return {.data_dir = Layout(config.data_dir).registry(),
            .listen = config.registry_listen,
            .realm = "http://" + config.listen + "/api/v1/registry/token"};
}

}  // namespace loco::platform
