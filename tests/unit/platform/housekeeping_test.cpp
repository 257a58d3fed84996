#include "platform/housekeeping.hpp"

#include <gtest/gtest.h>

#include "runtime/simulated/simulated_runtime.hpp"
#include "store/memory/memory_store.hpp"

namespace loco::platform {
namespace {

constexpr std::int64_t kMi = 1LL << 20;

class StillClock final : public Clock {
  public:
    Time now() const override { return now_; }
    SteadyTime steady() const override { return SteadyTime(now_.time_since_epoch()); }
    void pass(Duration time) { now_ += time; }

  private:
    Time now_ = from_unix_ms(1'700'000'000'000);
};

class HousekeepingTest : public testing::Test {
  protected:
    HousekeepingTest() {
        team_ = {.id = TeamId::make(clock_, random_), .slug = "main", .created_at = clock_.now()};
        app_ = {.id = AppId::make(clock_, random_),
                .team = team_.id,
                .name = "shop",
                .created_at = clock_.now()};
        instance_ = {.id = InstanceId::make(clock_, random_),
                     .app = app_.id,
                     .team = team_.id,
                     .set = DeploymentId::make(clock_, random_),
                     .process = "web",
                     .state = InstanceState::healthy,
                     .attempt = 1};
        EXPECT_TRUE(store_.write([&](WriteTx& tx) -> Result<> {
            LOCO_TRY(tx.put(team_));
            LOCO_TRY(tx.put(app_));
            return tx.put(instance_);
        }));
        const ImageRef image{"loco/shop", "sha256:1"};
        runtime_.add_image(image, {.image_id = "sha256:1", .digest = "sha256:1"});
        const TeamNetwork network{
            .team = team_.id, .team_slug = "main", .subnet = "10.1.0.0/22", .gateway = "10.1.0.1"};
        EXPECT_TRUE(runtime_.ensure_network(network));
        EXPECT_TRUE(runtime_.ensure_image(image));
        EXPECT_TRUE(runtime_.start({.instance = instance_, .network = network, .image = image}));
    }

    void disk(DiskState state) {
        facts_.disks = {{.disk = {.path = "/var/lib/loco",
                                  .holds = {"database"},
                                  .total_bytes = 1024 * kMi,
                                  .free_bytes = 50 * kMi},
                         .marks = {.low_bytes = 200 * kMi, .full_bytes = 100 * kMi},
                         .state = state}};
    }
    void step(Duration after = std::chrono::seconds(2)) {
        clock_.pass(after);
        housekeeping_.step();
    }
    std::vector<std::string> events() {
        std::vector<std::string> kinds;
        EXPECT_TRUE(store_.read([&](const ReadTx& tx) -> Result<> {
            LOCO_ASSIGN(const auto all, tx.events({.app = app_.id}, 0, 100));
            for (const auto& one : all) {
                kinds.push_back(one.kind);
                last_message_ = one.message;
            }
            return {};
        }));
        return kinds;
    }

    StillClock clock_;
    SeededRandom random_{1};
    store::MemoryStore store_;
    SimulatedRuntime runtime_{clock_};
    Team team_;
    App app_;
    Instance instance_;
    MachineFacts facts_;
    std::string last_message_;
    std::vector<bool> pruned_;
    int collections_ = 0;
    Housekeeping housekeeping_{
        {.store = store_,
         .clock = clock_,
         .runtime = runtime_,
         .machine = [this] { return facts_; },
         .prune_builds = [this](bool short_of_room) -> Result<> {
             pruned_.push_back(short_of_room);
             return {};
         },
         .collect_garbage = [this] { ++collections_; },
         .measure = [] { return std::map<std::string, std::int64_t>{{"database", 7}}; }},
        {.writable_max = 100 * kMi, .events_kept = 10}};
};

TEST_F(HousekeepingTest, TheBuildCacheIsPrunedEveryQuarterOfAnHour) {
    step(std::chrono::minutes(14));
    EXPECT_TRUE(pruned_.empty());
    step(std::chrono::minutes(2));
    step();
    EXPECT_EQ(pruned_, std::vector<bool>{false});
    EXPECT_EQ(collections_, 0);
    EXPECT_TRUE(events().empty());
}

TEST_F(HousekeepingTest, ADiskThatGetsLowIsToldOnceAndCleanedAtOnceAndEveryMinute) {
    step();
    disk(DiskState::low);
    step();
    step();
    EXPECT_EQ(events(), std::vector<std::string>{"machine.disk_low"});
    EXPECT_NE(last_message_.find("nearly full"), std::string::npos) << last_message_;
    EXPECT_EQ(pruned_, std::vector<bool>{true});
    EXPECT_EQ(collections_, 1);
    step(std::chrono::minutes(1));
    EXPECT_EQ(collections_, 2);
    disk(DiskState::full);
    step();
    EXPECT_EQ(collections_, 3) << "at once, as it got worse";
    disk(DiskState::ok);
    step();
    EXPECT_EQ(events(), (std::vector<std::string>{"machine.disk_low", "machine.disk_full",
                                                  "machine.disk_ok"}));
    EXPECT_EQ(last_message_, "the server's disk has room again");
    step(std::chrono::minutes(5));
    EXPECT_EQ(collections_, 3);
}

TEST_F(HousekeepingTest, WhatTheDiskWasTooFullToTellIsToldLater) {
    bool full = true;
    store_.set_fault_hook([&](store::MemoryStore::Point point) -> Result<> {
        if (full && point != store::MemoryStore::Point::read)
            return fail(ErrorKind::unavailable, "database or disk is full");
        return {};
    });
    disk(DiskState::full);
    step();
    EXPECT_TRUE(events().empty());
    full = false;
    step();
    EXPECT_EQ(events(), std::vector<std::string>{"machine.disk_full"});
}

TEST_F(HousekeepingTest, AContainerThatWritesMuchIsWarnedOfAndBeyondItsBoundStopped) {
    runtime_.set_written(instance_.id, 79 * kMi);
    step(std::chrono::minutes(5));
    EXPECT_TRUE(events().empty());
    EXPECT_EQ(housekeeping_.held().at("containers"), 79 * kMi);
    EXPECT_EQ(housekeeping_.held().at("database"), 7);
    runtime_.set_written(instance_.id, 85 * kMi);
    step(std::chrono::minutes(5));
    step(std::chrono::minutes(5));
    EXPECT_EQ(events(), std::vector<std::string>{"instance.disk_warning"});
    EXPECT_EQ(
        last_message_,
        "web.0 has written 85 MiB into its container; beyond 100 MiB it is stopped and started "
        "anew without it: keep data in a database or a bucket, or raise writable_max in the "
        "server's loco-api.toml");
    EXPECT_TRUE(runtime_.running(instance_.id));
    runtime_.set_written(instance_.id, 101 * kMi);
    step(std::chrono::minutes(5));
    EXPECT_EQ(events(),
              (std::vector<std::string>{"instance.disk_warning", "instance.disk_exceeded"}));
    EXPECT_EQ(last_message_,
              "web.0 has written 101 MiB into its container, more than 100 MiB: it is stopped, and "
              "started anew without it");
    EXPECT_FALSE(runtime_.running(instance_.id));
}

TEST_F(HousekeepingTest, WhileTheDiskIsLowContainersAreLookedAtOften) {
    step();
    runtime_.set_written(instance_.id, 200 * kMi);
    step(std::chrono::minutes(1));
    EXPECT_TRUE(runtime_.running(instance_.id));
    disk(DiskState::low);
    step();
    EXPECT_FALSE(runtime_.running(instance_.id));
}

TEST_F(HousekeepingTest, OfAnAppsHistoryTheNewestEventsAreKept) {
    EXPECT_TRUE(store_.write([&](WriteTx& tx) -> Result<> {
        for (int i = 0; i < 12; ++i) {
            LOCO_TRY(tx.append({.team = team_.id,
                                .app = app_.id,
                                .deployment = {},
                                .actor = "loco",
                                .kind = "instance.crashed",
                                .message = std::to_string(i),
                                .data = {},
                                .at = clock_.now()}));
        }
        return {};
    }));
    step();
    EXPECT_EQ(events().size(), 12U);
    step(std::chrono::hours(1));
    EXPECT_EQ(events().size(), 10U);
    EXPECT_EQ(last_message_, "11");
}

TEST_F(HousekeepingTest, AnEngineThatDoesNotAnswerKeepsNothingElse) {
    runtime_.daemon_away(/*containers_die=*/false);
    disk(DiskState::full);
    step();
    EXPECT_EQ(collections_, 1);
    EXPECT_EQ(events(), std::vector<std::string>{"machine.disk_full"});
}

}  // namespace
}  // namespace loco::platform
