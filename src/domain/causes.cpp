#include "domain/causes.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include "domain/last_lines.hpp"

namespace loco {
namespace {

std::string quoted(const std::string& text) { return "\"" + text + "\""; }

// Where the command is said that it runs.
std::string command_key(const Facts& facts) {
    if (facts.moment == Moment::releasing) return "release_command under [deploy] in loco.toml";
    if (!facts.main) return "command under [process." + facts.process + "] in loco.toml";
    return "CMD and ENTRYPOINT in the Dockerfile, or command under [deploy] in loco.toml";
}

// --- a program that could not be run

Cause not_found(const Facts& facts, const std::string& path) {
    const bool bare = path.find('/') == std::string::npos;
    const auto program = path.empty() ? std::string("its program") : quoted(path);
    return {
        .code = "command_not_found",
        .why = program + (bare && !path.empty() ? " is in none of the folders of the image's PATH"
                                                : " is not in the image"),
        .next_steps = {"check " + command_key(facts),
                       "check that the Dockerfile copies it there, and that it is in the last "
                       "stage"},
        .could_not_start = true};
}

Cause not_executable(const std::string& path) {
    const auto file = path.empty() ? std::string("FILE") : path;
    return {.code = "command_not_executable",
            .why = quoted(file) + " may not be executed by the user that it runs as",
            .next_steps = {"make it executable in the Dockerfile: COPY --chmod=755 …, or RUN chmod "
                           "755 " +
                           file},
            .could_not_start = true};
}

Cause is_folder(const Facts& facts, const std::string& path) {
    return {.code = "command_not_executable",
            .why = quoted(path) + " is a folder, not a program",
            .next_steps = {"check " + command_key(facts)},
            .could_not_start = true};
}

Cause windows_lines(const std::string& path, const std::string& interpreter) {
    return {.code = "script_line_ends",
            .why = quoted(path) +
                   " has the line ends of Windows, so that its first line asks for " +
                   quoted(interpreter + "\\r") + ", which does not exist",
            .next_steps = {"save it with line ends of Unix; in git: *.sh text eol=lf in "
                           ".gitattributes",
                           "or convert it in the Dockerfile: RUN sed -i 's/\\r$//' " + path},
            .could_not_start = true};
}

Cause no_interpreter(const std::string& path, const std::string& interpreter) {
    return {.code = "interpreter_missing",
            .why = quoted(path) + " is a script for " + quoted(interpreter) +
                   ", which is not in the image",
            .next_steps = {"name one in its first line that the image has (#!/bin/sh, where it has "
                           "a shell), or take a base image that has " +
                           interpreter},
            .could_not_start = true};
}

Cause no_first_line(const std::string& path) {
    return {.code = "script_no_interpreter",
            .why = quoted(path) +
                   " is no program that this machine can run: it is neither a "
                   "binary nor a script with a \"#!\" line",
            .next_steps = {"begin it with #!/bin/sh (or what it is written for); nothing may stand "
                           "before that",
                           "or name what runs it: CMD [\"/bin/sh\", " + quoted(path) + "]"},
            .could_not_start = true};
}

Cause no_loader(const std::string& path, const std::string& loader) {
    const bool musl = loader.find("musl") != std::string::npos;
    return {.code = "loader_missing",
            .why = quoted(path) + " is linked dynamically and needs " + quoted(loader) +
                   ", which is not in the image",
            .next_steps = {"build it static: CGO_ENABLED=0 for Go, a musl target for Rust, -static "
                           "for C and C++",
                           std::string("or take a base image with that library: ") +
                               (musl ? "alpine"
                                     : "debian:stable-slim, or "
                                       "gcr.io/distroless/cc")},
            .could_not_start = true};
}

Cause wrong_machine(const std::string& path, const std::string& machine,
                    const std::string& runs_on) {
    return {.code = "wrong_architecture",
            .why = quoted(path) + " is a program for another processor" +
                   (machine.empty() ? std::string()
                                    : " (" + machine + "; this is " +
                                          (runs_on.empty() ? "another" : runs_on) + ")"),
            .next_steps = {"build it for this machine" +
                               (runs_on.empty() ? std::string() : ": linux/" + runs_on) +
                               " (GOARCH, --target, --platform), or inside the Dockerfile",
                           "a binary that is copied into the image must be of the image's "
                           "platform"},
            .could_not_start = true};
}

// By looking at the file.
std::optional<Cause> program_cause(const Facts& facts, const ProgramFacts& program) {
    using enum ProgramFacts::File;
    const auto& path = program.path;
    if (program.file == missing) return not_found(facts, path);
    if (program.file == ProgramFacts::File::folder) return is_folder(facts, path);
    if (!program.executable) return not_executable(path);
    if (program.file == script) {
        auto interpreter = program.interpreter;
        if (interpreter.ends_with('\r')) {
            interpreter.pop_back();
            return windows_lines(path, interpreter);
        }
        if (program.interpreter_missing) return no_interpreter(path, interpreter);
    }
    if (program.file == binary) {
        if (!program.machine.empty() && !program.runs_on.empty() &&
            program.machine != program.runs_on)
            return wrong_machine(path, program.machine, program.runs_on);
        if (program.interpreter_missing) return no_loader(path, program.interpreter);
    }
    if (program.file == other) return no_first_line(path);
    return std::nullopt;
}

// By the words of who tried to run it; `after_look`: it had found the file.
Cause words_cause(const Facts& facts, const ExecFailure& failure, bool after_look) {
    switch (failure.why) {
        case ExecFailure::Why::not_allowed:
            if (failure.path.ends_with('/')) return is_folder(facts, failure.path);
            return not_executable(failure.path);
        case ExecFailure::Why::folder: return is_folder(facts, failure.path);
        case ExecFailure::Why::format: {
            auto cause = no_first_line(failure.path);
            cause.code = "exec_format";
            cause.why = quoted(failure.path) +
                        " is no program that this machine can run: a script without a \"#!\" "
                        "line, or a binary for another processor";
            return cause;
        }
        default: break;
    }
    if (!after_look) return not_found(facts, failure.path);
    return {.code = "interpreter_missing",
            .why = quoted(failure.path) +
                   " is in the image, but what it needs to run is not: the interpreter in its "
                   "first line, or a binary's loader",
            .next_steps = {"a script: is what its \"#!\" line names in the image, and are its line "
                           "ends those of Unix",
                           "a binary: build it static (CGO_ENABLED=0, -static), or take a base "
                           "image with its libraries"},
            .could_not_start = true};
}

std::string last_line(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
    return std::string(text.substr(text.rfind('\n') + 1));
}

// "env: 'python3\r': No such file or directory": of a script whose first line is #!/usr/bin/env python3
std::optional<Cause> env_cause(const Facts& facts) {
    const auto line = last_line(facts.tail.substr(0, facts.tail.find("\nenv: use -")));
    const auto at = line.find("env: ");
    if (facts.end.exit_code != 127 || at == std::string::npos ||
        line.find("No such file or directory") == std::string::npos)
        return std::nullopt;
    auto name = line.substr(at + 5, line.find(": No such file") - at - 5);
    for (const std::string_view quote : {"'", "\"", "\u2018", "\u2019"}) {
        for (auto found = name.find(quote); found != std::string::npos; found = name.find(quote))
            name.erase(found, quote.size());
    }
    const auto path =
        facts.container.program ? facts.container.program->path : std::string("its program");
    const bool windows = name.ends_with("\\r") || name.ends_with("\r");
    while (name.ends_with('\r')) name.pop_back();
    if (name.ends_with("\\r")) name.resize(name.size() - 2);
    if (name.empty()) return std::nullopt;
    return windows ? windows_lines(path, name) : no_interpreter(path, name);
}

// --- one that ran and ended

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

// --- one that runs and is not healthy

bool is_loopback(const Listener& one) {
    return one.address.starts_with("127.") || one.address == "::1";
}

std::string port_text(int port) { return "port " + std::to_string(port); }

std::string ports_text(const std::vector<int>& ports) {
    std::string out = ports.size() > 1 ? "ports " : "port ";
    for (std::size_t i = 0; i < ports.size(); ++i) {
        if (i > 0) out += i + 1 == ports.size() ? " and " : ", ";
        out += std::to_string(ports[i]);
    }
    return out;
}

struct Sockets {
    bool here = false;           // on the port that is asked, for others to reach
    bool here_loopback = false;  // on that port, for itself only
    bool here_udp = false;
    std::vector<int> open;      // other TCP ports
    std::vector<int> loopback;  // other TCP ports, for itself only
    std::vector<int> udp;
    std::vector<std::string> unix_sockets;
};

Sockets sort_out(const Facts& facts) {
    // What an outgoing question of a resolver holds for a moment; no server has those by default.
    constexpr int kFirstEphemeral = 32768;
    Sockets out;
    const auto note = [](std::vector<int>& ports, int port) {
        if (std::ranges::find(ports, port) == ports.end()) ports.push_back(port);
    };
    for (const auto& one : *facts.container.listeners) {
        const bool same = one.port == facts.port;
        switch (one.kind) {
            case Listener::Kind::tcp:
                if (same) {
                    (is_loopback(one) ? out.here_loopback : out.here) = true;
                } else {
                    note(is_loopback(one) ? out.loopback : out.open, one.port);
                }
                break;
            case Listener::Kind::udp:
                if (same) out.here_udp = true;
                if (same || one.port < kFirstEphemeral) note(out.udp, one.port);
                break;
            case Listener::Kind::unix_socket: out.unix_sockets.push_back(one.address); break;
        }
    }
    for (auto* ports : {&out.open, &out.loopback, &out.udp}) std::ranges::sort(*ports);
    return out;
}

std::string use_all_addresses(const Facts& facts) {
    return "listen on 0.0.0.0:" + std::to_string(facts.port) +
           ", all addresses: many servers take --host 0.0.0.0, or HOST or BIND from the "
           "environment";
}

std::string use_port(const Facts& facts) {
    return "listen on the port that $PORT names (" + std::to_string(facts.port) + ")";
}

Cause wrong_port(const Facts& facts, const std::vector<int>& ports, bool loopback) {
    const auto only = ports.size() == 1 ? std::to_string(ports.front()) : std::string("N");
    Cause out{
        .code = "wrong_port",
        .why = "it listens on " + ports_text(ports) +
               (loopback ? " of 127.0.0.1, where only itself can reach it, and" : ",") +
               " not on " + port_text(facts.port),
        .next_steps = {"say so in loco.toml: [http] port = " + only, "or " + use_port(facts)}};
    if (loopback)
        out.next_steps.emplace_back("and on all addresses (0.0.0.0), not on 127.0.0.1 only");
    return out;
}

std::string if_longer(const Facts& facts) {
    const bool grace = was_put_down(facts);
    return std::string("if it needs longer to start: ") +
           (grace ? "[health] grace" : "[deploy] timeout") + " in loco.toml (now " +
           duration_text(grace ? facts.health.grace : facts.timeout) + ")";
}

// It runs and listens on nothing: what it wrote last may say what it waits for.
Cause not_listening(const Facts& facts, std::string why) {
    if (const auto guess = guess_from(facts.tail, facts)) {
        return {.code = guess->code,
                .why = std::move(why) + ", probably because " + guess->why,
                .guess = false,
                .next_steps = guess->next_steps};
    }
    return {.code = "not_listening",
            .why = std::move(why),
            .next_steps = {use_port(facts) + ", on 0.0.0.0", if_longer(facts),
                           "if it serves nothing and only works: type = \"worker\" in loco.toml"}};
}

Cause by_sockets(const Facts& facts) {
    const auto sockets = sort_out(facts);
    const auto port = port_text(facts.port);
    if (sockets.here) {
        return {.code = "never_healthy",
                .why = "it has only now begun to listen on " + port +
                       ", or listens for IPv6 alone there",
                .next_steps = {if_longer(facts), "listen on 0.0.0.0, for IPv4"}};
    }
    if (sockets.here_loopback) {
        return {.code = "loopback_only",
                .why = "it listens on " + port +
                       " of 127.0.0.1 only, where nothing outside of its container can reach it",
                .next_steps = {use_all_addresses(facts)}};
    }
    if (!sockets.open.empty()) return wrong_port(facts, sockets.open, /*loopback=*/false);
    if (!sockets.loopback.empty()) return wrong_port(facts, sockets.loopback, /*loopback=*/true);
    if (!sockets.udp.empty()) {
        return {.code = "udp_only",
                .why = "it listens for UDP only, on " + ports_text(sockets.udp) +
                       ", and HTTP needs TCP",
                .next_steps = {use_port(facts) + " for TCP, on 0.0.0.0",
                               "if it serves nothing over HTTP: type = \"worker\" in loco.toml"}};
    }
    if (!sockets.unix_sockets.empty()) {
        return {.code = "unix_socket_only",
                .why = "it listens on the Unix socket " + sockets.unix_sockets.front() +
                       " only, which nothing outside of its container can reach",
                .next_steps = {use_port(facts) +
                               " for TCP, on 0.0.0.0 (gunicorn: --bind "
                               "0.0.0.0:" +
                               std::to_string(facts.port) + ")"}};
    }
    return not_listening(facts, "it runs, but listens on no port");
}

Cause by_refusal(const Facts& facts) {
    if (facts.container.listeners) return by_sockets(facts);
    const auto told = told_port_in(facts.tail);
    if (told && *told != facts.port) {
        auto cause = wrong_port(facts, {*told}, /*loopback=*/false);
        cause.why = "by its last lines it listens on " + port_text(*told) + ", not on " +
                    port_text(facts.port);
        return cause;
    }
    auto cause =
        not_listening(facts, "nothing takes connections on " + port_text(facts.port) + " of it");
    if (cause.code == "not_listening") {
        cause.next_steps.insert(cause.next_steps.begin() + 1,
                                "a server that listens on 127.0.0.1 only cannot be reached either: "
                                "0.0.0.0");
    }
    return cause;
}

Cause by_status(const Facts& facts) {
    const auto path = facts.health.path.empty() ? std::string("/") : facts.health.path;
    const auto answers = "GET " + path + " on " + port_text(facts.port) + " answers " +
                         std::to_string(facts.check.status);
    const std::string other_path =
        "or name another path in loco.toml: [health] path; without one, any answer below 500 is "
        "healthy";
    switch (facts.check.status) {
        case 401:
        case 403:
            return {.code = "health_unauthorized",
                    .why = answers + ": it asks for a sign-in, and a health check has none",
                    .next_steps = {"let " + path + " answer everybody", other_path}};
        case 404:
            return {.code = "health_not_found",
                    .why = answers + ": it has no such path",
                    .next_steps = {"add it to the app: an answer of 200 is all that is asked",
                                   other_path}};
        case 400:
        case 421:
            return {.code = "health_bad_request",
                    .why = answers + ": it does not like how it is asked",
                    .next_steps = {"the check asks by the instance's address, not by the app's "
                                   "host: allow any Host header on " +
                                       path + " (Django: ALLOWED_HOSTS)",
                                   other_path}};
        default: break;
    }
    if (facts.check.status >= 500) {
        return {.code = "health_error",
                .why = answers + ", an error of its own",
                .next_steps = {"see what it says about that: loco logs",
                               "check that it reaches what it needs, and finds its variables: loco "
                               "env list"}};
    }
    return {.code = "health_status",
            .why = answers + ", which is neither 2xx nor 3xx",
            .next_steps = {"let GET " + path + " answer 200", other_path}};
}

bool is_asked_for(const Facts& facts) { return facts.port > 0; }

// What a container that runs shows of limits that it is at.
std::optional<Cause> limit_cause(const Facts& facts) {
    if (facts.container.processes_at_limit == true) {
        const auto limit = facts.container.processes_limit;
        return Cause{
            .code = "process_limit",
            .why = "it has as many processes and threads as it may" +
                   (limit > 0 ? " (" + std::to_string(limit) + ")" : std::string()),
            .next_steps = {"start fewer: look for a setting of workers or threads, and for "
                           "processes that never end",
                           "spread the load: loco scale --replicas N"}};
    }
    if (facts.container.tmp_full == true) {
        return Cause{.code = "tmp_full",
                     .why = "/tmp is full",
                     .next_steps = {"write less to it, and remove what is done with: it is kept in "
                                    "memory, and as large as a quarter of " +
                                        section_of(facts) + " memory (at least 16Mi)",
                                    "or let it write to disk: [resources] writable = true in "
                                    "loco.toml"}};
    }
    return std::nullopt;
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

std::string listener_text(const Listener& listener) {
    if (listener.kind == Listener::Kind::unix_socket) return listener.address + " (Unix socket)";
    const bool six = listener.address.find(':') != std::string::npos;
    return (six ? "[" + listener.address + "]" : listener.address) + ":" +
           std::to_string(listener.port) +
           (listener.kind == Listener::Kind::udp ? " (UDP)" : " (TCP)");
}

std::string duration_text(Millis time) {
    const auto ms = time.count();
    if (ms >= 60'000 && ms % 60'000 == 0) return std::to_string(ms / 60'000) + "m";
    return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
}

std::optional<Cause> start_cause(const Facts& facts) {
    const auto& end = facts.end;
    const int code = end.exit_code.value_or(0);
    const bool ended_so = facts.ended && !end.oom_killed &&
                          (code == 1 || code == 2 || (code >= 126 && code <= 128) || code == 255);
    const bool refused = !end.runtime_error.empty();
    if (!refused && !ended_so) return std::nullopt;
    auto failure = exec_failure_in(end.runtime_error);
    const bool by_itself = !failure && ended_so;
    if (by_itself) failure = exec_failure_in(last_line(facts.tail));
    if (facts.container.program) {
        const auto& program = *facts.container.program;
        auto cause = program_cause(facts, program);
        // A shell that is given a binary of another machine reads it as a script.
        const bool misread = program.file == ProgramFacts::File::binary && cause &&
                             (facts.tail.find("ELF") != std::string::npos ||
                              facts.tail.find("yntax error") != std::string::npos);
        if (cause && (failure || refused || code == 126 || code == 127 || misread)) return cause;
    }
    if (failure) return words_cause(facts, *failure, by_itself && !failure->by_init);
    if (const auto library = ended_so ? missing_library_in(facts.tail) : std::nullopt) {
        const bool c_library = library->starts_with("GLIBC");
        return Cause{
            .code = "library_missing",
            .why = c_library
                       ? "it needs a newer C library (" + *library + ") than the image has"
                       : "it needs the shared library " + *library + ", which is not in the image",
            .next_steps = {"install it in the last stage of the Dockerfile",
                           "or build the program static, or on the base image that it "
                           "runs on"},
            .could_not_start = true};
    }
    if (auto cause = env_cause(facts)) return cause;
    if (!refused) return std::nullopt;
    Cause out{.code = "cannot_start",
              .why = end.runtime_error,
              .next_steps = {"see that the machine and its container engine are well, then: loco "
                             "redeploy"},
              .could_not_start = true};
    if (facts.ended) out.next_steps.insert(out.next_steps.begin(), "check " + command_key(facts));
    return out;
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

Cause not_in_http2(const std::string& port) {
    return {.code = "not_http2",
            .why = "it does not speak HTTP/2 without TLS on " + port +
                   ", as [http] protocol = \"h2c\" says",
            .next_steps = {"if it speaks HTTP/1.1: leave out [http] protocol in loco.toml",
                           "a gRPC server must take HTTP/2 without TLS (plaintext, or "
                           "insecure, credentials)"}};
}

Cause health_cause(const Facts& facts) {
    using enum HealthCheck::Saw;
    const auto port = port_text(facts.port);
    const auto path = facts.health.path.empty() ? std::string("/") : facts.health.path;
    const std::string plain = "speak plain HTTP there: Loco does TLS itself, at the gateway";
    switch (is_asked_for(facts) ? facts.check.saw : nothing) {
        case status: return by_status(facts);
        case circle:
            return {.code = "health_redirects",
                    .why = "GET " + path + " on " + port + " answers " +
                           std::to_string(facts.check.status) +
                           ", a redirect to itself, and so never an answer",
                    .next_steps = {"let " + path + " answer 200",
                                   "or name another path in loco.toml: [health] path"}};
        case tls:
            return {.code = "speaks_tls",
                    .why = "it answers in TLS on " + port,
                    .next_steps = {plain,
                                   "or name a port on which it speaks plain HTTP: [http] "
                                   "port in loco.toml"}};
        case not_http2: return not_in_http2(port);
        case not_http:
            return {.code = "not_http",
                    .why = "it answers on " + port + ", but not in HTTP",
                    .next_steps = {"name the port on which it speaks HTTP: [http] port in "
                                   "loco.toml",
                                   "if it speaks HTTP/2 only (gRPC): [http] protocol = \"h2c\""}};
        case refused: return by_refusal(facts);
        case no_answer: {
            if (auto limit = limit_cause(facts)) return *limit;
            const bool serving = facts.moment == Moment::serving;
            return {.code = serving ? "hangs" : "health_timeout",
                    .why = "it takes connections on " + port + ", but GET " + path +
                           " has no answer within " + duration_text(facts.health.timeout),
                    .next_steps = {serving ? "see what it is busy with: loco logs, loco status "
                                             "(CPU and memory)"
                                           : "see what it waits for: loco logs",
                                   "if it is right to take that long: [health] timeout in "
                                   "loco.toml"}};
        }
        case closed:
            // What a server of HTTP/1.1 makes of a request in HTTP/2.
            if (facts.protocol == Protocol::h2c) return not_in_http2(port);
            return {.code = "closes_connections",
                    .why = "it takes connections on " + port +
                           ", and breaks them off without an answer",
                    .next_steps = {"see what it says about that: loco logs",
                                   "check that it speaks plain HTTP on " + port}};
        case unreachable:
        case healthy: break;
        case nothing:  // nobody came to ask in time
            if (is_asked_for(facts) && facts.container.listeners && !sort_out(facts).here)
                return by_sockets(facts);
            break;
    }
    if (auto limit = limit_cause(facts)) return *limit;
    Cause out{.code = "never_healthy",
              .why = facts.check.words,
              .next_steps = {"see what it says: loco logs"}};
    if (is_asked_for(facts)) {
        out.next_steps.emplace_back(use_port(facts) + ", on 0.0.0.0");
        out.next_steps.push_back(if_longer(facts));
    }
    return out;
}

namespace {

Cause image_cause(const std::string& words) {
    const auto says = [&](std::string_view part) { return words.find(part) != std::string::npos; };
    if (says("not found") || says("manifest unknown")) {
        return {.code = "image_pull_failed",
                .why = "the registry does not have its image any more: " + words,
                .next_steps = {"build and push it again: loco deploy",
                               "if nobody has removed it: check that the registry keeps its "
                               "storage when it is restarted"},
                .could_not_start = true};
    }
    std::vector<std::string> steps;
    if (says("401") || says("403") || says("nauthorized") || says("denied")) {
        steps = {
            "see that loco-api answers where the registry asks for tokens, then deploy again: "
            "loco redeploy"};
    } else if (says("HTTP response to HTTPS client") || says("x509") || says("tls:")) {
        steps = {
            "have the nodes' container runtime ask the registry as it answers: by plain HTTP, "
            "or with its certificate trusted",
            "then deploy again: loco redeploy"};
    } else {
        steps = {
            "check that the registry runs, and that the nodes reach it under the name that "
            "Loco gives it",
            "then deploy again: loco redeploy"};
    }
    return {.code = "image_pull_failed",
            .why = "its node cannot fetch the image: " + words,
            .next_steps = std::move(steps),
            .could_not_start = true};
}

// A quota, a range or a policy of the cluster that lets its pods not be made.
Cause limit_of_cluster(const std::string& words) {
    const auto says = [&](std::string_view part) { return words.find(part) != std::string::npos; };
    const auto why = "the cluster refuses to make one: " + words;
    if (says("quota")) {
        return {.code = "cluster_quota",
                .why = why,
                .next_steps = {"ask for less: [resources] and [scale] in loco.toml, or loco scale",
                               "or have the quota of the app's namespace raised: kubectl get "
                               "resourcequota -A"}};
    }
    if (says(" per Container is ") || says(" per Pod is ")) {
        return {.code = "refused_by_cluster",
                .why = why,
                .next_steps = {"ask for what is allowed: [resources] in loco.toml",
                               "or have the limits of the app's namespace changed: kubectl get "
                               "limitrange -A"}};
    }
    return {.code = "refused_by_cluster",
            .why = why,
            .next_steps = {"it is a rule of those who run the cluster: have them except Loco's "
                           "apps from it, or change it"}};
}

}  // namespace

std::optional<Cause> cluster_cause(const Facts& facts) {
    const auto& words = facts.trouble_words;
    const auto says = [&](std::string_view part) { return words.find(part) != std::string::npos; };
    switch (facts.trouble) {
        case PodTrouble::none: return std::nullopt;
        case PodTrouble::not_made:
            return Cause{.code = "not_started",
                         .why = "the cluster has made none",
                         .next_steps = {"see whether the cluster is well: kubectl get --raw "
                                        "'/readyz?verbose', kubectl get pods -n kube-system",
                                        "then deploy again: loco redeploy"}};
        case PodTrouble::not_started:
            return Cause{.code = "not_started",
                         .why = "its node has not started its container yet",
                         .next_steps = {"if its image is large, or its node has much to do: "
                                        "[deploy] timeout in loco.toml (now " +
                                            duration_text(facts.timeout) + ")",
                                        "see what its node says: kubectl describe pods, in the "
                                        "app's namespace"}};
        case PodTrouble::unschedulable: {
            std::string what;
            if (says("Insufficient cpu")) what = "CPU";
            if (says("Insufficient memory"))
                what += std::string(what.empty() ? "" : " and ") + "memory";
            return Cause{.code = "unschedulable",
                         .why = (what.empty() ? std::string("no node takes it: ")
                                              : "no node has enough " + what + " free: ") +
                                words,
                         .next_steps = {"see what the nodes have left: kubectl describe nodes",
                                        "ask for less: [resources] in loco.toml, or loco scale; or "
                                        "add a node"}};
        }
        case PodTrouble::image_pull: return image_cause(words);
        case PodTrouble::config:
            return Cause{.code = "config_missing",
                         .why = "what its environment comes from is not there: " + words,
                         .next_steps = {"deploy again: loco redeploy",
                                        "if it stays: see who removes the app's Secrets from its "
                                        "namespace"},
                         .could_not_start = true};
        case PodTrouble::evicted:
            return Cause{.code = "evicted",
                         .why = "its node has ended it" + (words.empty() ? "" : ": " + words),
                         .next_steps = {"see what the node is short of: kubectl describe node",
                                        "ask for what it really needs: [resources] in loco.toml; "
                                        "one that uses more than that goes first"}};
        case PodTrouble::node_lost:
            return Cause{.code = "node_lost",
                         .why = words.empty() ? "its node is lost" : words,
                         .next_steps = {"see the node: kubectl get nodes; its pods are started "
                                        "elsewhere by themselves after a while"}};
        case PodTrouble::limited: return limit_of_cluster(words);
        case PodTrouble::deadline:
            return Cause{.code = "deadline",
                         .why = "it took longer than it may" + (words.empty() ? "" : ": " + words),
                         .next_steps = {"give it longer: [deploy] timeout in loco.toml"}};
        case PodTrouble::cannot_start: return std::nullopt;
    }
    return std::nullopt;
}

}  // namespace loco
