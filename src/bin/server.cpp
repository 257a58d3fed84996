#include "bin/server.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <optional>
#include <thread>

#include "api/ops.hpp"
#include "api/router.hpp"
#include "base/log.hpp"
#include "bin/store.hpp"
#include "crypto/seal.hpp"
#include "domain/hosts.hpp"
#include "engine/engine.hpp"
#include "gateway/haproxy/gateway.hpp"
#include "identity/authenticator.hpp"
#include "platform/bootstrap_file.hpp"
#include "platform/layout.hpp"
#include "reconcile/loop.hpp"
#include "registry/collector.hpp"
#include "registry/config.hpp"
#include "registry/distribution_client.hpp"
#include "registry/token_service.hpp"
#include "runtime/docker/docker_runtime.hpp"
#include "runtime/health/health_monitor.hpp"
#include "spec/quantity.hpp"
#include "telemetry/fan_out.hpp"
#include "telemetry/metrics.hpp"
#include "telemetry/sqlite_log_store.hpp"
#include "usecase/bootstrap.hpp"
#include "usecase/deployments.hpp"

namespace loco {
namespace {

constexpr auto kStopGrace = std::chrono::seconds(10);
constexpr auto kHouseKeeping = std::chrono::minutes(15);
constexpr auto kGarbageLook = std::chrono::milliseconds(100);
constexpr std::int64_t kBuildCacheBytes = 2LL << 30;
// Enough that many writers share a commit; they wait more than they work.
constexpr std::size_t kHandlerThreads = 64;

std::string machine_platform() {
    utsname name{};
    ::uname(&name);
    const std::string machine(name.machine);
    return machine == "aarch64" ? "linux/arm64" : "linux/amd64";
}

Result<Config> make_config(const platform::ServerConfig& server) {
    LOCO_ASSIGN(const auto gateway, platform::parse_host_port(server.gateway_listen));
    return Config{.base_domain = server.base_domain,
                  .gateway_port = gateway.port,
                  .platform = machine_platform()};
}

// Blocks SIGTERM and SIGINT in all threads that start after it; wait() returns when one has come.
class StopSignal {
  public:
    StopSignal() {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigaddset(&set, SIGINT);
        ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
        fd_ = ::signalfd(-1, &set, SFD_CLOEXEC);
        ::signal(SIGPIPE, SIG_IGN);
    }
    ~StopSignal() { ::close(fd_); }
    StopSignal(const StopSignal&) = delete;
    StopSignal& operator=(const StopSignal&) = delete;
    void wait() const {
        pollfd descriptor{.fd = fd_, .events = POLLIN, .revents = 0};
        while (::poll(&descriptor, 1, -1) <= 0) {
        }
    }

  private:
    int fd_;
};

// What other servers on the same database do, as long as this lives.
class FollowOthers {
  public:
    FollowOthers(Store& store, std::function<void(const std::vector<Event>&)> listener)
        : store_(store) {
        store_.on_events_of_all(std::move(listener));
    }
    ~FollowOthers() { store_.on_events_of_all({}); }
    FollowOthers(const FollowOthers&) = delete;
    FollowOthers& operator=(const FollowOthers&) = delete;

  private:
    Store& store_;
};

// Everything in the order in which it may be destroyed backwards.
class Parts {
  public:
    [[nodiscard]] static Result<std::unique_ptr<Parts>> make(const platform::ServerConfig& server);

    // Until `stop` comes.
    Result<> run(const StopSignal& stop);

  private:
    Parts(const platform::ServerConfig& server, Config config, OpenStore store,
          std::unique_ptr<telemetry::SqliteLogStore> logs,
          std::shared_ptr<const crypto::Sealer> sealer, registry::SigningKey key,
          std::unique_ptr<gateway::HaproxyGateway> gateway, Subnet range);

    reconcile::ReconcilerPorts reconciler_ports(Subnet range);
    api::Services services();
    Result<std::string> registry_token(std::string_view authorization, std::string_view query);
    void add_gauges();
    void keep_house(const std::stop_token& ended);
    void collect_garbage(const std::stop_token& ended);
    void count_ended(const std::vector<Event>& events);

    platform::ServerConfig server_;
    Config config_;
    SystemClock clock_;
    SystemRandom random_;
    telemetry::Metrics metrics_;
    telemetry::FanOut event_feed_;
    telemetry::FanOut log_feed_;
    std::optional<os::FileLock> folder_lock_;
    std::unique_ptr<Store> store_;
    std::unique_ptr<telemetry::SqliteLogStore> logs_;
    std::shared_ptr<const crypto::Sealer> sealer_;  // the store has it too
    registry::TokenService tokens_;
    http::Client http_;
    registry::Garbage garbage_;
    registry::DistributionClient registry_;
    PushGate pushes_;
    registry::Collector collector_of_garbage_;
    std::unique_ptr<gateway::HaproxyGateway> gateway_;
    engine::Engine engine_;
    runtime::LogCollector collector_;
    ProbingHealthMonitor health_;
    DockerRuntime runtime_;
    reconcile::Reconciler reconciler_;
    reconcile::Loop loop_;
    Context context_;
    api::Services services_;
};

DockerOptions docker_options(const platform::ServerConfig& server, const Config& config) {
    return {.loco = server.instance, .host_ports = {config.gateway_port}};
}

registry::CollectorOptions collector_options(const platform::ServerConfig& server) {
    registry::CollectorOptions options;
    // It was checked when the configuration was read.
    if (const auto every = spec::parse_duration(server.collect_every)) options.every = *every;
    return options;
}

Parts::Parts(const platform::ServerConfig& server, Config config, OpenStore store,
             std::unique_ptr<telemetry::SqliteLogStore> logs,
             std::shared_ptr<const crypto::Sealer> sealer, registry::SigningKey key,
             std::unique_ptr<gateway::HaproxyGateway> gateway, Subnet range)
    : server_(server),
      config_(std::move(config)),
      metrics_(LOCO_VERSION),
      folder_lock_(std::move(store.lock)),
      store_(std::move(store.store)),
      logs_(std::move(logs)),
      sealer_(std::move(sealer)),
      tokens_(std::move(key), clock_, random_),
      garbage_(platform::Layout(server.data_dir).registry() / "garbage", clock_),
      registry_(server.registry_listen, tokens_, http_, config_.platform, &garbage_),
      collector_of_garbage_(*store_, clock_, pushes_, garbage_,
                            registry::Handover(platform::Layout(server.data_dir).directories().run),
                            collector_options(server)),
      gateway_(std::move(gateway)),
      engine_(server.engine_socket),
      collector_(engine_, *logs_, clock_),
      health_(clock_),
      runtime_(engine_, registry_, clock_, docker_options(server_, config_), &collector_),
      reconciler_(reconciler_ports(range)),
      loop_({.reconciler = reconciler_,
             .store = *store_,
             .runtime = runtime_,
             .health = health_,
             .clock = clock_,
             .on_pass =
                 [this](bool failed, Duration took) {
                     metrics_.reconcile_pass(failed, std::chrono::duration<double>(took).count());
                 }}),
      context_{.store = *store_,
               .clock = clock_,
               .random = random_,
               .config = config_,
               .wake = [this](const AppId& app) { loop_.wake(app); },
               .pushes = &pushes_},
      services_(services()) {
    logs_->set_listener([this](const AppId& app) { log_feed_.wake(app.str()); });
    store_->on_events([this](const std::vector<Event>& events) {
        event_feed_.wake_for(events);
        count_ended(events);
    });
    add_gauges();
}

// A deployment ends with one event that names its last state.
void Parts::count_ended(const std::vector<Event>& events) {
    constexpr std::string_view kPrefix = "deployment.";
    for (const auto& event : events) {
        if (!event.kind.starts_with(kPrefix)) continue;
        const auto state =
            parse_deployment_state(std::string_view(event.kind).substr(kPrefix.size()));
        if (state && is_terminal(*state)) metrics_.deployment_ended(to_string(*state));
    }
}

void Parts::add_gauges() {
    metrics_.gauge("loco_gateway_reloads", "Reloads of the gateway since the start",
                   [this] { return static_cast<double>(gateway_->reloads()); });
    metrics_.gauge("loco_apps", "Apps of all teams", [this] {
        double count = 0;
        (void)store_->read([&](const ReadTx& tx) -> Result<> {
            LOCO_ASSIGN(const auto apps, tx.all_apps());
            count = static_cast<double>(apps.size());
            return {};
        });
        return count;
    });
    metrics_.gauge("loco_registry_garbage_manifests",
                   "Manifests removed since the registry's disk was last cleaned",
                   [this] { return static_cast<double>(garbage_.state().manifests); });
}

// The build cache of an engine of our own has a bound; another's is not Loco's to empty.
void Parts::keep_house(const std::stop_token& ended) {
    if (!server_.engine_is_ours) return;
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    while (!wake.wait_for(lock, ended, kHouseKeeping, [&] { return ended.stop_requested(); })) {
        const auto pruned = engine_.prune_build_cache(kBuildCacheBytes, std::chrono::hours(1));
        if (!pruned) log::failure("the build cache was not pruned", pruned.error());
    }
}

void Parts::collect_garbage(const std::stop_token& ended) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    while (!wake.wait_for(lock, ended, kGarbageLook, [&] { return ended.stop_requested(); }))
        collector_of_garbage_.step();
}

reconcile::ReconcilerPorts Parts::reconciler_ports(Subnet range) {
    return {
        .store = *store_,
        .runtime = runtime_,
        .gateway = *gateway_,
        .registry = registry_,
        .health = health_,
        .clock = clock_,
        .random = random_,
        .config = config_,
        .unseal = [this](const EnvVersion& env) -> Result<reconcile::SecretEnv> {
            reconcile::SecretEnv values;
            for (const auto& [name, sealed] : env.sealed) {
                LOCO_ASSIGN(values[name], sealer_->open_sealed(env.app.str(), name, sealed));
            }
            return values;
        },
        .log_tail = [this](const Instance& instance) { return collector_.last_words(instance); },
        .forget_logs = [this](const AppId& app) { return logs_->remove_app(app); },
        .url_of =
            [this](const std::string& host) { return loco::url_of(host, config_.gateway_port); },
        .run_all = reconcile::parallel_runner(4),
        .network_range = range};
}

Result<std::string> Parts::registry_token(std::string_view authorization, std::string_view query) {
    return registry::answer_token_request(
        tokens_, authorization, query,
        [this](const registry::Credentials& credentials) -> Result<registry::Grant> {
            registry::Grant grant;
            // Images may be read by who may see the app; writing needs a deployment's own token.
            LOCO_TRY(store_->read([&](const ReadTx& tx) -> Result<> {
                LOCO_ASSIGN(
                    const auto principal,
                    identity::authenticate_token(tx, credentials.password.reveal(), clock_.now()));
                grant.subject = principal.user.login;
                LOCO_ASSIGN(const auto memberships, tx.memberships(principal.user.id));
                for (const auto& membership : memberships) {
                    if (!identity::may(principal, membership.team, membership.role,
                                       identity::Permission::app_read))
                        continue;
                    LOCO_ASSIGN(const auto apps,
                                tx.apps(membership.team, "", config_.max_apps_per_team));
                    for (const auto& app : apps)
                        grant.access.push_back(
                            {.repository = repository_of(app.id), .actions = {"pull"}});
                }
                return {};
            }));
            return grant;
        });
}

api::Services Parts::services() {
    return {.context = context_,
            .registry = registry_,
            .runtime = runtime_,
            .gateway = *gateway_,
            .logs = *logs_,
            .log_feed = log_feed_,
            .event_feed = event_feed_,
            .metrics = metrics_,
            .seal = [this](const AppId& app, const std::string& name,
                           const Secret<>& value) { return sealer_->seal(app.str(), name, value); },
            .registry_token =
                [this](std::string_view authorization, std::string_view query) {
                    return registry_token(authorization, query);
                },
            .version = LOCO_VERSION,
            .build_host = server_.registry_listen,
            .started_at = clock_.now()};
}

// There once the store is open: until it has locked the folder, two that start at once would both make a key.
using HeldSealer = std::shared_ptr<std::optional<crypto::Sealer>>;

store::EnvSeal env_seal(const HeldSealer& sealer) {
    return {.seal =
                [sealer](const AppId& app, const std::string& name, const std::string& value) {
                    return (*sealer)->seal(app.str(), name, Secret<>(value));
                },
            .open = [sealer](const AppId& app, const std::string& name,
                             const std::string& sealed) -> Result<std::string> {
                LOCO_ASSIGN(auto value, (*sealer)->open_sealed(app.str(), name, sealed));
                return std::move(value).reveal();
            }};
}

// A key that is gone is not made anew in silence: what it sealed would be lost without a word, and a backup of it too late.
Result<> check_key(const platform::Layout& layout, Store& store) {
    std::error_code ignored;
    if (std::filesystem::exists(std::filesystem::symlink_status(layout.seal_key(), ignored)))
        return {};
    std::vector<AppId> apps;
    LOCO_TRY(store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(apps, tx.all_apps());
        return {};
    }));
    if (apps.empty()) return {};
    return fail(ErrorKind::refused,
                "the key of the apps' sealed values is gone: " + layout.seal_key().string(),
                "put it back from where it is kept; or, to set all secrets anew under a new one: "
                "loco-api new-key --config " +
                    layout.server_config().string(),
                "seal_key_gone");
}

Result<std::unique_ptr<Parts>> Parts::make(const platform::ServerConfig& server) {
    static const SystemClock clock;
    LOCO_ASSIGN(auto config, make_config(server));
    const platform::Layout layout(server.data_dir);
    LOCO_TRY(layout.make_folders());
    const auto held = std::make_shared<std::optional<crypto::Sealer>>();
    LOCO_ASSIGN(auto store, open_store(server, env_seal(held), clock));
    LOCO_TRY(check_key(layout, *store.store));
    LOCO_ASSIGN(*held, crypto::Sealer::open(layout.seal_key()));
    const std::shared_ptr<const crypto::Sealer> sealer(held, &**held);
    LOCO_ASSIGN(auto logs, telemetry::SqliteLogStore::open({.folder = layout.app_logs()}, clock));
    LOCO_ASSIGN(auto key, registry::SigningKey::open(
                              registry::key_folder(platform::registry_options(server))));
    LOCO_ASSIGN(auto gateway, gateway::HaproxyGateway::open(platform::gateway_options(server)));
    LOCO_ASSIGN(const auto range, parse_network_range(server.subnets));
    return std::unique_ptr<Parts>(new Parts(server, std::move(config), std::move(store),
                                            std::move(logs), sealer, std::move(key),
                                            std::move(gateway), range));
}

Result<> Parts::run(const StopSignal& stop) {
    const auto file = platform::Layout(server_.data_dir).bootstrap();
    LOCO_ASSIGN(const auto owner, platform::read_bootstrap(file));
    if (owner) {
        LOCO_TRY(bootstrap(context_, *owner));
        LOCO_TRY(platform::remove_bootstrap(file));
    }
    LOCO_ASSIGN(const auto listen, platform::parse_host_port(server_.listen));
    LOCO_ASSIGN(const auto ops_listen, platform::parse_host_port(server_.ops_listen));
    LOCO_ASSIGN(
        auto ops,
        http::Server::start(
            // More than one: /healthz must not wait behind a /readyz that waits for the engine.
            {.address = ops_listen.host, .port = ops_listen.port, .handler_threads = 4},
            api::make_ops(services_)));
    if (const auto renewed = renew_all_leases(context_); !renewed)
        log::failure("open builds may be given up", renewed.error());
    collector_of_garbage_.begin();
    loop_.start();
    const FollowOthers others(*store_, [this](const std::vector<Event>& events) {
        event_feed_.wake_for(events);
        for (const auto& event : events) {
            if (event.app) loop_.wake(*event.app);
        }
    });
    runtime_.watch();
    const std::jthread collector([this](const std::stop_token& ended) { collect_garbage(ended); });
    const std::jthread janitor([this](const std::stop_token& ended) { keep_house(ended); });
    LOCO_ASSIGN(auto server, http::Server::start({.address = listen.host,
                                                  .port = listen.port,
                                                  .handler_threads = kHandlerThreads,
                                                  .on_refusal = api::make_refusals(services_)},
                                                 api::make_api(services_)));
    log::info("serving",
              {{"api", server_.listen}, {"ops", server_.ops_listen}, {"version", LOCO_VERSION}});
    stop.wait();
    log::info("stopping");
    server->stop(kStopGrace);
    loop_.stop();
    ops->stop(std::chrono::seconds(1));
    return {};
}

}  // namespace

Result<> serve(const platform::ServerConfig& config) {
    const StopSignal stop;  // before any thread: they all inherit the mask
    LOCO_ASSIGN(auto parts, Parts::make(config));
    return parts->run(stop);
}

}  // namespace loco
