// The use cases on the memory store; what the reconciler would do is written by hand where a test needs it.
#pragma once

#include <gtest/gtest.h>

#include "domain/deployment.hpp"
#include "store/memory/memory_store.hpp"
#include "usecase/apps.hpp"
#include "usecase/bootstrap.hpp"
#include "usecase/deployments.hpp"
#include "usecase/env.hpp"

namespace loco {

class StillClock final : public Clock {
  public:
    Time now() const override { return now_; }
    SteadyTime steady() const override { return SteadyTime(now_.time_since_epoch()); }
    void pass(Duration time) { now_ += time; }

  private:
    Time now_ = from_unix_ms(1'700'000'000'000);
};

inline const std::string kDigest = "sha256:" + std::string(64, 'a');
inline const std::string kOtherDigest = "sha256:" + std::string(64, 'b');

class UsecaseTest : public testing::Test {
  protected:
    UsecaseTest() {
        EXPECT_TRUE(bootstrap(context_, {.login = "ada", .token_sha256 = std::string(64, '0')}));
        read([&](const ReadTx& tx) {
            team_ = tx.teams()->front();
            actor_ = {.user = tx.user_by_subject("local", "ada")->id, .login = "ada"};
        });
    }

    void read(const std::function<void(const ReadTx&)>& work) {
        EXPECT_TRUE(store_.read([&](const ReadTx& tx) -> Result<> {
            work(tx);
            return {};
        }));
    }
    App app() {
        App row;
        read([&](const ReadTx& tx) { row = *tx.app_by_name(team_.id, "shop"); });
        return row;
    }
    AppSpec spec() {
        AppSpec made;
        made.name = "shop";
        made.ports = {PortSpec{}};
        return made;
    }
    Deployment start() {
        clock_.pass(std::chrono::seconds(1));
        auto started = start_deploy(context_, actor_, app().id, spec());
        EXPECT_TRUE(started) << started.error().message;
        return started->deployment;
    }
    // What the reconciler writes when a deployment has gone live.
    Release go_live(const DeploymentId& id) {
        Release release;
        auto row = app();
        EXPECT_TRUE(store_.write([&](WriteTx& tx) -> Result<> {
            auto deployment = *tx.deployment(id);
            clock_.pass(std::chrono::seconds(1));
            release = {.id = ReleaseId::make(clock_, random_),
                       .app = row.id,
                       .number = row.next_release++,
                       .repository = deployment.repository,
                       .digest = deployment.digest,
                       .image_id = deployment.image_id,
                       .spec = deployment.spec,
                       .env_version = deployment.env_version,
                       .uid = 1000,
                       .deployment = id,
                       .actor = "ada",
                       .created_at = clock_.now(),
                       .live_at = clock_.now()};
            row.live_release = release.id;
            row.live_set = id;
            row.lock.reset();
            for (const auto state :
                 {DeploymentState::releasing, DeploymentState::rolling, DeploymentState::live}) {
                LOCO_TRY(enter(deployment, state, clock_.now()));
            }
            deployment.release = release.id;
            LOCO_TRY(tx.put(deployment));
            LOCO_TRY(tx.put(release));
            return tx.put(row);
        }));
        return release;
    }
    Release deploy(const std::string& digest) {
        const auto deployment = start();
        EXPECT_TRUE(
            report_built(context_, deployment.id, {.digest = digest, .image_id = "id-" + digest}));
        return go_live(deployment.id);
    }

    StillClock clock_;
    SeededRandom random_{1};
    Config config_;
    store::MemoryStore store_;
    int wakes_ = 0;
    Context context_{.store = store_,
                     .clock = clock_,
                     .random = random_,
                     .config = config_,
                     .wake = [this](const AppId&) { ++wakes_; }};
    Team team_;
    Actor actor_;
};

}  // namespace loco
