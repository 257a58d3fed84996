// Why a rollout failed, in the words that its user reads. Pure; nothing here looks anything up.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "domain/model.hpp"

namespace loco {

// How a container ended.
struct ContainerEnd {
    std::optional<int> exit_code;  // none: it never ran, or it is gone
    bool oom_killed = false;
    std::string runtime_error;  // the runtime's own words when it could not be started
    std::string tail;           // its last output lines
};

// "256 MiB"
[[nodiscard]] std::string memory_text(std::int64_t bytes);

// What an exit status means: "exited with 127: the command was not found". `memory_bytes` is the limit it had.
[[nodiscard]] std::string describe_end(const ContainerEnd& end, std::int64_t memory_bytes);

// A container of the new set ended before it could serve: exited_at_start, oom_killed_at_start, cannot_start or lost_at_start.
[[nodiscard]] Diagnosis diagnose_exit_at_start(const Instance& instance, const ContainerEnd& end);

// The release command did not end well: release_command_failed, or release_command_lost when nobody can say how it ended.
[[nodiscard]] Diagnosis diagnose_release_command(const Instance& instance, const ContainerEnd& end);
[[nodiscard]] Diagnosis diagnose_release_command_timeout(Millis timeout);

// One that was not healthy at the deadline, and what was last seen of it.
struct Unhealthy {
    std::string name;     // "web.0"
    std::string problem;  // empty: nothing was seen
};
// `port` is what was asked; 0 when the instances have none.
[[nodiscard]] Diagnosis diagnose_never_healthy(const std::vector<Unhealthy>& instances, int port,
                                               const std::string& health_path, Millis timeout,
                                               const std::string& tail);

// strategy = "recreate": what served before did not make room before the deadline.
[[nodiscard]] Diagnosis diagnose_not_stopped();

// On a cluster: no node can take what is brought up; `words` are the cluster's.
[[nodiscard]] Diagnosis diagnose_unschedulable(const std::vector<Unhealthy>& instances,
                                               Millis timeout, const std::string& words);
// On a cluster: a node could not fetch the image.
[[nodiscard]] Diagnosis diagnose_image_pull(const Instance& instance, const std::string& words);
// On a cluster: all is ready, but the gateway did not take the routes before the deadline.
[[nodiscard]] Diagnosis diagnose_not_routed(const std::string& words);
// On a cluster: all is ready, but what served before was not gone at the deadline.
[[nodiscard]] Diagnosis diagnose_not_replaced(Millis timeout);

// The gateway could not be told to move the traffic before the deadline.
[[nodiscard]] Diagnosis diagnose_gateway_unreachable();
// The client's lease ran out while it was building.
[[nodiscard]] Diagnosis diagnose_client_gone();
[[nodiscard]] Diagnosis diagnose_cancelled(DeploymentState phase);
// Something that Loco needs (registry, engine) did not answer before the deadline; `error` is the last answer.
[[nodiscard]] Diagnosis diagnose_unavailable(DeploymentState phase, const Error& error);
// Any other refusal, as the error says it.
[[nodiscard]] Diagnosis diagnose_error(DeploymentState phase, const Error& error);

// "web.0"
[[nodiscard]] std::string instance_name(const Instance& instance);

}  // namespace loco
