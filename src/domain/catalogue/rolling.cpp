#include <array>

#include "domain/catalogue.hpp"

namespace loco {
namespace {

using enum ErrorKind;

constexpr std::array kEntries{
    Explanation{"never_healthy", rollout_failed, "The new instances were not healthy in time",
                "They run, but did not answer as they should until `[deploy] timeout`. The "
                "evidence says what the last check saw. Without `[health] path` any answer below "
                "500 on the port is healthy; with it, 2xx or 3xx.",
                "it must listen on 0.0.0.0 (not on 127.0.0.1) at the port of [http] port, which is "
                "also in $PORT\n"
                "the path must answer without signing in: [health] path\n"
                "it needs longer to start: raise [deploy] timeout, or [resources] cpu_max"},
    Explanation{"exited_at_start", rollout_failed, "The program ended before it could serve",
                "A container runs as long as its program does. It ended, with the status and the "
                "last lines that are shown. 0: it had nothing more to do. 127: no such program. "
                "126: it may not be executed. 128+N: signal N.",
                "read its last lines, or all: loco logs --release vN\n"
                "is a variable missing? loco env list\n"
                "run it here: docker run --rm IMAGE"},
    Explanation{"oom_killed_at_start", rollout_failed, "It ran out of memory while starting",
                "It used more than `[resources] memory`, which is a limit, swap included, and the "
                "kernel killed it.",
                "give it more: [resources] memory = \"512Mi\"\n"
                "or tell its runtime about the limit (JVM: -XX:MaxRAMPercentage, Node: "
                "--max-old-space-size)"},
    Explanation{
        "cannot_start", rollout_failed, "The program could not be started",
        "The image's CMD or ENTRYPOINT, or `[deploy] command`, names a file that is not in the "
        "image, that its user may not execute, that is for another processor, or whose interpreter "
        "is missing (a `#!` line with a CR at its end, or a shell that the image does not have).",
        "look into the image: docker run --rm --entrypoint ls IMAGE -l /app\n"
        "executable: RUN chmod +x /app/start\n"
        "line ends: git config core.autocrlf input, and save the script with LF"},
    Explanation{"lost_at_start", rollout_failed, "The new instance's container disappeared",
                "Something else than Loco removed it while it was starting: a clean-up by hand or "
                "by a script.",
                "deploy again: loco redeploy"},
    Explanation{"not_stopped", rollout_failed,
                "What served before could not be stopped to make room",
                "With `strategy = \"recreate\"` the old instances go first, and they did not go "
                "until the deadline.",
                "see what the gateway or the engine lacks: /readyz of loco-api names it\n"
                "then loco redeploy"},
    Explanation{"gateway_unreachable", rollout_failed,
                "The gateway could not be told of the new instances",
                "They are healthy, but the gateway did not answer until the deadline, so that "
                "traffic stays where it was.",
                "see its log: DATA/log/haproxy.log\n"
                "then loco redeploy"},
    Explanation{
        "cancelled", interrupted, "It was cancelled",
        "Somebody asked for it (Ctrl-C in `loco deploy` does). What served before still serves."},
    Explanation{"unschedulable", rollout_failed, "No node had room in time",
                "On Kubernetes: the cluster found no node with enough free CPU and memory until "
                "`[deploy] timeout`. Its own words are in the message.",
                "see what the nodes have left: kubectl describe nodes\n"
                "ask for less, or add a node"},
    Explanation{"image_pull_failed", rollout_failed, "A node could not fetch the image",
                "On Kubernetes: the kubelet could not get the image from Loco's registry, under "
                "the name that the server gives it.",
                "can nodes reach the registry? [operate on "
                "Kubernetes](../guides/operate-on-kubernetes.md)\n"
                "then loco redeploy"},
    Explanation{"refused_by_cluster", refused, "The cluster makes no pods for the app",
                "On Kubernetes: a ResourceQuota, a LimitRange or a policy refuses them. Its own "
                "words are in the message.",
                "ask for less, or have the namespace's limits raised"},
    Explanation{"not_routed", rollout_failed, "The gateway did not take the app's routes",
                "On Kubernetes: all instances are healthy, but the Gateway did not accept the "
                "route until the deadline.",
                "kubectl describe gateway -A\n"
                "then loco redeploy"},
    Explanation{"not_replaced", rollout_failed, "Old pods did not go in time",
                "On Kubernetes: all new instances are healthy, but the rollout did not end until "
                "`[deploy] timeout`.",
                "see what keeps them: kubectl describe pods\n"
                "then loco redeploy"},
    Explanation{"superseded", conflict, "A deploy that began later is live already",
                "Yours holds older code, so it does not replace what is newer.",
                "deploy again, if yours is what should be live"},
    Explanation{"deployment_failed", rollout_failed, "The deployment failed",
                "The server kept no reason for it.", "see what happened: loco events"},
};

}  // namespace

std::span<const Explanation> explained_rolling() { return kEntries; }

}  // namespace loco
