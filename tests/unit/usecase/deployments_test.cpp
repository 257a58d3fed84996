#include "usecase/deployments.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/usecase/usecase_test.hpp"

namespace loco {
namespace {

class AppTest : public UsecaseTest {
  protected:
    AppTest() { EXPECT_TRUE(create_app(context_, actor_, team_.id, "shop")); }
};

TEST_F(UsecaseTest, BootstrapTwiceMakesNothingTwice) {
    EXPECT_TRUE(bootstrap(context_, {.login = "ada", .token_sha256 = std::string(64, '0')}));
    read([&](const ReadTx& tx) {
        EXPECT_EQ(tx.teams()->size(), 1U);
        EXPECT_EQ(tx.tokens(actor_.user)->size(), 1U);
        EXPECT_EQ(tx.memberships(actor_.user)->front().role, Role::owner);
    });
}

TEST_F(UsecaseTest, AClientsNewTokenTakesThePlaceOfItsFormerAndOfNoOther) {
    const auto ask = [&](char hash, const std::string& login, const std::string& client) {
        EXPECT_TRUE(bootstrap(
            context_, {.login = login, .token_sha256 = std::string(64, hash), .client = client}));
    };
    ask('1', "ada", "/home/ada/config.toml");
    ask('2', "ada", "/root/config.toml");
    ask('3', "bob", "/home/ada/config.toml");
    for (const char hash : {'4', '5', '6'}) ask(hash, "ada", "/home/ada/config.toml");
    read([&](const ReadTx& tx) {
        EXPECT_EQ(tx.tokens(actor_.user)->size(), 3U) << "that of the fixture, and of two clients";
        for (const char good : {'0', '2', '3', '6'})
            EXPECT_TRUE(tx.token_by_hash(std::string(64, good))) << good;
        for (const char former : {'1', '4', '5'})
            EXPECT_FALSE(tx.token_by_hash(std::string(64, former))) << former;
    });
}

TEST_F(UsecaseTest, ATokenThatWasRevokedIsNotGoodAgainByANewOne) {
    EXPECT_TRUE(store_.write([&](WriteTx& tx) -> Result<> {
        auto token = *tx.token_by_hash(std::string(64, '0'));
        token.revoked = true;
        return tx.put(token);
    }));
    EXPECT_TRUE(bootstrap(context_, {.login = "ada", .token_sha256 = std::string(64, '1')}));
    read([&](const ReadTx& tx) {
        EXPECT_TRUE(tx.token_by_hash(std::string(64, '0'))->revoked);
        EXPECT_FALSE(tx.token_by_hash(std::string(64, '1'))->revoked);
    });
}

TEST_F(UsecaseTest, ReservedAndMalformedNamesAreRefused) {
    for (const auto* name :
         {"", "Shop", "-shop", "shop-", "1shop", "sh_op", "loco", "www", "registry", "api"}) {
        const auto made = create_app(context_, actor_, team_.id, name);
        ASSERT_FALSE(made) << name;
        EXPECT_EQ(made.error().kind, ErrorKind::invalid) << name;
        EXPECT_FALSE(made.error().hint.empty()) << name;
    }
}

TEST_F(AppTest, AnOpenBuildHasAFreshLeaseAfterTheServerWasAway) {
    const auto building = start();
    const auto checked = start();
    ASSERT_TRUE(report_built(context_, checked.id, {.digest = kDigest, .image_id = "id"}));
    clock_.pass(10 * kBuildLease);
    ASSERT_TRUE(renew_all_leases(context_));
    read([&](const ReadTx& tx) {
        EXPECT_EQ(tx.deployment(building.id)->lease_until, clock_.now() + kBuildLease);
        EXPECT_EQ(tx.deployment(checked.id)->lease_until, checked.lease_until);
    });
}

TEST_F(AppTest, ASecondOfTheNameIsAConflictAndTheHostIsTheFirsts) {
    const auto again = create_app(context_, actor_, team_.id, "shop");
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, "app_exists");
    const auto row = app();
    read([&](const ReadTx& tx) { EXPECT_EQ(tx.hosts(row.id)->front().name, "shop.localhost"); });
}

TEST_F(AppTest, ADestroyedAppsHostStaysWithItsTeamForThirtyDays) {
    const auto first = app();
    ASSERT_TRUE(destroy_app(context_, actor_, first.id));
    ASSERT_TRUE(destroy_app(context_, actor_, first.id));
    ASSERT_TRUE(store_.write(
        [&](WriteTx& tx) { return finish_destroy(tx, *tx.app(first.id), clock_.now()); }));
    Team other{.id = TeamId::make(clock_, random_),
               .slug = "other",
               .number = 1,
               .created_at = clock_.now()};
    ASSERT_TRUE(store_.write([&](WriteTx& tx) { return tx.put(other); }));
    ASSERT_TRUE(store_.write([&](WriteTx& tx) {
        const auto host = tx.host("shop.localhost");
        EXPECT_FALSE(host->app);
        EXPECT_EQ(*host->reserved_until, clock_.now() + std::chrono::hours(24 * 30));
        App theirs{.id = AppId::make(clock_, random_),
                   .team = other.id,
                   .name = "theirs",
                   .created_at = clock_.now()};
        LOCO_CHECK(tx.put(theirs));
        const auto taken = claim_domains(tx, theirs, {"shop.localhost"}, clock_.now());
        EXPECT_FALSE(taken);
        EXPECT_TRUE(claim_domains(tx, theirs, {"shop.localhost"},
                                  clock_.now() + std::chrono::hours(24 * 31)));
        return Result<>{};
    }));
    EXPECT_TRUE(create_app(context_, actor_, team_.id, "back"));
}

TEST_F(AppTest, ADomainUnderTheBaseDomainIsRefusedUnlessItIsTheAppsOwnHost) {
    ASSERT_TRUE(create_app(context_, actor_, team_.id, "blog"));
    for (const auto* domain : {"localhost", "registry.localhost", "blog.localhost",
                               "free.localhost", "a.shop.localhost"}) {
        auto wants = spec();
        wants.domains = {"shop.example", domain};
        const auto refused = start_deploy(context_, actor_, app().id, wants);
        ASSERT_FALSE(refused) << domain;
        EXPECT_EQ(refused.error().kind, ErrorKind::invalid) << domain;
        EXPECT_EQ(refused.error().code, "host_under_base_domain") << domain;
    }
    read([&](const ReadTx& tx) {
        EXPECT_FALSE(tx.host("registry.localhost"));
        EXPECT_FALSE(tx.host("shop.example")) << "nothing of what is refused is kept";
    });
    auto wants = spec();
    wants.domains = {"shop.localhost", "notlocalhost", "shop.example"};
    EXPECT_TRUE(start_deploy(context_, actor_, app().id, wants));
}

TEST_F(AppTest, ADeployThatEndsWithoutGoingLiveFreesTheDomainsThatNothingElseNames) {
    const auto with = [&](std::vector<std::string> domains) {
        clock_.pass(std::chrono::seconds(1));
        auto wants = spec();
        wants.domains = std::move(domains);
        auto started = start_deploy(context_, actor_, app().id, wants);
        EXPECT_TRUE(started) << started.error().message;
        return started->deployment;
    };
    const auto domains = [&] {
        std::set<std::string> names;
        read([&](const ReadTx& tx) {
            for (const auto& host : *tx.hosts(app().id)) {
                if (!host.primary) names.insert(host.name);
            }
        });
        return names;
    };
    using Names = std::set<std::string>;
    const auto overtaken = with({"slow.example"});
    const auto first = with({"live.example"});
    ASSERT_TRUE(report_built(context_, first.id, {.digest = kDigest, .image_id = "i"}));
    go_live(first.id);
    const auto other = with({"open.example"});
    EXPECT_EQ(domains(), (Names{"live.example", "open.example", "slow.example"}));
    EXPECT_FALSE(report_built(context_, overtaken.id,
                              {.digest = kOtherDigest, .image_id = "j"}));  // superseded
    EXPECT_EQ(domains(), (Names{"live.example", "open.example"}));
    const auto broken = with({"broken.example", "live.example", "open.example"});
    ASSERT_TRUE(report_build_failure(context_, broken.id, {.message = "no such file"}));
    EXPECT_EQ(domains(), (Names{"live.example", "open.example"}));
    const auto unwanted = with({"unwanted.example"});
    ASSERT_TRUE(cancel_deployment(context_, actor_, unwanted.id));
    EXPECT_EQ(domains(), (Names{"live.example", "open.example"}));
    const auto late = with({"late.example"});
    ASSERT_TRUE(report_built(context_, other.id, {.digest = kOtherDigest, .image_id = "j"}));
    EXPECT_FALSE(
        report_built(context_, late.id,
                     {.digest = "sha256:" + std::string(64, 'c'), .image_id = "k"}));  // locked
    EXPECT_EQ(domains(), (Names{"live.example", "open.example"}));
}

TEST_F(AppTest, WhatTheRuntimeCannotDoIsRefusedAndTakenWhereItCan) {
    auto scaled = spec();
    scaled.scale = {.min = 1, .max = 3, .cpu_target = 70};
    const auto refused = start_deploy(context_, actor_, app().id, scaled);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::invalid);
    EXPECT_EQ(refused.error().code, "unsupported_spec");

    config_.runtime = RuntimeKind::kubernetes;
    EXPECT_TRUE(start_deploy(context_, actor_, app().id, scaled));
    auto asked = spec();
    asked.ports[0].protocol = Protocol::h2c;
    asked.health.path = "/healthz";
    EXPECT_FALSE(start_deploy(context_, actor_, app().id, asked));
}

TEST_F(AppTest, ABuildTakesNoLockAndItsResultDoes) {
    const auto one = start();
    const auto two = start();
    EXPECT_FALSE(app().lock);
    ASSERT_TRUE(report_built(context_, one.id, {.digest = kDigest, .image_id = "i"}));
    EXPECT_EQ(app().lock, one.id);
    const auto late = report_built(context_, two.id, {.digest = kOtherDigest, .image_id = "j"});
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().kind, ErrorKind::conflict);
    EXPECT_EQ(late.error().code, "deploy_in_progress");
    EXPECT_NE(late.error().message.find("ada"), std::string::npos) << "the holder is shown";
    read([&](const ReadTx& tx) {
        EXPECT_EQ(tx.deployment(two.id)->state, DeploymentState::failed);
    });
}

TEST_F(AppTest, AResultReportedTwiceIsReportedOnce) {
    const auto one = start();
    ASSERT_TRUE(report_built(context_, one.id, {.digest = kDigest, .image_id = "i"}));
    const auto again = report_built(context_, one.id, {.digest = kDigest, .image_id = "i"});
    ASSERT_TRUE(again);
    EXPECT_EQ(again->state, DeploymentState::checking);
    EXPECT_FALSE(report_built(context_, one.id, {.digest = kOtherDigest, .image_id = "i"}));
}

TEST_F(AppTest, NothingChangedIsLiveAtOnceAndMakesNoRelease) {
    const auto v1 = deploy(kDigest);
    const auto same = start();
    const auto done = report_built(context_, same.id, {.digest = {}, .image_id = v1.image_id});
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->state, DeploymentState::live);
    EXPECT_EQ(done->release, v1.id);
    EXPECT_FALSE(app().lock);
    EXPECT_EQ(app().next_release, 2);
}

TEST_F(AppTest, AnImageThatLocoDoesNotHaveMustBePushed) {
    const auto one = start();
    const auto unknown = report_built(context_, one.id, {.digest = {}, .image_id = "never seen"});
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, "unknown_image");
    read([&](const ReadTx& tx) {
        EXPECT_EQ(tx.deployment(one.id)->state, DeploymentState::building);
    });
}

TEST_F(AppTest, ADeployThatBeganBeforeTheOneThatIsLiveIsSuperseded) {
    const auto slow = start();
    deploy(kDigest);
    const auto late = report_built(context_, slow.id, {.digest = kOtherDigest, .image_id = "j"});
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, "superseded");
    EXPECT_FALSE(app().lock);
}

TEST_F(AppTest, WhatCameAfterANewerDeployDoesNotHideThatItIsNewer) {
    const auto seal = [](const AppId&, const std::string&, const Secret<>&) -> Result<std::string> {
        return "sealed";
    };
    const auto slow = start();
    deploy(kDigest);
    clock_.pass(std::chrono::seconds(1));
    const auto env =
        change_env(context_, actor_, app().id, {.values = {{"KEY", Secret<>("x")}}}, seal);
    ASSERT_TRUE(env && env->deployment);
    go_live(env->deployment->id);
    const auto other = start();
    clock_.pass(std::chrono::seconds(1));
    const auto again = redeploy(context_, actor_, app().id);
    ASSERT_TRUE(again);
    go_live(again->id);
    const auto late = report_built(context_, slow.id, {.digest = kOtherDigest, .image_id = "j"});
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, "superseded");
    EXPECT_EQ(late.error().message, "a deploy that began after this one is live already");
    EXPECT_TRUE(report_built(context_, other.id, {.digest = kOtherDigest, .image_id = "j"}))
        << "newer than the code that the environment and the redeploy carried on";
}

TEST_F(AppTest, ABuildThatBeganBeforeARollbackDoesNotUndoIt) {
    deploy(kDigest);
    deploy(kOtherDigest);
    const auto slow = start();
    clock_.pass(std::chrono::seconds(1));
    const auto back = rollback(context_, actor_, app().id, std::nullopt);
    ASSERT_TRUE(back);
    go_live(back->id);
    const auto late = report_built(context_, slow.id,
                                   {.digest = "sha256:" + std::string(64, 'c'), .image_id = "k"});
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, "superseded");
    EXPECT_EQ(late.error().message, "a rollback that began after this one is live already");
    EXPECT_TRUE(report_built(context_, start().id, {.digest = kOtherDigest, .image_id = "j"}));
}

TEST_F(AppTest, WhatDidNotGoLiveSupersedesNothing) {
    deploy(kDigest);
    const auto slow = start();
    const auto newer = start();
    ASSERT_TRUE(report_build_failure(context_, newer.id, {.message = "no such file"}));
    const auto same = start();
    ASSERT_TRUE(report_built(context_, same.id, {.digest = kDigest, .image_id = "id-" + kDigest}));
    EXPECT_TRUE(report_built(context_, slow.id, {.digest = kOtherDigest, .image_id = "j"}));
}

TEST_F(AppTest, ADeployIsRefusedWhileARequiredSecretIsNotSet) {
    auto wants = spec();
    wants.required_secrets = {"TOKEN"};
    const auto refused = start_deploy(context_, actor_, app().id, wants);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::refused);
    EXPECT_NE(refused.error().message.find("TOKEN"), std::string::npos);
    const auto seal = [](const AppId&, const std::string&, const Secret<>&) -> Result<std::string> {
        return "sealed";
    };
    ASSERT_TRUE(change_env(context_, actor_, app().id,
                           {.values = {{"TOKEN", Secret<>("x")}}, .stage = true}, seal));
    EXPECT_TRUE(start_deploy(context_, actor_, app().id, wants));
}

TEST_F(AppTest, RollbackGoesToWhatWasLiveBeforeAndNotToWhatNeverWas) {
    const auto v1 = deploy(kDigest);
    const auto v2 = deploy(kOtherDigest);
    const auto back = rollback(context_, actor_, app().id, std::nullopt);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->digest, v1.digest);
    EXPECT_EQ(back->rollback_to, 1);
    EXPECT_EQ(app().lock, back->id);
    go_live(back->id);  // v3
    EXPECT_EQ(rollback(context_, actor_, app().id, 3).error().code, "is_live");
    const auto unknown = rollback(context_, actor_, app().id, 99);
    EXPECT_EQ(unknown.error().kind, ErrorKind::not_found);
    EXPECT_EQ(unknown.error().message, "app shop has no release v99");
    EXPECT_NE(unknown.error().hint.find("loco releases"), std::string::npos);
    ASSERT_TRUE(store_.write([&](WriteTx& tx) {
        auto gone = v2;
        gone.image_kept = false;
        return tx.put(gone);
    }));
    EXPECT_EQ(rollback(context_, actor_, app().id, 2).error().code, "image_gone");
}

TEST_F(AppTest, WithNothingLiveThereIsNothingToRepeat) {
    EXPECT_EQ(redeploy(context_, actor_, app().id).error().code, "nothing_live");
    EXPECT_EQ(restart(context_, actor_, app().id).error().code, "nothing_live");
    EXPECT_EQ(rollback(context_, actor_, app().id, std::nullopt).error().code, "nothing_live");
    EXPECT_EQ(
        scale(context_, actor_, app().id, {.process = {}, .change = {.replicas = 2}}).error().code,
        "nothing_live");
}

TEST_F(AppTest, AChangeOfReplicasKeepsTheSetAndOneOfMemoryMakesANewOne) {
    deploy(kDigest);
    const auto more = scale(context_, actor_, app().id, {.process = {}, .change = {.replicas = 3}});
    ASSERT_TRUE(more && *more);
    EXPECT_EQ((*more)->set, app().live_set);
    auto row = app();
    ASSERT_TRUE(store_.write([&](WriteTx& tx) {
        row.lock.reset();
        return tx.put(row);
    }));
    const auto larger =
        scale(context_, actor_, app().id, {.process = {}, .change = {.memory_bytes = 512LL << 20}});
    ASSERT_TRUE(larger && *larger);
    EXPECT_EQ((*larger)->set, (*larger)->id);
    EXPECT_EQ((*larger)->previous_scale.at("web").replicas, 3);
}

TEST_F(AppTest, TheScaleThatItHasMakesNoDeployment) {
    deploy(kDigest);
    ASSERT_TRUE(scale(context_, actor_, app().id, {.process = {}, .change = {}, .reset = true}));
    EXPECT_EQ(*scale(context_, actor_, app().id, {.process = {}, .change = {}, .reset = true}),
              std::nullopt);
    EXPECT_EQ(scale(context_, actor_, app().id, {.process = "nope", .change = {.replicas = 1}})
                  .error()
                  .code,
              "no_such_process");
}

class FakeRegistry final : public Registry {
  public:
    std::string host() const override { return "r"; }
    Result<ManifestInfo> manifest(const std::string&, const std::string&) override {
        return ManifestInfo{};
    }
    Result<RegistryToken> push_token(const std::string& repository) override {
        repositories.push_back(repository);
        return RegistryToken{.token = Secret<>("t"), .expires_at = {}};
    }
    Result<RegistryToken> pull_token(const std::string&) override { return RegistryToken{}; }
    Result<> remove_manifest(const std::string&, const std::string&) override { return {}; }
    std::vector<std::string> repositories;
};

TEST_F(AppTest, APushTokenIsGivenOnceAndRenewedOnlyWhenItsTimeIsNearlyOver) {
    FakeRegistry registry;
    const auto one = start();
    ASSERT_TRUE(push_token(context_, registry, one.id));
    clock_.pass(std::chrono::seconds(30));
    EXPECT_EQ(push_token(context_, registry, one.id).error().code, "token_given");
    clock_.pass(std::chrono::minutes(4));
    EXPECT_TRUE(push_token(context_, registry, one.id));
    EXPECT_EQ(registry.repositories, std::vector<std::string>(2, one.repository));
    ASSERT_TRUE(report_built(context_, one.id, {.digest = kDigest, .image_id = "i"}));
    clock_.pass(std::chrono::minutes(5));
    EXPECT_EQ(push_token(context_, registry, one.id).error().code, "deployment_ended");
}

TEST_F(AppTest, APushTokenWhoseAnswerWasLostIsGivenAgainForHalfAMinuteOnly) {
    FakeRegistry registry;
    const auto one = start();
    ASSERT_TRUE(push_token(context_, registry, one.id));
    for (int i = 0; i < 2; ++i) {
        clock_.pass(std::chrono::seconds(14));
        EXPECT_TRUE(push_token(context_, registry, one.id)) << i;
    }
    clock_.pass(std::chrono::seconds(14));
    EXPECT_EQ(push_token(context_, registry, one.id).error().code, "token_given");
}

TEST_F(AppTest, AReportWhoseAnswerWasLostMayBeRepeatedAlsoWhenItHadNoDigest) {
    const auto first = start();
    ASSERT_TRUE(report_built(context_, first.id, {.digest = kDigest, .image_id = "i"}));
    go_live(first.id);
    const auto second = start();
    ASSERT_EQ(report_built(context_, second.id, {.digest = {}, .image_id = "i"})->state,
              DeploymentState::live);
    const auto again = report_built(context_, second.id, {.digest = {}, .image_id = "i"});
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->state, DeploymentState::live);
    EXPECT_EQ(report_built(context_, second.id, {.digest = {}, .image_id = "other"}).error().code,
              "deployment_ended");
}

TEST_F(AppTest, ACancelledBuildEndsAtOnceAndARolloutIsAsked) {
    const auto building = start();
    EXPECT_EQ(cancel_deployment(context_, actor_, building.id)->state, DeploymentState::cancelled);
    EXPECT_EQ(cancel_deployment(context_, actor_, building.id).error().code, "deployment_ended");
    const auto checking = start();
    ASSERT_TRUE(report_built(context_, checking.id, {.digest = kDigest, .image_id = "i"}));
    const auto asked = cancel_deployment(context_, actor_, checking.id);
    ASSERT_TRUE(asked);
    EXPECT_EQ(asked->state, DeploymentState::checking);
    EXPECT_TRUE(asked->cancel_requested);
}

TEST_F(AppTest, ChangingTheEnvironmentOfALiveAppReleasesIt) {
    deploy(kDigest);
    const auto seal = [](const AppId&, const std::string& name,
                         const Secret<>&) -> Result<std::string> { return "sealed " + name; };
    const auto changed =
        change_env(context_, actor_, app().id, {.values = {{"KEY", Secret<>("value")}}}, seal);
    ASSERT_TRUE(changed && changed->deployment);
    EXPECT_EQ(changed->deployment->kind, DeploymentKind::env);
    EXPECT_EQ(changed->deployment->env_version, 1);
    EXPECT_EQ(app().lock, changed->deployment->id);
    const auto busy =
        change_env(context_, actor_, app().id, {.values = {{"KEY", std::nullopt}}}, seal);
    EXPECT_EQ(busy.error().code, "deploy_in_progress");
    const auto now = app();
    read([&](const ReadTx& tx) {
        EXPECT_TRUE(tx.env(now.id, now.env_version)->sealed.contains("KEY"))
            << "nothing of the refused change is kept";
    });
    for (const auto* name : {"PORT", "LOCO_APP", "1X", "A-B", ""}) {
        EXPECT_EQ(change_env(context_, actor_, app().id, {.values = {{name, Secret<>("x")}}}, seal)
                      .error()
                      .kind,
                  ErrorKind::invalid)
            << name;
    }
}

}  // namespace
}  // namespace loco
