// An app's rows and what is seen of it, built in few words, and a plan told in few words.
#pragma once

#include <string>

#include "reconcile/plan.hpp"

namespace loco::reconcile::testing {

// Seconds after the beginning of time as these tests know it.
[[nodiscard]] Time at(double seconds);

struct Scene {
    AppRows rows;
    Observed seen;
    Time now = at(100);

    Scene();  // team "main", app "shop" with its host, nothing deployed, everything observable

    // A release of one web process on port 8080 (timeout 60 s, stop_timeout 10 s).
    Release& release(int number);
    // "v1" serves with `replicas` healthy instances that run, and the gateway has their routes.
    Scene& live(int number, int replicas = 1);
    // An open deployment that holds the app.
    Deployment& deployment(DeploymentKind kind, DeploymentState state, int release_number = 0);
    // An instance of that set in that state, with its container running unless it is pending, backoff or finished.
    Instance& instance(const DeploymentId& set, int release_number, int index, InstanceState state,
                       const std::string& process = "web");
    ObservedContainer& container(const Instance& instance,
                                 ContainerState state = ContainerState::running);
    Scene& exited(const Instance& instance, int code, bool oom = false);
    Scene& gone(const Instance& instance);  // its container
    Scene& healthy(const Instance& instance);
    Scene& routed();  // the gateway has what the rows say
    [[nodiscard]] Instance& of(const std::string& name, const DeploymentId& set);  // "web.0"

    [[nodiscard]] Plan plan() const { return reconcile::plan(rows, seen, now); }
    // plan() as lines, in its order: "deployment rolling -> live", "web.0 starting -> healthy", "new web.0",
    // "event deployment.live", "start web.0", "routes web.0 web.1(draining)", "wake +5s" …
    [[nodiscard]] std::string told() const;
};

}  // namespace loco::reconcile::testing
