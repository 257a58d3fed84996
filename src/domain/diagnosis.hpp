// Why a rollout failed or an instance is unwell, in the words that its user reads. Pure; nothing here looks anything up: what was
// seen is in Facts (facts.hpp), whatever runs the app. docs/guides/troubleshooting.md lists the codes.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "domain/facts.hpp"
#include "domain/model.hpp"

namespace loco {

// The one answer to "why does it not run": its code, what happened and why, what shows it, and what to do next. What is only
// concluded from what the app wrote last is told as a guess.
[[nodiscard]] Diagnosis diagnose(const Facts& facts);

// Why it is not healthy yet, as far as anything can be said; for what still has time.
[[nodiscard]] std::string why_it_waits(const Facts& facts);

// As an instance's row keeps it.
[[nodiscard]] Problem problem_of(const Diagnosis& diagnosis, const std::string& name);

// A release command that was stopped at its deadline, and one that nobody can say the end of.
[[nodiscard]] Diagnosis diagnose_release_command_timeout(const Facts& facts);
// It was asked to stop, went on for `stop_timeout`, and is killed.
[[nodiscard]] Diagnosis diagnose_ignored_stop(const std::string& name, Millis stop_timeout);

// strategy = "recreate": what served before did not make room before the deadline.
[[nodiscard]] Diagnosis diagnose_not_stopped();
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

// "256 MiB"
[[nodiscard]] std::string memory_text(std::int64_t bytes);
// "web.0"
[[nodiscard]] std::string instance_name(const Instance& instance);

}  // namespace loco
