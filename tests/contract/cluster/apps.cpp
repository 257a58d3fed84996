#include "tests/contract/cluster/bed.hpp"

namespace loco::cluster {

ClusterApp basic_app(const Clock& clock, Random& random, int replicas) {
    ClusterApp app;
    app.app = AppId::make(clock, random);
    app.app_name = "shop";
    app.team = TeamId::make(clock, random);
    app.team_slug = "acme";
    app.set = DeploymentId::make(clock, random);
    app.release.id = ReleaseId::make(clock, random);
    app.release.app = app.app;
    app.release.number = 1;
    app.release.uid = app.release.gid = 1000;
    app.release.deployment = app.set;
    auto& spec = app.release.spec;
    spec.name = app.app_name;
    spec.ports = {{.name = "http", .port = 8080, .path = "/"}};
    spec.health.path = "/healthz";
    spec.health.interval = Millis(1000);
    spec.health.grace = Millis(2000);
    spec.health.failures = 2;
    spec.deploy.stop_timeout = Millis(1000);
    app.processes = {{.name = "web",
                      .main = true,
                      .replicas = replicas,
                      .max_replicas = replicas,
                      .cpu_millis = 20,
                      .cpu_max_millis = 1000,
                      .memory_bytes = 32LL << 20}};
    app.env["GREETING"] = Secret<>("hello");
    app.hosts = {"shop-" + app.app.str().substr(app.app.str().size() - 8) + ".example.test"};
    return app;
}

ClusterApp next_set(ClusterApp app, const Clock& clock, Random& random) {
    app.set = DeploymentId::make(clock, random);
    ++app.release.number;
    app.release.id = ReleaseId::make(clock, random);
    return app;
}

}  // namespace loco::cluster
