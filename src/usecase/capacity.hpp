// What apps hold of the machine, by the rows: what is live, and what is being rolled out at its height. So a deployment that has
// taken its app's lock has its room, and the next that asks counts it.
#pragma once

#include <vector>

#include "domain/capacity.hpp"
#include "usecase/context.hpp"

namespace loco {

// Of all apps but that one; the largest is not first. What is being stopped counts no more.
[[nodiscard]] Result<std::vector<Holding>> holdings(const ReadTx& tx, const AppId& but = {});

// What a deployment is going to roll out.
struct RoomNeed {
    DeploymentKind kind = DeploymentKind::deploy;
    const AppSpec* next = nullptr;
    std::map<std::string, ScaleOverride> scale;
    bool in_place = false;  // a change of replicas
};

// Why the machine has no room for it, if so (domain/capacity.hpp: check_room). Nothing is refused on a cluster, whose nodes are
// asked instead, nor as long as the engine has not told what the machine has. To be called before the app's row is changed.
[[nodiscard]] Result<> check_room(const MachineView& machine, const ReadTx& tx, const App& app,
                                  const RoomNeed& need);

// refused (disk_full) when nothing new may be deployed for want of disk.
[[nodiscard]] Result<> check_disks(const MachineView& machine);

}  // namespace loco
