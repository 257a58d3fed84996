#include "reconcile/rows.hpp"

#include <algorithm>

namespace loco::reconcile {
const Release* AppRows::release(const std::optional<ReleaseId>& id) const {
    if (!id) return nullptr;
    const auto found = releases.find(*id);
    return found == releases.end() ? nullptr : &found->second;
}

const Deployment* AppRows::holder() const {
    if (!app.lock) return nullptr;
    const auto found = std::ranges::find(open, *app.lock, &Deployment::id);
    return found == open.end() ? nullptr : &*found;
}

const std::map<std::string, ScaleOverride>& AppRows::live_scale() const {
    const Deployment* held_by = holder();
    const bool makes_set = held_by != nullptr && held_by->kind == DeploymentKind::scale &&
                           held_by->set == held_by->id && app.live_set != held_by->id;
    return makes_set ? held_by->previous_scale : app.scale;
}

Result<AppRows> load_rows(const ReadTx& tx, const AppId& id) {
    AppRows rows;
    LOCO_ASSIGN(rows.app, tx.app(id));
    LOCO_ASSIGN(rows.team, tx.team(rows.app.team));
    LOCO_ASSIGN(rows.open, tx.open_deployments(id));
    LOCO_ASSIGN(rows.instances, tx.instances(id));
    LOCO_ASSIGN(rows.hosts, tx.hosts(id));
    const auto need = [&](const std::optional<ReleaseId>& release) -> Result<> {
        if (!release || rows.releases.contains(*release)) return {};
        LOCO_ASSIGN(rows.releases[*release], tx.release(*release));
        return {};
    };
    LOCO_TRY(need(rows.app.live_release));
    LOCO_TRY(need(rows.app.previous_release));
    for (const auto& deployment : rows.open) LOCO_TRY(need(deployment.release));
    for (const auto& instance : rows.instances) LOCO_TRY(need(instance.release));
    return rows;
}

bool is_routed(const Release& release, const std::string& process) {
    return process == main_process(release.spec) &&
           std::ranges::any_of(release.spec.ports,
                               [](const PortSpec& port) { return !port.path.empty(); });
}

}  // namespace loco::reconcile
