#include "bin/server.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <mutex>
#include <optional>
#include <thread>

#include "api/ops.hpp"
#include "api/router.hpp"
#include "base/log.hpp"
#include "bin/cluster_place.hpp"
#include "bin/examinations.hpp"
#include "bin/logs.hpp"
#include "bin/machine.hpp"
#include "bin/store.hpp"
#include "cluster/kubernetes/export.hpp"
#include "crypto/seal.hpp"
#include "domain/hosts.hpp"
#include "identity/authenticator.hpp"
#include "platform/bootstrap_file.hpp"
#include "platform/layout.hpp"
#include "reconcile/aside.hpp"
#include "reconcile/loop.hpp"
#include "registry/config.hpp"
#include "registry/distribution_client.hpp"
#include "registry/token_service.hpp"
#include "spec/quantity.hpp"
#include "sqlite/database.hpp"
#include "telemetry/fan_out.hpp"
#include "telemetry/metrics.hpp"
#include "usecase/bootstrap.hpp"
#include "usecase/deployments.hpp"

namespace loco {
namespace {

constexpr auto kStopGrace = std::chrono::seconds(10);
// Enough that many writers share a commit; they wait more than they work.
constexpr std::size_t kHandlerThreads = 64;
constexpr std::size_t kFetchesAtOnce = 8;

std::string machine_platform() {
    utsname name{};
    ::uname(&name);
    const std::string machine(name.machine);
    return machine == "aarch64" ? "linux/arm64" : "linux/amd64";
}

Result<Config> make_config(const platform::ServerConfig& server) {
    const auto url = platform::external_url(server);
    const auto max_image = spec::parse_memory(server.max_image_size);
    if (!max_image) return fail(spec::to_error("max_image_size", max_image.error()));
    return Config{
        .base_domain = server.base_domain,
        .gateway_port = url.port,
        .https = url.https,
        .platform = machine_platform(),
        .max_image_bytes = *max_image,
        .runtime = server.runtime == "kubernetes" ? RuntimeKind::kubernetes : RuntimeKind::machine};
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
    // Whether one came within that time.
    [[nodiscard]] bool wait_for(std::chrono::milliseconds time) const {
        pollfd descriptor{.fd = fd_, .events = POLLIN, .revents = 0};
        return ::poll(&descriptor, 1, static_cast<int>(time.count())) > 0;
    }

  private:
    int fd_;
};

// A lock of a database that this process could not give back keeps it from the file for ever, whatever connection is made
// anew. Another process can have it: whoever keeps this one running starts one, and that goes on from the rows.
Result<> check_databases() {
    constexpr int kTimes = 3;  // SQLite itself tries for 10 s, each time
    if (sqlite::times_stuck() < kTimes) return {};
    return fail(ErrorKind::unavailable,
                "a database is held by a lock that was not given back: starting anew", {},
                "database_stuck");
}

// In a cluster all is started at once, and whoever ends for want of its database is started again ever later. So it is waited
// for there, for half as long as the chart's startup probe has patience. On one machine it is said at once.
Result<OpenStore> open_awaited_store(const platform::ServerConfig& server,
                                     const store::EnvSeal& env_seal, const Clock& clock,
                                     const StopSignal& stop) {
    constexpr std::chrono::seconds kPatience{60};
    constexpr std::chrono::milliseconds kEvery{500};
    const auto give_up_at = std::chrono::steady_clock::now() + kPatience;
    for (bool told = false;; told = true) {
        auto opened = open_store(server, env_seal, clock);
        if (opened || server.runtime != "kubernetes" ||
            opened.error().code != "database_unreachable" ||
            std::chrono::steady_clock::now() >= give_up_at) {
            return opened;
        }
        if (!told) log::failure("waiting for the database", opened.error());
        if (stop.wait_for(kEvery)) return opened;
    }
}

// What other servers on the same database do, as long as this lives.
class FollowOthers {
  public:
    FollowOthers(Store& store, std::function<void(const std::vector<Event>&)> on_events,
                 std::function<void(const std::optional<AppId>&)> on_wake)
        : store_(store) {
        store_.on_wakes_of_others(std::move(on_wake));
        store_.on_events_of_all(std::move(on_events));
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
    [[nodiscard]] static Result<std::unique_ptr<Parts>> make(const platform::ServerConfig& server,
                                                             const StopSignal& stop);

    // Until `stop` comes.
    Result<> run(const StopSignal& stop);

  private:
    Parts(const platform::ServerConfig& server, Config config, OpenStore store, OpenLogs logs,
          std::shared_ptr<const crypto::Sealer> sealer, registry::SigningKey key);

    // What only the server that leads does, as long as it does (ports/leadership.hpp).
    struct Work {
        explicit Work(Parts& parts)
            : reconciler(parts.reconciler_ports(*this)), loop(parts.loop_ports(reconciler)) {}
        reconcile::Reconciler reconciler;
        reconcile::Loop loop;
        reconcile::Aside aside{kFetchesAtOnce};
    };

    Result<> begin();
    Result<std::unique_ptr<Place>> make_place();
    void begin_work();
    void end_work();
    void wake(const AppId& app);
    void wake_own(const std::optional<AppId>& app);
    reconcile::ReconcilerPorts reconciler_ports(Work& work);
    Result<reconcile::SecretEnv> unseal(const EnvVersion& env) const;
    void interrupt_fetches();
    reconcile::LoopPorts loop_ports(reconcile::Reconciler& reconciler);
    api::Services services();
    Result<std::string> registry_token(std::string_view authorization, std::string_view query);
    void add_gauges();
    void count_ended(const std::vector<Event>& events);

    platform::ServerConfig server_;
    std::string server_id_;  // set before what uses it
    Config config_;
    SystemClock clock_;
    SystemRandom random_;
    telemetry::Metrics metrics_;
    telemetry::FanOut event_feed_;
    telemetry::FanOut log_feed_;
    std::optional<os::FileLock> folder_lock_;
    std::unique_ptr<Store> store_;
    identity::Sessions sessions_;
    std::unique_ptr<LogStore> logs_;
    std::shared_ptr<const crypto::Sealer> sealer_;  // the store has it too
    std::shared_ptr<const crypto::Box> box_;
    registry::TokenService tokens_;
    http::Client http_;
    registry::Garbage garbage_;
    registry::DistributionClient registry_;
    PushGate pushes_;
    std::unique_ptr<Place> place_;
    std::mutex work_mutex_;
    std::unique_ptr<Work> work_;  // guarded by work_mutex_
    Context context_;
    std::optional<api::Services> services_;
    std::unique_ptr<Leadership> leadership_;  // the last: it ends the work
};

Parts::Parts(const platform::ServerConfig& server, Config config, OpenStore store, OpenLogs logs,
             std::shared_ptr<const crypto::Sealer> sealer, registry::SigningKey key)
    : server_(server),
      config_(std::move(config)),
      metrics_(LOCO_VERSION),
      folder_lock_(std::move(store.lock)),
      store_(std::move(store.store)),
      sessions_(*store_),
      logs_(std::move(logs.store)),
      sealer_(std::move(sealer)),
      tokens_(std::move(key), clock_, random_),
      garbage_(platform::Layout(server.data_dir).registry() / "garbage", clock_),
      registry_(platform::registry_host(server), tokens_, http_, config_.platform, &garbage_,
                platform::registry_internal(server).text()),
      context_{.store = *store_,
               .clock = clock_,
               .random = random_,
               .config = config_,
               .wake = [this](const AppId& app) { wake(app); },
               .pushes = &pushes_},
      leadership_(std::move(store.leadership)) {
    logs.set_listener([this](const AppId& app) { log_feed_.wake(app.str()); });
    store_->on_events([this](const std::vector<Event>& events) {
        event_feed_.wake_for(events);
        count_ended(events);
    });
    add_gauges();
}

// Of the data folder, which one server uses at a time; made at the first start.
Result<std::string> read_server_id(const platform::ServerConfig& server, Random& random) {
    constexpr std::size_t kLength = 16;
    const auto file = platform::Layout(server.data_dir).database() / "server.id";
    LOCO_ASSIGN(const bool there, os::exists(file));
    if (!there) LOCO_TRY(os::write_file_atomically(file, random_word(random, kLength)));
    return os::read_file(file, 64);
}

Result<> Parts::begin() {
    LOCO_ASSIGN(server_id_, read_server_id(server_, random_));
    LOCO_ASSIGN(auto box, crypto::Box::of_seed(sealer_->derived("apps that move here")));
    box_ = std::make_shared<const crypto::Box>(std::move(box));
    LOCO_ASSIGN(place_, make_place());
    context_.machine = place_->machine();
    services_.emplace(services());
    return {};
}

Result<std::unique_ptr<Place>> Parts::make_place() {
    if (server_.runtime == "kubernetes") {
        return make_cluster_place({.server = server_,
                                   .config = config_,
                                   .clock = clock_,
                                   .random = random_,
                                   .logs = *logs_,
                                   .registry = registry_,
                                   .http = http_,
                                   .hash_key = sealer_->derived("environment of a pod")});
    }
    LOCO_ASSIGN(const auto range, parse_network_range(server_.subnets));
    return Machine::make({.server = server_,
                          .config = config_,
                          .clock = clock_,
                          .store = *store_,
                          .logs = *logs_,
                          .registry = registry_,
                          .garbage = garbage_,
                          .pushes = pushes_,
                          .metrics = metrics_,
                          .network_range = range});
}

void Parts::begin_work() {
    auto work = std::make_unique<Work>(*this);
    auto& loop = work->loop;
    {
        const std::lock_guard lock(work_mutex_);
        work_ = std::move(work);
    }
    loop.start();
    place_->begin();
}

void Parts::end_work() {
    std::unique_ptr<Work> work;
    {
        const std::lock_guard lock(work_mutex_);
        work.swap(work_);
    }
    work->aside.stop([this] { interrupt_fetches(); });
    work->loop.stop();
    work->reconciler.end();
    place_->end();
}

// Whoever leads: this server or another.
void Parts::wake(const AppId& app) {
    wake_own(app);
    store_->wake_others(app);
}

void Parts::wake_own(const std::optional<AppId>& app) {
    std::vector<AppId> apps;
    if (app) {
        apps.push_back(*app);
    } else {
        // What is not found now, a sweep finds.
        (void)store_->read([&](const ReadTx& tx) -> Result<> {
            LOCO_ASSIGN(apps, tx.all_apps());
            return {};
        });
    }
    const std::lock_guard lock(work_mutex_);
    if (!work_) return;
    for (const auto& each : apps) work_->loop.wake(each);
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
    metrics_.gauge("loco_leader", "1 where this server does the work that one of several does",
                   [this] { return leadership_->is_leader() ? 1.0 : 0.0; });
    metrics_.gauge("loco_apps", "Apps of all teams", [this] {
        double count = 0;
        (void)store_->read([&](const ReadTx& tx) -> Result<> {
            LOCO_ASSIGN(const auto apps, tx.all_apps());
            count = static_cast<double>(apps.size());
            return {};
        });
        return count;
    });
}

reconcile::LoopPorts Parts::loop_ports(reconcile::Reconciler& reconciler) {
    return {.reconciler = reconciler,
            .store = *store_,
            .clock = clock_,
            .on_pass = [this](bool failed, Duration took) {
                metrics_.reconcile_pass(failed, std::chrono::duration<double>(took).count());
            }};
}

void Parts::interrupt_fetches() {
    auto ports = place_->ports();
    if (auto* machine = std::get_if<reconcile::MachinePorts>(&ports)) machine->runtime.interrupt();
}

Result<reconcile::SecretEnv> Parts::unseal(const EnvVersion& env) const {
    reconcile::SecretEnv values;
    for (const auto& [name, sealed] : env.sealed) {
        LOCO_ASSIGN(values[name], sealer_->open_sealed(env.app.str(), name, sealed));
    }
    return values;
}

reconcile::ReconcilerPorts Parts::reconciler_ports(Work& work) {
    return {.store = *store_,
            .registry = registry_,
            .place = place_->ports(),
            .clock = clock_,
            .random = random_,
            .config = config_,
            .unseal = [this](const EnvVersion& env) { return unseal(env); },
            .log_tail = [this](const Instance& instance) { return place_->last_words(instance); },
            .forget_logs = [this](const AppId& app) { return logs_->remove_app(app); },
            .url_of =
                [this](const std::string& host) {
                    return loco::url_of(host, config_.gateway_port, config_.https);
                },
            .machine = place_->machine(),
            .run_all = reconcile::parallel_runner(4),
            .aside =
                [&work](const AppId& app, std::function<void()> task) {
                    work.aside.run([&work, app, task = std::move(task)] {
                        task();
                        work.loop.wake(app);
                    });
                }};
}

Result<std::string> Parts::registry_token(std::string_view authorization, std::string_view query) {
    return registry::answer_token_request(
        tokens_, authorization, query,
        [this](const registry::Credentials& credentials) -> Result<registry::Grant> {
            registry::Grant grant;
            // Images may be read by who may see the app; writing needs a deployment's own token.
            LOCO_ASSIGN(const auto session,
                        sessions_.of_token(credentials.password.reveal(), clock_.now()));
            grant.subject = session->principal.user.login;
            LOCO_TRY(store_->read([&](const ReadTx& tx) -> Result<> {
                for (const auto& in : session->teams) {
                    if (!identity::may(session->principal, in.team.id, in.role,
                                       identity::Permission::app_read))
                        continue;
                    LOCO_ASSIGN(const auto apps,
                                tx.apps(in.team.id, "", config_.max_apps_per_team));
                    for (const auto& app : apps)
                        grant.access.push_back(
                            {.repository = repository_of(app.id), .actions = {"pull"}});
                }
                return {};
            }));
            return grant;
        });
}

Result<std::string> export_manifests(api::ManifestRequest request) {
    return cluster::export_yaml({.app = std::move(request.app),
                                 .secrets = std::move(request.secrets),
                                 .namespace_ = std::move(request.namespace_),
                                 .gateway_namespace = std::move(request.gateway_namespace),
                                 .gateway_name = std::move(request.gateway_name),
                                 .registry_host = std::move(request.registry_host)});
}

api::Services Parts::services() {
    return {.context = context_,
            .sessions = sessions_,
            .registry = registry_,
            .sight = place_->sight(),
            .logs = *logs_,
            .log_feed = log_feed_,
            .event_feed = event_feed_,
            .metrics = metrics_,
            .seal = [this](const AppId& app, const std::string& name,
                           const Secret<>& value) { return sealer_->seal(app.str(), name, value); },
            .unseal = [this](const EnvVersion& env) { return unseal(env); },
            .box = box_,
            .registry_token =
                [this](std::string_view authorization, std::string_view query) {
                    return registry_token(authorization, query);
                },
            .version = LOCO_VERSION,
            .build_host = platform::registry_host(server_),
            .manifests = export_manifests,
            .started_at = clock_.now(),
            .server_id = server_id_,
            .external_url = platform::external_url(server_).text(),
            .examinations = examinations({.server = server_,
                                          .tokens = tokens_,
                                          .http = http_,
                                          .clock = clock_,
                                          .machine = context_.machine})};
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

Result<crypto::Sealer> open_sealer(const platform::ServerConfig& server, Store& store) {
    if (!server.seal_key.empty()) return crypto::Sealer::open_kept(server.seal_key);
    const platform::Layout layout(server.data_dir);
    LOCO_TRY(check_key(layout, store));
    return crypto::Sealer::open(layout.seal_key());
}

Result<registry::SigningKey> open_signing_key(const platform::ServerConfig& server) {
    if (!server.signing_key.empty()) return registry::SigningKey::open_kept(server.signing_key);
    return registry::SigningKey::open(registry::key_folder(platform::registry_options(server)));
}

Result<std::unique_ptr<Parts>> Parts::make(const platform::ServerConfig& server,
                                           const StopSignal& stop) {
    static const SystemClock clock;
    static SystemRandom random;
    LOCO_ASSIGN(auto config, make_config(server));
    const platform::Layout layout(server.data_dir);
    LOCO_TRY(layout.make_folders());
    const auto held = std::make_shared<std::optional<crypto::Sealer>>();
    LOCO_ASSIGN(auto store, open_awaited_store(server, env_seal(held), clock, stop));
    LOCO_ASSIGN(*held, open_sealer(server, *store.store));
    const std::shared_ptr<const crypto::Sealer> sealer(held, &**held);
    LOCO_ASSIGN(auto logs, open_logs(server, clock, random));
    LOCO_ASSIGN(auto key, open_signing_key(server));
    std::unique_ptr<Parts> parts(new Parts(server, std::move(config), std::move(store),
                                           std::move(logs), sealer, std::move(key)));
    LOCO_TRY(parts->begin());
    return parts;
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
            api::make_ops(*services_)));
    if (const auto renewed = renew_all_leases(context_); !renewed)
        log::failure("open builds may be given up", renewed.error());
    const FollowOthers others(
        *store_,
        [this](const std::vector<Event>& events) {
            event_feed_.wake_for(events);
            for (const auto& event : events) {
                if (event.app) wake_own(event.app);
            }
        },
        [this](const std::optional<AppId>& app) { wake_own(app); });
    leadership_->start([this] { begin_work(); }, [this] { end_work(); });
    LOCO_ASSIGN(auto server, http::Server::start({.address = listen.host,
                                                  .port = listen.port,
                                                  .handler_threads = kHandlerThreads,
                                                  .on_refusal = api::make_refusals(*services_)},
                                                 api::make_api(*services_)));
    log::info("serving",
              {{"api", server_.listen}, {"ops", server_.ops_listen}, {"version", LOCO_VERSION}});
    constexpr std::chrono::seconds kAskDatabases{5};
    Result<> outcome;
    while (outcome && !stop.wait_for(kAskDatabases)) outcome = check_databases();
    log::info("stopping");
    server->stop(kStopGrace);
    leadership_->stop();
    ops->stop(std::chrono::seconds(1));
    return outcome;
}

}  // namespace

Result<> serve(const platform::ServerConfig& config) {
    const StopSignal stop;  // before any thread: they all inherit the mask
    LOCO_ASSIGN(auto parts, Parts::make(config, stop));
    return parts->run(stop);
}

}  // namespace loco
