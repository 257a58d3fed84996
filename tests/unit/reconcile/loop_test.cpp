// The loop with real threads and the real clock, over what is simulated.
#include "reconcile/loop.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <semaphore>
#include <stdexcept>
#include <thread>

#include "domain/hosts.hpp"
#include "gateway/simulated/gateway.hpp"
#include "reconcile/aside.hpp"
#include "runtime/simulated/simulated_health.hpp"
#include "runtime/simulated/simulated_runtime.hpp"
#include "store/memory/memory_store.hpp"
#include "usecase/apps.hpp"
#include "usecase/deployments.hpp"

namespace loco::reconcile {
namespace {

using namespace std::chrono_literals;

// The simulated gateway is for one thread at a time.
class LockedGateway final : public Gateway {
    template <class Work>
    auto locked(Work work) {
        const std::lock_guard lock(mutex_);
        return work();
    }
    std::mutex mutex_;

  public:
    Result<> apply(const AppRoutes& routes) override {
        return locked([&] { return inner.apply(routes); });
    }
    Result<> remove(const AppId& app) override {
        return locked([&] { return inner.remove(app); });
    }
    Result<> sync(const std::vector<AppRoutes>& all) override {
        const int failure = failing_syncs.fetch_sub(1);
        if (failure > 0 && failure % 2 == 0) throw std::runtime_error("a bug of an adapter");
        if (failure > 0) return fail(ErrorKind::unavailable, "not now");
        return locked([&] { return inner.sync(all); });
    }
    Result<std::map<InstanceId, int>> connections(const AppId& app) override {
        return locked([&] { return inner.connections(app); });
    }
    Result<std::vector<TrafficStats>> stats() override {
        return locked([&] { return inner.stats(); });
    }

    gateway::SimulatedGateway inner;
    std::atomic<int> failing_syncs{0};
};

class EmptyRegistry final : public Registry {
  public:
    [[nodiscard]] std::string host() const override { return "127.0.0.1:5000"; }
    Result<ManifestInfo> manifest(const std::string&, const std::string& digest) override {
        return ManifestInfo{.digest = digest};
    }
    Result<RegistryToken> push_token(const std::string&) override { return RegistryToken{}; }
    Result<RegistryToken> pull_token(const std::string&) override { return RegistryToken{}; }
    Result<> remove_manifest(const std::string&, const std::string& digest) override {
        const std::lock_guard lock(mutex_);
        if (digest == kept_) return fail(ErrorKind::internal, "the registry answered 500");
        removed_.push_back(digest);
        return {};
    }
    // Its removal fails from now on, that of any other no more.
    void keep(const std::string& digest) {
        const std::lock_guard lock(mutex_);
        kept_ = digest;
    }
    [[nodiscard]] std::vector<std::string> removed() const {
        const std::lock_guard lock(mutex_);
        return removed_;
    }

  private:
    mutable std::mutex mutex_;
    std::vector<std::string> removed_;
    std::string kept_;
};

// The machine's, which a test sets.
class SetClock final : public Clock {
  public:
    [[nodiscard]] Time now() const override { return inner_.now() + ahead.load(); }
    [[nodiscard]] SteadyTime steady() const override { return inner_.steady(); }
    std::atomic<Duration> ahead{Duration(0)};

  private:
    SystemClock inner_;
};

// Fetches of some images end only when the test wants it.
class SlowRuntime final : public Runtime {
  public:
    explicit SlowRuntime(Runtime& inner) : inner_(inner) {}
    Result<> ensure_network(const TeamNetwork& network) override {
        return inner_.ensure_network(network);
    }
    Result<> remove_network(const TeamId& team) override { return inner_.remove_network(team); }
    Result<ImageFacts> ensure_image(const ImageRef& image) override {
        if (image.digest.starts_with("sha256:slow")) {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [this] { return released_; });
        }
        return inner_.ensure_image(image);
    }
    Result<> remove_image(const ImageRef& image) override { return inner_.remove_image(image); }
    Result<> start(const ContainerSpec& spec) override { return inner_.start(spec); }
    Result<> signal(const InstanceId& instance, Signal signal) override {
        return inner_.signal(instance, signal);
    }
    Result<> remove(const InstanceId& instance) override { return inner_.remove(instance); }
    Result<std::vector<ObservedContainer>> list(const AppId& app) override {
        return inner_.list(app);
    }
    Result<std::vector<ObservedContainer>> list_all() override { return inner_.list_all(); }
    ContainerFacts examine(const InstanceId& instance) override { return inner_.examine(instance); }
    Result<std::vector<ResourceUsage>> usage(const AppId& app) override {
        return inner_.usage(app);
    }
    Result<MachineSize> machine() override { return inner_.machine(); }
    Result<std::vector<WrittenBytes>> written() override { return inner_.written(); }
    void on_change(std::function<void(std::optional<AppId>)> listener) override {
        inner_.on_change(std::move(listener));
    }
    void release() {
        const std::lock_guard lock(mutex_);
        released_ = true;
        changed_.notify_all();
    }

  private:
    Runtime& inner_;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool released_ = false;
};

class LoopTest : public ::testing::Test {
  protected:
    LoopTest() {
        team_ = {.id = TeamId::make(clock_, random_),
                 .slug = "main",
                 .number = 0,
                 .created_at = clock_.now()};
        EXPECT_TRUE(store_.write([&](WriteTx& tx) { return tx.put(team_); }));
    }

    void start(
        LoopOptions options = {.threads = 3,
                               .sweep_every = 1h,
                               .first_backoff = 2ms,
                               .most_backoff = 20ms},
        std::function<void()> after_pass = [] {}) {
        loop_ = std::make_unique<Loop>(LoopPorts{.reconciler = reconciler_,
                                                 .store = store_,
                                                 .clock = clock_,
                                                 .on_pass = [after_pass = std::move(after_pass)](
                                                                bool, Duration) { after_pass(); }},
                                       options);
        loop_->start();
    }

    Context context() {
        return {.store = store_,
                .clock = clock_,
                .random = random_,
                .config = config_,
                .wake = [this](const AppId& app) {
                    if (loop_) loop_->wake(app);
                }};
    }

    DeploymentId deploy(const std::string& name, std::int64_t uid = 1) {
        auto c = context();
        const Actor actor{.user = {}, .login = "ann"};
        const auto app = create_app(c, actor, team_.id, name);
        EXPECT_TRUE(app) << app.error().message;
        AppSpec spec;
        spec.name = name;
        spec.ports = {PortSpec{}};
        const auto started = start_deploy(c, actor, app->id, spec);
        EXPECT_TRUE(started) << started.error().message;
        const ImageRef image{started->deployment.repository, "sha256:" + name};
        runtime_.add_image(image, {.image_id = "i",
                                   .platform = config_.platform,
                                   .user = std::to_string(uid),
                                   .uid = uid,
                                   .gid = 1});
        const auto reported =
            report_built(c, started->deployment.id, {.digest = image.digest, .image_id = "i"});
        EXPECT_TRUE(reported) << reported.error().message;
        return started->deployment.id;
    }

    DeploymentState state(const DeploymentId& id) {
        DeploymentState found{};
        EXPECT_TRUE(store_.read([&](const ReadTx& tx) -> Result<> {
            LOCO_ASSIGN(const auto row, tx.deployment(id));
            found = row.state;
            return {};
        }));
        return found;
    }

    // The world goes on while it is waited for.
    [[nodiscard]] bool eventually(const std::function<bool()>& condition) {
        for (const auto until = std::chrono::steady_clock::now() + 20s;
             std::chrono::steady_clock::now() < until;) {
            runtime_.advance();
            health_.poll();
            if (condition()) return true;
            std::this_thread::yield();
        }
        return false;
    }

    SetClock clock_;
    SystemRandom random_;
    Config config_;
    Team team_;
    store::MemoryStore store_;
    SimulatedRuntime runtime_{clock_};
    SimulatedHealth health_{clock_, runtime_};
    LockedGateway gateway_;
    EmptyRegistry registry_;
    SlowRuntime slow_{runtime_};
    Reconciler reconciler_{ReconcilerPorts{
        .store = store_,
        .registry = registry_,
        .place = MachinePorts{.runtime = slow_, .gateway = gateway_, .health = health_},
        .clock = clock_,
        .random = random_,
        .config = config_,
        .unseal = [](const EnvVersion&) -> Result<SecretEnv> { return SecretEnv{}; },
        .log_tail = [](const Instance&) { return std::string(); },
        .forget_logs = [](const AppId&) -> Result<> { return {}; },
        .url_of = [](const std::string& host) { return url_of(host, 8080); },
        .run_all = parallel_runner(4),
        .aside =
            [this](const AppId& app, std::function<void()> work) {
                if (!loop_) {
                    work();
                    return;
                }
                aside_.run([this, app, work = std::move(work)] {
                    work();
                    loop_->wake(app);
                });
            },
    }};
    std::atomic<int> bad_calls_{
        0};  // for hooks: the loop's threads run on when a test's body has ended
    std::counting_semaphore<10'000> passes_{0};  // that may end, where a test counts them
    std::unique_ptr<Loop> loop_;
    Aside aside_{8};
};

TEST_F(LoopTest, DeploysOfManyAppsGoLiveWithoutAnySweep) {
    start();
    std::vector<DeploymentId> deployments;
    for (int i = 0; i < 10; ++i) deployments.push_back(deploy("app" + std::to_string(i)));
    for (const auto& id : deployments)
        EXPECT_TRUE(eventually([&] { return state(id) == DeploymentState::live; })) << id.str();
    EXPECT_EQ(runtime_.starts(), 10U);
}

TEST_F(LoopTest, ImagesThatAreSlowToFetchHoldUpNoOtherAppAndCanBeCancelled) {
    start();
    std::vector<DeploymentId> slow;
    for (int i = 0; i < 5; ++i) slow.push_back(deploy("slow" + std::to_string(i)));
    const auto quick = deploy("quick");
    EXPECT_TRUE(eventually([&] { return state(quick) == DeploymentState::live; }));
    auto c = context();
    ASSERT_TRUE(cancel_deployment(c, {.user = {}, .login = "ann"}, slow[0]));
    EXPECT_TRUE(eventually([&] { return state(slow[0]) == DeploymentState::cancelled; }));
    EXPECT_EQ(state(slow[1]), DeploymentState::checking);
    slow_.release();
    for (std::size_t i = 1; i < slow.size(); ++i)
        EXPECT_TRUE(eventually([&] { return state(slow[i]) == DeploymentState::live; }));
    EXPECT_EQ(state(slow[0]), DeploymentState::cancelled);
}

TEST_F(LoopTest, AClockThatIsSetEndsNoDeadlineAndNoLease) {
    auto c = context();
    const Actor actor{.user = {}, .login = "ann"};
    const auto app = create_app(c, actor, team_.id, "shop");
    ASSERT_TRUE(app);
    AppSpec spec;
    spec.name = "shop";
    spec.ports = {PortSpec{}};
    const auto build = start_deploy(c, actor, app->id, spec);
    ASSERT_TRUE(build);
    const auto lease = [&] {
        Time until{};
        EXPECT_TRUE(store_.read([&](const ReadTx& tx) -> Result<> {
            LOCO_ASSIGN(const auto row, tx.deployment(build->deployment.id));
            until = row.lease_until;
            return {};
        }));
        return until - clock_.now();
    };
    for (const Duration set : {Duration(2h), Duration(-3h), Duration(20h)}) {
        clock_.ahead = set;
        EXPECT_FALSE(reconciler_.pass(app->id).error);
        EXPECT_EQ(state(build->deployment.id), DeploymentState::building);
        EXPECT_GT(lease(), 30s);
        EXPECT_LE(lease(), 60s);
    }
    // What was renewed after the jump and before anybody noticed it is of the new time already.
    clock_.ahead = -Duration(5h);
    ASSERT_TRUE(store_.write([&](WriteTx& tx) -> Result<> {
        LOCO_ASSIGN(auto row, tx.deployment(build->deployment.id));
        row.lease_until = clock_.now() + 60s;
        return tx.put(row);
    }));
    EXPECT_FALSE(reconciler_.pass(app->id).error);
    EXPECT_EQ(state(build->deployment.id), DeploymentState::building);
    EXPECT_GT(lease(), 30s);
}

TEST_F(LoopTest, TheImageOfADeployThatIsRefusedGoesAndOnlyOnce) {
    start();
    const auto bad = deploy("bad", /*uid=*/0);
    EXPECT_TRUE(eventually([&] { return state(bad) == DeploymentState::failed; }));
    EXPECT_TRUE(
        eventually([&] { return registry_.removed() == std::vector<std::string>{"sha256:bad"}; }));
    AppId app;
    EXPECT_TRUE(store_.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto row, tx.deployment(bad));
        app = row.app;
        return {};
    }));
    auto c = context();
    ASSERT_TRUE(destroy_app(c, {.user = {}, .login = "ann"}, app));
    EXPECT_TRUE(eventually([&] {
        return !store_.read([&](const ReadTx& tx) -> Result<> {
            LOCO_TRY(tx.app(app));
            return {};
        });
    }));
    EXPECT_EQ(registry_.removed().size(), 1U);
}

TEST_F(LoopTest, AnImageThatCannotBeRemovedHoldsUpNoOtherAndAsksForNoRepetitionOfThePass) {
    const auto bad = deploy("bad", /*uid=*/0);
    AppId app;
    EXPECT_TRUE(store_.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto row, tx.deployment(bad));
        app = row.app;
        return {};
    }));
    registry_.keep("sha256:bad");
    const auto first = reconciler_.pass(app);
    EXPECT_EQ(state(bad), DeploymentState::failed);
    EXPECT_FALSE(first.error) << first.error->message;
    ASSERT_TRUE(first.wake_at);
    EXPECT_GT(*first.wake_at, clock_.now() + 59min) << "with the hourly work";
    EXPECT_TRUE(registry_.removed().empty());

    auto c = context();
    AppSpec spec;
    spec.name = "bad";
    spec.ports = {PortSpec{}};
    const auto again = start_deploy(c, {.user = {}, .login = "ann"}, app, spec);
    ASSERT_TRUE(again);
    const ImageRef image{again->deployment.repository, "sha256:worse"};
    runtime_.add_image(image, {.image_id = "j", .platform = config_.platform, .user = "0"});
    ASSERT_TRUE(report_built(c, again->deployment.id, {.digest = image.digest, .image_id = "j"}));
    registry_.keep("sha256:worse");  // the newest is tried first
    EXPECT_FALSE(reconciler_.pass(app).error);
    EXPECT_EQ(registry_.removed(), std::vector<std::string>{"sha256:bad"});
}

TEST_F(LoopTest, WhatADeployPushedThatNeverBecameAReleaseGoesWithItsApp) {
    const auto bad = deploy("bad", /*uid=*/0);
    AppId app;
    EXPECT_TRUE(store_.read([&](const ReadTx& tx) -> Result<> {
        LOCO_ASSIGN(const auto row, tx.deployment(bad));
        app = row.app;
        return {};
    }));
    auto c = context();
    ASSERT_TRUE(destroy_app(c, {.user = {}, .login = "ann"}, app));
    start();
    EXPECT_TRUE(
        eventually([&] { return registry_.removed() == std::vector<std::string>{"sha256:bad"}; }));
}

TEST_F(LoopTest, WhatWasToBeDoneBeforeItStartedIsDone) {
    const auto id = deploy("early");
    start();
    EXPECT_TRUE(eventually([&] { return state(id) == DeploymentState::live; }));
}

TEST_F(LoopTest, ACallThatFailsIsTriedAgain) {
    bad_calls_ = 20;
    runtime_.set_hook([&](SimulatedRuntime::When, std::string_view) -> Result<> {
        if (bad_calls_.fetch_sub(1) > 0) return fail(ErrorKind::unavailable, "not now");
        return {};
    });
    start();
    const auto id = deploy("shop");
    EXPECT_TRUE(eventually([&] { return state(id) == DeploymentState::live; }));
    EXPECT_LE(bad_calls_, 0);
}

TEST_F(LoopTest, ACallThatThrowsStopsNeitherTheLoopNorOtherApps) {
    bad_calls_ = 10;
    runtime_.set_hook([&](SimulatedRuntime::When, std::string_view) -> Result<> {
        if (bad_calls_.fetch_sub(1) > 0) throw std::runtime_error("a bug of an adapter");
        return {};
    });
    start();
    const auto one = deploy("one");
    const auto two = deploy("two");
    EXPECT_TRUE(eventually([&] {
        return state(one) == DeploymentState::live && state(two) == DeploymentState::live;
    }));
}

TEST_F(LoopTest, AGatewayThatCannotBeToldForLongIsToldAtLast) {
    gateway_.failing_syncs = 100;
    start({.threads = 2, .sweep_every = 2ms, .first_backoff = 2ms, .most_backoff = 20ms});
    EXPECT_TRUE(eventually([&] { return gateway_.failing_syncs < 0; }));
    const auto id = deploy("shop");
    EXPECT_TRUE(eventually([&] { return state(id) == DeploymentState::live; }));
}

TEST_F(LoopTest, ACrashIsNoticedWithoutAnySweep) {
    start();
    const auto id = deploy("shop");
    ASSERT_TRUE(eventually([&] { return state(id) == DeploymentState::live; }));
    const auto containers = runtime_.containers();
    ASSERT_EQ(containers.size(), 1U);
    EXPECT_TRUE(runtime_.crash(containers[0].first.instance.id, 1));
    EXPECT_TRUE(eventually([&] { return runtime_.starts() == 2; }));
}

TEST_F(LoopTest, AnAppOfWhichSomethingChangedDoesNotWaitForThoseThatAreLookedAtInTurn) {
    constexpr int kApps = 60;
    auto c = context();
    for (int i = 0; i < kApps; ++i)
        ASSERT_TRUE(create_app(c, {.user = {}, .login = "ann"}, team_.id, "a" + std::to_string(i)));
    std::atomic<bool> begun{false};
    start({.threads = 1, .sweep_every = 1h}, [&] {
        begun = true;
        passes_.acquire();
    });
    ASSERT_TRUE(eventually([&] { return begun.load(); })) << "all are asked for";
    const auto id = deploy("changed");
    ASSERT_TRUE(cancel_deployment(c, {.user = {}, .login = "ann"}, id));
    // The pass that was under way, and its own: a few of its own, as it is woken for each thing that happened.
    passes_.release(4);
    EXPECT_TRUE(eventually([&] { return state(id) == DeploymentState::cancelled; }));
    passes_.release(10 * kApps);
    loop_->stop();
}

TEST_F(LoopTest, ASweepFindsWhatNobodyToldOf) {
    start({.threads = 1, .sweep_every = 5ms});
    auto c = context();
    c.wake = [](const AppId&) {};
    const auto app = create_app(c, {.user = {}, .login = "ann"}, team_.id, "quiet");
    ASSERT_TRUE(app);
    EXPECT_TRUE(eventually([&] {
        // Asked through the lock, as the gateway is being told.
        return gateway_.stats().has_value() && reconciler_.sweep().suspicious.empty();
    }));
}

TEST_F(LoopTest, ItStopsAtOnceAndTwice) {
    start();
    (void)deploy("shop");
    loop_->stop();
    loop_->stop();
    loop_->wake(AppId("app_none"));
    runtime_.daemon_away(false);
    runtime_.daemon_back();  // its listener finds nobody
}

TEST(ParallelRunner, RunsEverythingAndAtMostSoManyAtOnce) {
    std::atomic<int> now{0};
    std::atomic<int> most{0};
    std::atomic<int> done{0};
    std::vector<std::function<void()>> work;
    for (int i = 0; i < 50; ++i) {
        work.emplace_back([&] {
            const int running = ++now;
            for (int seen = most; running > seen && !most.compare_exchange_weak(seen, running);) {
            }
            std::this_thread::yield();
            --now;
            ++done;
        });
    }
    parallel_runner(3)(work);
    EXPECT_EQ(done, 50);
    EXPECT_LE(most, 3);
    parallel_runner(3)({});
}

}  // namespace
}  // namespace loco::reconcile
