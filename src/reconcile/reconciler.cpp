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

}  // namespace

Reconciler::Reconciler(ReconcilerPorts ports)
    : shared_(std::make_unique<Shared>(std::move(ports))) {}
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

PassResult Reconciler::pass(const AppId& app) {
    const log::Context context{{"app", app.str()}};
    const auto kept = memo(app);
    auto result = Pass(*shared_, *kept, app).run();
    if (result.gone) {
        for (const auto& instance : kept->watched) shared_->ports.health.unwatch(instance);
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
        if (kept == shared_->memos.end() || !kept->second->routes_known) return true;
    }
    LOCO_ASSIGN(const auto open, tx.open_deployments(id));
    return !open.empty();
}

SweepResult Reconciler::sweep() {
    SweepResult out;
    // Containers first: whatever they show has had its row before it.
    const auto containers = shared_->ports.runtime.list_all();
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
        if (const auto removed = shared_->ports.runtime.remove(orphan); !removed && !out.error)
            out.error = removed.error();
    }
    for (const auto& instance : instances) {
        if (!is_settled(instance, *containers)) suspicious.insert(instance.app);
    }
    out.suspicious.assign(suspicious.begin(), suspicious.end());
    return out;
}

Result<> Reconciler::sync_gateway() {
    std::vector<AppRoutes> all;
    LOCO_TRY(shared_->ports.store.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto apps, tx.all_apps());
        for (const auto& app : apps) {
            LOCO_ASSIGN(const auto rows, load_rows(tx, app));
            if (!rows.app.destroying) all.push_back(routes_of(rows));
        }
        return {};
    }));
    const auto synced = shared_->ports.gateway.sync(all);
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
