#include "platform/engine_daemon.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdlib>

#include "base/log.hpp"
#include "engine/engine.hpp"
#include "os/file.hpp"
#include "os/process.hpp"
#include "platform/docker_traces.hpp"
#include "runtime/docker/docker_runtime.hpp"

namespace loco::platform {
namespace {

namespace json = boost::json;

constexpr auto kCommandTimeout = std::chrono::seconds(20);

bool answers(const std::string& socket) { return engine::Engine(socket).ping().has_value(); }

std::string socket_of(const Layout& layout) { return (layout.engine() / "docker.sock").string(); }

// Where a daemon may not raise its limits, its containers must be given limits within them.
std::string daemon_config(const Layout& layout) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const auto files = static_cast<std::int64_t>(limit.rlim_max);
    const auto folder = layout.engine();
    return json::serialize(json::object{
        {"data-root", (folder / "data").string()},
        {"exec-root", (folder / "exec").string()},
        {"pidfile", (folder / "docker.pid").string()},
        {"hosts", json::array{"unix://" + socket_of(layout)}},
        {"oom-score-adjust", 0},
        {"live-restore", true},  // apps serve on while the daemon is away
        {"default-ulimits", {{"nofile", {{"Name", "nofile"}, {"Soft", files}, {"Hard", files}}}}},
    });
}

// It pulls images and builds: through the proxy that is set for this machine, if any.
std::vector<std::pair<std::string, std::string>> proxies() {
    std::vector<std::pair<std::string, std::string>> found;
    for (const auto* name :
         {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}) {
        if (const char* value = std::getenv(name); value != nullptr)
            found.emplace_back(name, value);
    }
    return found;
}

Result<> start_own(const Layout& layout, ServerConfig& config, Supervisor& supervisor,
                   const std::function<void(const std::string&)>& step) {
    LOCO_TRY(os::make_directories(layout.engine(), 0711));
    // Its socket is for root and the group docker; that group must be able to get there. Everything else stays closed.
    if (::chmod(layout.engine().parent_path().c_str(), 0711) != 0)
        return fail_errno(errno, "chmod " + layout.engine().parent_path().string());
    const auto file = layout.engine() / "daemon.json";
    LOCO_TRY(os::write_file_atomically(file, daemon_config(layout) + "\n", 0600));
    const auto socket = socket_of(layout);
    LOCO_ASSIGN(const bool started,
                supervisor.ensure(
                    {.name = "dockerd",
                     .command = {.argv = {"/usr/sbin/dockerd", "--config-file", file.string()},
                                 .env = proxies()},
                     .ready = [socket] { return answers(socket); },
                     .ready_within = std::chrono::seconds(60),
                     .stop_within = std::chrono::seconds(30),
                     .before_start =
                         [folder = layout.engine()] {
                             // Left by a daemon that was killed, it keeps the next from starting.
                             std::error_code ignored;
                             std::filesystem::remove(folder / "exec/containerd/containerd.pid",
                                                     ignored);
                             std::filesystem::remove(folder / "docker.pid", ignored);
                         }}));
    config.engine_socket = socket;
    config.engine_is_ours = true;
    step("container engine of our own on " + socket + (started ? "" : " (was running)"));
    return {};
}

// The registry is not asked while everything is removed.
class NoRegistry final : public Registry {
  public:
    std::string host() const override { return {}; }
    Result<ManifestInfo> manifest(const std::string&, const std::string&) override {
        return none();
    }
    Result<RegistryToken> push_token(const std::string&) override { return none(); }
    Result<RegistryToken> pull_token(const std::string&) override { return none(); }
    Result<> remove_manifest(const std::string&, const std::string&) override { return none(); }

  private:
    static std::unexpected<Error> none() {
        return fail(ErrorKind::unavailable, "there is no registry");
    }
};

// Images by tag or digest of this Loco's registry.
void remove_images(engine::Engine& engine, const ServerConfig& config) {
    const auto images = engine.list_images({});
    if (!images) return;
    const auto prefix = config.registry_listen + "/loco/";
    for (const auto& image : *images) {
        for (const auto* names : {&image.tags, &image.digests}) {
            for (const auto& name : *names) {
                if (name.starts_with(prefix)) (void)engine.remove_image(name, /*force=*/false);
            }
        }
    }
}

// In this network namespace: elsewhere its rules are its own.
bool another_dockerd_runs() {
    std::error_code error;
    const auto here = std::filesystem::read_symlink("/proc/self/ns/net", error);
    for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
        const auto comm = os::read_file(entry.path() / "comm", 64);
        std::error_code gone;
        if (comm && *comm == "dockerd\n" &&
            std::filesystem::read_symlink(entry.path() / "ns/net", gone) == here)
            return true;
    }
    return false;
}

// What a Docker daemon leaves in the kernel when it ends: its default bridge and its chains.
void remove_docker_traces() {
    (void)os::output_of({.argv = {"ip", "link", "del", "docker0"}}, kCommandTimeout);
    for (const auto* table : {"nat", "filter"}) {
        const auto saved = os::output_of({.argv = {"iptables-save", "-t", table}}, kCommandTimeout);
        if (!saved) return;
        for (auto& arguments : removal_of_docker_rules(table, *saved)) {
            arguments.insert(arguments.begin(), "iptables");
            (void)os::output_of({.argv = std::move(arguments)}, kCommandTimeout);
        }
    }
}

}  // namespace

Result<> ensure_engine(const std::string& given, const Layout& layout, ServerConfig& config,
                       Supervisor& supervisor,
                       const std::function<void(const std::string&)>& step) {
    if (config.engine_is_ours && given.empty()) return start_own(layout, config, supervisor, step);
    const auto found = engine::find_socket(given);
    if (found && answers(*found)) {
        config.engine_socket = *found;
        config.engine_is_ours = false;
        step("container engine on " + *found);
        return {};
    }
    if (!given.empty()) {
        return fail(ErrorKind::unavailable, "no container engine answers on " + given,
                    "start it, or leave --engine out", "engine_unreachable");
    }
    if (::geteuid() == 0 && ::access("/usr/sbin/dockerd", X_OK) == 0)
        return start_own(layout, config, supervisor, step);
    return fail(ErrorKind::unavailable, "no container engine answers",
                ::geteuid() == 0 ? "apt-get install docker.io"
                                 : "start Docker or Podman, or run `sudo loco up`",
                "no_engine");
}

Result<> purge_engine(const Layout& layout, const ServerConfig& config,
                      const std::function<void(const std::string&)>& step) {
    engine::Engine engine(config.engine_socket);
    Supervisor supervisor(layout.directories());
    if (config.engine_is_ours && !engine.ping()) {
        // It ended with its supervisor. What it knows of in the kernel (bridges, rules, mounts), only it takes away.
        auto again = config;
        const auto started = start_own(layout, again, supervisor, [](const std::string&) {});
        if (!started) {
            log::failure("can't start the engine to clean up after it", started.error());
            (void)stop(layout.directories(), "dockerd", 15, std::chrono::seconds(30));
            if (!another_dockerd_runs()) remove_docker_traces();
            return {};
        }
    }
    if (!engine.ping()) {
        return fail(ErrorKind::unavailable,
                    "the container engine on " + config.engine_socket + " does not answer",
                    "start it, so that Loco's containers can be removed from it",
                    "engine_unreachable");
    }
    NoRegistry registry;
    const SystemClock clock;
    LOCO_ASSIGN(const auto gateway, parse_host_port(config.gateway_listen));
    DockerRuntime runtime(engine, registry, clock,
                          {.loco = config.instance, .host_ports = {gateway.port}}, nullptr);
    LOCO_TRY(runtime.purge());
    remove_images(engine, config);
    step("removed the containers, networks, images and firewall rules");
    if (!config.engine_is_ours) return {};
    LOCO_TRY(stop(layout.directories(), "dockerd", 15, std::chrono::seconds(30)));
    if (!another_dockerd_runs()) remove_docker_traces();
    return {};
}

}  // namespace loco::platform
