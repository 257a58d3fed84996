// Apps on a cluster: what goes wrong there and with those who lead, and what must hold.
#include <algorithm>

#include "reconcile/cluster_app.hpp"
#include "tests/simulation/world.hpp"

namespace loco::simulation {
namespace {

using std::chrono::seconds;

}  // namespace

cluster::SimulatedPodBehaviour World::pod_behaviour(const Release& release,
                                                    const std::string& process) {
    cluster::SimulatedPodBehaviour out;
    if (process == "release") {
        out.exits_after = dice_.up_to(dice_.percent(10) ? seconds(60) : seconds(3));
        out.exit_code = dice_.percent(15) ? 1 : 0;
        return out;
    }
    const auto& image = images_[release.digest];
    out.ready_after = image.healthy_after;
    if (release.spec.ports.empty() || process != main_process(release.spec))
        out.ready_after = Duration{0};
    out.exits_after = image.exits_after;
    out.exit_code = image.exit_code;
    out.oom_killed = image.oom_killed;
    if (!image.refused.empty()) {
        out.problem = image.refused;
        out.problem_code = "cannot_start";
    }
    out.stops_after = image.stops_after.value_or(seconds(30));
    return out;
}

void World::cluster_fault() {
    const auto pods = cluster_.pods();
    const auto what = dice_.below(100);
    if (what < 20) {
        move_leadership();
    } else if (what < 35) {
        auto& process = *dice_.pick(processes_);
        if (cluster_away_) return;
        process.cluster->set_stale(!process.cluster->stale());
        trace(process.cluster->stale() ? "a view is old" : "a view is new again");
        count("cluster.stale");
    } else if (what < 42) {
        cluster_away_ = !cluster_away_;
        trace(cluster_away_ ? "the API server is away" : "the API server is back");
        cluster_.set_away(cluster_away_);
        count("cluster.away");
    } else if (what < 52) {
        const auto node = dice_.pick(cluster_.nodes());
        trace("node " + node.name + (node.ready ? " is lost" : " is back"));
        for (const auto& pod : pods) {
            if (pod.seen.node == node.name) disturbed_.insert(pod.app);
        }
        cluster_.set_node_ready(node.name, !node.ready);
        count("node.lost");
    } else if (what < 62) {
        const auto apps = cluster_.apps();
        if (apps.empty()) return;
        const auto app = dice_.pick(apps);
        trace("a stranger changes " + app.str());
        if (cluster_.change_by_hand(app)) count("cluster.drift");
    } else if (!pods.empty()) {
        const auto& pod = dice_.pick(pods);
        const auto id = pod.seen.instance;
        disturbed_.insert(pod.app);
        if (what < 85) {
            trace("crash " + id.str());
            if (cluster_.crash(id, 1 + static_cast<int>(dice_.below(3)), dice_.percent(30)))
                count("pod.crash");
        } else {
            trace("a stranger deletes " + id.str());
            if (cluster_.delete_pod(id)) count("pod.deleted");
        }
    }
}

// Another leads from now on. Who led may believe for a while that it still does.
void World::move_leadership() {
    const auto was = me_;
    for (std::size_t i = 0; i < processes_.size(); ++i) {
        auto& process = *processes_[i];
        if (process.reconciler && process.depth == 0 && dice_.percent(60))
            process.reconciler.reset();
    }
    me_ = dice_.below(processes_.size());
    if (!me().reconciler) {
        trace("process " + std::to_string(me_) + " leads");
        count("leader.moves");
        begin_term();
    }
    const auto leaders = std::ranges::count_if(
        processes_, [](const auto& one) { return one->reconciler != nullptr; });
    if (leaders > 1) count("leader.two");
    me_ = was;
}

// While one waits for a call, time passes for all others: another that leads too has a pass, or the world changes.
void World::cluster_meanwhile() {
    if (!me().in_pass || settling_) return;
    const auto chance = dice_.below(100);
    if (chance >= 14) return;
    const auto was = me_;
    me().in_pass = false;
    trace("  meanwhile");
    if (chance < 4) {
        client_step();
    } else if (chance < 8) {
        cluster_fault();
    } else {
        for (std::size_t i = 0; i < processes_.size(); ++i) {
            auto& other = *processes_[i];
            if (i == was || !other.reconciler || other.depth > 0) continue;
            me_ = i;
            if (!other.wakes.empty()) {
                count("pass.beside");
                pass(AppId(*other.wakes.begin()));
            }
            break;
        }
    }
    me_ = was;
    me().in_pass = true;
}

void World::end_cluster_faults() {
    cluster_errors_ = 0;
    cluster_away_ = false;
    cluster_.set_away(false);
    for (const auto& node : cluster_.nodes()) cluster_.set_node_ready(std::string(node.name), true);
    // The lease has run out for all but one.
    std::size_t leader = processes_.size();
    for (std::size_t i = 0; i < processes_.size(); ++i) {
        auto& process = *processes_[i];
        process.cluster->set_stale(false);
        if (process.reconciler && leader < processes_.size()) process.reconciler.reset();
        if (process.reconciler) leader = i;
    }
    if (leader == processes_.size()) {
        me_ = 0;
        begin_term();
    }
}

bool World::check_cluster() {
    for (const auto& [deployment, runs] : cluster_.commands()) {
        if (runs > 1) return broken("a release command ran twice: " + deployment.str());
    }
    std::map<AppId, int> ready;
    for (const auto& [id, row] : rows_apps_) {
        const auto* ordered = cluster_.ordered(id);
        if (row.destroying || ordered == nullptr || !row.live_set)
            continue;  // nothing that anybody was promised
        const auto& spec = ordered->release.spec;
        const auto main = std::string(main_process(spec));
        // A service that becomes a worker is none any more, and the other way round.
        const bool changes_type = std::ranges::any_of(deployments_, [&](const auto& one) {
            const auto release =
                one.second.release ? releases_.find(*one.second.release) : releases_.end();
            return one.second.app == id && one.second.set && release != releases_.end() &&
                   main_process(release->second.spec) != main;
        });
        const auto process = std::ranges::find(ordered->processes, main, &ClusterProcess::name);
        const int serve = cluster_.ready(id, main);
        const int most = std::min(serve, process->replicas);
        if (serve >= process->replicas) disturbed_.erase(id);
        ready[id] = most;
        // Its pods end by themselves, or make room for others: then nobody promises anything.
        const bool exempt =
            changes_type || spec.deploy.strategy == Strategy::recreate || disturbed_.contains(id) ||
            std::ranges::any_of(cluster_.pods(), [&](const auto& pod) {
                return pod.app == id && (pod.seen.exit_code || pod.behaviour.exits_after ||
                                         pod.seen.process != main);
            });
        const auto before = ready_.find(id);
        if (exempt || before == ready_.end()) continue;
        if (serve < std::min(before->second, process->replicas))
            return broken("fewer pods serve than are wanted: " + std::to_string(serve) + " of " +
                          id.str());
    }
    ready_ = std::move(ready);
    return true;
}

bool World::cluster_at_rest(std::string& why) {
    bool good = true;
    std::set<AppId> apps;
    look([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto ids, tx.all_apps());
        for (const auto& id : ids) {
            apps.insert(id);
            LOCO_ASSIGN(const auto rows, reconcile::load_rows(tx, id));
            const auto no = [&](const std::string& what) {
                if (good) why = id.str() + ": " + what;
                good = false;
            };
            if (rows.app.destroying) no("it is still being destroyed");
            if (!rows.open.empty())
                no("deployment " + rows.open.front().id.str() + " is " +
                   std::string(to_string(rows.open.front().state)));
            if (rows.app.lock || rows.app.previous_set) no("something holds it");
            const auto* ordered = cluster_.ordered(id);
            const auto order = reconcile::cluster_order(rows);
            if (ordered == nullptr
                    ? order.has_value()
                    : !order || order->set != ordered->set || order->release != ordered->release.id)
                no("the cluster was told something else");
            if (cluster_.changed_by_hand(id)) no("what a stranger has changed is not put right");
            std::map<InstanceId, InstanceState> noted;
            for (const auto& row : rows.instances) noted[row.id] = row.state;
            std::size_t serve = 0;
            for (const auto& pod : cluster_.pods()) {
                if (pod.app != id || pod.seen.process == "release") continue;
                ++serve;
                if (!noted.contains(pod.seen.instance)) no("a pod is not noted: " + pod.seen.name);
                if (order && pod.seen.set != order->set)
                    no("a pod is of another set: " + pod.seen.name);
                if (pod.seen.state == PodState::ready &&
                    noted[pod.seen.instance] != InstanceState::healthy)
                    no("a ready pod is not healthy");
            }
            if (serve != rows.instances.size()) no("instances and pods differ");
            if (!order) {
                if (serve > 0) no("pods run that nobody wants");
                continue;
            }
            const auto& release = *rows.release(order->release);
            for (const auto& process : wanted_processes(release.spec, order->scale)) {
                if (flaky_images_.contains(release.digest)) continue;
                if (cluster_.ready(id, process.name) != process.replicas)
                    no("not all of " + process.name + " are ready");
            }
        }
        return {};
    });
    for (const auto& id : cluster_.apps()) {
        if (good && !apps.contains(id)) {
            why = "something is left of an app that is gone: " + id.str();
            good = false;
        }
    }
    return good;
}

// What is as it should be is not ordered again, whatever looks at it.
bool World::stays_quiet() {
    const auto writes = cluster_.writes();
    std::size_t commands = 0;  // that are taken away in their time
    for (const auto& pod : cluster_.pods()) commands += pod.seen.process == "release" ? 1U : 0U;
    const Time until = clock_.now() + std::chrono::minutes(5);
    for (bool idle = false; clock_.now() < until || !idle;) {
        begin_step();
        idle = !process_step();
        if (idle && clock_.now() < until) {
            move_clock(std::max(*next_due(), clock_.now() + Duration(1)));
            idle = false;  // there may be work again
        }
        if (!check()) return false;
    }
    if (cluster_.writes() > writes + commands) {
        violation_ = "it orders though nothing has changed";
        return false;
    }
    std::string why;
    if (cluster_at_rest(why)) return true;
    return broken("it does not stay at rest: " + why);
}

}  // namespace loco::simulation
