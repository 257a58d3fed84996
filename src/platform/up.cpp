#include "platform/up.hpp"

#include <pwd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "base/random.hpp"
#include "crypto/hash.hpp"
#include "crypto/token.hpp"
#include "engine/engine.hpp"
#include "http/client.hpp"
#include "os/file.hpp"
#include "platform/bootstrap_file.hpp"
#include "platform/engine_daemon.hpp"
#include "platform/free_range.hpp"

namespace loco::platform {
namespace {

namespace json = boost::json;

constexpr std::size_t kInstanceName = 8;
constexpr auto kSupervisorStops = std::chrono::seconds(90);
constexpr auto kAppGrace = std::chrono::seconds(10);

// Program folders that a user's PATH may lack.
std::string find_program(const std::string& name) {
    for (const auto* folder : {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}) {
        const auto path = std::filesystem::path(folder) / name;
        if (::access(path.c_str(), X_OK) == 0) return path;
    }
    return {};
}

Result<std::string> need_program(const std::string& name, const std::string& package) {
    auto found = find_program(name);
    if (!found.empty()) return found;
    return fail(ErrorKind::unavailable, name + " is not installed", "apt-get install " + package, "missing_program");
}

Result<ServerConfig> make_config(const UpOptions& options, const Layout& layout) {
    ServerConfig config;
    if (std::filesystem::exists(layout.server_config())) {
        LOCO_ASSIGN(config, read_server_config(layout.server_config()));
    }
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
    if (options.listen && !options.ops_listen) {
        // Beside the API: the next port.
        LOCO_ASSIGN(const auto api, parse_host_port(*options.listen));
        config.ops_listen = api.host + ":" + std::to_string(api.port + 1);
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
    const auto response = client.send({.url = url, .connect_timeout = std::chrono::milliseconds(500), .timeout = std::chrono::seconds(2)});
    return response && response->status <= at_most;
}

Service registry_service(const ServerConfig& config, const std::string& program) {
    return {.name = "registry",
            .command = {.argv = registry::argv(registry_options(config), program)},
            // 401: it is there, and asks for a token.
            .ready = [url = "http://" + config.registry_listen + "/v2/"] { return answers(url, 401); }};
}

Service gateway_service(const ServerConfig& config, const std::string& program) {
    LOCO_CHECK(parse_host_port(config.gateway_listen));
    const auto listen = *parse_host_port(config.gateway_listen);
    const auto host = listen.host == "0.0.0.0" ? std::string("127.0.0.1") : listen.host;
    return {.name = "haproxy",
            .command = {.argv = gateway::haproxy::argv(gateway_options(config), program)},
            .ready = [url = "http://" + host + ":" + std::to_string(listen.port) + "/"] { return answers(url, 599); },
            .stop_signal = SIGTERM};
}

Service api_service(const ServerConfig& config, const std::string& program) {
    return {.name = "loco-api",
            .command = {.argv = {program, "serve", "--config", Layout(config.data_dir).server_config()}},
            .ready = [url = "http://" + config.ops_listen + "/readyz"] { return answers(url, 299); },
            .stop_within = std::chrono::seconds(20)};
}

// Makes an owner's token where the client has none that works. The server learns its hash at its start, so a running one
// is stopped first: it is back in a moment, and no request of an app notices.
Result<Access> make_access(const UpOptions& options, const UpHooks& hooks, const ServerConfig& config) {
    Access access{.url = "http://" + config.listen, .token = {}, .engine_socket = config.engine_socket};
    const Layout layout(config.data_dir);
    const auto known = hooks.known_token(access.url);
    const auto bootstrap = read_bootstrap(layout.bootstrap());
    if (!known.reveal().empty() && bootstrap && *bootstrap &&
        crypto::sha256_hex(known.reveal()) == (*bootstrap)->token_sha256) {
        return access;
    }
    if (!known.reveal().empty() && running(layout.directories(), "loco-api")) {
        http::Client client;
        http::ClientRequest me{.url = access.url + "/api/v1/me"};
        me.headers.set("Authorization", "Bearer " + known.reveal());
        if (const auto response = client.send(me); response && response->ok()) return access;
    }
    LOCO_TRY(stop(layout.directories(), "loco-api", SIGTERM, std::chrono::seconds(20)));
    SystemRandom random;
    access.token = crypto::make_token(random);
    LOCO_TRY(write_bootstrap(layout.bootstrap(),
                             {.login = options.login, .token_sha256 = crypto::sha256_hex(access.token.reveal()), .team = access.team}));
    return access;
}

Result<> mark_ready(const Layout& layout, const ServerConfig& config) {
    return os::write_file_atomically(layout.ready_file(),
                                     json::serialize(json::object{{"pid", ::getpid()}, {"url", "http://" + config.listen}}) + "\n", 0600);
}

// HAProxy and the engine each hold a descriptor for every connection.
void raise_file_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

Result<> start_all(const UpOptions& options, const UpHooks& hooks, const Layout& layout, ServerConfig& config, Supervisor& supervisor) {
    LOCO_ASSIGN(const auto registry_program, need_program("docker-registry", "docker-registry"));
    LOCO_ASSIGN(const auto gateway_program, need_program("haproxy", "haproxy"));
    LOCO_TRY(ensure_engine(options.engine, layout, config, supervisor, hooks.step));
    SystemRandom random;
    if (!options.subnets && !std::filesystem::exists(layout.server_config())) {
        LOCO_ASSIGN(config.subnets, free_range(used_networks(config.engine_socket), random));
    }
    LOCO_TRY(write_server_config(layout.server_config(), config));

    LOCO_TRY(registry::prepare(registry_options(config), random));
    const auto ensure = [&](const Service& service, const std::string& what) -> Result<> {
        LOCO_ASSIGN(const bool started, supervisor.ensure(service));
        hooks.step(what + (started ? "" : " (was running)"));
        return {};
    };
    LOCO_TRY(ensure(registry_service(config, registry_program), "image registry on " + config.registry_listen));
    LOCO_TRY(gateway::haproxy::prepare(gateway_options(config)));
    LOCO_TRY(ensure(gateway_service(config, gateway_program), "gateway on " + config.gateway_listen));
    LOCO_ASSIGN(const auto access, make_access(options, hooks, config));
    LOCO_TRY(ensure(api_service(config, options.server_program), "API on " + config.listen));
    LOCO_TRY(hooks.keep(access));
    return mark_ready(layout, config);
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
            (void)engine.stop_container(id, std::chrono::duration_cast<std::chrono::seconds>(kAppGrace));
        });
    }
    for (auto& thread : stopping) thread.join();
    if (!stopping.empty()) step("stopped " + std::to_string(stopping.size()) + " app containers");
}

}  // namespace

std::filesystem::path default_data_dir() {
    if (::geteuid() == 0) return "/var/lib/loco";
    if (const char* set = std::getenv("XDG_DATA_HOME"); set != nullptr && set[0] == '/') return std::filesystem::path(set) / "loco";
    const char* home = std::getenv("HOME");
    return std::filesystem::path(home != nullptr ? home : "/tmp") / ".local/share/loco";
}

Result<> up(const UpOptions& options, const UpHooks& hooks) {
    const Layout layout(options.data_dir);
    LOCO_TRY(layout.make_folders());
    auto lock = os::FileLock::acquire(layout.up_lock());
    if (!lock) {
        if (lock.error().kind != ErrorKind::conflict) return fail(lock.error());
        return fail(ErrorKind::conflict, "Loco is up already for " + options.data_dir.string(), {}, "already_up");
    }
    std::error_code ignored;
    std::filesystem::remove(layout.ready_file(), ignored);
    raise_file_limit();
    LOCO_ASSIGN(auto config, make_config(options, layout));
    Supervisor supervisor(layout.directories());
    if (const auto started = start_all(options, hooks, layout, config, supervisor); !started) {
        supervisor.stop_all();
        return started;
    }
    supervisor.watch(hooks.stop);
    std::filesystem::remove(layout.ready_file(), ignored);
    // First what makes changes, then the apps, then what they need.
    (void)stop(layout.directories(), "loco-api", SIGTERM, std::chrono::seconds(20));
    stop_apps(config, hooks.step);
    supervisor.stop_all();
    return {};
}

Result<> down(const std::filesystem::path& data_dir, bool purge, const std::function<void(const std::string&)>& step) {
    const Layout layout(data_dir);
    if (!std::filesystem::exists(layout.server_config())) {
        if (purge && std::filesystem::exists(layout.directories().run)) {
            std::error_code error;
            std::filesystem::remove_all(data_dir, error);
        }
        step("nothing is up for " + data_dir.string());
        return {};
    }
    LOCO_ASSIGN(auto config, read_server_config(layout.server_config()));
    if (const auto supervisor = running(layout.directories(), "supervisor")) {
        LOCO_TRY(stop(layout.directories(), "supervisor", SIGTERM, kSupervisorStops));
        step("stopped the supervisor");
    }
    // What a supervisor that was killed has left.
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
    std::error_code error;
    std::filesystem::remove_all(data_dir, error);
    if (error) {
        return fail(ErrorKind::internal, "can't remove " + data_dir.string() + ": " + error.message(), "remove it by hand");
    }
    step("removed " + data_dir.string());
    return {};
}

}  // namespace loco::platform
