#include "usecase/capacity.hpp"

#include <gtest/gtest.h>

#include "tests/unit/usecase/usecase_test.hpp"

namespace loco {
namespace {

constexpr std::int64_t kMi = 1LL << 20;

// A machine with 1 GiB, of which apps may have 768 MiB; an instance of the app has 256 MiB.
class CapacityTest : public UsecaseTest {
  protected:
    CapacityTest() {
        context_.machine = [this] { return facts_; };
        facts_.size = Share{.cpu_millis = 1000, .memory_bytes = 1024 * kMi};
        EXPECT_TRUE(create_app(context_, actor_, team_.id, "shop"));
    }

    // As the reconciler does it when the deployment has gone live.
    void run_instances(const Release& release, int count) {
        const auto set = *app().live_set;
        EXPECT_TRUE(store_.write([&](WriteTx& tx) -> Result<> {
            LOCO_ASSIGN(const auto all, tx.all_instances());
            for (const auto& old : all) LOCO_TRY(tx.remove_instance(old.id));
            for (int i = 0; i < count; ++i) {
                LOCO_TRY(tx.put(Instance{.id = InstanceId::make(clock_, random_),
                                         .app = release.app,
                                         .team = team_.id,
                                         .release = release.id,
                                         .set = set,
                                         .process = "web",
                                         .index = i,
                                         .state = InstanceState::healthy,
                                         .memory_bytes = release.spec.resources.memory_bytes}));
            }
            return {};
        }));
    }
    Share held() {
        Share sum;
        read([&](const ReadTx& tx) {
            for (const auto& one : *holdings(tx)) sum += one.share;
        });
        return sum;
    }
    static void expect_no_memory(const auto& result) {
        ASSERT_FALSE(result);
        EXPECT_EQ(result.error().kind, ErrorKind::refused);
        EXPECT_EQ(result.error().code, "not_enough_memory") << result.error().message;
    }
    AppSpec large() {
        auto made = spec();
        made.resources.memory_bytes = 600 * kMi;
        return made;
    }

    MachineFacts facts_;
};

TEST_F(CapacityTest, ADeployThatCannotFitIsRefusedBeforeAnybodyBuilds) {
    auto wanted = spec();
    wanted.scale.min = wanted.scale.max = 4;
    expect_no_memory(start_deploy(context_, actor_, app().id, wanted));
    expect_no_memory(check_deploy(context_, app().id, wanted));
    read([&](const ReadTx& tx) { EXPECT_TRUE(tx.deployments(app().id, {}, 10)->empty()); });
    wanted.scale.min = wanted.scale.max = 3;
    EXPECT_TRUE(start_deploy(context_, actor_, app().id, wanted));
}

TEST_F(CapacityTest, OfTwoThatWereBuiltAtOnceTheSecondIsRefusedWhereOnlyOneFits) {
    EXPECT_TRUE(create_app(context_, actor_, team_.id, "blog"));
    auto first = spec();
    first.scale.min = first.scale.max = 2;
    auto second = first;
    second.name = "blog";
    App blog;
    read([&](const ReadTx& tx) { blog = *tx.app_by_name(team_.id, "blog"); });
    const auto one = start_deploy(context_, actor_, app().id, first);
    const auto other = start_deploy(context_, actor_, blog.id, second);
    ASSERT_TRUE(one && other) << "both may build: neither holds anything yet";
    ASSERT_TRUE(report_built(context_, one->deployment.id, {.digest = kDigest, .image_id = "a"}));
    EXPECT_EQ(held().memory_bytes, 512 * kMi) << "from the lock on, before anything runs";
    expect_no_memory(
        report_built(context_, other->deployment.id, {.digest = kDigest, .image_id = "b"}));
    read([&](const ReadTx& tx) {
        const auto refused = *tx.deployment(other->deployment.id);
        EXPECT_EQ(refused.state, DeploymentState::failed);
        ASSERT_TRUE(refused.diagnosis);
        EXPECT_EQ(refused.diagnosis->code, "not_enough_memory");
        EXPECT_EQ(refused.diagnosis->kind, static_cast<std::uint8_t>(ErrorKind::refused));
        EXPECT_FALSE(refused.diagnosis->next_steps.empty());
        EXPECT_FALSE(tx.app(blog.id)->lock);
    });
}

TEST_F(CapacityTest, WhatStartsBesideWhatServesIsRefusedAndWhatServesIsNotTouched) {
    run_instances(deploy(kDigest), 1);
    run_instances(deploy(kOtherDigest), 1);
    facts_.size->memory_bytes = (256 + 400) * kMi;
    const auto before = app();
    expect_no_memory(redeploy(context_, actor_, app().id));
    expect_no_memory(rollback(context_, actor_, app().id, {}));
    expect_no_memory(restart(context_, actor_, app().id));
    expect_no_memory(scale(context_, actor_, app().id, {.process = {}, .change = {.replicas = 2}}));
    EnvChange change;
    change.values["KEY"] = Secret<>("value");
    expect_no_memory(
        change_env(context_, actor_, app().id, change,
                   [](const AppId&, const std::string&, const Secret<>&) -> Result<std::string> {
                       return std::string("sealed");
                   }));
    EXPECT_EQ(app(), before) << "no lock, no scale, no version of the environment";
    read([&](const ReadTx& tx) {
        EXPECT_TRUE(tx.open_deployments(before.id)->empty());
        EXPECT_EQ(tx.all_instances()->size(), 1U);
    });
    facts_.size->memory_bytes = (256 + 512) * kMi;
    EXPECT_TRUE(rollback(context_, actor_, app().id, {}));
}

TEST_F(CapacityTest, LessThanItHoldsIsNeverRefused) {
    run_instances(deploy(kDigest), 1);
    EXPECT_TRUE(scale(context_, actor_, app().id, {.process = {}, .change = {.replicas = 2}}));
    EXPECT_EQ(held().memory_bytes, 512 * kMi);
    auto row = app();
    row.lock.reset();
    EXPECT_TRUE(store_.write([&](WriteTx& tx) { return tx.put(row); }));
    facts_.size->memory_bytes = 300 * kMi;
    EXPECT_TRUE(scale(context_, actor_, app().id, {.process = {}, .change = {.replicas = 1}}));
}

TEST_F(CapacityTest, WhatIsBeingStoppedHoldsNothingUnlessItIsToBeStartedAgain) {
    const auto enter_all = [&](const std::vector<InstanceState>& states) {
        EXPECT_TRUE(store_.write([&](WriteTx& tx) -> Result<> {
            LOCO_ASSIGN(auto all, tx.all_instances());
            for (std::size_t i = 0; i < all.size(); ++i) {
                all[i].state = states[i];
                LOCO_TRY(tx.put(all[i]));
            }
            return {};
        }));
    };
    using enum InstanceState;
    run_instances(deploy(kDigest), 3);
    EXPECT_EQ(held().memory_bytes, 768 * kMi) << "also what is there besides what is wanted";
    enter_all({draining, stopping, backoff});
    EXPECT_EQ(held().memory_bytes, 256 * kMi) << "what waits to be started again holds its place";
    enter_all({stopping, stopping, stopping});
    EXPECT_EQ(held().memory_bytes, 256 * kMi) << "one is wanted: it comes back";
    auto row = app();
    row.scale["web"].replicas = 0;
    EXPECT_TRUE(store_.write([&](WriteTx& tx) { return tx.put(row); }));
    EXPECT_EQ(held().memory_bytes, 0);
}

TEST_F(CapacityTest, NothingIsRefusedWhileTheEngineHasNotToldHowLargeTheMachineIs) {
    facts_.size.reset();
    EXPECT_TRUE(start_deploy(context_, actor_, app().id, large()));
    context_.machine = {};
    auto huge = large();
    huge.scale.min = huge.scale.max = 50;
    EXPECT_TRUE(start_deploy(context_, actor_, app().id, huge)) << "nor on a cluster";
}

TEST_F(CapacityTest, AFullDiskRefusesWhatBringsANewImageAndNothingElse) {
    run_instances(deploy(kDigest), 1);
    run_instances(deploy(kOtherDigest), 1);
    const auto building = start();
    facts_.disks = {{.disk = {.path = "/var/lib/loco",
                              .holds = {"database"},
                              .total_bytes = 1024 * kMi,
                              .free_bytes = kMi},
                     .marks = {},
                     .state = DiskState::full}};
    const auto refused = start_deploy(context_, actor_, app().id, spec());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "disk_full");
    EXPECT_EQ(refused.error().kind, ErrorKind::refused);
    const auto planned = check_deploy(context_, app().id, spec());
    ASSERT_FALSE(planned);
    EXPECT_EQ(planned.error().code, "disk_full");
    read([&](const ReadTx& tx) {
        EXPECT_EQ(tx.deployment(building.id)->state, DeploymentState::building);
    });
    EXPECT_TRUE(rollback(context_, actor_, app().id, {})) << "a way back needs no new image";
}

}  // namespace
}  // namespace loco
