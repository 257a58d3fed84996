// Where what lies in a data folder, and the options of the parts beside loco-api that follow from its configuration.
#pragma once

#include <filesystem>

#include "base/error.hpp"
#include "gateway/haproxy/config.hpp"
#include "platform/server_config.hpp"
#include "platform/supervisor.hpp"
#include "registry/config.hpp"

namespace loco::platform {

class Layout {
  public:
    explicit Layout(std::filesystem::path data) : data_(std::move(data)) {}

    [[nodiscard]] const std::filesystem::path& data() const { return data_; }
    [[nodiscard]] std::filesystem::path server_config() const { return data_ / "loco-api.toml"; }
    [[nodiscard]] std::filesystem::path bootstrap() const { return data_ / "bootstrap.json"; }
    [[nodiscard]] std::filesystem::path database() const { return data_ / "db"; }
    [[nodiscard]] std::filesystem::path app_logs() const { return data_ / "app-logs"; }
    [[nodiscard]] std::filesystem::path keys() const { return data_ / "keys"; }
    [[nodiscard]] std::filesystem::path seal_key() const { return keys() / "seal.key"; }
    [[nodiscard]] std::filesystem::path gateway() const { return data_ / "gateway"; }
    [[nodiscard]] std::filesystem::path registry() const { return data_ / "registry"; }
    [[nodiscard]] std::filesystem::path engine() const { return data_ / "docker"; }
    [[nodiscard]] std::filesystem::path up_lock() const { return data_ / "run/up.lock"; }
    [[nodiscard]] std::filesystem::path ready_file() const { return data_ / "run/ready.json"; }
    // There as long as a restore has begun and not ended: what is here may be half of something.
    [[nodiscard]] std::filesystem::path restore_marker() const { return data_ / "restore.json"; }
    [[nodiscard]] std::filesystem::path restoring() const { return data_ / "restore"; }
    [[nodiscard]] std::filesystem::path before_restore() const { return data_ / "before-restore"; }
    [[nodiscard]] Directories directories() const {
        return {.run = data_ / "run", .log = data_ / "log"};
    }

    // All that Loco makes in the folder.
    [[nodiscard]] std::vector<std::filesystem::path> everything() const {
        return {database(),        app_logs(),        keys(),
                gateway(),         registry(),        engine(),
                directories().log, directories().run, bootstrap(),
                server_config(),   restore_marker(),  restoring(),
                before_restore()};
    }

    // All of them, 0700 but for what other users' processes must reach.
    [[nodiscard]] Result<> make_folders() const;

    // refused (code restore_unfinished) while there is a restore_marker().
    [[nodiscard]] Result<> check_whole() const;

  private:
    std::filesystem::path data_;
};

[[nodiscard]] gateway::haproxy::Options gateway_options(const ServerConfig& config);
[[nodiscard]] registry::Options registry_options(const ServerConfig& config);

}  // namespace loco::platform
