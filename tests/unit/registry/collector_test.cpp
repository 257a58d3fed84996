// When the registry's garbage is collected; the side of `loco up` is played by hand.
#include "registry/collector.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "domain/deployment.hpp"
#include "os/file.hpp"
#include "store/memory/memory_store.hpp"
#include "usecase/apps.hpp"
#include "usecase/bootstrap.hpp"
#include "usecase/deployments.hpp"

namespace loco::registry {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class StillClock final : public Clock {
  public:
    Time now() const override { return now_; }
    SteadyTime steady() const override { return SteadyTime(now_.time_since_epoch()); }
    void pass(Duration time) { now_ += time; }

  private:
    Time now_ = from_unix_ms(1'700'000'000'000);
};

class FakeRegistry final : public Registry {
  public:
    std::string host() const override { return "127.0.0.1:5000"; }
    Result<ManifestInfo> manifest(const std::string&, const std::string&) override {
        return ManifestInfo{};
    }
    Result<RegistryToken> push_token(const std::string&) override { return RegistryToken{}; }
    Result<RegistryToken> pull_token(const std::string&) override { return RegistryToken{}; }
    Result<> remove_manifest(const std::string&, const std::string&) override { return {}; }
};

class CollectorTest : public testing::Test {
  protected:
    CollectorTest() {
        std::string name = testing::TempDir() + "/collector.XXXXXX";
        folder_ = ::mkdtemp(name.data());
        EXPECT_TRUE(bootstrap(context_, {.login = "ada", .token_sha256 = std::string(64, '0')}));
        EXPECT_TRUE(store_.read([&](const ReadTx& tx) -> Result<> {
            team_ = tx.teams()->front();
            actor_ = {.user = tx.user_by_subject("local", "ada")->id, .login = "ada"};
            return {};
        }));
        auto app = create_app(context_, actor_, team_.id, "shop");
        EXPECT_TRUE(app);
        app_ = app->id;
        garbage_.emplace(folder_ / "garbage", clock_);
        collector_.emplace(store_, clock_, gate_, *garbage_, Handover(folder_));
    }
    ~CollectorTest() override { std::filesystem::remove_all(folder_); }

    void become_due() {
        for (int i = 0; i < 5; ++i) garbage_->add();
        clock_.pass(hours(1));
    }
    Deployment begin_deploy() {
        AppSpec spec;
        spec.name = "shop";
        spec.ports = {PortSpec{}};
        auto started = start_deploy(context_, actor_, app_, spec);
        EXPECT_TRUE(started) << started.error().message;
        return started->deployment;
    }
    // `for_` passes in small steps.
    void steps(Duration for_) {
        for (const auto end = clock_.now() + for_; clock_.now() < end; clock_.pass(seconds(1)))
            collector_->step();
    }
    Result<RegistryToken> ask_token(const Deployment& deployment) {
        return push_token(context_, registry_, deployment.id);
    }

    std::filesystem::path folder_;
    StillClock clock_;
    SeededRandom random_{1};
    store::MemoryStore store_;
    Config config_;
    PushGate gate_;
    Context context_{.store = store_,
                     .clock = clock_,
                     .random = random_,
                     .config = config_,
                     .wake = [](const AppId&) {},
                     .pushes = &gate_};
    FakeRegistry registry_;
    Team team_;
    Actor actor_;
    AppId app_;
    std::optional<Garbage> garbage_;
    std::optional<Collector> collector_;
};

TEST_F(CollectorTest, NothingIsAskedForBeforeThereIsEnoughAndTheTimeHasCome) {
    steps(hours(2));
    EXPECT_FALSE(Handover(folder_).asked()) << "there is nothing";
    for (int i = 0; i < 4; ++i) garbage_->add();
    steps(minutes(10));
    EXPECT_FALSE(Handover(folder_).asked()) << "too little";
    garbage_->add();
    steps(seconds(5));
    EXPECT_TRUE(Handover(folder_).asked());
}

TEST_F(CollectorTest, LittleGarbageIsCollectedAfterADay) {
    garbage_->add();
    clock_.pass(hours(23));
    steps(seconds(10));
    EXPECT_FALSE(Handover(folder_).asked());
    clock_.pass(hours(1));
    steps(seconds(10));
    EXPECT_TRUE(Handover(folder_).asked());
}

TEST_F(CollectorTest, ADiskThatIsShortOfRoomDoesNotWaitForMoreOrForTheHour) {
    collector_->hurry();
    steps(minutes(2));
    EXPECT_FALSE(Handover(folder_).asked()) << "there is nothing";
    garbage_->add();
    steps(seconds(10));
    EXPECT_FALSE(Handover(folder_).asked()) << "what was asked for when there was nothing is over";
    collector_->hurry();
    steps(seconds(5));
    EXPECT_TRUE(Handover(folder_).asked());
}

TEST_F(CollectorTest, NoPushTokenIsGivenFromTheRequestUntilTheRegistryServesAgain) {
    become_due();
    const auto deployment = begin_deploy();
    steps(seconds(3));
    const Handover up(folder_);
    const auto refused = [&] {
        const auto token = ask_token(deployment);
        return !token && token.error().code == "registry_busy";
    };
    EXPECT_TRUE(refused());
    ASSERT_TRUE(up.take());
    steps(seconds(20));
    EXPECT_TRUE(refused());
    up.finish(/*collected=*/true);
    EXPECT_TRUE(refused()) << "until loco-api has seen it";
    steps(seconds(1));
    EXPECT_TRUE(ask_token(deployment)) << "being refused did not use it up";
    EXPECT_EQ(garbage_->state().manifests, 0);
    EXPECT_EQ(garbage_->state().collected_at, clock_.now() - seconds(1));
}

TEST_F(CollectorTest, BeingRefusedATokenKeepsTheLease) {
    become_due();
    const auto deployment = begin_deploy();
    steps(seconds(3));
    ASSERT_FALSE(ask_token(deployment));
    Deployment now;
    EXPECT_TRUE(store_.read([&](const ReadTx& tx) -> Result<> {
        now = *tx.deployment(deployment.id);
        return {};
    }));
    EXPECT_EQ(now.lease_until, clock_.now() + kBuildLease);
    EXPECT_FALSE(now.push_token_given);
}

TEST_F(CollectorTest, WhileAnImageIsPushedNothingIsCollected) {
    const auto deployment = begin_deploy();
    ASSERT_TRUE(ask_token(deployment));
    become_due();
    steps(minutes(9));
    EXPECT_FALSE(Handover(folder_).asked());
    EXPECT_TRUE(gate_.enter()) << "nor is anybody held up";
    ASSERT_TRUE(cancel_deployment(context_, actor_, deployment.id));
    steps(seconds(3));
    EXPECT_TRUE(Handover(folder_).asked());
}

TEST_F(CollectorTest, WhenNoQuietMomentComesPushesAreHeldForSecondsAndThenItIsPutOff) {
    const auto deployment = begin_deploy();
    ASSERT_TRUE(ask_token(deployment));
    become_due();
    steps(minutes(10) + seconds(5));
    EXPECT_FALSE(gate_.enter()) << "held";
    EXPECT_FALSE(Handover(folder_).asked());
    steps(seconds(30));
    EXPECT_TRUE(gate_.enter()) << "put off";
    steps(minutes(9));
    EXPECT_TRUE(gate_.enter());
    EXPECT_FALSE(Handover(folder_).asked());
}

TEST_F(CollectorTest, ARequestThatNobodyTakesIsTakenBack) {
    become_due();
    steps(seconds(3));
    ASSERT_TRUE(Handover(folder_).asked());
    steps(seconds(12));
    EXPECT_FALSE(Handover(folder_).asked());
    EXPECT_TRUE(gate_.enter());
    EXPECT_EQ(garbage_->state().manifests, 5);
}

TEST_F(CollectorTest, OneThatWasNotCarriedOutIsTriedAgainLater) {
    become_due();
    steps(seconds(3));
    const Handover up(folder_);
    ASSERT_TRUE(up.take());
    steps(seconds(1));
    up.finish(/*collected=*/false);
    steps(seconds(3));
    EXPECT_TRUE(gate_.enter());
    EXPECT_EQ(garbage_->state().manifests, 5);
    EXPECT_FALSE(up.asked());
    steps(minutes(9));
    EXPECT_FALSE(up.asked());
    for (int i = 0; i < 120 && !up.asked(); ++i) steps(seconds(1));
    EXPECT_TRUE(up.asked());
}

TEST_F(CollectorTest, WhatIsRemovedMeanwhileIsLeftForTheNextTime) {
    become_due();
    steps(seconds(3));
    const Handover up(folder_);
    ASSERT_TRUE(up.take());
    garbage_->add();
    up.finish(/*collected=*/true);
    steps(seconds(1));
    EXPECT_EQ(garbage_->state().manifests, 1);
}

TEST_F(CollectorTest, AProcessThatStartsTakesItsRequestBackAndWaitsForWhatIsUnderWay) {
    become_due();
    steps(seconds(3));
    const Handover up(folder_);
    {
        PushGate gate;
        Collector next(store_, clock_, gate, *garbage_, Handover(folder_));
        next.begin();
        EXPECT_FALSE(up.asked());
        EXPECT_TRUE(gate.enter());
    }
    ASSERT_TRUE(up.ask());
    ASSERT_TRUE(up.take());
    PushGate gate;
    Collector next(store_, clock_, gate, *garbage_, Handover(folder_));
    next.begin();
    EXPECT_FALSE(gate.enter());
    up.finish(/*collected=*/true);
    next.step();
    EXPECT_TRUE(gate.enter());
    EXPECT_EQ(garbage_->state().manifests, 0);
}

TEST_F(CollectorTest, HowMuchGarbageThereIsOutlivesTheProcess) {
    garbage_->add();
    garbage_->add();
    clock_.pass(hours(5));
    EXPECT_EQ(Garbage(folder_ / "garbage", clock_).state(), garbage_->state());
    ASSERT_TRUE(os::write_file_atomically(folder_ / "garbage", "-7 nonsense", 0600));
    const auto anew = Garbage(folder_ / "garbage", clock_).state();
    EXPECT_EQ(anew.manifests, 0);
    EXPECT_EQ(anew.collected_at, clock_.now());
}

TEST(Handover, OnlyOneSideGetsARequest) {
    std::string name = testing::TempDir() + "/handover.XXXXXX";
    const std::filesystem::path folder = ::mkdtemp(name.data());
    const Handover here(folder);
    for (int i = 0; i < 200; ++i) {
        ASSERT_TRUE(here.ask());
        bool taken = false;
        std::thread other([&] { taken = here.take(); });
        const bool withdrawn = here.withdraw();
        other.join();
        EXPECT_NE(taken, withdrawn);
        here.abandon();
    }
    std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace loco::registry
