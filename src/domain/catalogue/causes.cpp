#include <array>

#include "domain/catalogue.hpp"

namespace loco {
namespace {

using enum ErrorKind;

constexpr std::array kEntries{
    Explanation{"command_not_found", rollout_failed, "The program is not in the image",
                "What CMD, ENTRYPOINT or `[deploy] command` names is not a file of the image, or "
                "is in no folder of its `PATH`.",
                "look into the image: docker run --rm --entrypoint ls IMAGE -l /app\n"
                "with several stages: COPY it into the last one"},
    Explanation{"command_not_executable", rollout_failed, "The program may not be executed",
                "The user that the image runs as may not execute it, or it is a folder.",
                "COPY --chmod=755 START /app/\n"
                "or RUN chmod +x, before USER"},
    Explanation{"script_line_ends", rollout_failed, "A script has the line ends of Windows",
                "Its `#!` line ends in a carriage return, which the kernel takes for a part of the "
                "interpreter's name.",
                "save it with the line ends of Unix (LF)\n"
                "so that git keeps it so: *.sh text eol=lf in .gitattributes"},
    Explanation{"script_no_interpreter", rollout_failed, "A script does not say what runs it",
                "It is neither a binary nor a text with a `#!` line.",
                "begin it with #!/bin/sh\n"
                "or name what runs it: CMD [\"sh\", \"/app/start\"]"},
    Explanation{"interpreter_missing", rollout_failed, "What runs the script is not in the image",
                "Its `#!` line names a program that the image does not have; small base images "
                "have no bash, some no shell at all.",
                "name one that is there (#!/bin/sh), or take a base image that has it"},
    Explanation{"loader_missing", rollout_failed, "A dynamic binary lacks its loader",
                "It was linked against a C library that the image does not have: a binary of "
                "Debian in Alpine, or any in an image FROM scratch. The kernel then says that the "
                "file itself is not there.",
                "build it static (Go: CGO_ENABLED=0; Rust: a musl target)\n"
                "or take the base image that it was built for"},
    Explanation{"library_missing", rollout_failed, "A dynamic binary lacks a library", "",
                "install the library in the last stage, or build the binary static"},
    Explanation{"wrong_architecture", rollout_failed, "The program is for another processor", "",
                "build it for the server's: [build] platform in loco.toml; GOARCH, --target in its "
                "own build"},
    Explanation{"exec_format", rollout_failed, "The program is in no form that the node can run",
                "On Kubernetes, where nobody can look into the image: a script without a `#!` "
                "line, or a binary for another processor.",
                "begin a script with #!/bin/sh\n"
                "build a binary for the nodes' processor"},
    Explanation{"finished_at_start", rollout_failed,
                "The program ended by itself, without an error",
                "A container runs as long as its first program does. This one had nothing more to "
                "do, or went to the background.",
                "start the server in the foreground, not as a daemon\n"
                "a job that ends belongs into [deploy] release_command"},
    Explanation{"killed_by_signal", rollout_failed, "The program was killed by a signal",
                "The message names it. SIGSEGV and SIGABRT come from the program itself; SIGKILL "
                "from the machine, when it runs out of memory as a whole, or from a person.",
                "read its last lines: loco logs\n"
                "after SIGKILL look at the machine's memory: journalctl -k, free -m"},
    Explanation{"oom_killed", rollout_failed, "It was killed for memory",
                "All its processes together used more than `[resources] memory`, which is a limit, "
                "swap included.",
                "give it more: [resources] memory, or loco scale --memory\n"
                "or tell its runtime about the limit (JVM: -XX:MaxRAMPercentage, Node: "
                "--max-old-space-size)"},
    Explanation{"out_of_memory", rollout_failed,
                "It could not get the memory that it wanted, and says so",
                "It was not killed: a runtime has a bound of its own, such as the size of a heap, "
                "or asked for more than it may have.",
                "raise its own bound together with [resources] memory"},
    Explanation{"process_limit", rollout_failed, "It has as many processes and threads as it may",
                "An app may have 512 in each instance.",
                "start fewer workers or threads\n"
                "look for processes that never end\n"
                "spread the load: loco scale --replicas N"},
    Explanation{"file_limit", rollout_failed, "It has as many files and connections open as it may",
                "",
                "close what is done with: connections that are kept, files that are watched\n"
                "spread the load: loco scale --replicas N"},
    Explanation{"privilege_needed", rollout_failed, "It tried what only root may",
                "It wanted another owner or mode for a file, a file that is not its own, a port or "
                "a setting of the kernel. Apps never run as root here.",
                "do it in the Dockerfile, before USER: RUN chown -R 10001 /app/data\n"
                "listen on a port above 1024"},
    Explanation{"read_only_file_system", rollout_failed, "It wrote where nothing may be written",
                "With `[resources] writable = false` only `/tmp` is writable.",
                "write to /tmp\n"
                "or [resources] writable = true"},
    Explanation{
        "tmp_full", rollout_failed, "Its /tmp is full",
        "With `writable = false` `/tmp` is kept in memory, a quarter of `[resources] memory`.",
        "remove what is done with\n"
        "or [resources] writable = true"},
    Explanation{"no_space_left", rollout_failed, "There is no disk space left where it writes",
                "What it writes into its container lies on the machine's disk, and goes with the "
                "container.",
                "see what fills the disk: loco doctor\n"
                "what is to last belongs into a database or an object store"},
    Explanation{
        "port_in_use", rollout_failed, "Two parts of the app want the same port",
        "Each instance has ports of its own, so it is the app itself that listens there already.",
        "let one of them listen elsewhere\n"
        "look whether it starts its server twice"},
    Explanation{"host_not_found", rollout_failed, "A host that it looked for does not exist",
                "Said by its last lines. Names of a compose file are not known here; apps of the "
                "team are at APP.internal on one machine.",
                "check the address in [env], and loco env list"},
    Explanation{"dependency_refused", rollout_failed,
                "A server that it needs refused the connection",
                "Said by its last lines. 127.0.0.1 and localhost are its own container.",
                "is that server up, and at that address?\n"
                "check the address in [env], and loco env list"},
    Explanation{"variable_missing", rollout_failed, "A variable that it needs is not set",
                "Said by its last lines.",
                "loco env set NAME, or [env] in loco.toml\n"
                "name it in [secrets] required, and no deploy goes without it"},
    Explanation{"module_missing", rollout_failed, "A part of the app is not in the image",
                "Said by its last lines: a module, package or file that it loads.",
                "install it in the Dockerfile\n"
                "look whether .dockerignore leaves it out"},
    Explanation{"wrong_port", rollout_failed, "It listens on another port",
                "Loco has looked at the sockets in its network: the message names the port.",
                "[http] port in loco.toml\n"
                "or let it listen on $PORT"},
    Explanation{"loopback_only", rollout_failed, "It listens on 127.0.0.1 only",
                "Nobody outside of its container can reach that.",
                "let it listen on 0.0.0.0 (HOST=0.0.0.0, --host 0.0.0.0, …)"},
    Explanation{"udp_only", rollout_failed, "It listens on UDP only", "HTTP is asked over TCP.",
                "[http] port must be a TCP port; an app without one: type = \"worker\""},
    Explanation{"unix_socket_only", rollout_failed, "It listens on a Unix socket only", "",
                "let it listen on TCP, at 0.0.0.0:$PORT"},
    Explanation{"not_listening", rollout_failed, "It listens on nothing",
                "It runs, and has opened no port until `[deploy] timeout`.",
                "let it listen on 0.0.0.0:$PORT\n"
                "it needs longer: [deploy] timeout, or [resources] cpu_max\n"
                "it has no port: type = \"worker\""},
    Explanation{"health_unauthorized", rollout_failed, "The health path wants somebody signed in",
                "It answers 401 or 403.",
                "choose a path that answers without signing in: [health] path"},
    Explanation{"health_not_found", rollout_failed, "The health path is not there",
                "It answers 404.",
                "[health] path in loco.toml; the path is not shortened by strip_path"},
    Explanation{"health_bad_request", rollout_failed, "The health path answers 400",
                "Often a list of allowed host names: the check asks by address.",
                "let it take any Host for that path"},
    Explanation{"health_error", rollout_failed,
                "The health path answers with an error of the server",
                "It answers 5xx: the app itself says that it is not well.",
                "its last lines say why: loco logs"},
    Explanation{"health_status", rollout_failed,
                "The health path answers with a status that is not healthy",
                "With `[health] path` 2xx and 3xx are; without it, everything below 500.",
                "let it answer 200, or choose another path"},
    Explanation{"health_redirects", rollout_failed, "The health path redirects to itself",
                "A circle never comes to an answer.",
                "let it answer 200; behind Loco's gateway TLS has ended, see X-Forwarded-Proto"},
    Explanation{"health_timeout", rollout_failed, "The health path does not answer in time",
                "It takes the connection and is silent for longer than `[health] timeout`.",
                "what does it wait for? loco logs\n"
                "right to take that long: [health] timeout"},
    Explanation{"speaks_tls", rollout_failed, "It speaks TLS on its port",
                "The gateway ends TLS, and asks the app in plain HTTP.",
                "switch TLS off there, or name a port without it: [http] port"},
    Explanation{"not_http", rollout_failed, "It does not speak HTTP on its port", "",
                "name the port on which it does: [http] port\n"
                "gRPC: [http] protocol = \"h2c\""},
    Explanation{"not_http2", rollout_failed, "It does not speak HTTP/2 without TLS",
                "`[http] protocol = \"h2c\"` says that it does.",
                "leave it out for HTTP/1.1\n"
                "a gRPC server must take plaintext connections"},
    Explanation{"closes_connections", rollout_failed, "It takes connections and breaks them off",
                "", "see what it says about that: loco logs"},
    Explanation{
        "crashed", rollout_failed, "It ended while it served",
        "It is started again by itself, after 1, 2, 4 … 60 seconds. The message has its status.",
        "its last lines: loco logs --previous"},
    Explanation{"crash_loop", rollout_failed, "It ends again and again",
                "Each start is later than the one before, up to a minute.",
                "its last lines: loco logs --previous\n"
                "go back to the release that ran before: loco rollback"},
    Explanation{"hangs", rollout_failed, "It does not answer any more",
                "It takes connections and is silent for longer than `[health] timeout`, again and "
                "again. Another is started beside it.",
                "what is it busy with? loco logs, loco status"},
    Explanation{"container_removed", rollout_failed,
                "Its container was removed by something else than Loco", "Another is started.",
                "to stop an app: loco scale --replicas 0, or loco destroy"},
    Explanation{"ignored_sigterm", rollout_failed, "It went on after it was asked to stop",
                "Loco sends SIGTERM, waits for `[deploy] stop_timeout`, and kills: what it was "
                "doing then is cut off.",
                "end on SIGTERM: stop listening, answer what is under way, exit\n"
                "a shell script does not pass it on: start the program with exec\n"
                "it needs longer: [deploy] stop_timeout"},
    Explanation{"config_missing", rollout_failed, "What its environment comes from is not there",
                "On Kubernetes: somebody has removed the Secret of the app's namespace.",
                "loco redeploy"},
    Explanation{
        "not_started", rollout_failed, "Its container was not started in time",
        "On Kubernetes: until `[deploy] timeout` the cluster had made no pod for it, or its "
        "node had not started the container yet: it fetches a large image, or has much to "
        "do.",
        "see what is said of its pod: kubectl describe pods, in the app's namespace\n"
        "give it longer: [deploy] timeout"},
    Explanation{"evicted", rollout_failed, "Its node has put it out",
                "On Kubernetes: the node was short of memory or disk.",
                "see the node: kubectl describe node\n"
                "ask for what it really needs: [resources]"},
    Explanation{"node_lost", rollout_failed, "Its node is lost",
                "On Kubernetes: pods are started elsewhere after a while.", "kubectl get nodes"},
    Explanation{"cluster_quota", rollout_failed, "The namespace's quota is used up",
                "On Kubernetes: a ResourceQuota keeps the cluster from making more pods.",
                "ask for less: [resources], [scale]\n"
                "or have it raised"},
    Explanation{"deadline", rollout_failed, "It took longer than it may",
                "On Kubernetes: the pod was ended at its deadline.", "[deploy] timeout"},
};

}  // namespace

std::span<const Explanation> explained_causes() { return kEntries; }

}  // namespace loco
