#include "usecase/capacity.hpp"

#include <algorithm>
#include <limits>

namespace loco {
namespace {

constexpr int kAllApps = std::numeric_limits<int>::max();

bool ends(const Instance& instance) {
    return instance.state == InstanceState::draining || instance.state == InstanceState::stopping ||
           instance.state == InstanceState::finished;
}

// By its rows of instances.
struct Running {
    Share share;
    bool some_end = false;
};

// What serves, and would serve again if what is being rolled out failed.
struct Old {
    std::optional<Release> release;
    std::map<std::string, ScaleOverride> scale;
};

Result<Old> old_of(const ReadTx& tx, const App& app, const Deployment* holder) {
    Old old{.release = {}, .scale = app.scale};
    if (holder != nullptr && holder->kind == DeploymentKind::scale)
        old.scale = holder->previous_scale;
    // While the gateway is being told, what is being rolled out is the live one already.
    const bool switched = holder != nullptr && app.live_set == holder->id;
    const auto& id = switched ? app.previous_release : app.live_release;
    if (id) {
        LOCO_ASSIGN(old.release, tx.release(*id));
    }
    return old;
}

// Of an app that a deployment holds: its rollout at its height.
Result<Share> height_of(const ReadTx& tx, const App& app) {
    LOCO_ASSIGN(const auto holder, tx.deployment(*app.lock));
    LOCO_ASSIGN(const auto old, old_of(tx, app, &holder));
    std::optional<Release> release;
    if (holder.release) {
        LOCO_ASSIGN(release, tx.release(*holder.release));
    }
    return peak_of({.old = old.release ? &old.release->spec : nullptr,
                    .old_scale = old.scale,
                    .next = release ? &release->spec : &holder.spec,
                    .scale = app.scale,
                    .in_place = holder.set && holder.set != holder.id,
                    .command = holder.state <= DeploymentState::releasing});
}

Result<Share> held_by(const ReadTx& tx, const App& app, const Running& running) {
    if (app.destroying) return running.share;
    if (app.lock) return height_of(tx, app);
    // What had made room for a rollout that failed (strategy = "recreate") is about to be started again: it is as good as there.
    if (!running.some_end || !app.live_release) return running.share;
    LOCO_ASSIGN(const auto live, tx.release(*app.live_release));
    const auto need = need_of(live.spec, app.scale);
    return Share{.cpu_millis = std::max(running.share.cpu_millis, need.cpu_millis),
                 .memory_bytes = std::max(running.share.memory_bytes, need.memory_bytes)};
}

const char* words_of(DeploymentKind kind) {
    switch (kind) {
        case DeploymentKind::deploy: return "deploy";
        case DeploymentKind::redeploy: return "redeploy";
        case DeploymentKind::rollback: return "rollback";
        case DeploymentKind::scale: return "scale";
        case DeploymentKind::env: return "change of variables";
        case DeploymentKind::restart: return "restart";
    }
    return "deployment";
}

}  // namespace

Result<std::vector<Holding>> holdings(const ReadTx& tx, const AppId& but) {
    std::map<AppId, Running> running;
    LOCO_ASSIGN(const auto instances, tx.all_instances());
    for (const auto& one : instances) {
        auto& app = running[one.app];
        if (ends(one)) {
            app.some_end = true;
        } else {
            app.share += {.cpu_millis = one.cpu_millis, .memory_bytes = one.memory_bytes};
        }
    }
    std::vector<Holding> out;
    LOCO_ASSIGN(const auto teams, tx.teams());
    for (const auto& team : teams) {
        LOCO_ASSIGN(const auto apps, tx.apps(team.id, "", kAllApps));
        for (const auto& app : apps) {
            if (app.id == but) continue;
            LOCO_ASSIGN(const auto share, held_by(tx, app, running[app.id]));
            if (share != Share()) out.push_back({team.id, app.name, share});
        }
    }
    return out;
}

Result<> check_room(const MachineView& machine, const ReadTx& tx, const App& app,
                    const RoomNeed& need) {
    if (!machine) return {};
    const auto facts = machine();
    if (!facts.size) return {};
    LOCO_ASSIGN(const auto old, old_of(tx, app, nullptr));
    const auto* old_spec = old.release ? &old.release->spec : nullptr;
    RoomRequest request{.team = app.team,
                        .app = app.name,
                        .what = words_of(need.kind),
                        .now = old_spec == nullptr ? Share() : need_of(*old_spec, old.scale),
                        .rollout = {.old = old_spec,
                                    .old_scale = old.scale,
                                    .next = need.next,
                                    .scale = need.scale,
                                    .in_place = need.in_place,
                                    .command = need.kind != DeploymentKind::scale &&
                                               need.kind != DeploymentKind::restart}};
    LOCO_ASSIGN(auto others, holdings(tx, app.id));
    return check_room(*facts.size, facts.policy, std::move(others), request);
}

Result<> check_disks(const MachineView& machine) {
    if (!machine) return {};
    return check_disks(machine());
}

}  // namespace loco
