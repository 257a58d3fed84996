// What people do: create, build, deploy, roll back, scale, change variables, cancel, go away, destroy.
#include <algorithm>

#include "tests/simulation/world.hpp"
#include "usecase/apps.hpp"
#include "usecase/deployments.hpp"
#include "usecase/env.hpp"

namespace loco::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Actor kActor{.user = {}, .login = "ann"};

}  // namespace

AppSpec World::make_spec(const std::string& name) {
    AppSpec spec;
    spec.name = name;
    if (dice_.percent(12)) {
        spec.type = AppType::worker;
    } else {
        spec.ports.push_back({.port = 8080});
        if (dice_.percent(20))
            spec.ports.push_back({.name = "admin", .port = 9090, .path = "/admin"});
        if (dice_.percent(10)) spec.ports.push_back({.name = "internal", .port = 9091, .path = ""});
    }
    spec.deploy.strategy = dice_.percent(15) ? Strategy::recreate : Strategy::rolling;
    if (dice_.percent(25)) spec.deploy.release_command = {"/migrate"};
    spec.deploy.timeout = milliseconds(10'000 + static_cast<int>(dice_.below(30'000)));
    spec.deploy.stop_timeout = milliseconds(dice_.below(8'000));
    spec.health.grace = milliseconds(dice_.below(10'000));
    spec.scale.min = spec.scale.max = 1 + static_cast<int>(dice_.below(3));
    if (dice_.percent(20))
        spec.processes["mailer"] = {.command = {"/mail"},
                                    .replicas = 1 + static_cast<int>(dice_.below(2))};
    if (dice_.percent(10)) spec.domains = {"d" + std::to_string(dice_.below(3)) + ".example"};
    if (dice_.percent(10)) spec.required_secrets = {"KEY" + std::to_string(dice_.below(2))};
    return spec;
}

// An image of one of the kinds that people build: most are good.
std::string World::make_image(const std::string& repository, const AppSpec& spec) {
    const auto digest = "sha256:" + std::to_string(++next_image_);
    ImageFacts facts{.image_id = "sha256:i" + std::to_string(next_image_),
                     .digest = digest,
                     .platform = "linux/amd64",
                     .user = "app",
                     .uid = 10001,
                     .gid = 10001,
                     .size_bytes = 1,
                     .exposed_tcp = {8080}};
    SimulatedBehaviour behaviour;
    behaviour.healthy_after = dice_.up_to(seconds(3));
    behaviour.stops_after = dice_.up_to(seconds(2));
    switch (dice_.below(14)) {
        case 0: behaviour.healthy_after.reset(); break;
        case 1:
            behaviour.exits_after = dice_.up_to(seconds(2));
            behaviour.exit_code = static_cast<int>(dice_.below(3));
            flaky_images_.insert(digest);
            break;
        case 2:
            behaviour.exits_after = dice_.up_to(seconds(90));
            behaviour.oom_killed = true;
            flaky_images_.insert(digest);
            break;
        case 3: behaviour.refused = "exec /app: no such file or directory"; break;
        case 4: facts.uid = 0; break;
        case 5: facts.platform = "linux/arm64"; break;
        case 6: behaviour.stops_after.reset(); break;
        case 7: behaviour.healthy_after = dice_.up_to(spec.deploy.timeout - seconds(2)); break;
        default: break;
    }
    images_[digest] = behaviour;
    registry_.push({repository, digest}, facts);
    return digest;
}

SimulatedBehaviour World::behaviour_of(const ContainerSpec& spec) {
    if (!spec.instance.one_shot) return images_[spec.image.digest];
    ++release_commands_[spec.instance.set];
    SimulatedBehaviour behaviour;
    behaviour.exits_after = dice_.up_to(dice_.percent(10) ? seconds(60) : seconds(3));
    behaviour.exit_code = dice_.percent(15) ? 1 : 0;
    return behaviour;
}

void World::create() {
    const auto name = "app" + std::to_string(next_name_++);
    run_in_process([&] {
        auto c = context();
        if (const auto app = create_app(c, kActor, dice_.pick(teams_), name)) {
            apps_.push_back(app->id);
            acknowledged_apps_.insert(app->id);
            wake(app->id);
            count("create");
        }
    });
}

void World::begin_deploy(const AppId& app) {
    run_in_process([&] {
        std::string name;
        const auto read = store_.read([&](const ReadTx& tx) -> Result<> {
            LOCO_ASSIGN(const auto row, tx.app(app));
            name = row.name;
            return {};
        });
        if (!read) return;
        auto spec = make_spec(name);
        auto c = context();
        const auto started = start_deploy(c, kActor, app, spec);
        if (!started) {
            count("deploy.refused");
            if (started.error().code == "not_enough_memory") count("refused.no_room");
            return;
        }
        count("deploy.start");
        acknowledged_deployments_[started->deployment.id] = app;
        builds_.push_back({started->deployment.id, app, started->deployment.repository,
                           started->deployment.tag, spec});
    });
}

void World::report(std::size_t index) {
    const auto build = builds_[index];
    builds_.erase(builds_.begin() + static_cast<std::ptrdiff_t>(index));
    run_in_process([&] {
        auto c = context();
        if (dice_.percent(10)) {
            if (report_build_failure(
                    c, build.deployment,
                    {.code = "build_failed", .phase = "building", .message = "step 3 failed"})) {
                count("build.failed");
            }
            return;
        }
        const auto token = push_token(c, registry_, build.deployment);
        if (!token) return;
        const bool dies = dice_.percent(10);  // between the push and the report
        if (dies && dice_.percent(30))
            (void)cancel_deployment(c, kActor, build.deployment);  // and it pushes on
        const auto digest = make_image(build.repository, build.spec);
        registry_.tag({build.repository, digest}, build.tag);
        if (dies) {
            unreported_.emplace(build.repository, digest);
            count("build.unreported");
            return;
        }
        if (const auto reported = report_built(
                c, build.deployment, {.digest = digest, .image_id = "sha256:i" + digest})) {
            count("build.reported");
        } else {
            count("build.report_refused");
        }
    });
}

void World::change_something(const AppId& app) {
    run_in_process([&] {
        auto c = context();
        const auto keep = [&](const Result<Deployment>& made, const char* what) {
            if (!made) {
                count(std::string(what) + ".refused");
                if (made.error().code == "not_enough_memory") count("refused.no_room");
                return;
            }
            count(what);
            acknowledged_deployments_[made->id] = app;
        };
        switch (dice_.below(12)) {
            case 0:
            case 1: keep(redeploy(c, kActor, app), "redeploy"); return;
            case 2:
            case 3: keep(rollback(c, kActor, app, {}), "rollback"); return;
            case 4:
                keep(rollback(c, kActor, app, 1 + static_cast<int>(dice_.below(6))),
                     "rollback.number");
                return;
            case 5: keep(restart(c, kActor, app), "restart"); return;
            case 6:
            case 7:
            case 8: {
                ScaleRequest request;
                if (dice_.percent(15)) {
                    request.reset = true;
                } else if (dice_.percent(70)) {
                    request.change.replicas = static_cast<int>(dice_.below(5));
                    if (*request.change.replicas == 0 && dice_.percent(70))
                        request.change.replicas = 1;
                }
                if (!request.reset && dice_.percent(30))
                    request.change.memory_bytes =
                        (64LL << 20) * static_cast<int>(1 + dice_.below(4));
                if (const auto made = scale(c, kActor, app, request)) {
                    count("scale");
                    if (*made) acknowledged_deployments_[(*made)->id] = app;
                } else {
                    count("scale.refused");
                }
                return;
            }
            case 9:
            case 10: {
                EnvChange change;
                change.values["KEY" + std::to_string(dice_.below(2))] =
                    dice_.percent(80) ? std::optional(Secret<>(std::to_string(dice_.below(1000))))
                                      : std::nullopt;
                change.stage = dice_.percent(30);
                const auto made =
                    change_env(c, kActor, app, change,
                               [](const AppId&, const std::string&, const Secret<>& value) {
                                   return Result<std::string>("sealed:" + value.reveal());
                               });
                if (made) {
                    count("env");
                    if (made->deployment) acknowledged_deployments_[made->deployment->id] = app;
                } else {
                    count("env.refused");
                }
                return;
            }
            default:
                if (!dice_.percent(25)) return;
                if (destroy_app(c, kActor, app)) {
                    destroyed_.insert(app);
                    std::erase(apps_, app);
                    count("destroy");
                }
        }
    });
}

void World::client_step() {
    if (apps_.empty() || (apps_.size() < 3 && dice_.percent(10))) {
        trace("create");
        create();
        return;
    }
    const auto app = dice_.pick(apps_);
    const auto what = dice_.below(100);
    if (!builds_.empty() && what < 55) {
        const auto index = dice_.below(builds_.size());
        trace("report " + builds_[index].deployment.str());
        if (dice_.percent(5)) {
            builds_.erase(builds_.begin() +
                          static_cast<std::ptrdiff_t>(index));  // the client was killed
        } else if (dice_.percent(10)) {
            run_in_process([&] {
                auto c = context();
                (void)renew_lease(c, builds_[index].deployment);
            });
        } else {
            report(index);
        }
    } else if (builds_.empty() && what < 70) {
        trace("deploy " + app.str());
        begin_deploy(app);
    } else if (what < 76 && !deployments_.empty()) {
        auto it = deployments_.begin();
        std::advance(it, static_cast<std::ptrdiff_t>(dice_.below(deployments_.size())));
        trace("cancel " + it->first.str());
        run_in_process([&, id = it->first] {
            auto c = context();
            if (cancel_deployment(c, kActor, id)) count("cancel");
        });
    } else {
        trace("change " + app.str());
        change_something(app);
    }
}

}  // namespace loco::simulation
