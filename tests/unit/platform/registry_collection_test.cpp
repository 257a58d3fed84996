// With real processes: `sleep` is the registry, other programs the collection.
#include "platform/registry_collection.hpp"

#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>

namespace loco::platform {
namespace {

using std::chrono::seconds;

class RegistryCollectionTest : public testing::Test {
  protected:
    RegistryCollectionTest() {
        EXPECT_TRUE(supervisor_.ensure({.name = "registry",
                                        .command = {.argv = {"sleep", "1000"}},
                                        .ready = [] { return true; }}));
    }
    ~RegistryCollectionTest() override {
        supervisor_.stop_all();
        std::filesystem::remove_all(folder_);
    }

    // Watches until `done`; whether it came within 10 s.
    bool watch(RegistryCollection& collection, const std::function<bool()>& done) {
        const auto end = std::chrono::steady_clock::now() + seconds(10);
        bool came = false;
        supervisor_.watch(
            [&] {
                came = came || done();
                return came || std::chrono::steady_clock::now() > end;
            },
            [&] { collection.step(); });
        return came;
    }
    std::optional<os::ProcessIdentity> process() { return running(directories_, "registry"); }

    static std::filesystem::path make_folder() {
        std::string name = testing::TempDir() + "/collection.XXXXXX";
        return ::mkdtemp(name.data());
    }

    std::filesystem::path folder_ = make_folder();
    Directories directories_{.run = folder_, .log = folder_};
    Supervisor supervisor_{directories_};
};

TEST_F(RegistryCollectionTest, TheRegistryDoesNotRunWhileItsGarbageIsCollected) {
    const registry::Handover handover(folder_);
    RegistryCollection collection(
        supervisor_, directories_,
        {.collect = {.argv = {"cp", "/proc/self/stat", (folder_ / "collected").string()}}});
    const auto before = *process();
    ASSERT_TRUE(handover.ask());
    bool both = false;
    EXPECT_TRUE(watch(collection, [&] {
        both = both || (process() && running(directories_, "registry-gc"));
        return !handover.asked() && !handover.under_way();
    }));
    EXPECT_FALSE(both);
    EXPECT_TRUE(std::filesystem::exists(folder_ / "collected"));
    EXPECT_TRUE(handover.take_done());
    ASSERT_TRUE(process());
    EXPECT_NE(process()->pid, before.pid);
    EXPECT_FALSE(os::is_alive(before));
}

TEST_F(RegistryCollectionTest, ACollectionThatFailsLeavesTheRegistryRunningAndIsNotTakenForDone) {
    const registry::Handover handover(folder_);
    RegistryCollection collection(supervisor_, directories_, {.collect = {.argv = {"false"}}});
    ASSERT_TRUE(handover.ask());
    EXPECT_TRUE(watch(collection, [&] { return !handover.asked() && !handover.under_way(); }));
    EXPECT_FALSE(handover.take_done());
    EXPECT_TRUE(process());
}

TEST_F(RegistryCollectionTest, ARegistryThatIsKilledMeanwhileIsNotStartedBesideTheCollection) {
    const registry::Handover handover(folder_);
    RegistryCollection collection(supervisor_, directories_,
                                  {.collect = {.argv = {"sleep", "1000"}}});
    ASSERT_TRUE(handover.ask());
    EXPECT_TRUE(
        watch(collection, [&] { return running(directories_, "registry-gc").has_value(); }));
    EXPECT_FALSE(process());
    // The collection is killed: over, without success.
    ::kill(running(directories_, "registry-gc")->pid, SIGKILL);
    EXPECT_TRUE(watch(collection, [&] { return !handover.under_way(); }));
    EXPECT_FALSE(handover.take_done());
    EXPECT_TRUE(process());
}

TEST_F(RegistryCollectionTest, WhenTheSupervisorEndsTheCollectionEndsWithIt) {
    const registry::Handover handover(folder_);
    {
        RegistryCollection collection(supervisor_, directories_,
                                      {.collect = {.argv = {"sleep", "1000"}}});
        ASSERT_TRUE(handover.ask());
        EXPECT_TRUE(
            watch(collection, [&] { return running(directories_, "registry-gc").has_value(); }));
    }
    EXPECT_FALSE(running(directories_, "registry-gc"));
    EXPECT_FALSE(handover.under_way());
}

TEST_F(RegistryCollectionTest, WhatAKilledSupervisorHasLeftIsEndedBeforeTheRegistryStarts) {
    const auto pid = os::start_daemon({.argv = {"sleep", "1000"}}, (folder_ / "log").string());
    ASSERT_TRUE(pid);
    const auto left = *os::identify(*pid);
    std::ofstream(folder_ / "registry-gc.pid") << left.pid << " " << left.start_ticks;
    const registry::Handover handover(folder_);
    ASSERT_TRUE(handover.ask());
    ASSERT_TRUE(handover.take());
    ASSERT_TRUE(RegistryCollection::clear(directories_));
    EXPECT_FALSE(os::is_alive(left));
    EXPECT_FALSE(handover.under_way());
    EXPECT_FALSE(handover.take_done());
}

}  // namespace
}  // namespace loco::platform
