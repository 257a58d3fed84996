// The small pure rules beside the plan: admission, images, routes, containers.
#include <gtest/gtest.h>

#include "reconcile/admit.hpp"
#include "reconcile/container.hpp"
#include "reconcile/images.hpp"
#include "reconcile/routes.hpp"
#include "tests/unit/reconcile/scene.hpp"

namespace loco::reconcile::testing {
namespace {

ImageFacts good_image() {
    return {.image_id = "i",
            .digest = "sha256:1",
            .platform = "linux/amd64",
            .user = "app",
            .uid = 10001,
            .gid = 10002};
}

std::string refusal(const AppSpec& spec, const ImageFacts& facts,
                    const std::set<std::string>& secrets = {}) {
    const auto refused = check_image(spec, facts, "linux/amd64", secrets);
    return refused ? refused->code : "";
}

TEST(Admit, WhatAnImageMayBe) {
    EXPECT_EQ(refusal({}, good_image()), "");
    auto image = good_image();
    image.user = "";
    image.uid = 0;
    EXPECT_EQ(refusal({}, image), "image_runs_as_root");
    image.user = "app";  // app:x:0:0 in its passwd
    EXPECT_EQ(refusal({}, image), "image_runs_as_root");
    image.user = "00";
    EXPECT_EQ(refusal({}, image), "image_runs_as_root");
    image = good_image();
    image.uid.reset();
    EXPECT_EQ(refusal({}, image), "image_user_unknown");
    image = good_image();
    image.platform = "linux/arm64/v8";
    EXPECT_EQ(refusal({}, image), "wrong_platform");
    image.platform = "linux/x86_64";
    EXPECT_EQ(refusal({}, image), "");
    image = good_image();
    image.has_command = false;
    EXPECT_EQ(refusal({}, image), "no_command");
    AppSpec spec;
    spec.deploy.command = {"/app"};
    EXPECT_EQ(refusal(spec, image), "");
    spec.required_secrets = {"KEY"};
    EXPECT_EQ(refusal(spec, image), "secret_unset");
    EXPECT_EQ(refusal(spec, image, {"KEY"}), "");
    spec.env = {{std::string(kSealedEnvMark), "sealed"}, {"LEVEL", "1.0a1b2c3d.xyz"}};
    EXPECT_EQ(refusal(spec, image, {"KEY"}), "env_unreadable");
}

TEST(Admit, TheSpecificationsUserWinsOverTheImages) {
    auto image = good_image();
    image.user = "";
    image.uid = 0;
    AppSpec spec;
    for (const auto& [user, uid, gid] :
         {std::tuple{"1000", 1000, 1000}, {"1000:50", 1000, 50}, {"4294967294", -2, -2}}) {
        spec.deploy.user = user;
        const auto found = image_user(spec, image);
        ASSERT_TRUE(found) << user;
        EXPECT_EQ(static_cast<std::int32_t>(found->uid), uid);
        EXPECT_EQ(static_cast<std::int32_t>(found->gid), gid);
    }
    for (const auto* user :
         {"0", "00", "0:1000", "app", "-1", "4294967295", "1000:", ":1000", "1000:app", "1 000"}) {
        spec.deploy.user = user;
        EXPECT_FALSE(image_user(spec, image)) << user;
    }
}

TEST(Admit, ARefusalIsForPolicyAndSaysWhatToAdd) {
    auto image = good_image();
    image.uid = 0;
    const auto refused = check_image({}, image, "linux/amd64", {});
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->kind, static_cast<std::uint8_t>(ErrorKind::refused));
    EXPECT_EQ(refused->phase, "checking");
    EXPECT_NE(refused->next_steps.at(0).find("USER 10001"), std::string::npos);
}

TEST(Admit, AnImageMayBeAsLargeAsTheServerSays) {
    EXPECT_TRUE(check_size(0, 1 << 20));
    EXPECT_TRUE(check_size(1 << 20, 1 << 20));
    const auto refused = check_size(5LL << 30, 2LL << 30);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::refused);
    EXPECT_EQ(refused.error().code, "image_too_large");
    EXPECT_NE(refused.error().message.find("5 GiB"), std::string::npos);
    EXPECT_NE(refused.error().message.find("2 GiB"), std::string::npos);
    EXPECT_FALSE(refused.error().next_steps.empty());
}

TEST(Images, WhatARollbackOrAnInstanceNeedsIsKept) {
    Scene scene;
    std::vector<Release> all;
    for (int number = 8; number >= 1; --number) {
        Release release = Scene().release(number);
        if (number != 7) release.live_at = at(number);  // 7 failed
        all.push_back(release);
    }
    scene.rows.releases[all[6].id] = all[6];  // v2: an instance of it still stops
    std::vector<int> removed;
    for (const auto& one : obsolete_images(scene.rows, all)) {
        EXPECT_TRUE(one.remove);
        removed.push_back(one.release.number);
    }
    EXPECT_EQ(removed, (std::vector<int>{7, 4, 3, 1}));
}

TEST(Images, OneThatAnotherReleaseOrAnOpenDeploymentSharesIsOnlyUnmarked) {
    Scene scene;
    std::vector<Release> all;
    for (int number = 7; number >= 1; --number) {
        Release release = Scene().release(number);
        release.live_at = at(number);
        all.push_back(release);
    }
    all[6].digest = all[0].digest;  // v1 is v7's image
    scene.deployment(DeploymentKind::rollback, DeploymentState::checking);
    scene.rows.open[0].repository = all[5].repository;
    scene.rows.open[0].digest = all[5].digest;  // to v2
    all[4].digest = all[3].digest;              // v3 and v4 are one
    std::map<int, bool> removed;
    for (const auto& one : obsolete_images(scene.rows, all))
        removed[one.release.number] = one.remove;
    EXPECT_EQ(removed, (std::map<int, bool>{{4, true}, {3, false}, {2, false}, {1, false}}));
}

TEST(Images, OneThatWasRefusedGoesUnlessAReleaseOrAnOpenDeploymentHasIt) {
    Scene scene;
    std::vector<Release> releases{Scene().release(2), Scene().release(1)};
    releases[1].image_kept = false;
    std::vector<Deployment> deployments;
    const auto ended = [&](const std::string& id, DeploymentState state,
                           const std::string& digest) -> Deployment& {
        Deployment row;
        row.id = DeploymentId(id);
        row.state = state;
        row.repository = "loco/1";
        row.digest = digest;
        return deployments.emplace_back(row);
    };
    using enum DeploymentState;
    ended("refused", failed, "sha256:a");
    ended("again", superseded, "sha256:a");
    ended("unbuilt", cancelled, "");
    ended("kept", failed, "sha256:2");
    ended("as one that was cleaned up", failed, "sha256:1");
    ended("released", failed, "sha256:b").release = ReleaseId("rel_3");
    ended("under way", checking, "sha256:c");
    ended("open elsewhere", failed, "sha256:d");
    scene.deployment(DeploymentKind::deploy, building);
    scene.rows.open[0].repository = "loco/1";
    scene.rows.open[0].digest = "sha256:d";
    std::vector<std::string> gone;
    for (const auto& one : unreleased_images(scene.rows, releases, deployments))
        gone.push_back(one.id.str());
    EXPECT_EQ(gone, (std::vector<std::string>{"refused", "as one that was cleaned up"}));
}

TEST(Images, OfWhatEndedOnlyPushesThatWereNotReportedAreLookedForByTheirTag) {
    Scene scene;
    std::vector<Deployment> deployments;
    const auto one = [&](const char* id, DeploymentState state) -> Deployment& {
        Deployment row;
        row.id = DeploymentId(id);
        row.state = state;
        row.repository = "loco/1";
        row.tag = id;
        row.push_token_given = true;
        row.phases["pushing"] = from_unix_ms(1'000'000);
        return deployments.emplace_back(row);
    };
    using enum DeploymentState;
    one("died", failed);
    one("cancelled", cancelled);
    one("reported", failed).digest = "sha256:a";
    one("never got a token", cancelled).push_token_given = false;
    one("pushes", building);
    one("of a rollback", failed).tag.clear();
    std::vector<std::string> found;
    for (const auto& each : unreported_pushes(deployments)) found.push_back(each.id.str());
    EXPECT_EQ(found, (std::vector<std::string>{"died", "cancelled", "never got a token"}))
        << "the engine has what was built, also where nothing was pushed";
    // The token's 5 minutes, the registry's own minute, and one more.
    EXPECT_EQ(push_ends(deployments[0]), from_unix_ms(1'000'000) + std::chrono::minutes(7));
}

TEST(Routes, APortThatTheNewReleaseHasNoMoreKeepsItsRouteWhileItDrains) {
    Scene scene;
    scene.release(1).spec.ports.push_back({.name = "admin", .port = 9090, .path = "/admin"});
    scene.release(2);
    scene.rows.app.live_set = DeploymentId("new");
    scene.rows.app.live_release = scene.release(2).id;
    const auto drains = scene.instance(DeploymentId("old"), 1, 0, InstanceState::draining);
    const auto serves = scene.instance(DeploymentId("new"), 2, 0, InstanceState::healthy);
    const auto routes = routes_of(scene.rows);
    ASSERT_EQ(routes.ports.size(), 2U);
    EXPECT_EQ(routes.ports[0].endpoints.size(), 2U);
    EXPECT_EQ(routes.ports[1].name, "admin");
    ASSERT_EQ(routes.ports[1].endpoints.size(), 1U);
    EXPECT_EQ(routes.ports[1].endpoints[0], (Endpoint{drains.id, drains.address, 9090, true}));
}

TEST(Routes, AVisitorIsToldThatAFirstDeployStartsAndThatACrashedAppIsDown) {
    Scene scene;
    scene.release(1);
    EXPECT_EQ(routes_of(scene.rows).without_endpoint, NoEndpoint::down);
    scene.deployment(DeploymentKind::deploy, DeploymentState::rolling, 1);
    EXPECT_EQ(routes_of(scene.rows).without_endpoint, NoEndpoint::starting);
    EXPECT_EQ(routes_of(scene.rows).ports.size(), 1U);
    Scene crashed;
    crashed.live(1);
    crashed.of("web.0", DeploymentId("old")).state = InstanceState::backoff;
    EXPECT_EQ(routes_of(crashed.rows).without_endpoint, NoEndpoint::down);
}

TEST(Routes, ADomainIsRoutedOnceTheLiveReleaseNamesIt) {
    Scene scene;
    const auto hosts = [&] { return routes_of(scene.rows).hosts; };
    const std::vector<std::string> only_primary{"shop.localhost"};
    for (const auto* domain : {"new.example", "old.example", "shop.example"}) {
        scene.rows.hosts.push_back({.name = domain,
                                    .team = scene.rows.team.id,
                                    .app = scene.rows.app.id,
                                    .primary = false,
                                    .reserved_until = {}});
    }
    scene.release(2).spec.domains = {"shop.example", "new.example"};
    scene.deployment(DeploymentKind::deploy, DeploymentState::rolling, 2);
    EXPECT_EQ(hosts(), only_primary) << "nothing is live";
    scene.live(1);
    EXPECT_EQ(hosts(), only_primary) << "v1 names none";
    scene.release(1).spec.domains = {"shop.example", "old.example", "elsewhere.example"};
    EXPECT_EQ(hosts(), (std::vector<std::string>{"shop.localhost", "old.example", "shop.example"}));
    scene.rows.app.previous_release = scene.rows.app.live_release;
    scene.rows.app.live_release = scene.release(2).id;
    EXPECT_EQ(hosts(), (std::vector<std::string>{"shop.localhost", "new.example", "shop.example"}));
}

TEST(Routes, PortsWithoutAPathAndOtherProcessesAreNotRouted) {
    Scene scene;
    scene.live(1);
    scene.release(1).spec.ports.push_back({.name = "internal", .port = 9091, .path = ""});
    scene.release(1).spec.processes["mailer"] = {};
    scene.instance(DeploymentId("old"), 1, 0, InstanceState::healthy, "mailer");
    const auto routes = routes_of(scene.rows);
    ASSERT_EQ(routes.ports.size(), 1U);
    EXPECT_EQ(routes.ports[0].endpoints.size(), 1U);
}

TEST(Container, EnvironmentHasLocosNamesOverSecretsOverTheFile) {
    Scene scene;
    auto& release = scene.release(7);
    release.spec.env = {{"A", "file"}, {"B", "file"}, {"LOCO_APP", "file"}};
    const auto& instance = scene.instance(DeploymentId("new"), 7, 0, InstanceState::pending);
    SecretEnv secrets;
    secrets["B"] = Secret<>("secret");
    secrets["PORT"] = Secret<>("1");
    const auto spec = container_spec({.rows = scene.rows,
                                      .instance = instance,
                                      .release = release,
                                      .network = {},
                                      .secrets = secrets,
                                      .url = "http://shop.localhost:8080"});
    std::map<std::string, std::string> env;
    for (const auto& [name, value] : spec.env) env[name] = value.reveal();
    EXPECT_EQ(env,
              (std::map<std::string, std::string>{{"A", "file"},
                                                  {"B", "secret"},
                                                  {"PORT", "8080"},
                                                  {"LOCO_APP", "shop"},
                                                  {"LOCO_TEAM", "main"},
                                                  {"LOCO_RELEASE", "v7"},
                                                  {"LOCO_PROCESS", "web"},
                                                  {"LOCO_INSTANCE", instance.id.str()},
                                                  {"LOCO_URL", "http://shop.localhost:8080"}}));
    EXPECT_EQ(spec.uid, 10001);
    EXPECT_EQ(spec.aliases, std::vector<std::string>{"shop.internal"});
}

TEST(Container, EachProcessHasItsOwnCommand) {
    Scene scene;
    auto& release = scene.release(1);
    release.spec.deploy.command = {"/web"};
    release.spec.deploy.release_command = {"/migrate"};
    release.spec.processes["mailer"].command = {"/mail"};
    const auto command = [&](const std::string& process) {
        const auto instance =
            scene.instance(DeploymentId("new"), 1, 0, InstanceState::pending, process);
        return container_spec({.rows = scene.rows,
                               .instance = instance,
                               .release = release,
                               .network = {},
                               .secrets = {},
                               .url = {}})
            .command;
    };
    EXPECT_EQ(command("web"), std::vector<std::string>{"/web"});
    EXPECT_EQ(command("mailer"), std::vector<std::string>{"/mail"});
    EXPECT_EQ(command("release"), std::vector<std::string>{"/migrate"});
}

}  // namespace
}  // namespace loco::reconcile::testing
