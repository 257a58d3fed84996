// loco-api: the server. serve | check-config | migrate | backup | restore | new-key | new-owner | ready | version
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <functional>

#include "base/guard.hpp"
#include "base/log.hpp"
#include "bin/backup.hpp"
#include "bin/server.hpp"
#include "bin/store.hpp"
#include "crypto/hash.hpp"
#include "crypto/seal.hpp"
#include "crypto/token.hpp"
#include "domain/names.hpp"
#include "http/client.hpp"
#include "platform/layout.hpp"
#include "usecase/bootstrap.hpp"

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

// All rows to another database; the one that they were in stays as it is.
Result<> move_rows(const std::string& from, const std::string& to) {
    static const SystemClock clock;
    LOCO_ASSIGN(const auto source, parse_transfer_end(from, Presence::needed));
    LOCO_ASSIGN(const auto target, parse_transfer_end(to, Presence::made));
    LOCO_ASSIGN(const auto done, store::transfer(source, target, clock));
    for (const auto& [table, rows] : done.rows)
        std::printf("%-16s %10lld\n", table.c_str(), static_cast<long long>(rows));
    std::puts(done.was_there ? "all of it was there already; every row was compared"
                             : "moved; every row was compared");
    std::puts(
        "sealed values stay sealed: the new server needs a copy of the old one's keys/seal.key, "
        "and of registry/keys");
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

// The way in where no `loco up` is: who may run this beside the server is its owner anyway. The token goes to stdout alone.
Result<> new_owner(const platform::ServerConfig& config, const std::string& login,
                   const std::string& team) {
    static const SystemClock clock;
    SystemRandom random;
    for (const auto& name : {login, team}) {
        if (name.empty() || to_dns_label(name, 40) != name) {
            return fail(ErrorKind::invalid, "\"" + name + "\" is no name of a-z, 0-9 and -",
                        "for example --login ada --team main");
        }
    }
    LOCO_TRY(platform::Layout(config.data_dir).make_folders());
    LOCO_ASSIGN(const auto opened, open_store(config, {}, clock, Use::beside));
    const auto token = crypto::make_token(random);
    const Config rules{.base_domain = config.base_domain};
    Context context{.store = *opened.store,
                    .clock = clock,
                    .random = random,
                    .config = rules,
                    .wake = [](const AppId&) {}};
    LOCO_TRY(bootstrap(context, {.login = login,
                                 .token_sha256 = crypto::sha256_hex(token.reveal()),
                                 .team = team,
                                 .made_by = "loco-api new-owner"}));
    std::puts(token.reveal().c_str());
    std::fprintf(stderr,
                 "%s owns the first team; a token that this command gave them before works "
                 "no more. Put it into LOCO_TOKEN, with LOCO_HOST=%s\n",
                 login.c_str(), platform::external_url(config).text().c_str());
    return {};
}

// Where there is no curl: the image has no other program than this one.
int ready(const std::string& at) {
    http::Client client;
    const auto answer = client.send({.url = at + "/readyz",
                                     .timeout = std::chrono::seconds(30),
                                     .max_response_bytes = 64U << 10});
    if (!answer) return report(answer.error());
    std::puts(answer->body.c_str());
    if (answer->ok()) return 0;
    return report(Error{.kind = ErrorKind::unavailable, .message = at + " is not ready"});
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
    auto* migration = app.add_subcommand(
        "migrate", "Bring the database's schema up to date, or move all rows to another");
    std::string from, to;
    auto* from_option = migration->add_option(
        "--from", from, "sqlite:DIR (a data folder), postgres:…, or file:PATH with one of these");
    auto* to_option = migration->add_option("--to", to, "where to; an empty database");
    from_option->needs(to_option);
    to_option->needs(from_option);
    auto* key = app.add_subcommand("new-key", "Make a key for sealed values where it was lost");
    auto* owner =
        app.add_subcommand("new-owner", "Make an owner of the first team, and print their token");
    std::string login, team = "main";
    owner->add_option("--login", login, "their name")->required();
    owner->add_option("--team", team, "the first team's name, where there is none yet");
    auto* backup = app.add_subcommand(
        "backup", "Write rows, configuration and images to one file, while the server serves");
    BackupWords backup_words;
    backup->add_option("FILE", backup_words.file, "to be written; loco.tar")->required();
    backup->add_flag("--no-images", backup_words.no_images,
                     "without images: smaller, and of little use on another machine");
    backup->add_flag("--force", backup_words.force, "replace a file that is there");
    auto* restoring =
        app.add_subcommand("restore", "Make an instance of a backup, in an empty data folder");
    RestoreWords restore_words;
    restoring->add_option("FILE", restore_words.file, "that backup has written")->required();
    restoring->add_option("--seal-key", restore_words.seal_key,
                          "your copy of keys/seal.key, which is in no backup");
    restoring->add_option("--subnets", restore_words.subnets,
                          "another range for the teams' networks, such as 10.99.0.0/16");
    restoring->add_flag("--force", restore_words.force,
                        "put aside what is in the data folder, to DATA/before-restore");
    for (auto* command : {serve, check, migration, key, owner, backup, restoring})
        command->add_option("--config", file, "the configuration file");
    auto* asks = app.add_subcommand("ready", "Ask a server whether it is ready, and what is not");
    std::string at = "http://127.0.0.1:8082";
    asks->add_option("--at", at, "its ops_listen, as a URL");
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
    if (asks->parsed()) return ready(at);
    if (serve->parsed()) return with_config(file, loco::serve);
    if (migration->parsed() && !from.empty()) {
        log::init({.level = log::Level::warning, .json = false});
        const auto moved = move_rows(from, to);
        return moved ? 0 : report(moved.error());
    }
    if (migration->parsed()) return with_config(file, migrate);
    if (key->parsed()) return with_config(file, new_key);
    if (backup->parsed()) {
        return with_config(file, [&](const platform::ServerConfig& config) {
            return back_up(config, backup_words);
        });
    }
    if (restoring->parsed()) {
        log::init({.level = log::Level::warning, .json = false});
        restore_words.config_file = file;
        const auto restored = restore(restore_words);
        return restored ? 0 : report(restored.error());
    }
    if (owner->parsed()) {
        return with_config(file, [&](const platform::ServerConfig& config) {
            return new_owner(config, login, team);
        });
    }
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
