#include "runtime/docker/container.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

#include "runtime/docker/names.hpp"

namespace loco::runtime {
namespace {

constexpr std::int64_t kMegabyte = 1LL << 20;

// A quarter of the memory, which it counts to: an unsized tmpfs that fills ends in a kill, not in "no space".
std::string tmp_options(std::int64_t memory_bytes) {
    const std::int64_t megabytes = std::clamp<std::int64_t>(memory_bytes / 4 / kMegabyte, 16, 1024);
    return "rw,exec,nosuid,nodev,mode=1777,size=" + std::to_string(megabytes) + "m";
}

std::string value_of(const engine::Labels& labels, std::string_view name) {
    const auto found = labels.find(std::string(name));
    return found == labels.end() ? std::string() : found->second;
}

int number_of(std::string_view text) {
    int value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

}  // namespace

engine::ContainerSpec to_engine(const ContainerSpec& spec, const ContainerPolicy& policy,
                                const std::string& image, const std::string& network) {
    const Instance& instance = spec.instance;
    engine::ContainerSpec out;
    out.image = image;
    out.command = spec.command;
    for (const auto& [name, value] : spec.env) out.env.emplace_back(name, value);
    // Always numeric: what was checked is what runs, whatever the image's passwd says by then.
    out.user = std::to_string(spec.uid) + ":" + std::to_string(spec.gid);
    out.labels = {{std::string(label::kApp), spec.app_name},
                  {std::string(label::kTeam), spec.network.team_slug},
                  {std::string(label::kAppId), instance.app.str()},
                  {std::string(label::kTeamId), instance.team.str()},
                  {std::string(label::kRelease), spec.release_name},
                  {std::string(label::kProcess), instance.process},
                  {std::string(label::kInstance), instance.id.str()},
                  {std::string(label::kAttempt), std::to_string(instance.attempt)},
                  {std::string(label::kSet), instance.set.str()},
                  {std::string(label::kInstanceOf), policy.loco}};
    out.network = network;
    out.address = instance.address;
    out.aliases = spec.aliases;
    out.memory_bytes = instance.memory_bytes;
    out.memory_swap_bytes = instance.memory_bytes;
    out.nano_cpus = std::min(instance.cpu_max_millis, policy.most_cpu_millis) * 1'000'000;
    out.cpu_shares = std::max<std::int64_t>(2, instance.cpu_millis * 1024 / 1000);
    out.pids_limit = policy.pids_limit;
    out.cap_drop = {"ALL"};
    out.security_opt = {
        "no-new-privileges:true"};  // and the engine's default seccomp profile, by not naming one
    out.init = true;
    if (!spec.writable) {
        out.read_only_root = true;
        out.tmpfs = {{"/tmp", tmp_options(instance.memory_bytes)}};
    }
    out.restart_policy = "no";  // Loco restarts, with a new container each time
    out.log_driver = "json-file";
    out.log_options = {{"max-size", std::to_string(policy.log_megabytes) + "m"}, {"max-file", "2"}};
    return out;
}

ObservedContainer observed(const engine::ContainerSummary& summary) {
    ObservedContainer out;
    out.instance = InstanceId(value_of(summary.labels, label::kInstance));
    out.app = AppId(value_of(summary.labels, label::kAppId));
    out.attempt = number_of(value_of(summary.labels, label::kAttempt));
    out.runtime_id = summary.id;
    if (summary.state == "created") {
        out.state = ContainerState::created;
    } else if (summary.state == "running" || summary.state == "paused" ||
               summary.state == "restarting") {
        out.state = ContainerState::running;
    } else {
        out.state = ContainerState::exited;  // exited, dead, removing
    }
    for (const auto& attachment : summary.networks) {
        out.address = attachment.requested_address.empty() ? attachment.address
                                                           : attachment.requested_address;
    }
    return out;
}

void fill_in(ObservedContainer& container, const engine::ContainerState& state) {
    container.exit_code = state.exit_code;
    container.oom_killed = state.oom_killed && state.exit_code == 137;
    container.oom_within = state.oom_killed;
    container.error = state.error;
    container.started_at = state.started_at;
    container.finished_at = state.finished_at;
}

LogSource log_source(const std::string& container, const engine::Labels& labels) {
    LogSource source;
    source.container = container;
    source.app = AppId(value_of(labels, label::kAppId));
    source.instance = InstanceId(value_of(labels, label::kInstance));
    source.set = DeploymentId(value_of(labels, label::kSet));
    source.process = value_of(labels, label::kProcess);
    const std::string release = value_of(labels, label::kRelease);
    if (release.starts_with('v')) source.release = number_of(std::string_view(release).substr(1));
    return source;
}

Error start_failure(Error error) {
    static constexpr std::array<std::string_view, 8> kOwners{"executable file not found",
                                                             "no such file or directory",
                                                             "permission denied",
                                                             "exec format error",
                                                             "is a directory",
                                                             "not a directory",
                                                             "invalid argument",
                                                             "argument list too long"};
    const bool from_oci = error.message.find("OCI runtime") != std::string::npos ||
                          error.message.find("Cannot mkdir") != std::string::npos ||
                          error.message.find("exec: ") != std::string::npos;
    const bool owners = std::ranges::any_of(kOwners, [&](std::string_view words) {
        return error.message.find(words) != std::string::npos;
    });
    if (error.message.find("ddress already in use") != std::string::npos) {
        error.kind = ErrorKind::conflict;
        error.code = "address_in_use";
    } else if (from_oci && owners) {
        error.kind = ErrorKind::refused;
        error.code = "command_not_startable";
        error.hint =
            "check the image's CMD and ENTRYPOINT, or [deploy] command: the program must be in the "
            "image, "
            "executable, and built for this machine";
    }
    return error;
}

}  // namespace loco::runtime
