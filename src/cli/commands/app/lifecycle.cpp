// redeploy, restart, rollback: they begin a deployment on the server and follow it.
#include <boost/json.hpp>

#include "cli/commands/all.hpp"
#include "cli/follow.hpp"

namespace loco::cli {
namespace {

namespace json = boost::json;

Result<> begin(Invocation& invocation, json::object body, std::string_view done) {
    LOCO_ASSIGN(const auto path, invocation.app_path());
    LOCO_ASSIGN(const auto deployment,
                invocation.api().post(path + "/deployments", std::move(body)));
    return finish(invocation, path, deployment, done);
}

Result<> run_redeploy(Invocation& invocation) {
    return begin(invocation, {{"kind", "redeploy"}}, "redeployed");
}
Result<> run_restart(Invocation& invocation) {
    return begin(invocation, {{"kind", "restart"}}, "restarted");
}

Result<> run_rollback(Invocation& invocation) {
    json::object body{{"kind", "rollback"}};
    if (const auto release = invocation.argument("RELEASE")) body["release"] = *release;
    return begin(invocation, std::move(body), "rolled back");
}

constexpr Option kDetach{.name = "--detach", .help = "do not wait until it is live"};

}  // namespace

Command redeploy_command() {
    return {
        .name = "redeploy",
        .summary = "Release what is live again, with the newest environment",
        .help =
            "Makes a new release of what is live, without a build. Nothing is interrupted: the old "
            "instances serve "
            "until the new ones are healthy.\n\n    loco redeploy\n    loco redeploy -a shop "
            "--detach",
        .options = {kDetach},
        .about_an_app = true,
        .run = run_redeploy};
}

Command restart_command() {
    return {.name = "restart",
            .summary = "Replace all instances of what is live",
            .help =
                "Starts new instances of the live release, moves traffic to them once they are "
                "healthy, and stops the old "
                "ones. Makes no release.\n\n    loco restart\n    loco restart -a shop",
            .options = {kDetach},
            .about_an_app = true,
            .run = run_restart};
}

Command rollback_command() {
    return {.name = "rollback",
            .summary = "Release again what was live before",
            .help =
                "Makes a new release from the one that was live before, or from RELEASE: its "
                "image, its specification and "
                "its environment. A release that never was live is no target.\n\n    loco "
                "rollback\n    loco rollback v3",
            .options = {kDetach},
            .arguments = {{.name = "RELEASE",
                           .help = "a release such as v3; without it the one live before"}},
            .about_an_app = true,
            .run = run_rollback};
}

}  // namespace loco::cli
