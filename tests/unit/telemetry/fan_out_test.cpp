#include "telemetry/fan_out.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace loco::telemetry {
namespace {

TEST(FanOut, WakesThoseWhoFollowTheKeyAndNobodyElse) {
    FanOut fan_out;
    int shop = 0;
    int again = 0;
    int other = 0;
    const auto one = fan_out.follow("shop", [&] { ++shop; });
    const auto two = fan_out.follow("shop", [&] { ++again; });
    const auto three = fan_out.follow("other", [&] { ++other; });
    fan_out.wake("shop");
    fan_out.wake("nobody");
    EXPECT_EQ(shop, 1);
    EXPECT_EQ(again, 1);
    EXPECT_EQ(other, 0);
}

TEST(FanOut, WakesNobodyWhoseSubscriptionHasEnded) {
    FanOut fan_out;
    int woken = 0;
    auto subscription = fan_out.follow("shop", [&] { ++woken; });
    fan_out.wake("shop");
    subscription.reset();
    fan_out.wake("shop");
    EXPECT_EQ(woken, 1);
}

TEST(FanOut, WakesEachOfAnEventsFollowersOnce) {
    FanOut fan_out;
    const TeamId team("team_1");
    const AppId app("app_1");
    const DeploymentId deployment("dep_1");
    int by_team = 0;
    int by_app = 0;
    int by_deployment = 0;
    const auto one = fan_out.follow(team.str(), [&] { ++by_team; });
    const auto two = fan_out.follow(app.str(), [&] { ++by_app; });
    const auto three = fan_out.follow(deployment.str(), [&] { ++by_deployment; });
    Event event;
    event.team = team;
    fan_out.wake_for({event});
    event.app = app;
    event.deployment = deployment;
    fan_out.wake_for({event, event});
    EXPECT_EQ(by_team, 2);
    EXPECT_EQ(by_app, 1);
    EXPECT_EQ(by_deployment, 1);
}

TEST(FanOut, AFollowerMayEndItselfWhenWoken) {
    FanOut fan_out;
    std::shared_ptr<void> subscription;
    int woken = 0;
    subscription = fan_out.follow("shop", [&] {
        ++woken;
        subscription.reset();
    });
    fan_out.wake("shop");
    fan_out.wake("shop");
    EXPECT_EQ(woken, 1);
}

TEST(FanOut, ASubscriptionMayOutliveIt) {
    std::shared_ptr<void> subscription;
    {
        FanOut fan_out;
        subscription = fan_out.follow("shop", [] {});
    }
    subscription.reset();
}

TEST(FanOut, NoWakerRunsOnceItsSubscriptionIsGone) {
    FanOut fan_out;
    std::atomic<bool> stop = false;
    std::jthread waker([&] {
        while (!stop) fan_out.wake("shop");
    });
    for (int i = 0; i < 2000; ++i) {
        auto alive = std::make_unique<std::atomic<int>>(0);
        auto subscription = fan_out.follow("shop", [counter = alive.get()] { ++*counter; });
        subscription.reset();
        alive.reset();  // a sanitizer tells of a waker that still runs
    }
    stop = true;
}

}  // namespace
}  // namespace loco::telemetry
