// Causes of a container that ran and ended.
#include <array>
#include <tuple>

#include "domain/causes.hpp"
#include "domain/last_lines.hpp"

namespace loco {
namespace {

constexpr std::array<std::tuple<int, const char*, const char*>, 13> kSignals{{
    {1, "SIGHUP", "its terminal went away"},
    {2, "SIGINT", "it was interrupted"},
    {3, "SIGQUIT", ""},
    {4, "SIGILL", "an instruction that this processor lacks"},
    {5, "SIGTRAP", ""},
    {6, "SIGABRT", "it aborted itself"},
    {7, "SIGBUS", "memory that it mapped was not there"},
    {8, "SIGFPE", "an arithmetic error, such as a division by zero"},
    {9, "SIGKILL",
     "by the machine or a person, not by Loco, and not for exceeding its own memory limit"},
    {11, "SIGSEGV", "a crash in native code"},
    {13, "SIGPIPE", "it wrote to a connection that was closed"},
    {15, "SIGTERM", "something asked it to stop"},
    {31, "SIGSYS", "a system call that no app may make"},
}};

Cause memory_cause(const Facts& facts) {
    Cause out{.code = "oom_killed",
              .why = "it needed more than its limit of " +
                     std::to_string(facts.memory_bytes >> 20) + " MiB",
              .next_steps = {more_memory(facts),
                             facts.moment == Moment::serving
                                 ? "or make it need less: look for what it keeps and never lets go"
                                 : "or make it need less: look at what it loads when it starts"}};
    if (facts.memory_bytes <= 0) out.why = "it needed more than it may have";
    if (facts.moment == Moment::starting) out.code = "oom_killed_at_start";
    if (facts.moment == Moment::releasing) out.code = "release_command_oom_killed";
    if (!facts.end.oom_killed) out.why = "a process in it was killed for memory, and " + out.why;
    if (facts.container.memory_peak_bytes) {
        out.shows.push_back("at most it used " +
                            std::to_string(*facts.container.memory_peak_bytes >> 20) + " MiB");
    }
    return out;
}

std::string read_more(const Facts& facts) {
    if (facts.tail.find_first_not_of(" \r\n") == std::string::npos)
        return "it has written nothing: have it say on stdout or stderr why it ends";
    if (facts.moment == Moment::releasing)
        return "read its last lines above, or all of them: loco logs --process release";
    if (facts.moment == Moment::serving)
        return "read what it said before it ended: loco logs --previous";
    return "read its last lines above, or all of them: loco logs --release " +
           (facts.release.empty() ? "vN" : facts.release);
}

}  // namespace

std::optional<SignalName> signal_of(int exit_code) {
    if (exit_code <= 128 || exit_code > 128 + 64) return std::nullopt;
    for (const auto& [number, name, meaning] : kSignals) {
        if (number == exit_code - 128) return SignalName{name, meaning};
    }
    return SignalName{"signal " + std::to_string(exit_code - 128), {}};
}

bool was_put_down(const Facts& facts) {
    constexpr int kKilled = 128 + 9;
    constexpr int kTerminated = 128 + 15;
    constexpr Millis kRounding{2'000};  // a cluster tells whole seconds
    using enum HealthCheck::Saw;
    const int code = facts.end.exit_code.value_or(0);
    const bool asked = code == 0 || code == kKilled || code == kTerminated;
    const bool failed = facts.check.saw != nothing && facts.check.saw != healthy;
    if (!facts.on_cluster || !facts.ended || !asked || !failed || facts.end.oom_killed)
        return false;
    if (!facts.check.words.starts_with("startup: ")) return facts.moment == Moment::serving;
    // Before it is healthy for the first time that costs nothing until its grace is over.
    const auto grace = facts.health.grace + std::chrono::seconds(facts.health.failures);
    return facts.ran_for && *facts.ran_for + kRounding >= grace;
}

std::string duration_text(Millis time) {
    const auto ms = time.count();
    if (ms >= 60'000 && ms % 60'000 == 0) return std::to_string(ms / 60'000) + "m";
    return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
}

Cause end_cause(const Facts& facts) {
    const auto& end = facts.end;
    const int code = *end.exit_code;
    const bool serving = facts.moment == Moment::serving;
    const bool ran = facts.moment != Moment::serving;
    if (end.oom_killed || (end.oom_within && code != 0 && ran)) return memory_cause(facts);
    if (was_put_down(facts)) return health_cause(facts);
    const auto signal = signal_of(code);
    if (code == 0) {
        return {.code = serving ? "crashed" : "finished_at_start",
                .why = "it ended by itself, without an error",
                .next_steps = {"a service must keep running: start the server in the foreground, "
                               "not as a daemon",
                               "a job that ends belongs into [deploy] release_command"}};
    }
    if (!signal || code == 128 + 6) {
        if (const auto guess = guess_from(facts.tail, facts)) {
            return {.code = guess->code,
                    .why = guess->why,
                    .guess = true,
                    .next_steps = guess->next_steps};
        }
    }
    if (signal) {
        Cause out{
            .code = "killed_by_signal", .why = signal->meaning, .next_steps = {read_more(facts)}};
        if (code == 128 + 4)
            out.next_steps.emplace_back(
                "build it for an older processor: -march=x86-64, "
                "GOAMD64=v1");
        if (code == 128 + 9)
            out.next_steps.emplace_back(
                "see whether the machine itself ran out of memory: "
                "journalctl -k, free -m");
        return out;
    }
    std::string why;
    if (code == 126) why = "a command that it runs may not be executed";
    if (code == 127) why = "a command that it runs was not found";
    return {.code = serving ? "crashed" : "exited_at_start",
            .why = std::move(why),
            .next_steps = {read_more(facts), "check that it finds its variables: loco env list"}};
}

}  // namespace loco
