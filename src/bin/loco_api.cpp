// loco-api: the server. serve | check-config | migrate | version
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>

#include "base/log.hpp"
#include "bin/server.hpp"
#include "platform/layout.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace {

using namespace loco;

int report(const Error& error) {
    std::fprintf(stderr, "loco-api: %s\n", error.message.c_str());
    if (!error.hint.empty()) std::fprintf(stderr, "hint: %s\n", error.hint.c_str());
    return traits(error.kind).exit_status;
}

log::Level level_of(const std::string& name) {
    if (name == "debug") return log::Level::debug;
    if (name == "warning") return log::Level::warning;
    return name == "error" ? log::Level::error : log::Level::info;
}

// Opening the store brings its schema up to date.
Result<> migrate(const platform::ServerConfig& config) {
    static const SystemClock clock;
    const platform::Layout layout(config.data_dir);
    LOCO_TRY(layout.make_folders());
    LOCO_TRY(store::SqliteStore::open({.folder = layout.database()}, clock));
    std::puts("the database is up to date");
    return {};
}

int with_config(const std::string& file,
                const std::function<Result<>(const platform::ServerConfig&)>& run) {
    const auto config = platform::read_server_config(file);
    if (!config) return report(config.error());
    log::init({.level = level_of(config->log_level), .json = ::isatty(STDERR_FILENO) == 0});
    const auto result = run(*config);
    return result ? 0 : report(result.error());
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app("loco-api: the server of Loco");
    app.require_subcommand(1);
    std::string file = "/var/lib/loco/loco-api.toml";
    auto* serve = app.add_subcommand("serve", "Serve the API and drive the apps");
    auto* check =
        app.add_subcommand("check-config", "Read the configuration and say what is wrong with it");
    auto* migration = app.add_subcommand("migrate", "Bring the database's schema up to date");
    for (auto* command : {serve, check, migration})
        command->add_option("--config", file, "the configuration file");
    auto* version = app.add_subcommand("version", "Print the version");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : 2;
    }
    if (version->parsed()) {
        std::puts("loco-api " LOCO_VERSION);
        return 0;
    }
    if (serve->parsed()) return with_config(file, loco::serve);
    if (migration->parsed()) return with_config(file, migrate);
    return with_config(file, [](const platform::ServerConfig&) -> Result<> {
        std::puts("the configuration is good");
        return {};
    });
}
