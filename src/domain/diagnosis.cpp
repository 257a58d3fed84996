#include "domain/diagnosis.hpp"

#include <utility>

#include "domain/causes.hpp"

namespace loco {
namespace {

constexpr std::uint8_t kRolloutFailed = static_cast<std::uint8_t>(ErrorKind::rollout_failed);
constexpr int kLoop = 3;  // as many crashes in a row are no accident

Diagnosis make(std::string code, DeploymentState phase, std::string message, std::string evidence,
               std::vector<std::string> next_steps) {
    return {std::move(code),     std::string(to_string(phase)), std::move(message),
            std::move(evidence), std::move(next_steps),         kRolloutFailed};
}

DeploymentState phase_of(Moment moment) {
    switch (moment) {
        case Moment::releasing: return DeploymentState::releasing;
        case Moment::serving: return DeploymentState::live;
        case Moment::starting:
        case Moment::late: break;
    }
    return DeploymentState::rolling;
}

std::string name_of(const Facts& facts) {
    return facts.moment == Moment::releasing ? "the release command" : facts.name;
}

bool could_not_start(const Facts& facts, const Cause& cause) {
    return cause.could_not_start || !facts.end.runtime_error.empty();
}

std::string ordinal(int number) {
    const int last = number % 10;
    const bool teen = number % 100 >= 11 && number % 100 <= 13;
    return std::to_string(number) + (teen        ? "th"
                                     : last == 1 ? "st"
                                     : last == 2 ? "nd"
                                     : last == 3 ? "rd"
                                                 : "th");
}

bool is_loop(const Facts& facts) {
    return facts.moment == Moment::serving && facts.ended && facts.crashes >= kLoop;
}

// What became of it, as one sees from outside: "exited with 1 before it could serve".
std::string what_became(const Facts& facts, const Cause& cause) {
    if (could_not_start(facts, cause)) return "could not be started";
    std::string out;
    const auto signal = signal_of(facts.end.exit_code.value_or(0));
    if (!facts.ended) {
        if (facts.moment == Moment::serving && facts.trouble == PodTrouble::none)
            return "fails its health checks";
        if (facts.moment == Moment::serving) return "is not ready any more";
        if (facts.trouble == PodTrouble::unschedulable)
            return "got no node within " + duration_text(facts.timeout);
        if (facts.trouble == PodTrouble::not_made || facts.trouble == PodTrouble::limited)
            return "got no pod within " + duration_text(facts.timeout);
        if (facts.trouble == PodTrouble::not_started)
            return "was not started within " + duration_text(facts.timeout);
        out = "was not healthy within " + duration_text(facts.timeout);
    } else if (was_put_down(facts)) {
        out = "failed its health checks and was ended by the cluster";
    } else if (facts.end.oom_killed) {
        out = "was killed for memory";
    } else if (signal) {
        out = "was killed by " + signal->name;
    } else {
        out = "exited with " + std::to_string(facts.end.exit_code.value_or(0));
    }
    if (facts.moment == Moment::starting) out += " before it could serve";
    if (is_loop(facts)) out += " for the " + ordinal(facts.crashes) + " time in a row";
    return out;
}

std::string also(const Facts& facts) {
    if (facts.alike.empty()) return {};
    std::string names;
    for (const auto& one : facts.alike) names += (names.empty() ? "" : ", ") + one;
    return " (" + names + " too)";
}

std::string evidence_of(const Facts& facts, const Cause& cause) {
    std::string out;
    const auto add = [&](const std::string& line) {
        if (!line.empty()) out += line + "\n";
    };
    if (facts.end.runtime_error != cause.why) add(facts.end.runtime_error);
    for (const auto& line : cause.shows) add(line);
    if (!facts.ended || was_put_down(facts)) {
        const bool asked = facts.trouble == PodTrouble::none;
        if (asked && facts.check.words != cause.why && !facts.check.words.empty())
            add("the last health check: " + facts.check.words);
        if (facts.container.listeners && facts.port > 0) {
            std::string sockets;
            for (const auto& one : *facts.container.listeners)
                sockets += (sockets.empty() ? "" : ", ") + listener_text(one);
            add("it listens on: " + (sockets.empty() ? "nothing" : sockets));
        }
    }
    out += facts.tail;
    while (!out.empty() && out.back() == '\n') out.pop_back();
    return out;
}

Cause cause_of(const Facts& facts) {
    if (auto cause = cluster_cause(facts)) return *cause;
    if (auto cause = start_cause(facts)) return *cause;
    if (facts.ended && facts.end.exit_code) return end_cause(facts);
    return health_cause(facts);
}

// Nobody can say how it ended.
Diagnosis lost(const Facts& facts) {
    if (facts.moment == Moment::releasing) {
        return make("release_command_lost", DeploymentState::releasing,
                    "the release command's container is gone, so nobody can say how it ended; it "
                    "is not run a second time",
                    facts.tail, {"check what it has done, then deploy again: loco redeploy"});
    }
    const bool serving = facts.moment == Moment::serving;
    return make(
        serving ? "container_removed" : "lost_at_start", phase_of(facts.moment),
        facts.name + " is gone: its container was removed by something else than Loco", facts.tail,
        serving ? std::vector<std::string>{"nothing: another is started; to stop an app use "
                                           "loco scale --replicas 0, or loco destroy"}
                : std::vector<std::string>{"deploy again: loco redeploy"});
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

Diagnosis diagnose(const Facts& facts) {
    const bool gone = facts.ended && !facts.end.exit_code && facts.end.runtime_error.empty();
    if (gone && facts.trouble == PodTrouble::none) return lost(facts);
    auto cause = cause_of(facts);
    auto message = name_of(facts) + " " + what_became(facts, cause) + also(facts);
    if (!cause.why.empty()) message += (cause.guess ? ", probably because " : ": ") + cause.why;
    if (facts.moment == Moment::releasing) {
        message += "; no traffic was moved";
        if (cause.code == "deadline") {
            cause.code = "release_command_timeout";
        } else if (cause.code != "release_command_oom_killed") {
            cause.code = "release_command_failed";
        }
    }
    if (is_loop(facts)) {
        if (cause.code == "crashed") cause.code = "crash_loop";
        cause.next_steps.emplace_back("or go back to the release that ran before: loco rollback");
    }
    auto evidence = evidence_of(facts, cause);
    return make(std::move(cause.code), phase_of(facts.moment), std::move(message),
                std::move(evidence), std::move(cause.next_steps));
}

std::string why_it_waits(const Facts& facts) {
    const auto cause = cause_of(facts);
    if (!facts.end.runtime_error.empty()) return "could not be started: " + cause.why;
    return (cause.guess ? "probably " : "") + cause.why;
}

Problem problem_of(const Diagnosis& diagnosis, const std::string& name) {
    const auto lead = name + " ";
    return {.code = diagnosis.code,
            .message = diagnosis.message.starts_with(lead) ? diagnosis.message.substr(lead.size())
                                                           : diagnosis.message,
            .next_steps = diagnosis.next_steps};
}

Diagnosis diagnose_release_command_timeout(const Facts& facts) {
    return make("release_command_timeout", DeploymentState::releasing,
                "the release command did not end within " + duration_text(facts.timeout) +
                    " and was stopped; no traffic was moved",
                facts.tail,
                {"give it longer: raise [deploy] timeout in loco.toml",
                 "read what it did: loco logs --process release"});
}

Diagnosis diagnose_ignored_stop(const std::string& name, Millis stop_timeout) {
    return make("ignored_sigterm", DeploymentState::live,
                name + " did not stop within " + duration_text(stop_timeout) +
                    " of SIGTERM and is killed: what it was doing is cut off",
                {},
                {"end by yourself on SIGTERM: stop listening, answer what is under way, exit",
                 "a shell script does not pass it on: start the program with exec",
                 "if it needs longer: [deploy] stop_timeout in loco.toml"});
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
            duration_text(timeout),
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
