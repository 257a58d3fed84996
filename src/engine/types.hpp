// What the Docker Engine API takes and gives, as plain values. Only what Loco uses of
// https://docs.docker.com/reference/api/engine/version/v1.41/.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/secret.hpp"

namespace loco::engine {

using Labels = std::map<std::string, std::string>;

// "1700000000.000000001": the one form of a time that the engine takes in a query.
[[nodiscard]] std::string to_seconds(Time time);

struct Version {
    std::string version;  // of the engine, e.g. "20.10.24"
    std::string api_version;
    std::string min_api_version;
    std::string os;    // "linux"
    std::string arch;  // Go's name: "amd64", "arm64"
    bool podman = false;
};

struct Info {
    std::string id;
    std::string name;  // the host's
    std::string server_version;
    std::string os;
    std::string arch;  // the kernel's name: "x86_64", "aarch64"
    std::string operating_system;
    std::string storage_driver;
    std::string root_dir;
    std::string cgroup_version;  // "1" or "2"
    std::string init_binary;     // empty: containers cannot be given an init
    int cpus = 0;
    std::int64_t memory_bytes = 0;
    bool memory_limit = false;
    bool swap_limit = false;
    bool cpu_quota = false;
    bool pids_limit = false;
    std::vector<std::string> security_options;
    std::vector<std::string> warnings;
};

// ---- containers

enum class MountType : std::uint8_t { bind, volume, tmpfs };

struct Mount {
    MountType type = MountType::bind;
    std::string source;  // not for tmpfs
    std::string target;
    bool read_only = false;
    std::int64_t tmpfs_bytes = 0;  // 0: the engine's default (half of the memory)
    int tmpfs_mode = 01777;
};

struct Ulimit {
    std::string name;
    std::int64_t soft = 0;
    std::int64_t hard = 0;
};

// 0 and empty mean "the engine's default" throughout.
struct ContainerSpec {
    std::string image;  // reference, or the image's id
    std::string platform;
    std::vector<std::string> command;     // replaces CMD
    std::vector<std::string> entrypoint;  // replaces ENTRYPOINT
    std::vector<std::pair<std::string, Secret<>>> env;
    std::string user;
    std::string working_dir;
    std::string hostname;
    std::string stop_signal;
    Labels labels;

    std::string network;  // name or id of its first network
    std::string address;  // IPv4 in that network
    std::vector<std::string> aliases;
    std::vector<std::string> extra_hosts;  // "name:address"
    std::vector<std::string> dns;

    std::int64_t memory_bytes = 0;
    std::int64_t memory_swap_bytes = 0;  // memory and swap together; equal to memory_bytes: no swap
    std::int64_t memory_reservation_bytes = 0;
    std::int64_t nano_cpus = 0;  // 1e9 is one CPU
    std::int64_t cpu_shares = 0;
    std::int64_t pids_limit = 0;
    std::int64_t shm_bytes = 0;
    int oom_score_adj = 0;
    std::vector<Ulimit> ulimits;

    std::vector<std::string> cap_drop;
    std::vector<std::string> cap_add;
    std::vector<std::string> security_opt;
    bool read_only_root = false;
    bool init = false;
    std::vector<Mount> mounts;
    std::map<std::string, std::string> tmpfs;  // path → mount options
    std::map<std::string, std::string> sysctls;
    std::string restart_policy;  // "no", "unless-stopped", …
    std::string log_driver;
    std::map<std::string, std::string> log_options;
};

struct ContainerState {
    std::string status;  // created running paused restarting removing exited dead
    bool running = false;
    bool oom_killed = false;  // also set when only a child was killed: check exit_code == 137 too
    int pid = 0;
    int exit_code = 0;
    std::string error;  // why a start failed
    std::optional<Time> started_at;
    std::optional<Time> finished_at;
};

struct Attachment {
    std::string network;  // name
    std::string network_id;
    std::string address;  // empty while the container does not run
    std::string requested_address;
};

// One file of a container: what it is, and how it begins.
struct FileHead {
    bool directory = false;
    unsigned mode = 0;  // permission bits
    std::int64_t uid = 0;
    std::int64_t gid = 0;
    std::string bytes;
};

struct Container {
    std::string id;
    std::string name;      // without the leading slash
    std::string image;     // the reference it was created with
    std::string image_id;  // "sha256:…"
    std::string user;
    Labels labels;
    ContainerState state;
    std::string program;      // what it runs, as it was asked for
    std::string search_path;  // the PATH of its environment
    std::string working_dir;
    std::int64_t pids_limit = 0;  // 0: none
    int restart_count = 0;
    std::optional<Time> created_at;
    std::vector<Attachment> networks;
};

struct ContainerSummary {
    std::string id;
    std::string name;
    std::string image;
    std::string image_id;
    Labels labels;
    std::string state;
    Time created_at;
    std::vector<Attachment> networks;
};

struct WaitResult {
    int exit_code = 0;
    std::string error;
};

// At one moment; a rate of CPU is the difference of two.
struct ContainerStats {
    Time at;
    std::int64_t cpu_ns = 0;        // since its start
    std::int64_t memory_bytes = 0;  // without file pages that can be taken back
    std::int64_t memory_limit_bytes = 0;
    std::int64_t processes = 0;
};

// ---- images

struct Image {
    std::string id;  // "sha256:…" of the image's configuration
    std::vector<std::string> tags;
    std::vector<std::string> digests;  // "repository@sha256:…"
    std::string os;
    std::string arch;
    std::string variant;
    std::int64_t size_bytes = 0;
    std::string user;
    std::vector<std::string> command;
    std::vector<std::string> entrypoint;
    std::vector<std::string> env;
    std::vector<std::string> exposed_ports;  // "8080/tcp"
    std::vector<std::string> layers;         // "sha256:…" of the uncompressed layers
    std::string working_dir;
    std::string stop_signal;
    Labels labels;
    std::optional<Time> created_at;
};

struct ImageSummary {
    std::string id;
    std::vector<std::string> tags;
    std::vector<std::string> digests;
    std::int64_t size_bytes = 0;
    Labels labels;
    Time created_at;
};

// What the engine shows a registry; nothing: anonymous.
struct RegistryAuth {
    Secret<> token;  // a bearer token
};

// One line of a push or pull. `layer` is empty for lines about the whole.
struct TransferProgress {
    std::string layer;
    std::string status;        // "Pushing", "Layer already exists", "Pushed", …
    std::int64_t current = 0;  // bytes
    std::int64_t total = 0;    // 0: not known
};

struct PushResult {
    std::string digest;  // of the manifest: "sha256:…"
    std::string tag;
    std::int64_t manifest_bytes = 0;
};

// ---- networks

struct NetworkSpec {
    std::string name;
    std::string subnet;    // "10.80.1.0/24"
    std::string gateway;   // the host's address in it
    std::string ip_range;  // that the engine gives addresses from by itself
    bool internal = false;
    bool enable_icc = true;
    std::string bridge_name;  // of the interface; at most 15 characters
    std::map<std::string, std::string> options;
    Labels labels;
};

struct NetworkMember {
    std::string container_id;
    std::string name;
    std::string address;  // without the prefix length
};

struct Network {
    std::string id;
    std::string name;
    std::string driver;
    std::string subnet;
    std::string gateway;
    bool internal = false;
    std::map<std::string, std::string> options;
    Labels labels;
    std::vector<NetworkMember> members;  // filled by inspect only
};

// ---- events and housekeeping

struct Event {
    std::string type;    // container image network volume daemon …
    std::string action;  // start die oom destroy kill …; "health_status: healthy" and the like
    std::string actor;   // id
    Labels attributes;   // the labels, and name, image, exitCode, signal
    Time at;
};

struct PruneResult {
    std::int64_t reclaimed_bytes = 0;
    std::size_t removed = 0;
};

struct DiskUsage {
    std::int64_t layers_bytes = 0;
    std::int64_t images = 0;
    std::int64_t containers_bytes = 0;  // their writable layers
    std::int64_t volumes_bytes = 0;
    std::int64_t build_cache_bytes = 0;
};

}  // namespace loco::engine
