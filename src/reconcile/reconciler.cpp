#include "reconcile/reconciler.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "reconcile/pass.hpp"
#include "reconcile/routes.hpp"

namespace loco::reconcile {
namespace {

// Whether an app's instance and its container are as they should be, so that no pass is needed for it.
bool is_settled(const Instance& instance, const std::vector<ObservedContainer>& all) {
    if (instance.state != InstanceState::healthy) return false;
    return std::ranges::any_of(all, [&](const ObservedContainer& seen) {
        return seen.instance == instance.id && seen.attempt == instance.attempt &&
               seen.state == ContainerState::running;
    });
}

// Whether an app's pods are those that were noted as healthy: a quiet app's are.
bool is_noted(const ObservedApp& seen, const std::set<InstanceId>& noted) {
    return seen.pods.size() == noted.size() &&
           std::ranges::all_of(seen.pods, [&](const ObservedPod& pod) {
               return pod.state == PodState::ready && noted.contains(pod.instance);
           });
}

}  // namespace

Reconciler::Reconciler(ReconcilerPorts ports)
    : shared_(std::make_shared<Shared>(std::move(ports))) {}
Reconciler::~Reconciler() = default;

std::shared_ptr<Reconciler::Memo> Reconciler::memo(const AppId& app) {
    const std::lock_guard lock(shared_->mutex);
    auto& memo = shared_->memos[app];
    if (!memo) memo = std::make_shared<Memo>();
    return memo;
}

void Reconciler::forget(const AppId& app) {
    const std::lock_guard lock(shared_->mutex);
    shared_->memos.erase(app);
}

void Reconciler::end() {
    const std::lock_guard lock(shared_->mutex);
    const auto* machine = std::get_if<MachinePorts>(&shared_->ports.place);
    for (const auto& [app, memo] : shared_->memos) {
        if (machine == nullptr) break;
        for (const auto& instance : memo->watched) machine->health.unwatch(instance);
    }
    shared_->memos.clear();
}

PassResult Reconciler::pass(const AppId& app) {
    const log::Context context{{"app", app.str()}};
    const auto kept = memo(app);
    auto result = Pass(*shared_, *kept, app).run();
    if (result.gone) {
        if (const auto* machine = std::get_if<MachinePorts>(&shared_->ports.place)) {
            for (const auto& instance : kept->watched) machine->health.unwatch(instance);
        }
        forget(app);
    }
    return result;
}

// Whoever changed an app's rows wakes it, unless the answer to the write was lost, or the process died in between.
Result<bool> Reconciler::is_unfinished(const ReadTx& tx, const AppId& id) {
    LOCO_ASSIGN(const auto app, tx.app(id));
    if (app.destroying || app.lock || app.previous_set) return true;
    {
        const std::lock_guard lock(shared_->mutex);
        const auto kept = shared_->memos.find(id);
        if (kept == shared_->memos.end()) return true;
        const bool on_machine = std::holds_alternative<MachinePorts>(shared_->ports.place);
        if (on_machine ? !kept->second->routes_known : !kept->second->ordered) return true;
    }
    LOCO_ASSIGN(const auto open, tx.open_deployments(id));
    return !open.empty();
}

SweepResult Reconciler::sweep() {
    if (const auto* machine = std::get_if<MachinePorts>(&shared_->ports.place))
        return sweep_machine(*machine);
    return sweep_cluster(std::get<ClusterPorts>(shared_->ports.place));
}

SweepResult Reconciler::sweep_machine(const MachinePorts& machine) {
    SweepResult out;
    // Containers first: whatever they show has had its row before it.
    const auto containers = machine.runtime.list_all();
    std::vector<Instance> instances;
    std::set<AppId> suspicious;
    const auto read = shared_->ports.store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(instances, tx.all_instances());
        LOCO_ASSIGN(const auto apps, tx.all_apps());
        for (const auto& app : apps) {
            LOCO_ASSIGN(const bool unfinished, is_unfinished(tx, app));
            if (unfinished) suspicious.insert(app);
        }
        return {};
    });
    out.suspicious.assign(suspicious.begin(), suspicious.end());
    if (!containers || !read) {
        out.error = !containers ? containers.error() : read.error();
        return out;
    }
    std::set<InstanceId> known;
    for (const auto& instance : instances) known.insert(instance.id);
    std::set<InstanceId> orphans;
    for (const auto& seen : *containers) {
        if (!known.contains(seen.instance)) orphans.insert(seen.instance);
    }
    for (const auto& orphan : orphans) {
        log::info("a container without an instance is removed", {{"instance", orphan.str()}});
        if (const auto removed = machine.runtime.remove(orphan); !removed && !out.error)
            out.error = removed.error();
    }
    for (const auto& instance : instances) {
        if (!is_settled(instance, *containers)) suspicious.insert(instance.app);
    }
    out.suspicious.assign(suspicious.begin(), suspicious.end());
    return out;
}

SweepResult Reconciler::sweep_cluster(const ClusterPorts& place) {
    SweepResult out;
    const bool everything = shared_->everything_changed.exchange(false);
    // What is there first: whatever it shows has had its row before it.
    const auto there = place.cluster.apps();
    std::set<AppId> known;
    std::set<AppId> suspicious;
    std::vector<Instance> instances;
    const auto read = shared_->ports.store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto apps, tx.all_apps());
        known.insert(apps.begin(), apps.end());
        for (const auto& app : apps) {
            LOCO_ASSIGN(const bool unfinished, is_unfinished(tx, app));
            if (everything || unfinished) suspicious.insert(app);
        }
        LOCO_ASSIGN(instances, tx.all_instances());
        return {};
    });
    std::map<AppId, std::set<InstanceId>> noted;
    for (const auto& instance : instances) {
        noted[instance.app].insert(instance.id);
        if (instance.state != InstanceState::healthy) suspicious.insert(instance.app);
    }
    // Another process, whose view was old, may have noted what was so once.
    for (const auto& id : known) {
        const auto seen = place.cluster.observe(id);
        if (seen && !is_noted(*seen, noted[id])) suspicious.insert(id);
    }
    out.suspicious.assign(suspicious.begin(), suspicious.end());
    if (!there || !read) {
        if (everything) shared_->everything_changed = true;
        out.error = !there ? there.error() : read.error();
        return out;
    }
    for (const auto& app : *there) {
        if (known.contains(app)) continue;
        log::info("what no app needs is removed from the cluster", {{"app", app.str()}});
        if (const auto removed = place.cluster.remove(app); !removed && !out.error)
            out.error = removed.error();
    }
    return out;
}

void Reconciler::on_change(std::function<void(std::optional<AppId>)> listener) {
    if (const auto* machine = std::get_if<MachinePorts>(&shared_->ports.place)) {
        machine->runtime.on_change(listener);
        machine->health.on_change([listener](const AppId& app) { listener(app); });
        return;
    }
    const std::weak_ptr<Shared> weak = shared_;
    std::get<ClusterPorts>(shared_->ports.place)
        .cluster.on_change([weak, listener](const std::optional<AppId>& app) {
            const auto shared = weak.lock();
            if (!shared) return;
            if (!app) shared->everything_changed = true;
            listener(app);
        });
}

Result<> Reconciler::sync_gateway() {
    const auto* machine = std::get_if<MachinePorts>(&shared_->ports.place);
    if (machine == nullptr) return {};
    std::vector<AppRoutes> all;
    LOCO_TRY(shared_->ports.store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto apps, tx.all_apps());
        for (const auto& app : apps) {
            LOCO_ASSIGN(const auto rows, load_rows(tx, app));
            if (!rows.app.destroying) all.push_back(routes_of(rows));
        }
        return {};
    }));
    const auto synced = machine->gateway.sync(all);
    if (!synced) {
        const std::lock_guard lock(shared_->mutex);
        for (auto& [app, memo] : shared_->memos) memo->routes_known = false;
        return synced;
    }
    for (auto& routes : all) {
        const auto kept = memo(routes.app);
        kept->routes_known = true;
        kept->gateway_error.reset();
        kept->routes = std::move(routes);
    }
    return {};
}

}  // namespace loco::reconcile
