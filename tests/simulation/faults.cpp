// What goes wrong: containers, the engine, the gateway, the store, the registry, and the process itself.
#include <algorithm>

#include "tests/simulation/world.hpp"

namespace loco::simulation {

void World::traffic() {
    std::vector<InstanceId> active;
    for (const auto& server : gateway_.servers()) {
        if (!server.removed && !server.endpoint.draining)
            active.push_back(server.endpoint.instance);
    }
    if (active.empty()) return;
    const auto instance = dice_.pick(active);
    if (!gateway_.open_connection(instance)) return;
    count("connection");
    if (const auto row = rows_instances_.find(instance); row != rows_instances_.end())
        connected_.try_emplace(row->first, row->second);
    // Most end soon, some are WebSockets.
    connections_.push_back(
        {instance, clock_.now() + dice_.up_to(dice_.percent(20) ? std::chrono::seconds(120)
                                                                : std::chrono::seconds(2))});
}

void World::gateway_fault() {
    switch (dice_.below(4)) {
        case 0:
            gateway_away_ = !gateway_away_;
            gateway_.set_reachable(!gateway_away_);
            trace(gateway_away_ ? "gateway away" : "gateway back");
            count("gateway.away");
            return;
        case 1:
            trace("gateway restarts");
            gateway_.restart();
            connections_.clear();
            count("gateway.restart");
            return;
        case 2: gateway_.set_slow_cuts(true); return;
        default: gateway_.finish_cuts(); gateway_.set_slow_cuts(dice_.percent(30));
    }
}

void World::runtime_fault() {
    const auto containers = runtime_.containers();
    if (dice_.percent(10)) {
        runtime_away_ = !runtime_away_;
        trace(runtime_away_ ? "engine away" : "engine back");
        if (runtime_away_) {
            runtime_.daemon_away(dice_.percent(40));
            count("engine.away");
        } else {
            runtime_.daemon_back();
        }
        return;
    }
    if (containers.empty()) return;
    const auto& [spec, seen] = dice_.pick(containers);
    const auto id = spec.instance.id;
    // Nobody removes a container in the moment between its start and its being noted: see release_commands_.
    std::map<InstanceId, InstanceState> states;
    look([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto rows, tx.all_instances());
        for (const auto& row : rows) states[row.id] = row.state;
        return {};
    });
    const bool noted = std::ranges::none_of(containers, [&](const auto& one) {
        return one.first.instance.one_shot &&
               states[one.first.instance.id] == InstanceState::pending;
    });
    switch (dice_.below(13)) {
        case 12:  // overload, or a database that all need
            trace("health fails of all of " + spec.instance.app.str());
            for (const auto& [other, unused] : containers) {
                if (other.instance.app != spec.instance.app) continue;
                failing_health_.insert(other.instance.id);
                health_->set_failing(other.instance.id, true);
            }
            count("health.all_fail");
            return;
        case 0:
        case 1:
        case 2:
        case 3:
            trace("crash " + id.str());
            if (runtime_.crash(id, 1 + static_cast<int>(dice_.below(3)), dice_.percent(20)))
                count("container.crash");
            return;
        case 4:
        case 5:
            if (!noted) return;
            trace("removed by hand " + id.str());
            if (runtime_.remove_by_hand(id)) count("container.removed");
            return;
        case 6:
            if (!noted || !dice_.percent(20)) return;
            trace("engine loses everything");
            runtime_.lose_everything();
            count("engine.loses");
            return;
        default: {
            const bool failing = !failing_health_.contains(id);
            trace((failing ? "health fails " : "health is back ") + id.str());
            if (failing) {
                failing_health_.insert(id);
            } else {
                failing_health_.erase(id);
            }
            health_->set_failing(id, failing);
            count("health.fails");
        }
    }
}

void World::fault_step() {
    step_may_cut_ = true;
    const auto what = dice_.below(100);
    if (place_ == Place::cluster && what < 75) {
        cluster_fault();
    } else if (what < 35) {
        traffic();
    } else if (what < 60) {
        runtime_fault();
    } else if (what < 75) {
        gateway_fault();
    } else if (what < 90) {
        if (crash_in_ < 0) crash_in_ = static_cast<int>(dice_.below(60));
        trace("the process will die");
    } else {
        const auto chance = [&] {
            return dice_.percent(50) ? 0 : static_cast<int>(dice_.below(20));
        };
        store_errors_ = chance() / 2;
        runtime_errors_ = chance();
        gateway_errors_ = chance();
        registry_errors_ = chance();
        if (place_ == Place::cluster) cluster_errors_ = chance();
        trace("calls fail");
        count("calls.fail");
    }
}

void World::end_faults() {
    store_errors_ = runtime_errors_ = gateway_errors_ = registry_errors_ = 0;
    crash_in_ = -1;
    builds_.clear();
    if (place_ == Place::cluster) {
        end_cluster_faults();
        return;
    }
    gateway_away_ = false;
    gateway_.set_reachable(true);
    gateway_.set_slow_cuts(false);
    gateway_.finish_cuts();
    if (runtime_away_) runtime_.daemon_back();
    runtime_away_ = false;
    for (const auto& id : failing_health_) health_->set_failing(id, false);
    failing_health_.clear();
    builds_.clear();
}

}  // namespace loco::simulation
