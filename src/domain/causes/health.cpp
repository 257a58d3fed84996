// Causes of a container that runs and is not healthy.
#include <algorithm>

#include "domain/causes.hpp"
#include "domain/last_lines.hpp"

namespace loco {
namespace {

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

Cause not_in_http2(const std::string& port) {
    return {.code = "not_http2",
            .why = "it does not speak HTTP/2 without TLS on " + port +
                   ", as [http] protocol = \"h2c\" says",
            .next_steps = {"if it speaks HTTP/1.1: leave out [http] protocol in loco.toml",
                           "a gRPC server must take HTTP/2 without TLS (plaintext, or "
                           "insecure, credentials)"}};
}

}  // namespace

std::string listener_text(const Listener& listener) {
    if (listener.kind == Listener::Kind::unix_socket) return listener.address + " (Unix socket)";
    const bool six = listener.address.find(':') != std::string::npos;
    return (six ? "[" + listener.address + "]" : listener.address) + ":" +
           std::to_string(listener.port) +
           (listener.kind == Listener::Kind::udp ? " (UDP)" : " (TCP)");
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

}  // namespace loco
