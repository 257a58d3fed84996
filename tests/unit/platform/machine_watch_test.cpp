#include "platform/machine_watch.hpp"

#include <gtest/gtest.h>

#include <fstream>

#include "os/disk.hpp"

namespace loco::platform {
namespace {

class MachineWatchTest : public testing::Test {
  protected:
    MachineWatchTest()
        : folder_(std::filesystem::path(testing::TempDir()) /
                  ("watch-" + std::to_string(::getpid()))) {
        std::filesystem::create_directories(folder_ / "db");
    }
    ~MachineWatchTest() override { std::filesystem::remove_all(folder_); }

    std::filesystem::path folder_;
};

TEST_F(MachineWatchTest, FoldersOnOneDiskAreOneAndThoseThatAreNotThereAreLeftOut) {
    MachineWatch watch({{folder_, "data"}, {folder_ / "db", "database"}, {folder_ / "no", "none"}},
                       {}, {});
    const auto facts = watch.facts();
    ASSERT_EQ(facts.disks.size(), 1U);
    EXPECT_EQ(facts.disks[0].disk.path, folder_);
    EXPECT_EQ(facts.disks[0].disk.holds, (std::vector<std::string>{"data", "database"}));
    EXPECT_GT(facts.disks[0].disk.total_bytes, facts.disks[0].disk.free_bytes);
    EXPECT_GT(facts.disks[0].disk.free_bytes, 0);
    EXPECT_GT(facts.disks[0].marks.low_bytes, facts.disks[0].marks.full_bytes);
    EXPECT_FALSE(facts.size) << "nobody has told";
}

TEST_F(MachineWatchTest, WhereTheEngineKeepsImagesIsWatchedOnceItHasTold) {
    MachineWatch watch({{folder_, "data"}}, {}, {});
    watch.learn({.cpu_millis = 2000, .memory_bytes = 1 << 30, .storage = "/proc"});
    watch.look();
    const auto facts = watch.facts();
    ASSERT_EQ(facts.disks.size(), 2U);
    EXPECT_EQ(facts.disks[1].disk.holds, std::vector<std::string>{"images and containers"});
    ASSERT_TRUE(facts.size);
    EXPECT_EQ(*facts.size, (Share{.cpu_millis = 2000, .memory_bytes = 1 << 30}));
}

TEST_F(MachineWatchTest, MarksDecideTheState) {
    const auto space = os::file_system_of(folder_);
    ASSERT_TRUE(space);
    MachineWatch low({{folder_, "data"}}, {},
                     {.low_bytes = space->total_bytes * 2, .full_bytes = 1});
    EXPECT_EQ(low.facts().disk_state(), DiskState::low);
    MachineWatch full({{folder_, "data"}}, {}, {.full_bytes = space->total_bytes * 2});
    EXPECT_EQ(full.facts().disk_state(), DiskState::full);
}

TEST_F(MachineWatchTest, AFileWithTwoNamesIsCountedOnceAndLinksAreNotFollowed) {
    std::ofstream(folder_ / "db/file") << std::string(1 << 20, 'x');
    std::filesystem::create_hard_link(folder_ / "db/file", folder_ / "again");
    std::filesystem::create_directory_symlink("/usr", folder_ / "elsewhere");
    const auto bytes = os::bytes_below(folder_);
    EXPECT_GE(bytes, 1 << 20);
    EXPECT_LT(bytes, 2 << 20);
    EXPECT_EQ(os::bytes_below(folder_ / "nowhere"), 0);
    EXPECT_LE(os::bytes_below("/usr", 10), 100LL << 20) << "a walk has an end";
}

TEST_F(MachineWatchTest, TheConfigurationsSizesBecomePolicies) {
    ServerConfig config;
    EXPECT_EQ(capacity_policy(config), CapacityPolicy());
    EXPECT_EQ(disk_policy(config), DiskPolicy());
    config.memory_reserve = "1Gi";
    config.memory_overcommit = 120;
    config.disk_full = "100Mi";
    EXPECT_EQ(capacity_policy(config).memory_reserve_bytes, 1 << 30);
    EXPECT_EQ(capacity_policy(config).memory_percent, 120);
    EXPECT_EQ(disk_policy(config).full_bytes, 100 << 20);
    EXPECT_FALSE(disk_policy(config).low_bytes);
}

}  // namespace
}  // namespace loco::platform
