// What a spec says in [env] is read by nobody in the files of the database.
#include "store/common/env_seal.hpp"

#include <fstream>
#include <sstream>

#include "crypto/seal.hpp"
#include "domain/app_spec.hpp"
#include "tests/unit/store/folder.hpp"

namespace loco::store {
namespace {

constexpr std::string_view kCanary = "canary-71c2-in-env";

class EnvSealTest : public InFolder {
  protected:
    void SetUp() override {
        InFolder::SetUp();
        make_sealer();
    }
    void make_sealer() {
        auto opened = crypto::Sealer::open(folder_ / "seal.key");
        ASSERT_TRUE(opened) << opened.error().message;
        sealer_ = std::make_shared<crypto::Sealer>(*std::move(opened));
    }
    EnvSeal with_key() const {
        return {.seal =
                    [sealer = sealer_](const AppId& app, const std::string& name,
                                       const std::string& value) {
                        return sealer->seal(app.str(), name, Secret<>(value));
                    },
                .open = [sealer = sealer_](const AppId& app, const std::string& name,
                                           const std::string& sealed) -> Result<std::string> {
                    LOCO_ASSIGN(auto value, sealer->open_sealed(app.str(), name, sealed));
                    return std::move(value).reveal();
                }};
    }
    std::unique_ptr<SqliteStore> store_with(EnvSeal seal) const {
        auto opened =
            SqliteStore::open({.folder = folder_, .env_seal = std::move(seal)}, SystemClock());
        EXPECT_TRUE(opened) << opened.error().message;
        return opened ? *std::move(opened) : nullptr;
    }
    static Result<> put(Store& store, const EnvValues& env) {
        return store.write([&](WriteTx& tx) -> Result<> {
            LOCO_TRY(tx.put(
                Team{.id = TeamId("team_1"), .slug = "main", .number = 1, .created_at = {}}));
            App app;
            app.id = AppId("app_1");
            app.team = TeamId("team_1");
            app.name = "shop";
            LOCO_TRY(tx.put(app));
            Deployment deployment;
            deployment.id = DeploymentId("dep_1");
            deployment.app = app.id;
            deployment.team = app.team;
            deployment.spec.name = "shop";
            deployment.spec.env = env;
            LOCO_TRY(tx.put(deployment));
            Release release;
            release.id = ReleaseId("rel_1");
            release.app = app.id;
            release.number = 1;
            release.deployment = deployment.id;
            release.spec = deployment.spec;
            return tx.put(release);
        });
    }
    static Result<> get(Store& store, EnvValues& of_deployment, EnvValues& of_release) {
        return store.read([&](const ReadTx& tx) -> Result<> {
            LOCO_ASSIGN(const auto deployments, tx.deployments(AppId("app_1"), {}, 10));
            of_deployment = deployments.at(0).spec.env;
            LOCO_ASSIGN(const auto release, tx.release(ReleaseId("rel_1")));
            of_release = release.spec.env;
            return {};
        });
    }
    bool is_found_in_files() const {
        bool found = false;
        for (const auto& file : std::filesystem::directory_iterator(folder_)) {
            std::ostringstream text;
            text << std::ifstream(file.path(), std::ios::binary).rdbuf();
            found = found || text.str().find(kCanary) != std::string::npos;
        }
        return found;
    }

    const EnvValues env_{{"GREETING", std::string(kCanary)}, {"EMPTY", ""}};
    std::shared_ptr<crypto::Sealer> sealer_;
};

TEST_F(EnvSealTest, ValuesAreInNoFileAndComeBackAsTheyWere) {
    auto store = store_with(with_key());
    ASSERT_TRUE(put(*store, env_));
    EXPECT_TRUE(std::filesystem::exists(folder_ / "loco.db-wal"));
    EXPECT_FALSE(is_found_in_files());
    EnvValues of_deployment, of_release;
    ASSERT_TRUE(get(*store, of_deployment, of_release));
    EXPECT_EQ(of_deployment, env_);
    EXPECT_EQ(of_release, env_);
    store.reset();
    EXPECT_FALSE(is_found_in_files());
}

TEST_F(EnvSealTest, WithoutAKeyTheyAreKeptPlainAndReadableWithOneLater) {
    auto store = store_with({});
    ASSERT_TRUE(put(*store, env_));
    EXPECT_TRUE(is_found_in_files());
    store.reset();
    store = store_with(with_key());
    EnvValues of_deployment, of_release;
    ASSERT_TRUE(get(*store, of_deployment, of_release));
    EXPECT_EQ(of_deployment, env_);
    EXPECT_EQ(of_release, env_);
}

TEST_F(EnvSealTest, SealedValuesAreNeverTakenForPlainOnes) {
    auto store = store_with(with_key());
    ASSERT_TRUE(put(*store, env_));
    store.reset();
    store = store_with({});
    EnvValues of_deployment, of_release;
    ASSERT_TRUE(get(*store, of_deployment, of_release));
    EXPECT_TRUE(of_release.contains(std::string(kSealedEnvMark)));
    for (const auto& [name, value] : of_release) EXPECT_EQ(value.find(kCanary), std::string::npos);
}

TEST_F(EnvSealTest, WhatAnotherKeySealedStaysSealedAndIsReadableAgainWithItsKey) {
    const auto first = with_key();
    auto store = store_with(first);
    ASSERT_TRUE(put(*store, env_));
    store.reset();
    ASSERT_TRUE(std::filesystem::remove(folder_ / "seal.key"));
    make_sealer();
    store = store_with(with_key());
    EnvValues of_deployment, of_release;
    ASSERT_TRUE(get(*store, of_deployment, of_release));
    EXPECT_TRUE(of_release.contains(std::string(kSealedEnvMark)));
    EXPECT_TRUE(of_release.contains("GREETING"));
    // Rows are put again, as when a deployment's state changes: nothing is sealed twice or lost.
    ASSERT_TRUE(put(*store, of_release));
    store.reset();
    store = store_with(first);
    ASSERT_TRUE(get(*store, of_deployment, of_release));
    EXPECT_EQ(of_deployment, env_);
    EXPECT_EQ(of_release, env_);
}

}  // namespace
}  // namespace loco::store
