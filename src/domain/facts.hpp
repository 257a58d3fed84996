// What can be observed of an app's container (or pod) that does not run as it should. Adapters gather it, each as much as it can
// see; what it means is diagnosis.hpp's business. Plain values: what nobody could look at is absent, not guessed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "domain/app_spec.hpp"

namespace loco {

// How a container ended.
struct ContainerEnd {
    std::optional<int> exit_code;  // none: it never ran, or it is gone
    bool oom_killed = false;       // what exited was killed for memory
    bool oom_within = false;       // the kernel killed a process in it for memory, not itself
    std::string runtime_error;     // the runtime's own words when it could not be started
};

// A socket that waits for peers in the container's network.
struct Listener {
    enum class Kind : std::uint8_t { tcp, udp, unix_socket };
    Kind kind = Kind::tcp;
    std::string address;  // "0.0.0.0", "127.0.0.1", "::"; of a Unix socket its path
    int port = 0;
    bool operator==(const Listener&) const = default;
};

// The file that a container runs, looked at in the container.
struct ProgramFacts {
    enum class File : std::uint8_t { missing, folder, script, binary, other };
    std::string path;  // where it is; the name alone when it is nowhere in PATH
    File file = File::other;
    bool executable = true;  // for the user that it runs as
    std::string
        interpreter;  // of a script's "#!" line as written, or a binary's loader; empty: none
    bool interpreter_missing = false;
    std::string machine;  // a binary's, as in a platform: "arm64"; empty: not known
    std::string runs_on;  // this machine's: "amd64"
    bool operator==(const ProgramFacts&) const = default;
};

// What a health check saw.
struct HealthCheck {
    enum class Saw : std::uint8_t {
        nothing,  // nobody has asked, or nobody can say more than `words`
        healthy,
        refused,      // nothing listens there
        unreachable,  // no answer to the connection
        no_answer,    // connected, and then nothing in time
        closed,       // connected, and broken off without an answer
        tls,
        not_http,
        not_http2,  // protocol = "h2c"
        status,     // an answer that does not count as healthy
        circle,     // a redirect to where it was asked
    };
    Saw saw = Saw::nothing;
    int status = 0;
    std::string words;  // "GET /healthz answered 500"; empty: healthy, or not asked
    bool operator==(const HealthCheck&) const = default;
};

// What only the place that runs a container can see of it.
struct ContainerFacts {
    std::optional<std::vector<Listener>> listeners;  // while it runs
    std::optional<ProgramFacts> program;             // when it could not be run
    std::optional<std::int64_t> memory_peak_bytes;   // while it runs
    std::optional<bool> processes_at_limit;          // it was refused another process
    std::optional<bool> tmp_full;
    std::int64_t processes_limit = 0;  // 0: not known
    bool operator==(const ContainerFacts&) const = default;
};

// What a cluster says keeps a pod from running.
enum class PodTrouble : std::uint8_t {
    none,
    not_made,       // the cluster has made no pod for it
    unschedulable,  // no node takes it
    not_started,    // its node has not started its container yet
    image_pull,     // its node cannot fetch the image
    config,         // what its environment comes from is not there
    cannot_start,   // its container could not be made or started
    evicted,        // its node has ended it
    node_lost,
    limited,   // a quota or a policy keeps the cluster from making it
    deadline,  // it was ended as it took longer than it may
};

// When it was looked at: what is wrong is told differently.
enum class Moment : std::uint8_t {
    starting,   // it ended before it was healthy
    releasing,  // a release command
    late,       // it is not healthy, and should be by now
    serving,    // it was live, and has ended or does not answer any more
};

struct Facts {
    Moment moment = Moment::starting;
    std::string name;                // "web.0"
    std::vector<std::string> alike;  // others that are in the same case: "web.1"

    // What was ordered.
    std::string release;  // "v7"
    std::string process;  // "web"
    bool main = true;     // the app's own process, not a [process.NAME]
    std::int64_t memory_bytes = 0;
    bool writable = true;
    int port = 0;  // that is asked for its health; 0: none
    Protocol protocol = Protocol::http;
    HealthSpec health;
    Millis timeout{0};  // until healthy, or of a release command

    // What became of it.
    bool ended = false;
    ContainerEnd end;
    std::optional<Millis> ran_for;  // what has ended
    int crashes = 0;                // in a row, this one included
    HealthCheck check;
    ContainerFacts container;
    std::string tail;  // its last output lines

    // On a cluster.
    bool on_cluster = false;
    PodTrouble trouble = PodTrouble::none;
    std::string trouble_words;  // the cluster's
};

}  // namespace loco
