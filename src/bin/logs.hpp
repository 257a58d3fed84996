// Where log lines are kept: beside the store, so that servers that share a PostgreSQL share the logs too.
#pragma once

#include <functional>
#include <memory>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "platform/server_config.hpp"
#include "ports/log_store.hpp"

namespace loco {

struct OpenLogs {
    std::unique_ptr<LogStore> store;
    // Has a function called for each app that has new lines; once, before the store is used.
    std::function<void(std::function<void(const AppId&)>)> set_listener;
};
// The store was opened before: it is who migrates the database.
[[nodiscard]] Result<OpenLogs> open_logs(const platform::ServerConfig& config, const Clock& clock,
                                         Random& random);

}  // namespace loco
