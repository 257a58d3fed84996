#include "reconcile/pass.hpp"

#include <algorithm>

#include "base/log.hpp"

namespace loco::reconcile {
namespace {

// A pass that has not settled by then lets others run first.
constexpr int kMostRounds = 64;
constexpr auto kCleanupAgain = std::chrono::hours(1);

}  // namespace

PassResult Reconciler::Pass::run() {
    PassResult result;
    for (int i = 0; i < kMostRounds; ++i) {
        const auto more = round(result);
        if (!more) {
            if (more.error().kind == ErrorKind::not_found && result.gone) return result;
            if (more.error().code == kRowsMovedOn) continue;
            if (!error_) error_ = more.error();
            break;
        }
        if (!*more) {
            memo_.ordered = !error_;
            result.error = std::move(error_);
            return result;
        }
    }
    if (error_) {
        result.error = std::move(error_);
    } else {
        result.wake_at = ports_.clock.now();
    }
    return result;
}

Result<bool> Reconciler::Pass::round(PassResult& result) {
    const auto loaded = shared_.clock_jumps.load([this] { return load(); });
    if (!loaded) {
        result.gone = loaded.error().kind == ErrorKind::not_found;
        return fail(loaded.error());
    }
    // A use case has ended one: its image was refused before it came here.
    if (rows_.open.size() < memo_.open) memo_.cleanup_due = true;
    memo_.open = rows_.open.size();
    if (memo_.cleanup_at && ports_.clock.now() >= *memo_.cleanup_at) {
        memo_.cleanup_at.reset();
        memo_.cleanup_due = true;
    }
    observe();
    auto next = plan(rows_, seen_, *loaded);
    result.wake_at = next.wake_at;
    if (memo_.cleanup_again) {
        const auto rest = *memo_.cleanup_again - ports_.clock.steady();
        if (rest <= Duration(0)) {
            memo_.cleanup_due = true;
            memo_.cleanup_again.reset();
        } else {
            const Time at = ports_.clock.now() + rest;
            result.wake_at = std::min(result.wake_at.value_or(at), at);
        }
    }
    if (!next.changes.empty()) {
        LOCO_TRY(write(next.changes));
        after_write(next.changes);
        return true;
    }
    std::erase_if(next.effects, [&](const Effect& effect) { return contains(failed_, effect); });
    if (!next.effects.empty()) return run_effects(next.effects);
    if (memo_.cleanup_due && rows_.open.empty() && !rows_.app.destroying && !error_) {
        memo_.cleanup_again.reset();
        if (const auto cleaned = clean_images(); !cleaned) {
            log::failure("not all images that nothing needs were removed: tried again in an hour",
                         cleaned.error());
            memo_.cleanup_again = ports_.clock.steady() + kCleanupAgain;
        }
        memo_.cleanup_due = false;
        return true;
    }
    if (memo_.cleanup_at)
        result.wake_at = std::min(result.wake_at.value_or(*memo_.cleanup_at), *memo_.cleanup_at);
    return false;
}

Result<> Reconciler::Pass::load() {
    return ports_.store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(rows_, load_rows(tx, app_));
        if (!rows_.open.empty() || memo_.cleanup_due) return {};
        // One may have begun and ended since the last pass.
        LOCO_ASSIGN(const auto newest, tx.deployments(app_, {}, 1));
        if (!newest.empty() && newest.front().id != memo_.newest) {
            memo_.newest = newest.front().id;
            memo_.cleanup_due = true;
        }
        return {};
    });
}

void Reconciler::Pass::observe() {
    seen_.admission_errors = memo_.admission_errors;
    seen_.told_waits = memo_.told_waits;
    seen_.forgotten = memo_.forgotten;
    if (cluster() != nullptr) {
        observe_cluster();
    } else {
        observe_machine();
    }
}

void Reconciler::Pass::observe_machine() {
    if (!runtime_fresh_) observe_runtime();
    if (!gateway_fresh_) {
        // What was seen before the gateway was told something says nothing about what is in flight now.
        seen_.connections.reset();
        if (needs_connections(rows_)) observe_gateway();
    }
    observe_health();
    seen_.start_errors = memo_.start_errors;
    observe_trouble();
    seen_.routes_known = memo_.routes_known;
    seen_.routes = memo_.routes;
    seen_.gateway_error = memo_.gateway_error;
    seen_.terminated = memo_.terminated;
}

void Reconciler::Pass::observe_runtime() {
    runtime_fresh_ = true;
    auto containers = machine().runtime.list(app_);
    seen_.since = shared_.since + shared_.clock_jumps.total();
    seen_.runtime_known = containers.has_value();
    if (containers) {
        seen_.containers = std::move(*containers);
        return;
    }
    seen_.containers.clear();
    log::failure("cannot list an app's containers", containers.error());
    if (!error_) error_ = std::move(containers).error();
}

void Reconciler::Pass::observe_gateway() {
    gateway_fresh_ = true;
    auto connections = machine().gateway.connections(app_);
    if (connections) {
        seen_.connections = std::move(*connections);
        return;
    }
    log::failure("cannot ask the gateway for an app's connections", connections.error());
    if (!error_) error_ = std::move(connections).error();
}

// Watches exactly what may be healthy, and takes what the monitor has seen.
void Reconciler::Pass::observe_health() {
    std::set<InstanceId> watched;
    seen_.health.clear();
    for (const auto& instance : rows_.instances) {
        const Release* release = rows_.release(instance.release);
        const bool runs =
            instance.state == InstanceState::starting || instance.state == InstanceState::healthy;
        if (!runs || instance.one_shot || release == nullptr || release->spec.ports.empty() ||
            instance.process != main_process(release->spec)) {
            continue;
        }
        const auto& port = release->spec.ports[0];
        machine().health.watch({.instance = instance.id,
                                .app = instance.app,
                                .attempt = instance.attempt,
                                .address = instance.address,
                                .port = port.port,
                                .protocol = port.protocol,
                                .spec = release->spec.health});
        watched.insert(instance.id);
        seen_.health[instance.id] = machine().health.view(instance.id);
    }
    for (const auto& id : memo_.watched) {
        if (!watched.contains(id)) machine().health.unwatch(id);
    }
    memo_.watched = std::move(watched);
}

// A closer look, once in a pass, at what has ended by itself, does not answer, or is waited for for long.
void Reconciler::Pass::observe_trouble() {
    if (!seen_.runtime_known) return;
    const auto now = ports_.clock.now();
    for (const auto& instance : rows_.instances) {
        if (instance.state >= InstanceState::draining || instance.state == InstanceState::backoff ||
            seen_.tails.contains(instance.id)) {
            continue;
        }
        const bool awaited = contains(rows_.open, std::optional(instance.set), &Deployment::set);
        const bool late = awaited && instance.state == InstanceState::starting &&
                          now >= instance.state_since + kTellWaitEvery;
        const bool due = std::ranges::any_of(rows_.open, [&](const Deployment& open) {
            return open.set == instance.set && now >= open.deadline;
        });
        const auto view = seen_.health.find(instance.id);
        const bool failing = view != seen_.health.end() && view->second.failing;
        const auto error = seen_.start_errors.find(instance.id);
        const bool refused =
            error != seen_.start_errors.end() && error->second.attempt == instance.attempt;
        const bool exited =
            std::ranges::any_of(seen_.containers, [&](const ObservedContainer& seen) {
                const bool before_us = seen.finished_at && *seen.finished_at < seen_.since;
                return seen.instance == instance.id && seen.attempt == instance.attempt &&
                       seen.state == ContainerState::exited && (awaited || !before_us);
            });
        const bool unhealthy = instance.state != InstanceState::healthy;
        if (!(late || (due && unhealthy) || failing || refused || exited)) continue;
        seen_.tails[instance.id] = ports_.log_tail(instance);
        seen_.looks[instance.id] = machine().runtime.examine(instance.id);
    }
}

Result<> Reconciler::Pass::write(const Changes& changes) {
    std::set<std::string> avoid;
    for (const auto& seen : seen_.containers) avoid.insert(seen.address);
    auto written = ports_.store.write([&](WriteTx& tx) {
        return write_changes(tx, rows_, changes, avoid, shared_.addresses, ports_.clock,
                             ports_.random);
    });
    if (written || changes.new_instances.empty() || written.error().kind != ErrorKind::refused)
        return written;
    // There is no address for what should start. A rollout ends by it; instances of the live set wait.
    log::failure("cannot give an instance an address", written.error());
    const bool told = seen_.placement_error.has_value();
    seen_.placement_error = written.error();
    if (told || rows_.holder() == nullptr) return written;
    return fail(ErrorKind::conflict, written.error().message, {}, std::string(kRowsMovedOn));
}

void Reconciler::Pass::after_write(const Changes& changes) {
    for (const auto& change : changes.deployments) {
        if (!is_terminal(change.after.state)) continue;
        memo_.cleanup_due = true;
        memo_.admission_errors.erase(change.after.id);
        memo_.commands.erase(change.after.id);
        memo_.fetches.erase(change.after.id);
        memo_.told_waits.erase(change.after.id);
    }
    for (const auto& event : changes.events) {
        if (event.kind == kWaiting && event.deployment)
            memo_.told_waits[*event.deployment].insert(event.message);
    }
    memo_.put_right.clear();  // it is told
    for (const auto& gone : changes.gone_instances) {
        memo_.terminated.erase(gone.id);
        memo_.start_errors.erase(gone.id);
    }
}

}  // namespace loco::reconcile
