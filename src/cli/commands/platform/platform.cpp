// up, down: the whole platform on this machine.
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/log.hpp"
#include "cli/commands/all.hpp"
#include "cli/invocation.hpp"
#include "os/file.hpp"
#include "os/notify.hpp"
#include "os/process.hpp"
#include "platform/up.hpp"

namespace loco::cli {
namespace {

namespace json = boost::json;

constexpr auto kReadyWithin = std::chrono::seconds(120);

std::filesystem::path own_program() {
    std::error_code error;
    return std::filesystem::read_symlink("/proc/self/exe", error);
}

Result<std::filesystem::path> data_dir(Invocation& invocation) {
    const auto given = invocation.option("--data");
    if (!given) return platform::default_data_dir();
    std::error_code error;
    auto folder = std::filesystem::absolute(*given, error);
    if (!error) return folder;
    return fail(ErrorKind::invalid, "--data \"" + *given + "\" can't be: " + error.message(),
                "name it from the root: --data /FOLDER", "usage");
}

Result<platform::UpOptions> up_options(Invocation& invocation) {
    LOCO_ASSIGN(auto data, data_dir(invocation));
    platform::UpOptions options{
        .data_dir = std::move(data),
        .listen = invocation.option("--listen"),
        .ops_listen = invocation.option("--ops-listen"),
        .gateway_listen = invocation.option("--gateway-listen"),
        .registry_listen = invocation.option("--registry-listen"),
        .base_domain = invocation.option("--base-domain"),
        .subnets = invocation.option("--subnets"),
        .engine = invocation.option("--docker-host").value_or(""),
        .server_program = (own_program().parent_path() / "loco-api").string(),
        .client = config_file().string()};
    for (const auto* name : {"SUDO_USER", "USER", "LOGNAME"}) {
        if (const char* login = std::getenv(name); login != nullptr && login[0] != 0) {
            options.login = login;
            break;
        }
    }
    return options;
}

// What the settings' file must hold after `up`; what is there of another host goes.
Result<> keep_access(const platform::Access& access) {
    LOCO_ASSIGN(auto settings, load_settings(config_file()));
    const auto before = settings;
    if (settings.host != access.url) settings.team = access.team;
    settings.host = access.url;
    settings.engine = access.engine_socket;
    if (!access.token.reveal().empty()) settings.token = access.token;
    if (settings == before) return {};
    return save_settings(config_file(), settings);
}

Secret<> known_token(const std::string& url) {
    const auto settings = load_settings(config_file());
    return settings && settings->host == url ? settings->token : Secret<>();
}

// In the foreground, or as the process that --detach has started.
Result<> supervise(Invocation& invocation) {
    const os::ServiceManager manager;
    (void)
        interrupted();  // from here on a signal is heeded, not died of: the parts must not be left half started
    LOCO_ASSIGN(const auto options, up_options(invocation));
    const platform::Layout layout(options.data_dir);
    const auto result = platform::up(
        options,
        {.step = [&](const std::string& text) { invocation.note("✓ " + text); },
         .known_token = known_token,
         .keep = [&](const platform::Access& access) -> Result<> {
             LOCO_TRY(keep_access(access));
             const auto self = os::identify(::getpid());
             LOCO_CHECK(self.has_value());
             LOCO_TRY(os::write_file_atomically(
                 layout.directories().run / "supervisor.pid",
                 std::to_string(self->pid) + " " + std::to_string(self->start_ticks), 0600));
             invocation.note("Loco is up; end it with Ctrl-C or `loco down`");
             manager.tell("READY=1");
             return {};
         },
         .stop = interrupted});
    std::error_code ignored;
    if (!result) return result;
    std::filesystem::remove(layout.directories().run / "supervisor.pid", ignored);
    return {};
}

Result<> show_up(Invocation& invocation, const std::string& url, bool already) {
    if (invocation.json()) {
        invocation.print_json(json::object{{"url", url}, {"already_up", already}});
    } else {
        invocation.note(already ? "Loco is up already" : "Loco is up");
        invocation.print(url + "\n");
    }
    return {};
}

// It runs already: what may be missing is this user's token, or a newer server.
Result<> join(Invocation& invocation) {
    LOCO_ASSIGN(const auto options, up_options(invocation));
    LOCO_TRY(platform::check_same_options(options));
    LOCO_ASSIGN(
        const auto access,
        platform::sign_in(options,
                          {.step = [&](const std::string& text) { invocation.note("✓ " + text); },
                           .known_token = known_token,
                           .keep = keep_access,
                           .stop = interrupted}));
    return show_up(invocation, access.url, /*already=*/true);
}

std::vector<std::string> without_detach(Invocation& invocation) {
    std::vector<std::string> argv{own_program().string(), "up", "--supervise"};
    for (const auto* name : {"--listen", "--ops-listen", "--gateway-listen", "--registry-listen",
                             "--base-domain", "--subnets", "--docker-host", "--data"}) {
        if (const auto value = invocation.option(name)) argv.insert(argv.end(), {name, *value});
    }
    return argv;
}

// What `up` in the background must know of who called it; a daemon gets little by itself.
std::vector<std::pair<std::string, std::string>> caller() {
    std::vector<std::pair<std::string, std::string>> known;
    for (const auto* name :
         {"USER", "LOGNAME", "SUDO_USER", "SUDO_UID", "SUDO_GID", "XDG_CONFIG_HOME",
          "XDG_STATE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "DOCKER_HOST", "HTTP_PROXY",
          "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}) {
        if (const char* value = std::getenv(name); value != nullptr)
            known.emplace_back(name, value);
    }
    return known;
}

// The lines that the supervisor has written to its log since `from`.
std::size_t tell_since(Invocation& invocation, const std::filesystem::path& file,
                       std::size_t from) {
    const auto text = os::read_file(file, 64U << 20);
    if (!text || text->size() <= from) return from;
    const auto end = text->rfind('\n');
    if (end == std::string::npos || end < from) return from;
    auto fresh = std::string_view(*text).substr(from, end + 1 - from);
    while (!fresh.empty()) {
        const auto line_end = fresh.find('\n');
        const auto line = fresh.substr(0, line_end);
        if (!line.starts_with("Loco is up")) invocation.note(line);
        fresh.remove_prefix(line_end + 1);
    }
    return end + 1;
}

// Nothing is started by itself after a reboot unless the machine's init system is told to.
void tell_of_reboots(Invocation& invocation, const std::filesystem::path& data) {
    std::error_code error;
    const auto exists = [&](const char* path) { return std::filesystem::exists(path, error); };
    if (!exists("/run/systemd/system")) {
        std::string command;
        for (const auto& word :
             {own_program().string(), std::string("up --detach --data"), data.string()})
            command += (command.empty() ? "" : " ") + word;
        invocation.note("no systemd runs here: after a reboot, start Loco again with\n    " +
                        command);
    } else if (!std::filesystem::is_symlink(
                   "/etc/systemd/system/multi-user.target.wants/loco.service", error)) {
        invocation.note(
            "after a reboot Loco must be started again; to leave that to systemd, install "
            "deploy/systemd/loco.service");
    }
}

Result<> detach(Invocation& invocation) {
    LOCO_ASSIGN(const auto data, data_dir(invocation));
    const platform::Layout layout(data);
    LOCO_TRY(layout.make_folders());
    LOCO_ASSIGN(const bool ready, os::exists(layout.ready_file()));
    if (ready && platform::running(layout.directories(), "supervisor")) {
        return join(invocation);
    }
    const auto log = layout.directories().log / "supervisor.log";
    std::error_code error;
    auto read = std::filesystem::exists(log, error)
                    ? static_cast<std::size_t>(std::filesystem::file_size(log, error))
                    : 0;
    std::filesystem::remove(layout.ready_file(), error);
    LOCO_ASSIGN(
        const auto pid,
        os::start_daemon({.argv = without_detach(invocation), .env = caller()}, log.string()));
    const auto process = os::identify(pid);
    const auto end = std::chrono::steady_clock::now() + kReadyWithin;
    while (!std::filesystem::exists(layout.ready_file(), error)) {
        read = tell_since(invocation, log, read);
        if (!process || !os::is_alive(*process)) {
            tell_since(invocation, log, read);
            return fail(ErrorKind::unavailable, "Loco did not come up",
                        "the lines above say why; all of it is in " + log.string(), "up_failed");
        }
        if (interrupted())
            return fail(ErrorKind::interrupted, "interrupted; Loco goes on coming up",
                        "end it with `loco down`");
        if (std::chrono::steady_clock::now() > end) {
            return fail(ErrorKind::unavailable, "Loco is not up after 2 minutes",
                        "read " + log.string(), "up_failed");
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    tell_since(invocation, log, read);
    LOCO_ASSIGN(const auto settings, load_settings(config_file()));
    tell_of_reboots(invocation, data);
    return show_up(invocation, settings.host, /*already=*/false);
}

// Without --data.
Result<> check_sudo(Invocation& invocation, const std::string& command) {
    if (invocation.has("--data")) return {};
    return platform::check_not_beside("/var/lib/loco", platform::default_data_dir(), command);
}

Result<> run_up(Invocation& invocation) {
    LOCO_TRY(check_sudo(invocation, "loco up"));
    if (invocation.has("--detach")) return detach(invocation);
    // With nobody at a terminal its log is what the service manager, or --detach, does with stderr.
    if (::isatty(STDERR_FILENO) == 0) log::init({.level = log::Level::info, .json = true});
    const auto result = supervise(invocation);
    if (!result && !invocation.has("--supervise") && result.error().code == "already_up")
        return join(invocation);
    return result;
}

Result<> run_down(Invocation& invocation) {
    const bool purge = invocation.has("--purge");
    LOCO_ASSIGN(const auto data, data_dir(invocation));
    LOCO_TRY(check_sudo(invocation, "loco down"));
    if (purge && !invocation.has("--yes")) {
        LOCO_ASSIGN(
            const bool sure,
            invocation.confirm("Remove every app, release and variable of " + data.string() + "?",
                               "--yes"));
        if (!sure) return fail(ErrorKind::interrupted, "nothing was removed");
    }
    LOCO_TRY(platform::down(data, purge,
                            [&](const std::string& text) { invocation.note("✓ " + text); }));
    if (invocation.json()) invocation.print_json(json::object{{"down", true}, {"purged", purge}});
    return {};
}

}  // namespace

Command up_command() {
    return {
        .name = "up",
        .summary = "Run the whole platform on this machine",
        .help =
            "Starts what is missing of a container engine, the image registry, the gateway and the "
            "API, keeps them running, "
            "and signs you in as an owner. Run again it changes nothing. Without --detach it stays "
            "in the foreground until "
            "Ctrl-C.\n\n    sudo loco up --detach\n    loco up --base-domain apps.example.com "
            "--gateway-listen 0.0.0.0:80",
        .options =
            {{.name = "--detach", .letter = 'd', .help = "go to the background once it is ready"},
             {.name = "--data", .value = "DIR", .help = "where everything is kept (/var/lib/loco)"},
             {.name = "--listen", .value = "ADDR", .help = "the API's address (127.0.0.1:8081)"},
             {.name = "--ops-listen",
              .value = "ADDR",
              .help = "health and metrics (the API's next port)"},
             {.name = "--gateway-listen",
              .value = "ADDR",
              .help = "where apps answer (0.0.0.0:8080)"},
             {.name = "--registry-listen",
              .value = "ADDR",
              .help = "the image registry (127.0.0.1:5000)"},
             {.name = "--docker-host", .value = "URL", .help = "the container engine's socket"},
             {.name = "--base-domain", .value = "D", .help = "apps answer at NAME.D (localhost)"},
             {.name = "--subnets",
              .value = "CIDR",
              .help = "range of the teams' networks (a free 10.x.0.0/16)"},
             {.name = "--supervise",
              .help = "what --detach starts in the background",
              .hidden = true}},
        .run = run_up};
}

Command down_command() {
    return {
        .name = "down",
        .summary = "Stop the platform on this machine",
        .help =
            "Stops the apps and all parts; `loco up` brings everything back. With --purge "
            "nothing is left: no container, "
            "network, image, rule or file of this Loco, and nothing that is not Loco's is "
            "touched. It asks first; without a terminal it needs --yes.\n\n    sudo loco down\n    "
            "sudo loco down --purge --yes",
        .options = {{.name = "--purge", .help = "remove all apps and data as well"},
                    {.name = "--yes", .letter = 'y', .help = "do not ask"},
                    {.name = "--data",
                     .value = "DIR",
                     .help = "where everything is kept (/var/lib/loco)"}},
        .run = run_down};
}

}  // namespace loco::cli
