#include "domain/diagnosis.hpp"

#include <array>
#include <utility>

namespace loco {
namespace {

constexpr std::uint8_t kRolloutFailed = static_cast<std::uint8_t>(ErrorKind::rollout_failed);

// Linux numbers, as 128+n appears in an exit status.
constexpr std::array<std::pair<int, const char*>, 13> kSignals{{
    {1, "SIGHUP"},
    {2, "SIGINT"},
    {3, "SIGQUIT"},
    {4, "SIGILL: an instruction that this processor lacks"},
    {5, "SIGTRAP"},
    {6, "SIGABRT: it aborted itself"},
    {7, "SIGBUS"},
    {8, "SIGFPE"},
    {9, "SIGKILL: it was killed"},
    {11, "SIGSEGV: a crash in native code"},
    {13, "SIGPIPE"},
    {15, "SIGTERM: it was asked to stop"},
    {31, "SIGSYS: a system call that is not allowed"},
}};

std::string signal_text(int number) {
    for (const auto& [n, text] : kSignals) {
        if (n == number) return text;
    }
    return "signal " + std::to_string(number);
}

Diagnosis make(std::string code, DeploymentState phase, std::string message, std::string evidence,
               std::vector<std::string> next_steps) {
    return {std::move(code),     std::string(to_string(phase)), std::move(message),
            std::move(evidence), std::move(next_steps),         kRolloutFailed};
}

std::string seconds_text(Millis time) {
    const auto ms = time.count();
    if (ms >= 60'000 && ms % 60'000 == 0) return std::to_string(ms / 60'000) + "m";
    return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
}

std::string evidence_of(const ContainerEnd& end) {
    std::string out;
    if (!end.runtime_error.empty()) out = end.runtime_error;
    if (!end.tail.empty()) out += (out.empty() ? "" : "\n") + end.tail;
    return out;
}

}  // namespace

std::string instance_name(const Instance& instance) {
    return instance.one_shot ? instance.process
                             : instance.process + "." + std::to_string(instance.index);
}

std::string memory_text(std::int64_t bytes) {
    constexpr std::int64_t kMi = 1 << 20;
    constexpr std::int64_t kGi = 1 << 30;
    if (bytes >= kGi && bytes % kGi == 0) return std::to_string(bytes / kGi) + " GiB";
    if (bytes >= kMi) return std::to_string(bytes / kMi) + " MiB";
    return std::to_string(bytes) + " bytes";
}

std::string describe_end(const ContainerEnd& end, std::int64_t memory_bytes) {
    if (!end.runtime_error.empty()) return "could not be started: " + end.runtime_error;
    if (!end.exit_code) return "is gone: its container was removed by something else than Loco";
    const int code = *end.exit_code;
    const auto status = "exited with " + std::to_string(code);
    if (end.oom_killed)
        return status + ": it ran out of memory; its limit is " + memory_text(memory_bytes);
    if (code == 0) return status + ": it ended by itself, without an error";
    if (code == 125) return status + ": the container engine could not run it";
    if (code == 126) return status + ": the command was found but could not be executed";
    if (code == 127) return status + ": the command was not found";
    if (code > 128 && code < 128 + 65) return status + ": " + signal_text(code - 128);
    return status;
}

Diagnosis diagnose_exit_at_start(const Instance& instance, const ContainerEnd& end) {
    const auto message = instance_name(instance) + " " + describe_end(end, instance.memory_bytes) +
                         ", before it could serve";
    const auto evidence = evidence_of(end);
    if (end.oom_killed) {
        return make("oom_killed_at_start", DeploymentState::rolling, message, evidence,
                    {"give it more: raise [resources] memory in loco.toml (now " +
                         memory_text(instance.memory_bytes) + ")",
                     "or make it need less: look at what it loads when it starts"});
    }
    if (!end.runtime_error.empty()) {
        return make("cannot_start", DeploymentState::rolling,
                    instance_name(instance) + " could not be started: " + end.runtime_error,
                    end.tail,
                    {"check that the image's CMD or ENTRYPOINT (or [deploy] command) names a file "
                     "in the image that its user may execute"});
    }
    if (!end.exit_code) {
        return make("lost_at_start", DeploymentState::rolling, message, evidence,
                    {"deploy again: loco redeploy"});
    }
    std::vector<std::string> steps;
    if (*end.exit_code == 127 || *end.exit_code == 126) {
        steps = {
            "check that the image's CMD or ENTRYPOINT (or [deploy] command) names a file in the "
            "image that its user may execute"};
    } else if (*end.exit_code == 0) {
        steps = {"a service must keep running: start the server in the foreground",
                 "a job that ends belongs into [deploy] release_command"};
    } else {
        steps = {"read its last lines above, or all of them: loco logs --release vN",
                 "check that it finds its variables: loco env list"};
    }
    return make("exited_at_start", DeploymentState::rolling, message, evidence, std::move(steps));
}

Diagnosis diagnose_release_command(const Instance& instance, const ContainerEnd& end) {
    if (!end.exit_code && end.runtime_error.empty()) {
        return make("release_command_lost", DeploymentState::releasing,
                    "the release command's container is gone, so nobody can say how it ended; it "
                    "is not run a second time",
                    end.tail, {"check what it has done, then deploy again: loco redeploy"});
    }
    std::vector<std::string> steps{
        "read its last lines above, or all of them: loco logs --process release"};
    if (end.oom_killed)
        steps = {"raise [resources] memory in loco.toml (now " +
                 memory_text(instance.memory_bytes) + ")"};
    return make("release_command_failed", DeploymentState::releasing,
                "the release command " + describe_end(end, instance.memory_bytes) +
                    "; no traffic was moved",
                evidence_of(end), std::move(steps));
}

Diagnosis diagnose_release_command_timeout(Millis timeout) {
    return make(
        "release_command_timeout", DeploymentState::releasing,
        "the release command did not end within " + seconds_text(timeout) + " and was stopped", {},
        {"give it longer: raise [deploy] timeout in loco.toml",
         "read what it did: loco logs --process release"});
}

Diagnosis diagnose_never_healthy(const std::vector<Unhealthy>& instances, int port,
                                 const std::string& health_path, Millis timeout,
                                 const std::string& tail) {
    std::string message;
    std::string evidence;
    for (const auto& one : instances) {
        message += (message.empty() ? "" : ", ") + one.name;
        if (!one.problem.empty()) evidence += one.name + ": " + one.problem + "\n";
    }
    if (message.empty()) message = "no instance";
    message += (instances.size() > 1 ? " were" : " was") + std::string(" not healthy within ") +
               seconds_text(timeout);
    evidence += tail;
    while (!evidence.empty() && evidence.back() == '\n') evidence.pop_back();
    std::vector<std::string> steps;
    if (port > 0) {
        const auto number = std::to_string(port);
        message += health_path.empty()
                       ? ": nothing answered as it should on port " + number
                       : ": GET " + health_path + " on port " + number + " gave no 2xx or 3xx";
        steps = {"check that it listens on 0.0.0.0:" + number +
                     " (the port is also in $PORT), not on 127.0.0.1",
                 health_path.empty()
                     ? "or tell the port that it listens on: [http] port in loco.toml"
                     : "check that " + health_path +
                           " answers without signing in: [health] path in loco.toml",
                 "if it needs longer to start: raise [deploy] timeout in loco.toml"};
    } else {
        steps = {"read what it said: loco logs"};
    }
    return make("never_healthy", DeploymentState::rolling, message, evidence, std::move(steps));
}

Diagnosis diagnose_not_stopped() {
    return make(
        "not_stopped", DeploymentState::rolling,
        "the instances that serve could not be stopped to make room (strategy = \"recreate\"), so "
        "no new one was started",
        {},
        {"see what is wrong with the gateway or the container engine: /readyz of loco-api names it",
         "then deploy again: loco redeploy"});
}

Diagnosis diagnose_unschedulable(const std::vector<Unhealthy>& instances, Millis timeout,
                                 const std::string& words) {
    std::string names;
    for (const auto& one : instances) names += (names.empty() ? "" : ", ") + one.name;
    return make("unschedulable", DeploymentState::rolling,
                names + " got no node within " + seconds_text(timeout) + ": " + words, {},
                {"see what the nodes have left: kubectl describe nodes",
                 "ask for less: [resources] in loco.toml, or loco scale; or add a node"});
}

Diagnosis diagnose_image_pull(const Instance& instance, const std::string& words) {
    return make("image_pull_failed", DeploymentState::rolling,
                instance_name(instance) +
                    " could not be started: its node cannot fetch the image: " + words,
                {},
                {"check that the nodes reach the registry under the name that Loco gives it",
                 "then deploy again: loco redeploy"});
}

Diagnosis diagnose_not_routed(const std::string& words) {
    return make("not_routed", DeploymentState::rolling,
                "the new instances are healthy, but the gateway did not take the app's routes" +
                    (words.empty() ? std::string() : ": " + words),
                {},
                {"see what is wrong with the Gateway: kubectl describe gateway -A",
                 "then deploy again: loco redeploy"});
}

Diagnosis diagnose_not_replaced(Millis timeout) {
    return make(
        "not_replaced", DeploymentState::rolling,
        "the new instances are healthy, but the cluster did not finish the rollout within " +
            seconds_text(timeout),
        {},
        {"see what keeps the old pods: kubectl describe pods", "then deploy again: loco redeploy"});
}

Diagnosis diagnose_gateway_unreachable() {
    return make("gateway_unreachable", DeploymentState::rolling,
                "the new instances are healthy, but the gateway could not be told to send them "
                "traffic; what served before still serves",
                {},
                {"see what is wrong with the gateway: log/haproxy.log in the server's data folder",
                 "then deploy again: loco redeploy"});
}

Diagnosis diagnose_client_gone() {
    auto out =
        make("client_gone", DeploymentState::building, "the client went away while it was building",
             {}, {"deploy again: loco deploy"});
    out.kind = static_cast<std::uint8_t>(ErrorKind::build_failed);
    return out;
}

Diagnosis diagnose_cancelled(DeploymentState phase) {
    auto out = make("cancelled", phase,
                    "it was cancelled while " + std::string(to_string(phase)) +
                        "; what served before still serves",
                    {}, {});
    out.kind = static_cast<std::uint8_t>(ErrorKind::interrupted);
    return out;
}

Diagnosis diagnose_unavailable(DeploymentState phase, const Error& error) {
    auto out = diagnose_error(phase, error);
    out.message = "gave up after trying until the deadline: " + error.message;
    out.kind = static_cast<std::uint8_t>(ErrorKind::unavailable);
    return out;
}

Diagnosis diagnose_error(DeploymentState phase, const Error& error) {
    auto steps = error.next_steps;
    if (steps.empty() && !error.hint.empty()) steps.push_back(error.hint);
    return {std::string(error.code_or_kind()),
            std::string(to_string(phase)),
            error.message,
            {},
            std::move(steps),
            static_cast<std::uint8_t>(error.kind)};
}

}  // namespace loco
