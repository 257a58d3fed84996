#include "bin/logs.hpp"

#include "bin/store.hpp"
#include "platform/layout.hpp"
#include "spec/quantity.hpp"
#include "telemetry/postgres_log_store.hpp"
#include "telemetry/sqlite_log_store.hpp"

namespace loco {
namespace {

template <class Kind>
OpenLogs opened(std::unique_ptr<Kind> store) {
    auto* const raw = store.get();
    return {.store = std::move(store),
            .set_listener = [raw](std::function<void(const AppId&)> listener) {
                raw->set_listener(std::move(listener));
            }};
}

}  // namespace

Result<OpenLogs> open_logs(const platform::ServerConfig& config, const Clock& clock,
                           Random& random) {
    LOCO_ASSIGN(auto name, configured_store(config));
    if (name.postgres) {
        LOCO_ASSIGN(auto store, telemetry::PostgresLogStore::open(
                                    {.target = *std::move(name.postgres)}, clock, random));
        return opened(std::move(store));
    }
    telemetry::LogStoreOptions options{.folder = platform::Layout(config.data_dir).app_logs()};
    // It was checked when the configuration was read.
    if (const auto most = spec::parse_memory(config.app_logs_max)) options.most_bytes = *most;
    LOCO_ASSIGN(auto store, telemetry::SqliteLogStore::open(std::move(options), clock));
    return opened(std::move(store));
}

}  // namespace loco
