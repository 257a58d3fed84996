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
}

Result<ManifestInfo> SimulatedRegistry::manifest(const std::string& repository, const std::string& digest) {
    LOCO_TRY(hook_());
    if (!has(repository, digest)) return fail(ErrorKind::not_found, "no such manifest");
    return ManifestInfo{.digest = digest, .media_type = "application/vnd.oci.image.manifest.v1+json", .total_bytes = 1};
}

Result<RegistryToken> SimulatedRegistry::push_token(const std::string&) {
    LOCO_TRY(hook_());
    return RegistryToken{.token = Secret<>("token"), .expires_at = clock_.now() + std::chrono::minutes(5)};
}

Result<RegistryToken> SimulatedRegistry::pull_token(const std::string& repository) { return push_token(repository); }

Result<> SimulatedRegistry::remove_manifest(const std::string& repository, const std::string& digest) {
    LOCO_TRY(hook_());
    manifests_.erase({repository, digest});
    runtime_.forget_image({repository, digest});
    return hook_();
}

World::World(std::uint64_t seed)
    : seed_(seed), dice_(seed * 2 + 1), random_(seed * 2 + 2), runtime_(clock_),
      registry_(runtime_, clock_, [this] { return port_call("registry", registry_errors_); }) {
    store_.set_fault_hook([this](store::MemoryStore::Point) { return port_call("store", store_errors_); });
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
            wakes_.insert(*app);
        } else {
            next_sweep_ = clock_.now();
        }
    });
    for (int number = 0; number < 2; ++number) {
        Team team{.id = TeamId::make(clock_, random_), .slug = "team" + std::to_string(number), .number = number, .created_at = clock_.now()};
        const auto written = store_.write([&](WriteTx& tx) { return tx.put(team); });
        LOCO_CHECK(written.has_value());
        teams_.push_back(team.id);
    }
    start_process();
}

Context World::context() {
    return {.store = store_,
            .clock = clock_,
            .random = random_,
            .config = config_,
            .wake = [this](const AppId& app) { wakes_.insert(app); }};
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
        return fail(ErrorKind::unavailable, std::string("the ") + port + " does not answer (simulated)");
    }
    return {};
}

void World::start_process() {
    wakes_.clear();
    timers_.clear();
    failures_.clear();
    reconciler_.reset();
    health_ = std::make_unique<SimulatedHealth>(clock_, runtime_);
    for (const auto& instance : failing_health_) health_->set_failing(instance, true);
    health_->on_change([this](const AppId& app) { wakes_.insert(app); });
    reconciler_ = std::make_unique<reconcile::Reconciler>(reconcile::ReconcilerPorts{
        .store = store_,
        .runtime = runtime_,
        .gateway = gateway_,
        .registry = registry_,
        .health = *health_,
        .clock = clock_,
        .random = random_,
        .config = config_,
        .unseal = [](const EnvVersion&) -> Result<reconcile::SecretEnv> { return reconcile::SecretEnv{}; },
        .log_tail = [](const Instance&) { return std::string("its last words"); },
        .forget_logs = [](const AppId&) -> Result<> { return {}; },
        .url_of = [](const std::string& host) { return url_of(host, 8080); },
        .run_all = {},
        // Small, so that addresses come around.
        .network_range = *parse_network_range("10.208.0.0/20"),
    });
    synced_ = false;
    next_sweep_ = clock_.now();
}

void World::meanwhile() {
    if (!in_pass_ || settling_) return;
    const auto chance = dice_.below(100);
    if (chance >= 8) return;
    in_pass_ = false;
    trace("  meanwhile");
    if (chance < 4) {
        traffic();
    } else if (chance < 6) {
        client_step();
    } else {
        step_may_cut_ = true;
        runtime_fault();
    }
    in_pass_ = true;
}

void World::run_in_process(const std::function<void()>& work) {
    if (depth_ > 0) {
        work();
        return;
    }
    ++depth_;
    try {
        work();
        --depth_;
    } catch (const Crash&) {
        --depth_;
        in_pass_ = false;
        trace("the process dies");
        count("process.crash");
        start_process();
    }
}

void World::trace(const std::string& what) {
    for (const char c : what) trace_hash_ = (trace_hash_ ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    trace_hash_ = (trace_hash_ ^ static_cast<std::uint64_t>(to_unix_ms(clock_.now()))) * 1099511628211ULL;
    if (print_trace_) std::printf("%s  %s\n", to_rfc3339(clock_.now()).substr(11, 12).c_str(), what.c_str());
}

// As reconcile::Loop does it.
void World::pass(const AppId& app) {
    wakes_.erase(app);
    timers_.erase(app);
    trace("pass " + app.str());
    run_in_process([&] {
        in_pass_ = true;
        const auto result = reconciler_->pass(app);
        in_pass_ = false;
        if (result.gone) {
            failures_.erase(app);
            return;
        }
        if (result.wake_at) timers_[app] = *result.wake_at;
        if (result.error) {
            count("pass.error");
            const auto retry = clock_.now() + std::min<Duration>(std::chrono::seconds(10),
                                                                 std::chrono::milliseconds(100) * (1 << std::min(failures_[app]++, 7)));
            const auto found = timers_.try_emplace(app, retry).first;
            found->second = std::min(found->second, retry);
        } else {
            failures_.erase(app);
        }
    });
}

void World::sweep() {
    next_sweep_ = clock_.now() + kSweepEvery;
    trace("sweep");
    run_in_process([&] {
        if (!synced_) {
            synced_now_ = true;
            synced_ = reconciler_->sync_gateway().has_value();
            std::vector<AppId> apps;
            const auto read = store_.read([&](const ReadTx& tx) -> Result<> {
                LOCO_ASSIGN(apps, tx.all_apps());
                return {};
            });
            if (!read) synced_ = false;
            wakes_.insert(apps.begin(), apps.end());
            if (!synced_) next_sweep_ = clock_.now() + std::chrono::seconds(1);
        }
        const auto result = reconciler_->sweep();
        wakes_.insert(result.suspicious.begin(), result.suspicious.end());
    });
}

std::optional<Time> World::next_due() const {
    std::optional<Time> next = next_sweep_;
    const auto earlier = [&](std::optional<Time> at) {
        if (at && *at < *next) next = at;
    };
    for (const auto& [app, at] : timers_) earlier(at);
    for (const auto& connection : connections_) earlier(connection.closes_at);
    earlier(runtime_.next_due());
    earlier(health_->next_due());
    return next;
}

void World::move_clock(Time to) {
    clock_.move_to(to);
    runtime_.advance();
    health_->poll();
    std::erase_if(connections_, [&](const Connection& connection) {
        if (connection.closes_at > clock_.now()) return false;
        gateway_.close_connection(connection.instance);
        return true;
    });
}

bool World::wake_due_timers() {
    bool any = false;
    for (auto it = timers_.begin(); it != timers_.end();) {
        if (it->second > clock_.now()) {
            ++it;
            continue;
        }
        wakes_.insert(it->first);
        it = timers_.erase(it);
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

bool World::step() {
    begin_step();
    health_->poll();
    (void)wake_due_timers();
    if (next_sweep_ <= clock_.now()) {
        sweep();
    } else if (!wakes_.empty() && dice_.percent(70)) {
        auto it = wakes_.begin();
        std::advance(it, static_cast<std::ptrdiff_t>(dice_.below(wakes_.size())));
        pass(AppId(*it));
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
        health_->poll();
        (void)wake_due_timers();
        if (next_sweep_ <= clock_.now()) {
            sweep();
        } else if (!wakes_.empty()) {
            pass(AppId(*wakes_.begin()));
        } else {
            if (at_rest(why)) return true;
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
