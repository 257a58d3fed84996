// What must hold after every step, and what must be so once faults have ended.
#include <algorithm>

#include "domain/deployment.hpp"
#include "reconcile/routes.hpp"
#include "tests/simulation/world.hpp"
#include "usecase/capacity.hpp"

namespace loco::simulation {
namespace {

bool holds_lock(const Deployment& row) {
    return !is_terminal(row.state) && row.state != DeploymentState::building;
}

// Whether the state machine leads from one to the other, over any states between.
bool leads_to(DeploymentState from, DeploymentState to) {
    if (from == to) return true;
    for (int i = 0; i <= static_cast<int>(DeploymentState::superseded); ++i) {
        const auto next = static_cast<DeploymentState>(i);
        if (may_follow(from, next) && leads_to(next, to)) return true;
    }
    return false;
}

bool scaled_to_zero(const App& app) {
    const auto scale = app.scale.find("web");
    return scale != app.scale.end() && scale->second.replicas == 0;
}

std::string id_of(const Instance& row) {
    return row.id.str() + " (" + row.process + ", " + std::string(to_string(row.state)) + ")";
}

}  // namespace

bool World::broken(const std::string& what) {
    if (violation_.empty()) {
        violation_ = what;
        dump();
    }
    return false;
}

void World::dump() {
    for (const auto& pod : cluster_.pods()) {
        trace("  pod " + pod.seen.name + " of " + pod.app.str() + " set " + pod.seen.set.str() +
              " in state " + std::to_string(static_cast<int>(pod.seen.state)));
    }
    for (const auto& [id, row] : rows_instances_) {
        trace("  " + id_of(row) + " of " + row.app.str() + " set " + row.set.str() + " at " +
              row.address + (runtime_.running(id) ? " runs" : "") +
              (runtime_.answers(id, row.attempt) ? " answers" : ""));
    }
    for (const auto& server : gateway_.servers()) {
        trace("  gateway: " + server.app.str() + " " + server.port_name + " " +
              server.endpoint.instance.str() + (server.endpoint.draining ? " draining" : "") +
              (server.removed ? " removed" : ""));
    }
}

// What is in flight is cut only where draining took too long, or there is nobody to answer it.
bool World::check_cuts() {
    std::map<InstanceId, Instance> now_connected;
    std::set<InstanceId> listed;
    for (const auto& server : gateway_.servers()) {
        if (server.removed) continue;
        listed.insert(server.endpoint.instance);
        const auto row = rows_instances_.find(server.endpoint.instance);
        if (server.connections > 0 && row != rows_instances_.end())
            now_connected[row->first] = row->second;
    }
    for (const auto& [id, row] : connected_) {
        // Nothing to drain is decided before it is cut.
        const auto now = rows_instances_.find(id);
        const bool given_up =
            now == rows_instances_.end() || now->second.state == InstanceState::stopping;
        if (row.state == InstanceState::stopping || (listed.contains(id) && !given_up)) continue;
        if (step_may_cut_ || behind_.contains(row.app)) continue;
        const auto app = rows_apps_.find(row.app);
        if (app == rows_apps_.end() || app->second.destroying || !runtime_.answers(id, row.attempt))
            continue;
        const bool drained =
            row.state == InstanceState::draining && row.deadline && *row.deadline <= clock_.now();
        if (drained || releases_[row.release].spec.deploy.stop_timeout == Millis(0)) continue;
        return broken("what was in flight to " + id_of(row) + " was cut off");
    }
    connected_ = std::move(now_connected);
    return true;
}

bool World::check() {
    if (place_ == Place::cluster) return check_rows() && check_cluster();
    return check_rows() && check_room_is_kept() && check_went_live() && check_containers() &&
           check_gateway() && check_cuts() && check_service();
}

// What was admitted fits into the machine, whatever came meanwhile, also at the height of every rollout.
bool World::check_room_is_kept() {
    Share sum;
    look([&](const ReadTx& tx) -> Result<> {
        std::map<std::pair<TeamId, std::string>, Share> rolling;
        LOCO_ASSIGN(const auto all, holdings(tx));
        for (const auto& one : all) rolling[{one.team, one.app}] = one.share;
        for (const auto& [id, app] : rows_apps_) {
            if (app.destroying) continue;
            if (app.lock) {
                sum += rolling[{app.team, app.name}];
            } else if (app.live_release) {
                LOCO_ASSIGN(const auto live, tx.release(*app.live_release));
                sum += need_of(live.spec, app.scale);
            }
        }
        return {};
    });
    const auto room = room_of(size_, {});
    if (sum.memory_bytes > room.memory_bytes || sum.cpu_millis > room.cpu_millis)
        return broken("apps hold more than the machine has: " + size_text(sum.memory_bytes) +
                      " of " + size_text(room.memory_bytes));
    return true;
}

bool World::brought_code(const Deployment& row) const {
    const auto release = row.release ? releases_.find(*row.release) : releases_.end();
    return release != releases_.end() && release->second.deployment == row.id;
}

bool World::check_deployment(const Deployment& row, const App* app) {
    const auto name = row.id.str() + " (" + std::string(to_string(row.kind)) + ", " +
                      std::string(to_string(row.state)) + ")";
    if (holds_lock(row) && (app == nullptr || app->lock != row.id))
        return broken("open deployment without the lock: " + name);
    if (is_terminal(row.state) && !row.ended_at) return broken("ended without a time: " + name);
    const bool explained =
        row.state == DeploymentState::failed || row.state == DeploymentState::superseded;
    if (explained &&
        (!row.diagnosis || row.diagnosis->message.empty() || row.diagnosis->code.empty())) {
        return broken("ended without a diagnosis: " + name);
    }
    const auto before = deployments_.find(row.id);
    if (before == deployments_.end()) {
        deployments_[row.id] = row;
        return true;
    }
    if (before->second.state == row.state) {
        before->second = row;
        return true;
    }
    if (!leads_to(before->second.state, row.state)) {
        return broken("no such step: " + name + " was " +
                      std::string(to_string(before->second.state)));
    }
    if (row.state == DeploymentState::live) given_up_.erase(row.app);
    if (row.state == DeploymentState::live && row.kind == DeploymentKind::deploy &&
        brought_code(row)) {
        for (const auto& [id, other] : deployments_) {
            const bool came_between =
                other.app == row.app && id > row.id && other.kind != DeploymentKind::env &&
                other.kind != DeploymentKind::redeploy && other.state == DeploymentState::live &&
                brought_code(other) && *other.ended_at < row.phases.at("checking");
            if (came_between)
                return broken("older code went live over newer: " + name + " over " + id.str());
        }
    }
    const bool undone =
        row.state == DeploymentState::failed || row.state == DeploymentState::cancelled;
    const bool recreated = row.release && releases_.contains(*row.release) &&
                           releases_[*row.release].spec.deploy.strategy == Strategy::recreate;
    if (undone && row.set &&
        (recreated || (row.diagnosis && (row.diagnosis->code == "gateway_unreachable" ||
                                         row.diagnosis->code == "unavailable")))) {
        given_up_.insert(row.app);
    }
    count("deployment." + std::string(to_string(row.state)) +
          (row.diagnosis ? ":" + row.diagnosis->code : ""));
    before->second = row;
    // Without a set it is a deploy that changed nothing.
    if (row.state == DeploymentState::live && row.set && app != nullptr) went_live_.insert(row.app);
    return true;
}

// Live means that traffic has moved.
bool World::check_went_live() {
    for (const auto& id : std::exchange(went_live_, {})) {
        const auto& app = rows_apps_[id];
        if (app.destroying) continue;
        const auto running = gateway_.running().find(id);
        if (running == gateway_.running().end()) return broken("live without routes: " + id.str());
        std::set<InstanceId> active;
        for (const auto& port : running->second.ports) {
            for (const auto& endpoint : port.endpoints) {
                if (!endpoint.draining) active.insert(endpoint.instance);
            }
        }
        for (const auto& one : active) {
            const auto row = rows_instances_.find(one);
            if (row == rows_instances_.end() || row->second.set != app.live_set)
                return broken("live, but traffic goes elsewhere: " + id.str());
        }
        for (const auto& [one, row] : rows_instances_) {
            const bool serves = row.app == id && row.set == app.live_set &&
                                row.state == InstanceState::healthy && row.process == "web";
            if (serves && !active.contains(one))
                return broken("live, but no traffic goes to " + id_of(row));
        }
    }
    return true;
}

// An app keeps no domain that nothing names any more.
Result<> World::check_domains(const ReadTx& tx, const App& app,
                              const std::vector<Deployment>& deployments) {
    if (app.destroying) return {};
    std::set<std::string> named;
    const auto name_all = [&](const AppSpec& spec) {
        named.insert(spec.domains.begin(), spec.domains.end());
    };
    for (const auto& row : deployments) {
        if (!is_terminal(row.state)) name_all(row.spec);
    }
    for (const auto& serving : {app.live_release, app.previous_release}) {
        if (!serving) continue;
        LOCO_ASSIGN(const auto release, tx.release(*serving));
        name_all(release.spec);
    }
    LOCO_ASSIGN(const auto hosts, tx.hosts(app.id));
    for (const auto& host : hosts) {
        if (!host.primary && !named.contains(host.name))
            broken(app.id.str() + " still keeps the domain " + host.name);
    }
    return {};
}

bool World::check_rows() {
    rows_apps_.clear();
    rows_instances_.clear();
    bool good = true;
    look([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto ids, tx.all_apps());
        for (const auto& id : ids) {
            LOCO_ASSIGN(rows_apps_[id], tx.app(id));
        }
        LOCO_ASSIGN(const auto instances, tx.all_instances());
        for (const auto& row : instances) rows_instances_[row.id] = row;
        for (const auto& [id, app] : rows_apps_) {
            // What was acknowledged is there, what was released never changes.
            LOCO_ASSIGN(const auto releases, tx.releases(id, 0, 1000));
            int number = app.next_release;
            for (const auto& row : releases) {
                if (row.number != --number)
                    good = broken("a release's number is missing in " + id.str());
                auto before = releases_.try_emplace(row.id, row).first;
                if (before->second.live_at && !row.live_at)
                    good = broken("a release forgot that it was live");
                before->second.live_at = row.live_at;
                before->second.image_kept = row.image_kept;
                if (before->second != row) good = broken("a release has changed: " + row.id.str());
                if (row.id == app.live_release && !app.destroying &&
                    (!row.image_kept || !registry_.has(row.repository, row.digest))) {
                    good = broken("the live release's image is gone: " + release_name(row.number));
                }
            }
            LOCO_ASSIGN(const auto deployments, tx.deployments(id, {}, 1000));
            int holders = 0;
            for (const auto& row : deployments) {
                good = good && check_deployment(row, &app);
                holders += holds_lock(row) ? 1 : 0;
            }
            if (holders > 1) good = broken("two deployments hold " + id.str());
            if (app.lock && std::ranges::none_of(deployments, [&](const Deployment& d) {
                    return d.id == app.lock && holds_lock(d);
                })) {
                good = broken("the lock of " + id.str() + " is held by nobody");
            }
            LOCO_TRY(check_domains(tx, app, deployments));
        }
        for (const auto& id : acknowledged_apps_) {
            if (!rows_apps_.contains(id) && !destroyed_.contains(id)) {
                // destroy may have been kept without having been acknowledged
                LOCO_ASSIGN(const auto events, tx.events({.app = id}, 0, 1000));
                if (!reconcile::contains(events, std::string("app.destroying"), &Event::kind))
                    good = broken("an app is lost: " + id.str());
                destroyed_.insert(id);
                std::erase(apps_, id);
            }
        }
        for (const auto& [id, app] : acknowledged_deployments_) {
            const auto row = tx.deployment(id);
            if (row || !rows_apps_.contains(app)) continue;
            good = broken("a deployment is lost: " + id.str());
        }
        return {};
    });
    return good;
}

bool World::check_containers() {
    std::map<std::pair<TeamId, std::string>, InstanceId> addresses;
    for (const auto& [spec, seen] : runtime_.containers()) {
        const auto row = rows_instances_.find(spec.instance.id);
        if (row == rows_instances_.end())
            return broken("a container without an instance: " + spec.instance.id.str());
        if (row->second.address != spec.instance.address)
            return broken("a container has another address: " + id_of(row->second));
        if (spec.uid <= 0) return broken("a container runs as root: " + id_of(row->second));
        if (seen.state != ContainerState::running) continue;
        const auto [other, added] =
            addresses.try_emplace({spec.network.team, seen.address}, spec.instance.id);
        if (!added) return broken("two containers run at one address: " + seen.address);
    }
    for (const auto& [deployment, count] : release_commands_) {
        if (count > 1) return broken("a release command ran twice: " + deployment.str());
    }
    return true;
}

bool World::check_gateway() {
    for (const auto& server : gateway_.servers()) {
        const auto id = server.endpoint.instance;
        const auto row = rows_instances_.find(id);
        const auto app = rows_apps_.find(server.app);
        if (row == rows_instances_.end())
            return broken("the gateway lists an instance that is gone: " + id.str());
        if (row->second.app != server.app)
            return broken("the gateway sends one app's requests to another");
        for (const auto& [other, instance] : rows_instances_) {
            if (other != id && app != rows_apps_.end() && instance.team == app->second.team &&
                instance.address == server.endpoint.address) {
                return broken("an address that the gateway lists was given again: " +
                              instance.address);
            }
        }
        if (server.removed) continue;
        if (runtime_.told_to_stop(id)) {
            return broken("the gateway still sends requests to what was told to stop: " +
                          id_of(row->second));
        }
    }
    return true;
}

// An app that can answer goes on being able to, unless something happened to it, or its people wanted it.
bool World::check_service() {
    std::set<AppId> serving;
    std::set<AppId> routed;
    for (const auto& server : gateway_.servers()) {
        if (server.removed || server.endpoint.draining || server.port_name != "http") continue;
        const auto row = rows_instances_.find(server.endpoint.instance);
        if (row == rows_instances_.end() || !runtime_.answers(row->first, row->second.attempt))
            continue;
        routed.insert(server.app);
        // What only fails its checks serves on until another does.
        if (row->second.state == InstanceState::healthy) serving.insert(server.app);
    }
    for (const auto& id : serving_) {
        const auto app = rows_apps_.find(id);
        if (routed.contains(id) || step_may_cut_ || app == rows_apps_.end() ||
            app->second.destroying)
            continue;
        const auto& row = app->second;
        if (scaled_to_zero(row) || wanted_nothing_.contains(id)) continue;
        const Release* live = row.live_release && releases_.contains(*row.live_release)
                                  ? &releases_[*row.live_release]
                                  : nullptr;
        if (live != nullptr && live->spec.type == AppType::worker)
            continue;  // it is no service any more
        // Ends that give up what had begun to serve: the gateway did not confirm a first release, or a failed
        // recreate brings back what it had stopped.
        if (given_up_.contains(id) || behind_.contains(id)) continue;
        // A process that starts tells the gateway what the rows say, before it has seen any container: a switch that was under
        // way is completed even when what it goes to has died meanwhile.
        if (synced_now_ && row.previous_set) continue;
        const auto holder = row.lock ? deployments_.find(*row.lock) : deployments_.end();
        if (holder != deployments_.end() && holder->second.release &&
            releases_.contains(*holder->second.release) &&
            releases_[*holder->second.release].spec.deploy.strategy == Strategy::recreate) {
            continue;
        }
        return broken("a service was taken down by what only should change it: " + id.str());
    }
    serving_ = std::move(serving);
    wanted_nothing_.clear();
    for (const auto& [id, app] : rows_apps_) {
        if (scaled_to_zero(app)) wanted_nothing_.insert(id);
    }
    return true;
}

bool World::app_at_rest(const reconcile::AppRows& rows, std::string& why) {
    const auto no = [&](const std::string& what) {
        why = rows.app.id.str() + ": " + what;
        return false;
    };
    if (rows.app.destroying) return no("it is still being destroyed");
    if (!rows.open.empty())
        return no("deployment " + rows.open.front().id.str() + " is " +
                  std::string(to_string(rows.open.front().state)));
    if (rows.app.lock || rows.app.previous_set || rows.app.previous_release)
        return no("something holds it");
    std::size_t wanted = 0;
    if (const Release* live = rows.release(rows.app.live_release)) {
        const bool flaky = flaky_images_.contains(live->digest);
        for (const auto& process : wanted_processes(live->spec, rows.app.scale)) {
            wanted += static_cast<std::size_t>(process.replicas);
            for (int index = 0; index < process.replicas; ++index) {
                const auto found =
                    std::ranges::find_if(rows.instances, [&](const Instance& instance) {
                        return instance.set == rows.app.live_set &&
                               instance.process == process.name && instance.index == index;
                    });
                if (found == rows.instances.end()) return no("an instance is missing");
                if (found->release != live->id) return no("an instance runs another release");
                if (flaky) continue;
                if (found->state != InstanceState::healthy) return no(id_of(*found));
                if (!runtime_.running(found->id)) return no("it does not run: " + id_of(*found));
            }
        }
    }
    if (rows.instances.size() != wanted) return no("there are instances that nobody wants");
    const auto running = gateway_.running().find(rows.app.id);
    if (running == gateway_.running().end() || running->second != reconcile::routes_of(rows)) {
        return no("the gateway has other routes");
    }
    return true;
}

bool World::at_rest(std::string& why) {
    if (place_ == Place::cluster) return cluster_at_rest(why);
    bool good = true;
    std::size_t instances = 0;
    std::set<AppId> apps;
    look([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto ids, tx.all_apps());
        for (const auto& id : ids) {
            apps.insert(id);
            LOCO_ASSIGN(const auto rows, reconcile::load_rows(tx, id));
            instances += rows.instances.size();
            good = good && app_at_rest(rows, why);
        }
        return {};
    });
    if (!good) return false;
    for (const auto& image : unreported_) {
        if (!registry_.has(image.first, image.second)) continue;
        why = "an image that nobody reported is kept: " + image.second;
        return false;
    }
    std::size_t running = 0;
    bool flaky = false;
    for (const auto& [spec, seen] : runtime_.containers()) {
        running += 1;
        flaky = flaky || flaky_images_.contains(spec.image.digest);
    }
    if (running > instances || (running < instances && flaky_images_.empty())) {
        why = "containers and instances differ";
        return false;
    }
    for (const auto& [app, routes] : gateway_.running()) {
        if (!apps.contains(app)) {
            why = "routes of an app that is gone";
            return false;
        }
    }
    for (const auto& server : gateway_.servers()) {
        if (!apps.contains(server.app)) {
            why = "servers of an app that is gone";
            return false;
        }
    }
    return true;
}

}  // namespace loco::simulation
