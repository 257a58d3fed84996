#include "tests/simulation/world.hpp"

#include <algorithm>
#include <cstdio>

#include "domain/hosts.hpp"

namespace loco::simulation {
namespace {

constexpr auto kSweepEvery = std::chrono::seconds(30);
// After faults have ended: more than any deadline, drain and restart delay together.
constexpr auto kMostToSettle = std::chrono::minutes(60);

}  // namespace

void SimulatedRegistry::push(const ImageRef& ref, const ImageFacts& facts) {
    manifests_.emplace(ref.repository, ref.digest);
    runtime_.add_image(ref, facts);
    cluster_.add_image(ref, facts);
}

Result<ManifestInfo> SimulatedRegistry::manifest(const std::string& repository,
                                                 const std::string& digest) {
    LOCO_TRY(hook_());
    if (!has(repository, digest)) return fail(ErrorKind::not_found, "no such manifest");
    return ManifestInfo{.digest = digest,
                        .media_type = "application/vnd.oci.image.manifest.v1+json",
                        .total_bytes = 1};
}

Result<std::string> SimulatedRegistry::tagged(const std::string& repository,
                                              const std::string& tag) {
    LOCO_TRY(hook_());
    const auto found = tags_.find({repository, tag});
    if (found == tags_.end() || !has(repository, found->second))
        return fail(ErrorKind::not_found, "no such tag");
    return found->second;
}

Result<RegistryToken> SimulatedRegistry::push_token(const std::string&) {
    LOCO_TRY(hook_());
    return RegistryToken{.token = Secret<>("token"),
                         .expires_at = clock_.now() + std::chrono::minutes(5)};
}

Result<RegistryToken> SimulatedRegistry::pull_token(const std::string& repository) {
    return push_token(repository);
}

Result<> SimulatedRegistry::remove_manifest(const std::string& repository,
                                            const std::string& digest) {
    LOCO_TRY(hook_());
    manifests_.erase({repository, digest});
    runtime_.forget_image({repository, digest});
    cluster_.forget_image({repository, digest});
    return hook_();
}

World::World(std::uint64_t seed, Place place)
    : seed_(seed),
      place_(place),
      dice_(seed * 2 + 1),
      random_(seed * 2 + 2),
      runtime_(clock_),
      cluster_(clock_),
      registry_(runtime_, cluster_, clock_,
                [this] { return port_call("registry", registry_errors_); }) {
    // An instance has 256 MiB, and a rollout needs room for two sets of some.
    Dice size(seed * 2 + 5);
    size_ = {.cpu_millis = 64'000,
             .memory_bytes = size.percent(40) ? static_cast<std::int64_t>(2 + size.below(5)) << 30
                                              : 256LL << 30};
    store_.set_fault_hook(
        [this](store::MemoryStore::Point) { return port_call("store", store_errors_); });
    runtime_.set_hook([this](SimulatedRuntime::When, std::string_view) {
        meanwhile();
        return port_call("runtime", runtime_errors_);
    });
    gateway_.on_call([this](std::string_view, gateway::SimulatedGateway::Point) {
        meanwhile();
        return port_call("gateway", gateway_errors_);
    });
    store_.on_events([this](const std::vector<Event>& events) {
        for (const auto& event : events) trace("    " + event.kind + ": " + event.message);
    });
    runtime_.set_behave([this](const ContainerSpec& spec) { return behaviour_of(spec); });
    runtime_.on_change([this](const std::optional<AppId>& app) {
        if (app) {
            me().wakes.insert(*app);
        } else {
            me().next_sweep = clock_.now();
        }
    });
    cluster_.set_behave([this](const Release& release, const std::string& process) {
        return pod_behaviour(release, process);
    });
    for (int number = 0; place_ == Place::cluster && number < 3; ++number) {
        cluster_.add_node({.name = "node-" + std::to_string(number),
                           .ready = true,
                           .schedulable = true,
                           .cpu_millis = 8000,
                           .memory_bytes = 16LL << 30,
                           .platform = "linux/amd64"});
    }
    for (int number = 0; number < 2; ++number) {
        Team team{.id = TeamId::make(clock_, random_),
                  .slug = "team" + std::to_string(number),
                  .number = number,
                  .created_at = clock_.now()};
        const auto written = store_.write([&](WriteTx& tx) { return tx.put(team); });
        LOCO_CHECK(written.has_value());
        teams_.push_back(team.id);
    }
    for (std::size_t i = 0; i < (place_ == Place::machine ? 1U : 3U); ++i) {
        processes_.push_back(std::make_unique<Process>());
        me_ = i;
        start_process();
    }
    me_ = 0;
    begin_term();
}

Context World::context() {
    return {.store = store_,
            .clock = clock_,
            .random = random_,
            .config = config_,
            .wake = [this](const AppId& app) { wake(app); },
            .machine = machine_view()};
}

MachineView World::machine_view() {
    if (place_ == Place::cluster) return {};
    return [this] { return MachineFacts{.size = size_, .policy = {}, .disks = {}}; };
}

// The others hear of it from the store.
void World::wake(const AppId& app) {
    for (auto& process : processes_) {
        if (process->reconciler) process->wakes.insert(app);
    }
}

void World::look(const std::function<Result<>(const ReadTx&)>& work) {
    const int errors = std::exchange(store_errors_, 0);
    const int crash_in = std::exchange(crash_in_, -1);
    const auto read = store_.read(work);
    LOCO_CHECK(read.has_value());
    store_errors_ = errors;
    crash_in_ = crash_in;
}

// Each call of a port goes through here: the process may die, or the call fail.
Result<> World::port_call(const char* port, int error_percent) {
    if (crash_in_ >= 0 && crash_in_-- == 0) {
        crash_in_ = -1;
        throw Crash{};
    }
    if (error_percent > 0 && dice_.percent(static_cast<std::uint64_t>(error_percent))) {
        return fail(ErrorKind::unavailable,
                    std::string("the ") + port + " does not answer (simulated)");
    }
    return {};
}

void World::start_process() {
    const bool led = me().reconciler != nullptr;
    me().reconciler.reset();
    if (place_ == Place::cluster) {
        me().cluster = std::make_unique<cluster::SimulatedClusterClient>(cluster_);
        me().cluster->set_hook([this](cluster::SimulatedClusterClient::When, std::string_view) {
            cluster_meanwhile();
            return port_call("cluster", cluster_errors_);
        });
    } else {
        health_ = std::make_unique<SimulatedHealth>(clock_, runtime_);
        for (const auto& instance : failing_health_) health_->set_failing(instance, true);
    }
    if (led) begin_term();
}

void World::begin_term() {
    auto& process = me();
    process.wakes.clear();
    process.timers.clear();
    process.failures.clear();
    process.reconciler = std::make_unique<reconcile::Reconciler>(reconciler_ports());
    process.reconciler->on_change([this, &process](const std::optional<AppId>& app) {
        if (app) {
            process.wakes.insert(*app);
        } else {
            process.next_sweep = clock_.now();
        }
    });
    process.synced = false;
    process.next_sweep = clock_.now();
}

reconcile::ReconcilerPorts World::reconciler_ports() {
    using Ports = std::variant<reconcile::MachinePorts, reconcile::ClusterPorts>;
    return {
        .store = store_,
        .registry = registry_,
        // Small, so that addresses come around.
        .place = place_ == Place::cluster
                     ? Ports(reconcile::ClusterPorts{*me().cluster})
                     : Ports(reconcile::MachinePorts{
                           .runtime = runtime_,
                           .gateway = gateway_,
                           .health = *health_,
                           .network_range = *parse_network_range("10.208.0.0/20")}),
        .clock = clock_,
        .random = random_,
        .config = config_,
        .unseal = [](const EnvVersion&) -> Result<reconcile::SecretEnv> {
            return reconcile::SecretEnv{};
        },
        .log_tail = [](const Instance&) { return std::string("its last words"); },
        .forget_logs = [](const AppId&) -> Result<> { return {}; },
        .url_of = [](const std::string& host) { return url_of(host, 8080); },
        .machine = machine_view(),
        .run_all = {},
    };
}

void World::meanwhile() {
    if (!me().in_pass || settling_) return;
    const auto chance = dice_.below(100);
    if (chance >= 8) return;
    me().in_pass = false;
    trace("  meanwhile");
    if (chance < 4) {
        traffic();
    } else if (chance < 6) {
        client_step();
    } else {
        step_may_cut_ = true;
        runtime_fault();
    }
    me().in_pass = true;
}

void World::run_in_process(const std::function<void()>& work) {
    auto& process = me();
    if (process.depth > 0) {
        work();
        return;
    }
    ++process.depth;
    try {
        work();
        --process.depth;
    } catch (const Crash&) {
        --process.depth;
        process.in_pass = false;
        trace("the process dies");
        count("process.crash");
        start_process();
    }
}

void World::trace(const std::string& what) {
    for (const char c : what)
        trace_hash_ = (trace_hash_ ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    trace_hash_ =
        (trace_hash_ ^ static_cast<std::uint64_t>(to_unix_ms(clock_.now()))) * 1099511628211ULL;
    if (print_trace_)
        std::printf("%s  %s\n", to_rfc3339(clock_.now()).substr(11, 12).c_str(), what.c_str());
}

// As reconcile::Loop does it.
void World::pass(const AppId& app) {
    me().wakes.erase(app);
    me().timers.erase(app);
    trace("pass " + app.str());
    run_in_process([&] {
        me().in_pass = true;
        const auto result = me().reconciler->pass(app);
        me().in_pass = false;
        if (result.gone) {
            me().failures.erase(app);
            return;
        }
        if (result.wake_at) me().timers[app] = *result.wake_at;
        if (result.error) {
            count("pass.error");
            const auto retry =
                clock_.now() + std::min<Duration>(std::chrono::seconds(10),
                                                  std::chrono::milliseconds(100) *
                                                      (1 << std::min(me().failures[app]++, 7)));
            const auto found = me().timers.try_emplace(app, retry).first;
            found->second = std::min(found->second, retry);
        } else {
            me().failures.erase(app);
        }
    });
}

void World::sweep() {
    me().next_sweep = clock_.now() + kSweepEvery;
    trace("sweep");
    run_in_process([&] {
        if (!me().synced) {
            synced_now_ = true;
            me().synced = me().reconciler->sync_gateway().has_value();
            std::vector<AppId> apps;
            const auto read = store_.read([&](const ReadTx& tx) -> Result<> {
                LOCO_ASSIGN(apps, tx.all_apps());
                return {};
            });
            if (!read) me().synced = false;
            me().wakes.insert(apps.begin(), apps.end());
            if (!me().synced) me().next_sweep = clock_.now() + std::chrono::seconds(1);
        }
        const auto result = me().reconciler->sweep();
        me().wakes.insert(result.suspicious.begin(), result.suspicious.end());
    });
}

std::optional<Time> World::next_due() const {
    std::optional<Time> next;
    const auto earlier = [&](std::optional<Time> at) {
        if (at && (!next || *at < *next)) next = at;
    };
    for (const auto& process : processes_) {
        if (!process->reconciler) continue;
        earlier(process->next_sweep);
        for (const auto& [app, at] : process->timers) earlier(at);
    }
    for (const auto& connection : connections_) earlier(connection.closes_at);
    earlier(runtime_.next_due());
    earlier(cluster_.next_due());
    if (health_) earlier(health_->next_due());
    return next;
}

void World::move_clock(Time to) {
    clock_.move_to(to);
    runtime_.advance();
    cluster_.advance();
    if (health_) health_->poll();
    std::erase_if(connections_, [&](const Connection& connection) {
        if (connection.closes_at > clock_.now()) return false;
        gateway_.close_connection(connection.instance);
        return true;
    });
}

bool World::wake_due_timers() {
    bool any = false;
    for (auto it = me().timers.begin(); it != me().timers.end();) {
        if (it->second > clock_.now()) {
            ++it;
            continue;
        }
        me().wakes.insert(it->first);
        it = me().timers.erase(it);
        any = true;
    }
    return any;
}

void World::advance_time() {
    step_may_cut_ = true;  // containers end by themselves
    const auto due = *next_due();
    const auto jump = clock_.now() + dice_.up_to(std::chrono::seconds(20));
    move_clock(dice_.percent(80) ? std::max(due, clock_.now() + Duration(1)) : std::min(due, jump));
}

void World::begin_step() {
    step_may_cut_ = false;
    synced_now_ = false;
    behind_.clear();
    const auto compare = [this](const auto& one, const auto& other) {
        for (const auto& [app, routes] : one) {
            const auto found = other.find(app);
            if (found == other.end() || found->second != routes) behind_.insert(app);
        }
    };
    compare(gateway_.rendered(), gateway_.running());
    compare(gateway_.running(), gateway_.rendered());
}

// On a machine there is one that leads, always.
bool World::process_step() {
    for (std::size_t i = 0; i < processes_.size(); ++i) {
        me_ = (me_ + 1) % processes_.size();
        if (!me().reconciler) continue;
        (void)wake_due_timers();
        if (me().next_sweep <= clock_.now()) {
            sweep();
            return true;
        }
        if (!me().wakes.empty() && (settling_ || dice_.percent(70))) {
            auto it = me().wakes.begin();
            if (!settling_)
                std::advance(it, static_cast<std::ptrdiff_t>(dice_.below(me().wakes.size())));
            pass(AppId(*it));
            return true;
        }
    }
    return false;
}

bool World::step() {
    begin_step();
    if (health_) health_->poll();
    if (process_step()) {
    } else if (dice_.percent(40)) {
        advance_time();
    } else if (dice_.percent(65)) {
        client_step();
    } else {
        fault_step();
    }
    return check();
}

bool World::settle() {
    end_faults();
    settling_ = true;
    trace("faults end");
    const Time until = clock_.now() + kMostToSettle;
    std::string why;
    for (int i = 0; i < 100'000; ++i) {
        begin_step();
        if (health_) health_->poll();
        if (!process_step()) {
            if (at_rest(why)) return place_ == Place::machine || stays_quiet();
            if (clock_.now() > until) {
                violation_ = "it does not come to rest: " + why;
                return false;
            }
            step_may_cut_ = true;
            move_clock(std::max(*next_due(), clock_.now() + Duration(1)));
        }
        if (!check()) return false;
    }
    violation_ = "it runs in circles: " + why;
    return false;
}

}  // namespace loco::simulation
