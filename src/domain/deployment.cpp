#include "domain/deployment.hpp"

namespace loco {

Result<> enter(Deployment& deployment, DeploymentState state, Time now) {
    if (!may_follow(deployment.state, state)) {
        return fail(ErrorKind::internal, "deployment " + deployment.id.str() + " can't go from " +
                                             std::string(to_string(deployment.state)) + " to " +
                                             std::string(to_string(state)));
    }
    deployment.state = state;
    deployment.phases[std::string(to_string(state))] = now;
    if (is_terminal(state)) deployment.ended_at = now;
    return {};
}

Event event_of(const Deployment& deployment, const App& app, std::string message, Time now) {
    return Event{.team = app.team,
                 .app = app.id,
                 .deployment = deployment.id,
                 .actor = deployment.actor,
                 .kind = "deployment." + std::string(to_string(deployment.state)),
                 .message = std::move(message),
                 .data = {},
                 .at = now};
}

}  // namespace loco
