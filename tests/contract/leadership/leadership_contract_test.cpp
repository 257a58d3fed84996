// What every Leadership promises.
#include <gtest/gtest.h>

#include <atomic>

#include "store/common/sole_leadership.hpp"
#include "store/postgres/postgres_leadership.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/socket.hpp"

namespace loco::store {
namespace {

using test::eventually;

class LeadershipContractTest : public ::testing::TestWithParam<std::string> {
  protected:
    void SetUp() override {
        if (GetParam() == "sole") {
            leadership_ = std::make_unique<SoleLeadership>("ann");
            return;
        }
        database_ = std::make_unique<test::TestDatabase>();
        leadership_ = std::make_unique<PostgresLeadership>(
            PostgresLeadershipOptions{.target = database_->target(), .name = "ann"});
    }
    void start() {
        leadership_->start(
            [this] {
                EXPECT_TRUE(leadership_->is_leader());
                EXPECT_EQ(gained_, lost_);
                ++gained_;
            },
            [this] {
                EXPECT_FALSE(leadership_->is_leader());
                ++lost_;
                EXPECT_EQ(gained_, lost_);
            });
    }
    std::atomic<int> gained_ = 0, lost_ = 0;
    std::unique_ptr<test::TestDatabase> database_;
    std::unique_ptr<Leadership> leadership_;
};

TEST_P(LeadershipContractTest, WhoIsAloneLeadsSoonAndIsNamed) {
    EXPECT_FALSE(leadership_->is_leader());
    EXPECT_EQ(leadership_->leader(), "");
    start();
    EXPECT_TRUE(eventually([&] { return gained_ == 1; }));
    EXPECT_TRUE(leadership_->is_leader());
    EXPECT_EQ(leadership_->leader(), "ann");
    EXPECT_EQ(lost_, 0);
}

TEST_P(LeadershipContractTest, StopEndsTheWorkOnceAndMayBeRepeated) {
    start();
    ASSERT_TRUE(eventually([&] { return gained_ == 1; }));
    leadership_->stop();
    EXPECT_EQ(lost_, 1);
    EXPECT_FALSE(leadership_->is_leader());
    EXPECT_EQ(leadership_->leader(), "");
    leadership_->stop();
    leadership_.reset();
    EXPECT_EQ(lost_, 1);
    EXPECT_EQ(gained_, 1);
}

TEST_P(LeadershipContractTest, DestroyingItEndsTheWork) {
    std::atomic<int> ended = 0;
    leadership_->start([&] { ++gained_; }, [&] { ++ended; });
    ASSERT_TRUE(eventually([&] { return gained_ == 1; }));
    leadership_.reset();
    EXPECT_EQ(ended, 1);
}

TEST_P(LeadershipContractTest, WhatWasNeverStartedCanBeStopped) {
    leadership_->stop();
    EXPECT_EQ(gained_, 0);
    EXPECT_EQ(lost_, 0);
}

INSTANTIATE_TEST_SUITE_P(All, LeadershipContractTest, ::testing::Values("sole", "postgres"),
                         [](const auto& each) { return each.param; });

}  // namespace
}  // namespace loco::store
