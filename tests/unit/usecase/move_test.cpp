#include "usecase/move.hpp"

#include "tests/unit/usecase/usecase_test.hpp"

namespace loco {
namespace {

// Sealing as far as these tests need it.
Result<std::string> seal(const AppId& app, const std::string& name, const Secret<>& value) {
    return app.str() + "/" + name + "=" + value.reveal();
}
Result<MovedEnv> unseal(const EnvVersion& env) {
    MovedEnv values;
    for (const auto& [name, sealed] : env.sealed)
        values[name] = Secret<>(sealed.substr(sealed.find('=') + 1));
    return values;
}

class MoveTest : public UsecaseTest {
  protected:
    MoveTest() { EXPECT_TRUE(create_app(context_, actor_, team_.id, "shop")); }

    void set(const std::string& value) {
        EnvChange change{.values = {}, .stage = true};
        change.values["TOKEN"] = Secret<>(value);
        EXPECT_TRUE(change_env(context_, actor_, app().id, change, seal));
    }
    // v1 with one value, v2 with another, and a third value that no release has yet.
    MovedApp moved() {
        set("one");
        deploy(kDigest);
        set("two");
        deploy(kOtherDigest);
        set("three");
        auto row = app();
        row.scale["web"].replicas = 3;
        EXPECT_TRUE(store_.write([&](WriteTx& tx) { return tx.put(row); }));
        auto exported = export_app(context_, actor_, row.id, unseal);
        EXPECT_TRUE(exported) << exported.error().message;
        return *exported;
    }
    // Another Loco's side.
    struct Elsewhere : UsecaseTest {
        Elsewhere() { EXPECT_TRUE(create_app(context_, actor_, team_.id, "shop")); }
        void TestBody() override {}
        Result<> take(const MovedApp& moved) {
            return import_app(context_, actor_, app().id, moved, seal);
        }
        std::string value(int version) {
            std::string text;
            const auto id = app().id;
            read([&](const ReadTx& tx) {
                text = unseal(*tx.env(id, version))->at("TOKEN").reveal();
            });
            return text;
        }
        using UsecaseTest::actor_;
        using UsecaseTest::app;
        using UsecaseTest::config_;
        using UsecaseTest::context_;
        using UsecaseTest::deploy;
        using UsecaseTest::read;
    };
    Elsewhere there_;
};

TEST_F(MoveTest, BringsReleasesVariablesAndScale) {
    const auto exported = moved();
    ASSERT_EQ(exported.releases.size(), 2U);
    EXPECT_EQ(exported.envs.size(), 3U);
    ASSERT_TRUE(there_.take(exported));
    const auto app = there_.app();
    EXPECT_EQ(app.env_version, 3);
    EXPECT_EQ(app.scale.at("web").replicas, 3);
    EXPECT_EQ(app.next_release, 2) << "what is live gets its number by being deployed";
    EXPECT_EQ(there_.value(1), "one");
    EXPECT_EQ(there_.value(3), "three");
    const auto live = there_.deploy(kOtherDigest);
    EXPECT_EQ(live.number, 2);
    const auto back = rollback(there_.context_, there_.actor_, app.id, std::nullopt);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->rollback_to, 1);
    EXPECT_EQ(back->digest, kDigest);
    EXPECT_EQ(back->env_version, 1);
    EXPECT_EQ(back->repository, repository_of(app.id));
}

TEST_F(MoveTest, MayBeRepeatedUntilSomethingIsLive) {
    const auto exported = moved();
    ASSERT_TRUE(there_.take(exported));
    ASSERT_TRUE(there_.take(exported));
    there_.read([&](const ReadTx& tx) {
        EXPECT_EQ(tx.releases(tx.all_apps()->front(), 0, 10)->size(), 1U);
    });
    there_.deploy(kOtherDigest);
    EXPECT_EQ(there_.take(exported).error().code, "app_in_use");
}

TEST_F(MoveTest, OverwritesNothingOfAnAppsOwn) {
    const auto exported = moved();
    EnvChange change{.values = {}, .stage = true};
    change.values["OWN"] = Secret<>("x");
    ASSERT_TRUE(change_env(there_.context_, there_.actor_, there_.app().id, change, seal));
    EXPECT_EQ(there_.take(exported).error().code, "app_in_use");
    EXPECT_EQ(there_.app().next_release, 1);
}

TEST_F(MoveTest, OnlyWhatIsLiveCanBeExportedAndOnlyWhatCanBeRolledBackToGoesWithIt) {
    EXPECT_EQ(export_app(context_, actor_, app().id, unseal).error().code, "nothing_live");
    deploy(kDigest);
    auto gone = deploy("sha256:" + std::string(64, 'c'));
    deploy(kOtherDigest);
    gone.image_kept = false;
    ASSERT_TRUE(store_.write([&](WriteTx& tx) { return tx.put(gone); }));
    const auto exported = export_app(context_, actor_, app().id, unseal);
    ASSERT_TRUE(exported);
    ASSERT_EQ(exported->releases.size(), 2U);
    EXPECT_EQ(exported->releases.front().number, 1);
    EXPECT_EQ(exported->releases.back().number, 3);
}

TEST_F(MoveTest, WhatDoesNotHoldTogetherIsRefusedWhole) {
    const auto good = moved();
    const std::vector<std::function<void(MovedApp&)>> changes{
        [](MovedApp& m) { m.name = "other"; },
        [](MovedApp& m) { m.releases.clear(); },
        [](MovedApp& m) { std::swap(m.releases.front(), m.releases.back()); },
        [](MovedApp& m) { m.releases.back().uid = 0; },
        [](MovedApp& m) { m.releases.back().number = 0; },
        [](MovedApp& m) { m.releases.back().spec.name = "other"; },
        [](MovedApp& m) { m.envs.erase(1); },
        [](MovedApp& m) { m.envs.erase(3); },
        [](MovedApp& m) { m.envs[9] = {}; },
        [](MovedApp& m) { m.envs[1]["LOCO_APP"] = Secret<>("x"); },
        [](MovedApp& m) { m.envs[1]["TOKEN"] = Secret<>(std::string(70'000, 'x')); },
        [](MovedApp& m) { m.releases.resize(kMaxMovedReleases + 1, m.releases.back()); },
    };
    for (std::size_t i = 0; i < changes.size(); ++i) {
        auto bad = good;
        changes[i](bad);
        const auto taken = there_.take(bad);
        ASSERT_FALSE(taken) << i;
        EXPECT_EQ(taken.error().kind, ErrorKind::invalid) << i << taken.error().message;
        EXPECT_EQ(there_.app().env_version, 0) << i;
    }
}

}  // namespace
}  // namespace loco
