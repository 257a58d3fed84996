#include "domain/model.hpp"

#include <array>

namespace loco {
namespace {

constexpr std::array<std::string_view, 4> kRoles{"viewer", "developer", "admin", "owner"};
constexpr std::array<std::string_view, 6> kKinds{"deploy", "redeploy", "rollback",
                                                 "scale",  "env",      "restart"};
constexpr std::array<std::string_view, 8> kDeploymentStates{
    "building", "checking", "releasing", "rolling", "live", "failed", "cancelled", "superseded"};
constexpr std::array<std::string_view, 7> kInstanceStates{
    "pending", "starting", "healthy", "backoff", "draining", "stopping", "finished"};

template <class E, std::size_t N>
std::optional<E> find_name(const std::array<std::string_view, N>& names, std::string_view text) {
    for (std::size_t i = 0; i < N; ++i) {
        if (names[i] == text) return static_cast<E>(i);
    }
    return std::nullopt;
}

}  // namespace

bool may_follow(DeploymentState from, DeploymentState to) {
    using enum DeploymentState;
    if (is_terminal(from)) return false;
    if (to == failed || to == cancelled) return true;
    switch (from) {
        case building:
            return to == checking || to == superseded || to == live;  // live: nothing changed
        case checking: return to == releasing;
        case releasing: return to == rolling;
        case rolling: return to == live;
        default: return false;
    }
}

std::string_view to_string(Role value) { return kRoles.at(static_cast<std::size_t>(value)); }
std::string_view to_string(DeploymentKind value) {
    return kKinds.at(static_cast<std::size_t>(value));
}
std::string_view to_string(DeploymentState value) {
    return kDeploymentStates.at(static_cast<std::size_t>(value));
}
std::string_view to_string(InstanceState value) {
    return kInstanceStates.at(static_cast<std::size_t>(value));
}
std::optional<Role> parse_role(std::string_view text) { return find_name<Role>(kRoles, text); }
std::optional<DeploymentKind> parse_deployment_kind(std::string_view text) {
    return find_name<DeploymentKind>(kKinds, text);
}
std::optional<DeploymentState> parse_deployment_state(std::string_view text) {
    return find_name<DeploymentState>(kDeploymentStates, text);
}
std::optional<InstanceState> parse_instance_state(std::string_view text) {
    return find_name<InstanceState>(kInstanceStates, text);
}

std::string release_name(int number) { return "v" + std::to_string(number); }

}  // namespace loco
