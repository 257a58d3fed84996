#include "reconcile/cluster_app.hpp"

#include <algorithm>

#include "domain/capacity.hpp"
#include "domain/diagnosis.hpp"

namespace loco::reconcile {
namespace {

bool takes_pods(const ObservedNode& node) { return node.ready && node.schedulable; }

ClusterProcess process_of(const AppSpec& spec, const ClusterOrder& order,
                          const WantedProcess& wanted) {
    ClusterProcess out{.name = wanted.name,
                       .main = wanted.main,
                       .command = wanted.command,
                       .replicas = wanted.replicas,
                       .max_replicas = wanted.replicas,
                       .cpu_target = 0,
                       .cpu_millis = wanted.cpu_millis,
                       .cpu_max_millis = wanted.cpu_max_millis,
                       .memory_bytes = wanted.memory_bytes};
    const auto scaled = order.scale.find(wanted.name);
    const bool by_hand = scaled != order.scale.end() && scaled->second.replicas;
    if (wanted.main && !by_hand && spec.scale.cpu_target > 0 && spec.scale.max > wanted.replicas) {
        out.max_replicas = spec.scale.max;
        out.cpu_target = spec.scale.cpu_target;
    }
    return out;
}

}  // namespace

std::optional<ClusterOrder> cluster_order(const AppRows& rows) {
    if (rows.app.destroying) return std::nullopt;
    const Deployment* open = rows.holder();
    if (open != nullptr && open->state == DeploymentState::rolling && open->release &&
        open->set == open->id) {
        return ClusterOrder{*open->release, *open->set, rows.app.scale};
    }
    if (!rows.app.live_release || !rows.app.live_set) return std::nullopt;
    return ClusterOrder{*rows.app.live_release, *rows.app.live_set, rows.live_scale()};
}

ClusterApp cluster_app(const AppRows& rows, const ClusterOrder& order, SecretEnv secrets,
                       const std::string& url) {
    const Release& release = *rows.release(order.release);
    ClusterApp out{.app = rows.app.id,
                   .app_name = rows.app.name,
                   .team = rows.team.id,
                   .team_slug = rows.team.slug,
                   .release = release,
                   .set = order.set,
                   .processes = {},
                   .env = environment(rows, release, std::move(secrets), url),
                   .hosts = {}};
    for (const auto& wanted : wanted_processes(release.spec, order.scale))
        out.processes.push_back(process_of(release.spec, order, wanted));
    // A domain is kept for the app from the beginning of a deploy: what serves until then is not what it was named for.
    const Release* live = rows.release(rows.app.live_release);
    for (const auto& host : rows.hosts) {
        if (host.primary || (live != nullptr && contains(live->spec.domains, host.name)))
            out.hosts.push_back(host.name);
    }
    return out;
}

Result<> check_fits(const std::vector<ObservedNode>& nodes, const AppSpec& spec,
                    const std::map<std::string, ScaleOverride>& scale) {
    const auto wanted = wanted_processes(spec, scale);
    if (std::ranges::none_of(wanted, [](const auto& process) { return process.replicas > 0; }))
        return {};
    if (std::ranges::none_of(nodes, takes_pods)) {
        return fail(ErrorKind::refused,
                    nodes.empty() ? "the cluster has no node"
                                  : "no node of the cluster is ready to take an instance",
                    "see why: kubectl get nodes", "no_node_ready");
    }
    for (const auto& process : wanted) {
        const auto holds = [&](const ObservedNode& node) {
            return takes_pods(node) && node.cpu_millis >= process.cpu_millis &&
                   node.memory_bytes >= process.memory_bytes;
        };
        if (process.replicas == 0 || std::ranges::any_of(nodes, holds)) continue;
        std::int64_t cpu = 0;
        std::int64_t memory = 0;
        for (const auto& node : nodes) {
            if (!takes_pods(node)) continue;
            cpu = std::max(cpu, node.cpu_millis);
            memory = std::max(memory, node.memory_bytes);
        }
        return fail(ErrorKind::refused,
                    "no node can ever hold one instance of " + process.name + ": it asks for " +
                        cpu_text(process.cpu_millis) + " and " + memory_text(process.memory_bytes) +
                        ", and the most that a node has is " + cpu_text(cpu) + " and " +
                        memory_text(memory),
                    "ask for less: [resources] in loco.toml, or loco scale; or add a larger node",
                    "does_not_fit");
    }
    return {};
}

}  // namespace loco::reconcile
