// A container runtime, as the reconciler needs it: one container for each instance, found by label, never by name.
// Every call may be repeated: doing it twice is doing it once. Implementations: runtime/docker, runtime/simulated;
// one contract suite (tests/contract/runtime).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hpp"
#include "domain/facts.hpp"
#include "domain/model.hpp"

namespace loco {

// A team's own network. Instances of one team reach each other, nobody else's, and of the host only the gateway.
struct TeamNetwork {
    TeamId team;
    std::string team_slug;
    std::string subnet;   // "10.208.4.0/22"
    std::string gateway;  // "10.208.4.1"
};

// An image that Loco's registry holds (or that the engine already has by that digest).
struct ImageRef {
    std::string repository;  // without host
    std::string digest;      // "sha256:…"
};

// What the image says of itself, and what its user resolves to in its own /etc/passwd and /etc/group.
struct ImageFacts {
    std::string image_id;
    std::string digest;
    std::string platform;             // "linux/amd64"
    std::string user;                 // as written in the image; empty: none (root)
    std::optional<std::int64_t> uid;  // none: the name is not in its passwd
    std::int64_t gid = 0;
    std::int64_t size_bytes = 0;
    std::vector<int> exposed_tcp;
    bool has_command = true;  // CMD or ENTRYPOINT
};

struct ContainerSpec {
    Instance instance;  // id, attempt, address, limits
    std::string app_name;
    std::string release_name;  // "v7"
    TeamNetwork network;
    ImageRef image;
    std::int64_t uid = 0;
    std::int64_t gid = 0;
    std::vector<std::string> command;  // empty: the image's
    std::map<std::string, Secret<>> env;
    bool writable = true;  // false: read-only root, /tmp as tmpfs
    std::vector<std::string>
        aliases;  // names under which the team's instances find it: "APP.internal"
};

enum class ContainerState : std::uint8_t { created, running, exited };

struct ObservedContainer {
    InstanceId instance;
    AppId app;
    int attempt = 0;
    std::string runtime_id;
    ContainerState state = ContainerState::created;
    std::string address;
    int exit_code = 0;        // when exited
    bool oom_killed = false;  // exit 137 and killed for memory
    bool oom_within = false;  // the kernel has killed a process in it for memory
    std::string error;        // the runtime's own words when it could not be started
    std::optional<Time> started_at;
    std::optional<Time> finished_at;
};

enum class Signal : std::uint8_t { terminate, kill };

struct ResourceUsage {
    InstanceId instance;
    double cpu_millis = 0;  // thousandths of a core, over the last interval
    std::int64_t memory_bytes = 0;
};

// The machine that the containers run on.
struct MachineSize {
    std::int64_t cpu_millis = 0;    // of its cores, 1000 each
    std::int64_t memory_bytes = 0;  // that are built in
    std::string storage;            // where images and containers are kept; empty: nobody says
};

// What a container has written into its own file system, beside its image.
struct WrittenBytes {
    InstanceId instance;
    AppId app;
    int attempt = 0;
    std::int64_t bytes = 0;
};

// The code of the error when nothing may be started, as the firewall's rules can't be set. It does not pass by itself.
inline constexpr std::string_view kFirewallUnavailable = "firewall_unavailable";

class Runtime {
  public:
    virtual ~Runtime() = default;

    [[nodiscard]] virtual Result<> ensure_network(const TeamNetwork& network) = 0;
    // Removes it when nothing is attached; kept silently while something runs in it.
    [[nodiscard]] virtual Result<> remove_network(const TeamId& team) = 0;

    // Makes sure that the engine has the image by digest (pulls it if not). not_found when the registry has none.
    [[nodiscard]] virtual Result<ImageFacts> ensure_image(const ImageRef& image) = 0;
    // Fetches that run now end as interrupted, as soon as they can.
    virtual void interrupt() {}
    // Removes the image; kept silently while a container uses it. Only images of Loco's registry.
    [[nodiscard]] virtual Result<> remove_image(const ImageRef& image) = 0;

    // Removes the tag that a push has left with the engine, where it pushed from here; the image stays while anything else
    // needs it. A runtime that nobody pushes from has none.
    [[nodiscard]] virtual Result<> remove_tag(const std::string& /*repository*/,
                                              const std::string& /*tag*/) {
        return {};
    }

    // Creates and starts the container of (instance, attempt); one that exists already is started if it never was,
    // and left alone if it has run. Containers of the instance's earlier attempts are removed first.
    // refused with the runtime's words when the image's command can't be started (no such file, not executable);
    // unavailable with kFirewallUnavailable when the machine can't be kept from what would run.
    [[nodiscard]] virtual Result<> start(const ContainerSpec& spec) = 0;
    // Nothing to do when it does not run.
    [[nodiscard]] virtual Result<> signal(const InstanceId& instance, Signal signal) = 0;
    // Kills what still runs and removes every container of that instance; its log was collected or is lost.
    [[nodiscard]] virtual Result<> remove(const InstanceId& instance) = 0;

    // All containers of an app / of Loco, running or not.
    [[nodiscard]] virtual Result<std::vector<ObservedContainer>> list(const AppId& app) = 0;
    [[nodiscard]] virtual Result<std::vector<ObservedContainer>> list_all() = 0;

    [[nodiscard]] virtual Result<std::vector<ResourceUsage>> usage(const AppId& app) = 0;

    [[nodiscard]] virtual Result<MachineSize> machine() = 0;
    // Of all containers of Loco that run. Their files are looked at one by one: not to be asked often.
    [[nodiscard]] virtual Result<std::vector<WrittenBytes>> written() = 0;
    // Looks closer at an instance's newest container, running or not, for a diagnosis: as much as can be seen, which may be
    // nothing. Costs calls, so only for what is not as it should be.
    [[nodiscard]] virtual ContainerFacts examine(const InstanceId& instance) = 0;

    // Called (from any thread; must not block) when something of an app changed by itself: died, was killed for memory,
    // was removed by hand; with no app when everything may have changed (the daemon was away). Set before use.
    virtual void on_change(std::function<void(std::optional<AppId>)> listener) = 0;
};

}  // namespace loco
