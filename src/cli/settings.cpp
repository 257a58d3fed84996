#include "cli/settings.hpp"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <sstream>
#include <vector>

#include "os/file.hpp"
#include "spec/toml_library.hpp"

namespace loco::cli {
namespace {

// Set and not empty.
std::optional<std::string> environment(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && value[0] != 0 ? std::optional<std::string>(value) : std::nullopt;
}

struct Caller {
    uid_t uid;
    gid_t gid;
    std::filesystem::path home;
};

// Who called sudo. The client's files are theirs: `sudo loco up`, then `loco deploy` without it.
std::optional<Caller> sudo_caller() {
    const auto text = environment("SUDO_UID");
    if (::geteuid() != 0 || !text) return std::nullopt;
    uid_t uid = 0;
    const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), uid);
    if (error != std::errc{} || end != text->data() + text->size() || uid == 0) return std::nullopt;
    std::vector<char> buffer(16U << 10);
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
        return std::nullopt;
    return Caller{.uid = uid, .gid = entry.pw_gid, .home = entry.pw_dir};
}

std::filesystem::path base_directory(const char* variable, const char* below_home) {
    if (const char* set = std::getenv(variable); set != nullptr && set[0] == '/') return set;
    if (const auto caller = sudo_caller()) return caller->home / below_home;
    return std::filesystem::path(environment("HOME").value_or("/")) / below_home;
}

Result<> check_mode(const std::filesystem::path& file) {
    struct stat info{};
    if (::stat(file.c_str(), &info) != 0) return fail_errno(errno, file.string());
    if ((info.st_mode & 077) != 0) {
        return fail(ErrorKind::forbidden,
                    file.string() + " holds a token and can be read by others",
                    "chmod 600 " + file.string(), "config_readable");
    }
    return {};
}

}  // namespace

std::filesystem::path config_file() {
    return base_directory("XDG_CONFIG_HOME", ".config") / "loco/config.toml";
}
std::filesystem::path state_directory() {
    return base_directory("XDG_STATE_HOME", ".local/state") / "loco";
}

void give_to_caller(const std::filesystem::path& path) {
    const auto caller = sudo_caller();
    if (!caller) return;
    const auto below = path.lexically_relative(caller->home);
    if (below.empty() || *below.begin() == "..") return;
    auto so_far = caller->home;
    for (const auto& part : below) {
        so_far /= part;
        struct stat info{};
        // What is not root's was not made by us.
        if (::lstat(so_far.c_str(), &info) != 0 || info.st_uid != 0) continue;
        (void)!::lchown(so_far.c_str(), caller->uid, caller->gid);
    }
}

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
                    file.string() + ":" + std::to_string(at.line) + ":" +
                        std::to_string(at.column) + ": " +
                        std::string(parsed.error().description()),
                    "mend it, or remove it and run `loco up`", "config_invalid");
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
    toml::table table{
        {"host", settings.host}, {"team", settings.team}, {"token", settings.token.reveal()}};
    if (!settings.engine.empty()) table.insert("engine", settings.engine);
    std::ostringstream text;
    text << "# Written by `loco`. Holds a token: keep it to yourself.\n" << table << "\n";
    LOCO_TRY(os::write_file_atomically(file, text.str(), 0600));
    give_to_caller(file);
    return {};
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
    if (auto host = host_option ? host_option : environment("LOCO_HOST"))
        settings = with_host(std::move(settings), std::move(*host));
    if (auto team = environment("LOCO_TEAM")) settings.team = std::move(*team);
    if (auto token = environment("LOCO_TOKEN")) settings.token = Secret<>(std::move(*token));
    return settings;
}

}  // namespace loco::cli
