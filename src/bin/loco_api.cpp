// loco-api: the server. serve | check-config | migrate | new-key | version
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <functional>

#include "base/guard.hpp"
#include "base/log.hpp"
#include "bin/server.hpp"
#include "bin/store.hpp"
#include "crypto/seal.hpp"
#include "platform/layout.hpp"

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
    LOCO_TRY(open_store(config, {}, clock));
    std::puts("the database is up to date");
    return {};
}

// For who has lost the key of the sealed values, and knows what that means.
Result<> new_key(const platform::ServerConfig& config) {
    const platform::Layout layout(config.data_dir);
    const auto file = layout.seal_key();
    std::error_code ignored;
    if (std::filesystem::exists(std::filesystem::symlink_status(file, ignored))) {
        return fail(ErrorKind::conflict, "there is a key: " + file.string(),
                    "a new one would make unreadable what it sealed; move it away first");
    }
    LOCO_TRY(layout.make_folders());
    LOCO_TRY(crypto::Sealer::open(file));
    std::printf(
        "made %s; start loco-api, set the apps' secrets again with `loco env set`, and deploy "
        "them\n",
        file.c_str());
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

int run(int argc, char** argv) {
    CLI::App app("loco-api: the server of Loco");
    app.require_subcommand(1);
    std::string file = "/var/lib/loco/loco-api.toml";
    auto* serve = app.add_subcommand("serve", "Serve the API and drive the apps");
    auto* check =
        app.add_subcommand("check-config", "Read the configuration and say what is wrong with it");
    auto* migration = app.add_subcommand("migrate", "Bring the database's schema up to date");
    auto* key = app.add_subcommand("new-key", "Make a key for sealed values where it was lost");
    for (auto* command : {serve, check, migration, key})
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
    if (key->parsed()) return with_config(file, new_key);
    return with_config(file, [](const platform::ServerConfig& config) -> Result<> {
        LOCO_TRY(configured_store(config));
        std::puts("the configuration is good");
        return {};
    });
}

}  // namespace

int main(int argc, char** argv) {
    int status = 0;
    auto done = guarded([&]() -> Result<> {
        status = run(argc, argv);
        return {};
    });
    if (done) return status;
    log::failure("thrown", done.error());
    done.error().hint = "what went before is in its log (after `loco up`: DATA/log/loco-api.log)";
    return report(done.error());
}
