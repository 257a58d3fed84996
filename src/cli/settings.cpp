#include "cli/settings.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <sstream>

#include "os/file.hpp"
#include "spec/toml_library.hpp"

namespace loco::cli {
namespace {

std::filesystem::path base_directory(const char* variable, const char* below_home) {
    if (const char* set = std::getenv(variable); set != nullptr && set[0] == '/') return set;
    const char* home = std::getenv("HOME");
    return std::filesystem::path(home != nullptr ? home : "/") / below_home;
}

// Set and not empty.
std::optional<std::string> environment(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && value[0] != 0 ? std::optional<std::string>(value) : std::nullopt;
}

Result<> check_mode(const std::filesystem::path& file) {
    struct stat info{};
    if (::stat(file.c_str(), &info) != 0) return fail_errno(errno, file.string());
    if ((info.st_mode & 077) != 0) {
        return fail(ErrorKind::forbidden, file.string() + " holds a token and can be read by others",
                    "chmod 600 " + file.string(), "config_readable");
    }
    return {};
}

}  // namespace

std::filesystem::path config_file() { return base_directory("XDG_CONFIG_HOME", ".config") / "loco/config.toml"; }
std::filesystem::path state_directory() { return base_directory("XDG_STATE_HOME", ".local/state") / "loco"; }

Result<Settings> load_settings(const std::filesystem::path& file) {
    Settings settings;
    const auto text = os::read_file(file, 1U << 20);
    if (!text) {
        if (text.error().kind == ErrorKind::not_found) return settings;
        return fail(text.error());
    }
    LOCO_TRY(check_mode(file));
    const auto parsed = toml::parse(*text, file.string());
    if (!parsed) {
        const auto at = parsed.error().source().begin;
        return fail(ErrorKind::invalid,
                    file.string() + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) + ": " +
                        std::string(parsed.error().description()),
                    "mend it, or remove it and run `loco up`");
    }
    const auto& table = parsed.table();
    settings.host = table["host"].value_or(settings.host);
    settings.team = table["team"].value_or(settings.team);
    settings.engine = table["engine"].value_or(settings.engine);
    settings.token = Secret<>(table["token"].value_or(std::string()));
    return settings;
}

Result<> save_settings(const std::filesystem::path& file, const Settings& settings) {
    LOCO_TRY(os::make_directories(file.parent_path(), 0700));
    toml::table table{{"host", settings.host}, {"team", settings.team}, {"token", settings.token.reveal()}};
    if (!settings.engine.empty()) table.insert("engine", settings.engine);
    std::ostringstream text;
    text << "# Written by `loco`. Holds a token: keep it to yourself.\n" << table << "\n";
    return os::write_file_atomically(file, text.str(), 0600);
}

Settings with_host(Settings settings, std::string host) {
    while (host.ends_with('/')) host.pop_back();
    if (host == settings.host) return settings;
    settings.host = std::move(host);
    if (!environment("LOCO_TOKEN")) settings.token = Secret<>();
    return settings;
}

Settings with_environment(Settings settings, const std::optional<std::string>& host_option) {
    // One of the two counts: by way of another host the file's token would be lost to its own.
    if (auto host = host_option ? host_option : environment("LOCO_HOST")) settings = with_host(std::move(settings), std::move(*host));
    if (auto team = environment("LOCO_TEAM")) settings.team = std::move(*team);
    if (auto token = environment("LOCO_TOKEN")) settings.token = Secret<>(std::move(*token));
    return settings;
}

}  // namespace loco::cli
