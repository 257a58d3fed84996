#include "platform/up.hpp"

#include <mntent.h>
#include <pwd.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "base/log.hpp"
#include "base/random.hpp"
#include "crypto/hash.hpp"
#include "crypto/token.hpp"
#include "engine/engine.hpp"
#include "http/client.hpp"
#include "os/file.hpp"
#include "platform/bootstrap_file.hpp"
#include "platform/engine_daemon.hpp"
#include "platform/free_port.hpp"
#include "platform/free_range.hpp"
#include "platform/log_rotation.hpp"
#include "platform/registry_collection.hpp"

namespace loco::platform {
namespace {

namespace json = boost::json;

constexpr std::size_t kInstanceName = 8;
constexpr auto kSupervisorStops = std::chrono::seconds(90);
constexpr auto kAppGrace = std::chrono::seconds(10);
// A build or an app that eats the machine's memory is taken before what everything hangs on. Not the engine: builds run as its
// children and would be as safe as it is.
constexpr int kOomScoreOfParts = -500;

// Program folders that a user's PATH may lack.
std::string find_program(const std::string& name) {
    for (const auto* folder :
         {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}) {
        const auto path = std::filesystem::path(folder) / name;
        if (::access(path.c_str(), X_OK) == 0) return path;
    }
    return {};
}

Result<std::string> need_program(const std::string& name, const std::string& package) {
    auto found = find_program(name);
    if (!found.empty()) return found;
    return fail(ErrorKind::unavailable, name + " is not installed", "apt-get install " + package,
                "missing_program");
}

// Nothing where there is none.
std::string next_port(const std::string& listen) {
    const auto at = parse_host_port(listen);
    if (!at || at->port == 65'535) return {};
    return at->host + ":" + std::to_string(at->port + 1);
}

Result<ServerConfig> make_config(const UpOptions& options, const Layout& layout) {
    ServerConfig config;
    LOCO_ASSIGN(const bool configured, os::exists(layout.server_config()));
    if (configured) {
        LOCO_ASSIGN(config, read_server_config(layout.server_config()));
    }
    const auto before = config;
    config.data_dir = options.data_dir;
    if (config.instance.empty()) {
        SystemRandom random;
        config.instance = random_word(random, kInstanceName);
    }
    const auto set = [](std::string& value, const std::optional<std::string>& given) {
        if (given) value = *given;
    };
    set(config.listen, options.listen);
    set(config.gateway_listen, options.gateway_listen);
    set(config.registry_listen, options.registry_listen);
    set(config.base_domain, options.base_domain);
    set(config.ops_listen, options.ops_listen);
    set(config.subnets, options.subnets);
    // Beside the API: the next port, but where another was chosen before.
    if (!options.ops_listen && before.listen != config.listen &&
        before.ops_listen == next_port(before.listen)) {
        LOCO_TRY(parse_host_port(config.listen));
        config.ops_listen = next_port(config.listen);
        if (config.ops_listen.empty()) {
            return fail(ErrorKind::invalid,
                        "--listen " + config.listen + " has no next port for health and metrics",
                        "name one with --ops-listen", "usage");
        }
    }
    return config;
}

// What the engine and this machine's routes use already. An engine that does not tell keeps nobody from starting.
std::vector<Subnet> used_networks(const std::string& engine_socket) {
    auto used = parse_routes(os::read_file("/proc/net/route", 1U << 20).value_or(""));
    if (const auto networks = engine::Engine(engine_socket).list_networks({})) {
        for (const auto& network : *networks) {
            if (const auto subnet = parse_subnet(network.subnet)) used.push_back(*subnet);
        }
    }
    return used;
}

bool answers(const std::string& url, int at_most) {
    http::Client client;
    const auto response = client.send({.url = url,
                                       .connect_timeout = std::chrono::milliseconds(500),
                                       .timeout = std::chrono::seconds(2)});
    return response && response->status <= at_most;
}

Service registry_service(const ServerConfig& config, const std::string& program) {
    return {
        .name = "registry",
        .command = {.argv = registry::argv(registry_options(config), program),
                    .oom_score_adj = kOomScoreOfParts},
        // 401: it is there, and asks for a token.
        .ready = [url = "http://" + config.registry_listen + "/v2/"] { return answers(url, 401); }};
}

Service gateway_service(const ServerConfig& config, const std::string& program) {
    LOCO_CHECK(parse_host_port(config.gateway_listen));
    const auto listen = *parse_host_port(config.gateway_listen);
    const auto host = listen.host == "0.0.0.0" ? std::string("127.0.0.1") : listen.host;
    return {.name = "haproxy",
            .command = {.argv = gateway::haproxy::argv(gateway_options(config), program),
                        .oom_score_adj = kOomScoreOfParts},
            .ready = [url = "http://" + host + ":" + std::to_string(listen.port) +
                            "/"] { return answers(url, 599); },
            .stop_signal = SIGTERM};
}

Service api_service(const ServerConfig& config, const std::string& program) {
    return {
        .name = "loco-api",
        .command = {.argv = {program, "serve", "--config", Layout(config.data_dir).server_config()},
                    .oom_score_adj = kOomScoreOfParts},
        .ready = [url = "http://" + config.ops_listen + "/readyz"] { return answers(url, 299); },
        // It starts well also while the engine or the gateway is away.
        .alive = [url = "http://" + config.ops_listen + "/healthz"] { return answers(url, 299); },
        .stop_within = std::chrono::seconds(20)};
}

enum class Standing : unsigned char { good, refused, unknown };

// What the API says of that token; unknown when it does not answer.
Standing standing_of(const Secret<>& token, const std::string& url) {
    if (token.reveal().empty()) return Standing::refused;
    http::Client client;
    http::ClientRequest me{.url = url + "/api/v1/me"};
    me.headers.set("Authorization", "Bearer " + token.reveal());
    const auto response = client.send(me);
    if (!response || (response->status != 200 && response->status != 401)) return Standing::unknown;
    return response->ok() ? Standing::good : Standing::refused;
}

Access plain_access(const ServerConfig& config) {
    return {.url = "http://" + config.listen, .engine_socket = config.engine_socket};
}

// A new owner's token. The server learns its hash at its next start.
Result<Access> new_access(const UpOptions& options, const ServerConfig& config) {
    SystemRandom random;
    auto access = plain_access(config);
    access.token = crypto::make_token(random);
    LOCO_TRY(write_bootstrap(Layout(config.data_dir).bootstrap(),
                             {.login = options.login,
                              .token_sha256 = crypto::sha256_hex(access.token.reveal()),
                              .team = access.team,
                              .client = options.client}));
    return access;
}

Result<> mark_ready(const Layout& layout, const ServerConfig& config) {
    return os::write_file_atomically(
        layout.ready_file(),
        json::serialize(json::object{{"pid", ::getpid()}, {"url", "http://" + config.listen}}) +
            "\n",
        0600);
}

// HAProxy and the engine each hold a descriptor for every connection.
void raise_file_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

Result<> start_all(const UpOptions& options, const UpHooks& hooks, const Layout& layout,
                   ServerConfig& config, Supervisor& supervisor) {
    LOCO_ASSIGN(const auto registry_program, need_program("docker-registry", "docker-registry"));
    LOCO_ASSIGN(const auto gateway_program, need_program("haproxy", "haproxy"));
    LOCO_TRY(ensure_engine(options.engine, layout, config, supervisor, hooks.step));
    SystemRandom random;
    LOCO_ASSIGN(const bool configured, os::exists(layout.server_config()));
    if (!options.subnets && !configured) {
        LOCO_ASSIGN(config.subnets, choose_range(config.engine_socket, random));
    }
    LOCO_TRY(write_server_config(layout.server_config(), config));

    LOCO_TRY(RegistryCollection::clear(layout.directories()));
    LOCO_TRY(registry::prepare(registry_options(config), random));
    const auto ensure = [&](const Service& service, const std::string& what,
                            const std::vector<Listener>& listeners) -> Result<> {
        // Else who listens there would be taken for it: tokens and images would go to a stranger.
        if (!running(layout.directories(), service.name)) {
            for (const auto& one : listeners) LOCO_TRY(check_free(one));
        }
        LOCO_ASSIGN(const bool started, supervisor.ensure(service));
        hooks.step(what + (started ? "" : " (was running)"));
        return {};
    };
    LOCO_TRY(ensure(registry_service(config, registry_program),
                    "image registry on " + config.registry_listen,
                    {{"the image registry", config.registry_listen, "--registry-listen"}}));
    LOCO_TRY(gateway::haproxy::prepare(gateway_options(config)));
    LOCO_TRY(ensure(gateway_service(config, gateway_program), "gateway on " + config.gateway_listen,
                    {{"the gateway", config.gateway_listen, "--gateway-listen"}}));
    auto access = plain_access(config);
    // Nobody can have a token yet: the server need not be started a second time for it.
    std::error_code unreadable;
    const bool first_time = std::filesystem::is_empty(layout.database(), unreadable);
    if (first_time) {
        LOCO_ASSIGN(access, new_access(options, config));
    }
    LOCO_TRY(ensure(api_service(config, options.server_program), "API on " + config.listen,
                    {{"the API", config.listen, "--listen"},
                     {"health and metrics", config.ops_listen, "--ops-listen"}}));
    if (!first_time &&
        standing_of(hooks.known_token(access.url), access.url) == Standing::refused) {
        LOCO_ASSIGN(access, new_access(options, config));
        LOCO_TRY(supervisor.restart("loco-api"));
    }
    LOCO_TRY(hooks.keep(access));
    return mark_ready(layout, config);
}

void supervise(const Layout& layout, const ServerConfig& config, Supervisor& supervisor,
               const std::function<bool()>& stop) {
    RegistryCollection collection(
        supervisor, layout.directories(),
        {.collect = {.argv = registry::collect_argv(registry_options(config),
                                                    find_program("docker-registry"))}});
    LogRotation logs(layout.directories().log);
    supervisor.watch(stop, [&] {
        collection.step();
        logs.step();
    });
}

// Parts that outlived a supervisor run as they were configured then: with another configuration they must start anew.
Result<> stop_outdated(const Layout& layout, const ServerConfig& config) {
    LOCO_ASSIGN(const bool configured, os::exists(layout.server_config()));
    if (!configured) return {};
    const auto before = read_server_config(layout.server_config());
    if (before && *before == config) return {};
    for (const auto* name : {"loco-api", "haproxy", "registry"}) {
        LOCO_TRY(stop(layout.directories(), name, SIGTERM, std::chrono::seconds(20)));
    }
    return {};
}

// Whether the file of the program that it runs was replaced since.
bool is_replaced(const os::ProcessIdentity& process) {
    std::error_code error;
    const auto program =
        std::filesystem::read_symlink("/proc/" + std::to_string(process.pid) + "/exe", error);
    return !error && program.string().ends_with(" (deleted)");
}

// Until loco-api runs as another process than `before`, and is ready.
Result<> wait_for_another(const Layout& layout, const ServerConfig& config,
                          const std::optional<os::ProcessIdentity>& before) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    const auto url = "http://" + config.ops_listen + "/readyz";
    while (std::chrono::steady_clock::now() < end) {
        const auto now = running(layout.directories(), "loco-api");
        if (now && (!before || now->pid != before->pid) && answers(url, 299)) return {};
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return fail(ErrorKind::unavailable, "the API was not ready again within a minute",
                "read " + (layout.directories().log / "loco-api.log").string(), "up_failed");
}

// Only what `up` has made: a folder may hold other things.
Result<> remove_data(const Layout& layout) {
    std::error_code error;
    for (const auto& entry : layout.everything()) {
        std::filesystem::remove_all(entry, error);
        if (error)
            return fail(ErrorKind::internal,
                        "can't remove " + entry.string() + ": " + error.message(),
                        "remove it by hand");
    }
    if (std::filesystem::is_empty(layout.data(), error))
        std::filesystem::remove(layout.data(), error);
    return {};
}

// App containers that still run, asked to end all at once.
void stop_apps(const ServerConfig& config, const std::function<void(const std::string&)>& step) {
    engine::Engine engine(config.engine_socket);
    const auto containers = engine.list_containers({{"loco.dev/instance-of", config.instance}});
    if (!containers) return;  // no engine: nothing of it runs
    std::vector<std::thread> stopping;
    for (const auto& container : *containers) {
        if (container.state != "running") continue;
        stopping.emplace_back([&engine, id = container.id] {
            (void)engine.stop_container(
                id, std::chrono::duration_cast<std::chrono::seconds>(kAppGrace));
        });
    }
    for (auto& thread : stopping) thread.join();
    if (!stopping.empty()) step("stopped " + std::to_string(stopping.size()) + " app containers");
}

// What a container engine has mounted below `folder`, the innermost first: a folder that something is mounted on can't be
// removed. Its daemon has ended; lazily, since a process that is about to end may still be in there.
void unmount_below(const std::filesystem::path& folder) {
    std::vector<std::string> mounted;
    FILE* mounts = ::setmntent("/proc/self/mounts", "r");
    if (mounts == nullptr) return;
    const auto prefix = folder.string() + "/";
    while (const auto* entry = ::getmntent(mounts)) {
        if (std::string_view(entry->mnt_dir).starts_with(prefix))
            mounted.emplace_back(entry->mnt_dir);
    }
    ::endmntent(mounts);
    for (auto path = mounted.rbegin(); path != mounted.rend(); ++path) {
        if (::umount2(path->c_str(), MNT_DETACH) != 0)
            log::warning("can't unmount", {{"path", *path}, {"errno", errno}});
    }
}

}  // namespace

std::filesystem::path default_data_dir() {
    if (::geteuid() == 0) return "/var/lib/loco";
    if (const char* set = std::getenv("XDG_DATA_HOME"); set != nullptr && set[0] == '/')
        return std::filesystem::path(set) / "loco";
    const char* home = std::getenv("HOME");
    return std::filesystem::path(home != nullptr ? home : "/tmp") / ".local/share/loco";
}

Result<> check_not_beside(const std::filesystem::path& system, const std::filesystem::path& own,
                          const std::string& command) {
    if (own == system) return {};
    LOCO_ASSIGN(const bool mine, os::exists(Layout(own).server_config()));
    LOCO_ASSIGN(const bool roots, os::exists(system));
    if (mine || !roots) return {};
    return fail(ErrorKind::forbidden,
                "the Loco of this machine is root's, in " + system.string() +
                    "; there is none in " + own.string(),
                "sudo " + command + ", or name a folder of your own with --data", "roots_loco");
}

Result<std::string> choose_range(const std::string& engine_socket, Random& random) {
    return free_range(used_networks(engine_socket), random);
}

Result<> up(const UpOptions& options, const UpHooks& hooks) {
    const Layout layout(options.data_dir);
    LOCO_TRY(layout.check_whole());
    LOCO_TRY(layout.make_folders());
    auto lock = os::FileLock::acquire(layout.up_lock());
    if (!lock) {
        if (lock.error().kind != ErrorKind::conflict) return fail(lock.error());
        return fail(ErrorKind::conflict, "Loco is up already for " + options.data_dir.string(), {},
                    "already_up");
    }
    std::error_code ignored;
    std::filesystem::remove(layout.ready_file(), ignored);
    raise_file_limit();
    LOCO_ASSIGN(auto config, make_config(options, layout));
    LOCO_TRY(stop_outdated(layout, config));
    Supervisor supervisor(layout.directories());
    if (const auto started = start_all(options, hooks, layout, config, supervisor); !started) {
        supervisor.stop_started();  // what served before this attempt serves on
        return started;
    }
    supervise(layout, config, supervisor, hooks.stop);
    std::filesystem::remove(layout.ready_file(), ignored);
    // First what makes changes, then the apps, then what they need.
    (void)stop(layout.directories(), "loco-api", SIGTERM, std::chrono::seconds(20));
    stop_apps(config, hooks.step);
    supervisor.stop_all();
    return {};
}

Result<> down(const std::filesystem::path& data_dir, bool purge,
              const std::function<void(const std::string&)>& step) {
    const Layout layout(data_dir);
    LOCO_ASSIGN(const bool configured, os::exists(layout.server_config()));
    if (!configured) {
        step("nothing is up for " + data_dir.string());
        // An `up` that failed before it had a configuration leaves its lock.
        LOCO_ASSIGN(const bool begun, os::exists(layout.up_lock()));
        return purge && begun ? remove_data(layout) : Result<>{};
    }
    LOCO_ASSIGN(auto config, read_server_config(layout.server_config()));
    if (const auto supervisor = running(layout.directories(), "supervisor")) {
        LOCO_TRY(stop(layout.directories(), "supervisor", SIGTERM, kSupervisorStops));
        step("stopped the supervisor");
    }
    // What a supervisor that was killed has left.
    LOCO_TRY(RegistryCollection::clear(layout.directories()));
    LOCO_TRY(stop(layout.directories(), "loco-api", SIGTERM, std::chrono::seconds(20)));
    const auto step_or_nothing = [&](const std::string& text) { step(text); };
    if (purge) {
        LOCO_TRY(purge_engine(layout, config, step));
    } else {
        stop_apps(config, step_or_nothing);
    }
    for (const auto* name : {"haproxy", "registry", "dockerd"}) {
        LOCO_TRY(stop(layout.directories(), name, SIGTERM, std::chrono::seconds(30)));
    }
    step("stopped the gateway, the registry and the API");
    if (!purge) return {};
    unmount_below(data_dir);
    LOCO_TRY(remove_data(layout));
    step("removed " + data_dir.string());
    return {};
}

Result<Access> sign_in(const UpOptions& options, const UpHooks& hooks) {
    const Layout layout(options.data_dir);
    LOCO_ASSIGN(const auto config, read_server_config(layout.server_config()));
    auto access = plain_access(config);
    const auto standing = standing_of(hooks.known_token(access.url), access.url);
    const auto server = running(layout.directories(), "loco-api");
    const bool outdated = server && is_replaced(*server);
    if (standing == Standing::refused) {
        LOCO_ASSIGN(access, new_access(options, config));
    }
    if (standing == Standing::refused || outdated) {
        if (server) ::kill(server->pid, SIGTERM);  // its supervisor starts it again
        LOCO_TRY(wait_for_another(layout, config, server));
        hooks.step(outdated ? "API started again, with the program that is there now"
                            : "API started again, to learn of your token");
    }
    LOCO_TRY(hooks.keep(access));
    return access;
}

Result<> check_same_options(const UpOptions& options) {
    const Layout layout(options.data_dir);
    LOCO_ASSIGN(const auto now, read_server_config(layout.server_config()));
    auto wanted = make_config(options, layout);
    if (!wanted) return fail(wanted.error());
    if (!options.engine.empty()) {
        LOCO_ASSIGN(wanted->engine_socket, engine::find_socket(options.engine));
    }
    if (*wanted == now) return {};
    return fail(Error{
        .kind = ErrorKind::conflict,
        .message = "Loco is up already for " + options.data_dir.string() + ", with other options",
        .hint = "stop it first: your apps come back with `loco up`",
        .code = "up_with_other_options",
        .next_steps = {"loco down --data " + options.data_dir.string()}});
}

}  // namespace loco::platform
