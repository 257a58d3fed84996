#include <gtest/gtest.h>

#include <cctype>

#include "reconcile/cluster_app.hpp"
#include "tests/unit/reconcile/scene.hpp"

namespace loco::reconcile::testing {
namespace {

using enum DeploymentState;
constexpr auto deploy = DeploymentKind::deploy;
using S = InstanceState;
using P = PodState;

const DeploymentId kNew("new");
const DeploymentId kOld("old");

// An app on a cluster of one node, with nothing on it.
struct ClusterScene : Scene {
    ClusterScene() {
        auto& view = seen.cluster.emplace();
        view.differs = false;
        view.app.emplace();
        view.nodes = {{.name = "node-1",
                       .ready = true,
                       .schedulable = true,
                       .cpu_millis = 4000,
                       .memory_bytes = 8LL << 30,
                       .platform = "linux/amd64"}};
    }
    ClusterView& view() { return *seen.cluster; }
    ObservedApp& app() { return *seen.cluster->app; }

    // A pod of that set; noted as an instance in the state that follows, unless `noted` is false.
    ObservedPod& pod(const DeploymentId& set, int number, P state, bool noted = true,
                     const std::string& process = "web") {
        ObservedPod one;
        one.instance = InstanceId("ins_" + std::to_string(rows.instances.size() + 1));
        if (!noted) one.instance = InstanceId("ins_new" + std::to_string(app().pods.size()));
        one.name = "pod-" + one.instance.str();
        one.node = "node-1";
        one.set = set;
        one.release = release(number).id;
        one.process = process;
        one.state = state;
        one.created_at = at(95);
        if (noted) {
            static const S kStates[] = {S::pending, S::starting, S::healthy,
                                        S::backoff, S::draining, S::finished};
            auto& row = instance(set, number, 0, kStates[static_cast<int>(state)], process);
            row.address.clear();
            row.host = "node-1";
            for (const auto& other : rows.instances) {
                if (other.id != row.id && other.set == set && other.process == process) ++row.index;
            }
        }
        app().pods.push_back(one);
        app().exists = true;
        return app().pods.back();
    }
    // The cluster keeps so many of it, all of them ready.
    ObservedProcess& process(const DeploymentId& set, int count, const std::string& name = "web") {
        auto& all = app().processes;
        const auto found = std::ranges::find(all, name, &ObservedProcess::name);
        auto& one = found == all.end() ? all.emplace_back() : *found;
        one = {.name = name,
               .set = set,
               .settled = true,
               .wanted = count,
               .updated = count,
               .ready = count,
               .total = count,
               .problem = {}};
        app().exists = true;
        return one;
    }
    // "v1" serves with so many pods.
    ClusterScene& serves(int number, int replicas = 1) {
        auto& serving = release(number);
        serving.live_at = at(1);
        serving.spec.scale.min = serving.spec.scale.max = replicas;
        rows.app.live_release = serving.id;
        rows.app.live_set = kOld;
        for (int i = 0; i < replicas; ++i) pod(kOld, number, P::ready);
        process(kOld, replicas);
        app().routed = true;
        return *this;
    }
    // A deploy of v2 over v1, whose pods are these.
    Deployment& rolls(std::initializer_list<P> pods) {
        serves(1);
        auto& open = deployment(deploy, rolling, 2);
        open.phases["rolling"] = at(91);
        for (const auto state : pods) pod(kNew, 2, state);
        auto& one = process(kNew, static_cast<int>(std::max<std::size_t>(1, pods.size())));
        one.ready = static_cast<int>(std::ranges::count(pods, P::ready));
        return open;
    }
    // All of it but its events' words.
    [[nodiscard]] std::vector<std::string> events() const {
        std::vector<std::string> out;
        for (const auto& event : plan().changes.events) out.push_back(event.kind);
        return out;
    }
    [[nodiscard]] const Diagnosis diagnosis() const {
        for (const auto& [before, after] : plan().changes.deployments) {
            if (after.diagnosis) return *after.diagnosis;
        }
        return {};
    }
};

struct Case {
    std::string name;
    void (*build)(ClusterScene&);
    std::string told;
};

const Case kCases[] = {
    {"nothing is to do for an app without anything", [](ClusterScene&) {}, ""},
    {"nothing is to do for an app that serves", [](ClusterScene& s) { s.serves(1, 2); }, ""},
    {"what is live is ordered when the cluster has it otherwise",
     [](ClusterScene& s) {
         s.serves(1);
         s.view().differs = true;
     },
     "order old\n"},
    {"nothing is concluded while the cluster is not known",
     [](ClusterScene& s) {
         s.serves(1);
         s.view().app.reset();
         s.view().differs = true;
     },
     ""},

    // --- checking and releasing
    {"an image is checked", [](ClusterScene& s) { s.deployment(deploy, checking); },
     "admit\nwake +50000ms\n"},
    {"an admitted image becomes a release, and what served is still what is ordered",
     [](ClusterScene& s) {
         s.serves(1);
         auto& d = s.deployment(deploy, checking);
         d.spec.ports = {PortSpec{}};
         s.seen.admissions[kNew] = {
             .refusal = {}, .release = ReleaseId("rel_9"), .image_id = "i", .uid = 7, .gid = 7};
     },
     "release v2\ndeployment checking -> rolling\n"},
    {"the release command is run, and nothing else is ordered",
     [](ClusterScene& s) {
         s.serves(1);
         s.deployment(deploy, releasing, 2);
         s.release(2).spec.deploy.release_command = {"/migrate"};
     },
     "run the command of new\nwake +50000ms\n"},
    {"it is not run again by the process that has ordered it",
     [](ClusterScene& s) {
         s.deployment(deploy, releasing, 2);
         s.release(2).spec.deploy.release_command = {"/migrate"};
         s.view().commands = {kNew};
     },
     "wake +50000ms\n"},
    {"its pod is noted",
     [](ClusterScene& s) {
         s.deployment(deploy, releasing, 2);
         s.release(2).spec.deploy.release_command = {"/migrate"};
         s.pod(kNew, 2, P::starting, false, "release");
     },
     "new release@new\n"},
    {"nor when its pod was seen by another process",
     [](ClusterScene& s) {
         s.deployment(deploy, releasing, 2);
         s.release(2).spec.deploy.release_command = {"/migrate"};
         s.pod(kNew, 2, P::starting, true, "release");
     },
     "wake +50000ms\n"},
    {"when it has done its work the rollout begins",
     [](ClusterScene& s) {
         s.deployment(deploy, releasing, 2);
         s.release(2).spec.deploy.release_command = {"/migrate"};
         auto& pod = s.pod(kNew, 2, P::starting, true, "release");
         pod.state = P::ended;
         pod.exit_code = 0;
     },
     "deployment releasing -> rolling\nrelease@new starting -> finished\n"},
    {"when it has failed the deployment ends",
     [](ClusterScene& s) {
         s.deployment(deploy, releasing, 2);
         s.release(2).spec.deploy.release_command = {"/migrate"};
         auto& pod = s.pod(kNew, 2, P::starting, true, "release");
         pod.state = P::ended;
         pod.exit_code = 3;
     },
     "unlocked\ndeployment releasing -> failed (release_command_failed)\n"
     "release@new starting -> finished\n"},
    {"one whose pod is not seen any more is waited for, as what is seen may be old",
     [](ClusterScene& s) {
         s.deployment(deploy, releasing, 2);
         s.release(2).spec.deploy.release_command = {"/migrate"};
         s.pod(kNew, 2, P::starting, true, "release");
         s.app().pods.clear();
         s.rows.instances[0].deadline = at(104);
     },
     "wake +4000ms\n"},
    {"then it is lost, and never run again",
     [](ClusterScene& s) {
         s.deployment(deploy, releasing, 2);
         s.release(2).spec.deploy.release_command = {"/migrate"};
         s.pod(kNew, 2, P::starting, true, "release");
         s.app().pods.clear();
         s.rows.instances[0].deadline = at(100);
     },
     "unlocked\ndeployment releasing -> failed (release_command_lost)\n"
     "release@new starting -> finished\n"},
    {"one that the cluster refuses fails at once",
     [](ClusterScene& s) {
         s.deployment(deploy, releasing, 2);
         s.release(2).spec.deploy.release_command = {"/migrate"};
         s.view().command_error = OrderError{
             kNew, {.kind = ErrorKind::refused, .message = "exceeded quota", .code = "quota"}};
     },
     "unlocked\ndeployment releasing -> failed (quota)\n"},
    {"one that runs on is ended when its deployment was cancelled",
     [](ClusterScene& s) {
         s.release(2);
         s.pod(kNew, 2, P::starting, false, "release");
     },
     "remove the command of new\n"},
    {"one that has ended is taken away when nobody can still believe that it has to run",
     [](ClusterScene& s) {
         s.serves(1);
         s.pod(kOld, 1, P::ended, false, "release").finished_at = at(90);
     },
     "wake +110000ms\n"},

    // --- rolling
    {"a rollout orders its set",
     [](ClusterScene& s) {
         s.serves(1);
         s.deployment(deploy, rolling, 2).phases["rolling"] = at(91);
         s.view().differs = true;
     },
     "order new\nwake +50000ms\n"},
    {"and waits for it", [](ClusterScene& s) { s.rolls({P::starting}); }, "wake +50000ms\n"},
    {"new pods are noted",
     [](ClusterScene& s) {
         s.rolls({});
         s.pod(kNew, 2, P::pending, false);
     },
     "new web.0@new\n"},
    {"when all are ready and nothing else is left it is live, in one write",
     [](ClusterScene& s) { s.rolls({P::ready}); },
     "live set is new\nunlocked\ndeployment rolling -> live\n"},
    {"not before the cluster has seen the order",
     [](ClusterScene& s) {
         s.rolls({P::ready});
         s.app().processes[0].settled = false;
     },
     "wake +50000ms\n"},
    {"not while what is ordered differs",
     [](ClusterScene& s) {
         s.rolls({P::ready});
         s.view().differs = true;
     },
     "order new\nwake +50000ms\n"},
    {"not while pods of the old set are left",
     [](ClusterScene& s) {
         s.rolls({P::ready});
         s.app().processes[0].total = 2;
     },
     "wake +50000ms\n"},
    {"not while a pod that was told to stop may still answer",
     [](ClusterScene& s) {
         s.rolls({P::ready});
         s.pod(kOld, 1, P::terminating).asked_until = at(103);
     },
     "wake +3000ms\n"},
    {"nor does it fail for that at its deadline",
     [](ClusterScene& s) {
         s.rolls({P::ready});
         s.pod(kOld, 1, P::terminating).asked_until = at(160);
         s.now = at(151);
     },
     "live set is new\nunlocked\ndeployment rolling -> live\n"},
    {"not before the gateway takes its route",
     [](ClusterScene& s) {
         s.rolls({P::ready});
         s.app().routed = false;
     },
     "wake +50000ms\n"},
    {"a route that is not taken until the deadline fails it",
     [](ClusterScene& s) {
         s.rolls({P::ready});
         s.app().routed = false;
         s.now = at(151);
     },
     "unlocked\ndeployment rolling -> failed (not_routed)\n"},
    {"an app without a route needs none",
     [](ClusterScene& s) {
         s.rolls({P::ready});
         s.release(2).spec.ports.clear();
         s.app().routed = false;
     },
     "live set is new\nunlocked\ndeployment rolling -> live\n"},
    {"a process without a port counts when it has run for a second",
     [](ClusterScene& s) {
         s.rolls({P::ready});
         s.release(2).spec.ports.clear();
         s.rows.instances.back().state_since = at(99.5);
     },
     "wake +500ms\n"},
    {"a container that ends at its start fails it at once",
     [](ClusterScene& s) {
         auto& d = s.rolls({P::starting});
         (void)d;
         auto& pod = s.app().pods.back();
         pod.state = P::waiting;
         pod.exit_code = 1;
     },
     "unlocked\ndeployment rolling -> failed (exited_at_start)\nweb.0@new starting -> backoff\n"},
    {"so does one that runs out of memory",
     [](ClusterScene& s) {
         s.rolls({P::starting});
         auto& pod = s.app().pods.back();
         pod.restarts = 1;
         pod.exit_code = 137;
         pod.oom_killed = true;
     },
     "unlocked\ndeployment rolling -> failed (oom_killed_at_start)\nweb.0@new starting -> "
     "starting\n"},
    {"so does a command that cannot be started",
     [](ClusterScene& s) {
         s.rolls({P::starting});
         auto& pod = s.app().pods.back();
         pod.problem = "exec: \"/app\": no such file";
         pod.problem_code = "cannot_start";
     },
     "unlocked\ndeployment rolling -> failed (cannot_start)\nweb.0@new starting -> starting\n"},
    {"a pod that its node gives up is started elsewhere, and fails nothing",
     [](ClusterScene& s) {
         s.rolls({P::starting});
         auto& pod = s.app().pods.back();
         pod.state = P::terminating;
         pod.problem_code = "node_lost";
     },
     "web.0@new starting -> draining\n"},
    {"an image that cannot be pulled is given a moment",
     [](ClusterScene& s) {
         s.rolls({P::pending});
         auto& pod = s.app().pods.back();
         pod.problem = "401 unauthorized";
         pod.problem_code = "image_pull_failed";
         s.rows.instances.back().deadline = at(120);
     },
     "wake +20000ms\n"},
    {"and fails it when that has not helped",
     [](ClusterScene& s) {
         s.rolls({P::pending});
         auto& pod = s.app().pods.back();
         pod.problem = "401 unauthorized";
         pod.problem_code = "image_pull_failed";
         s.rows.instances.back().deadline = at(100);
     },
     "unlocked\ndeployment rolling -> failed (image_pull_failed)\nweb.0@new pending -> pending\n"},
    {"at once when the registry does not have it",
     [](ClusterScene& s) {
         s.rolls({P::pending});
         auto& pod = s.app().pods.back();
         pod.problem = "registry.local/x@sha256:2: not found";
         pod.problem_code = "image_pull_failed";
     },
     "unlocked\ndeployment rolling -> failed (image_pull_failed)\nweb.0@new pending -> pending\n"},
    {"a pod that no node takes waits for one until the deadline",
     [](ClusterScene& s) {
         s.rolls({P::pending});
         auto& pod = s.app().pods.back();
         pod.problem = "0/1 nodes are available: 1 Insufficient memory";
         pod.problem_code = "unschedulable";
         s.rows.instances.back().deadline = at(98);
         s.rows.instances.back().last_problem = {.code = {}, .message = pod.problem};
     },
     "wake +50000ms\n"},
    {"and fails it then, in the cluster's words",
     [](ClusterScene& s) {
         s.rolls({P::pending});
         auto& pod = s.app().pods.back();
         pod.problem = "0/1 nodes are available: 1 Insufficient memory";
         pod.problem_code = "unschedulable";
         s.rows.instances.back().deadline = at(98);
         s.rows.instances.back().last_problem = {.code = {}, .message = pod.problem};
         s.now = at(151);
     },
     "unlocked\ndeployment rolling -> failed (unschedulable)\n"},
    {"what is never ready fails it at the deadline",
     [](ClusterScene& s) {
         s.rolls({P::starting});
         s.now = at(151);
     },
     "unlocked\ndeployment rolling -> failed (never_healthy)\n"},
    {"an order that the cluster does not admit fails it at once",
     [](ClusterScene& s) {
         s.serves(1);
         s.deployment(deploy, rolling, 2);
         s.view().differs = true;
         s.view().order_error = OrderError{
             kNew, {.kind = ErrorKind::refused, .message = "denied", .code = "not_admitted"}};
     },
     "unlocked\ndeployment rolling -> failed (not_admitted)\n"},
    {"one that it did not answer is repeated",
     [](ClusterScene& s) {
         s.serves(1);
         s.deployment(deploy, rolling, 2);
         s.view().differs = true;
         s.view().order_error =
             OrderError{kNew, {.kind = ErrorKind::unavailable, .message = "no answer"}};
     },
     "order new\nwake +50000ms\n"},
    {"and fails it at the deadline",
     [](ClusterScene& s) {
         s.serves(1);
         s.deployment(deploy, rolling, 2);
         s.view().differs = true;
         s.view().order_error =
             OrderError{kNew, {.kind = ErrorKind::unavailable, .message = "no answer"}};
         s.now = at(151);
     },
     "unlocked\ndeployment rolling -> failed (unavailable)\n"},
    {"a quota that keeps pods from being made fails it, when it has lasted",
     [](ClusterScene& s) {
         s.rolls({});
         s.app().processes[0].problem = "exceeded quota: loco";
         s.now = at(101);
     },
     "unlocked\ndeployment rolling -> failed (cluster_quota)\n"},
    {"a cluster without a ready node refuses a rollout before anything is ordered",
     [](ClusterScene& s) {
         s.deployment(deploy, rolling, 1);
         s.view().differs = true;
         s.view().nodes->front().ready = false;
     },
     "unlocked\ndeployment rolling -> failed (no_node_ready)\n"},
    {"so does one whose nodes can never hold an instance",
     [](ClusterScene& s) {
         s.deployment(deploy, rolling, 1);
         s.release(1).spec.resources.memory_bytes = 9LL << 30;
         s.view().differs = true;
     },
     "unlocked\ndeployment rolling -> failed (does_not_fit)\n"},
    {"nodes that go away later do not fail what has begun",
     [](ClusterScene& s) {
         s.rolls({P::starting});
         s.view().nodes->clear();
     },
     "wake +50000ms\n"},
    {"what failed gives way to what was live",
     [](ClusterScene& s) {
         s.rolls({P::starting});
         s.rows.open.clear();
         s.rows.app.lock.reset();
         s.view().differs = true;
     },
     "order old\n"},
    {"a first deploy that failed is stopped",
     [](ClusterScene& s) {
         s.release(1);
         s.pod(kNew, 1, P::starting);
         s.process(kNew, 1);
     },
     "stop the app\n"},
    {"and not asked again and again to stop",
     [](ClusterScene& s) {
         s.release(1);
         s.pod(kNew, 1, P::starting);
         s.process(kNew, 1);
         s.view().stop_asked = at(98);
     },
     "wake +8000ms\n"},

    // --- scale and restart
    {"a change of replicas is ordered of the set that serves",
     [](ClusterScene& s) {
         s.serves(1);
         auto& d = s.deployment(DeploymentKind::scale, rolling, 1);
         d.set = kOld;
         s.rows.app.scale["web"].replicas = 2;
         s.view().differs = true;
     },
     "order old\nwake +50000ms\n"},
    {"and is live when the further ones are ready",
     [](ClusterScene& s) {
         s.serves(1);
         auto& d = s.deployment(DeploymentKind::scale, rolling, 1);
         d.set = kOld;
         s.rows.app.scale["web"].replicas = 2;
         s.pod(kOld, 1, P::ready);
         s.process(kOld, 2);
     },
     "unlocked\ndeployment rolling -> live\n"},
    {"it fails by a new instance only",
     [](ClusterScene& s) {
         s.serves(1);
         auto& d = s.deployment(DeploymentKind::scale, rolling, 1);
         d.set = kOld;
         d.created_at = at(97);
         s.rows.app.scale["web"].replicas = 2;
         s.app().pods[0].restarts = 1;
         s.app().pods[0].exit_code = 1;
         s.process(kOld, 2).ready = 1;
     },
     "web.0@old healthy -> healthy\n"},

    // --- live
    {"a pod that is gone has its row removed",
     [](ClusterScene& s) {
         s.serves(1, 2);
         s.app().pods.pop_back();
     },
     "gone web.1@old\n"},
    {"a release that nobody knows is not noted",
     [](ClusterScene& s) {
         s.serves(1);
         s.pod(kOld, 1, P::ready, false).release = ReleaseId("rel_other");
     },
     ""},

    // --- the end
    {"an app that is destroyed is removed",
     [](ClusterScene& s) {
         s.serves(1);
         s.rows.app.destroying = true;
     },
     "remove the app\n"},
    {"also when nothing of it is seen, as what is seen may be old",
     [](ClusterScene& s) { s.rows.app.destroying = true; }, "remove the app\n"},
    {"its removal is waited for",
     [](ClusterScene& s) {
         s.serves(1);
         s.rows.app.destroying = true;
         s.app().removing = true;
         s.view().removal_asked = at(50);
     },
     ""},
    {"when nothing is left its images and logs go",
     [](ClusterScene& s) {
         s.rows.app.destroying = true;
         s.view().removal_asked = at(99);
     },
     "forget\n"},
    {"and then its rows",
     [](ClusterScene& s) {
         s.rows.app.destroying = true;
         s.view().removal_asked = at(99);
         s.seen.forgotten = true;
     },
     "destroyed\n"},
    {"nothing is forgotten while the cluster is not known",
     [](ClusterScene& s) {
         s.rows.app.destroying = true;
         s.view().removal_asked = at(99);
         s.view().app.reset();
     },
     ""},
};

class ClusterPlanTable : public ::testing::TestWithParam<Case> {};

TEST_P(ClusterPlanTable, SaysWhatFollows) {
    ClusterScene scene;
    GetParam().build(scene);
    EXPECT_EQ(scene.told(), GetParam().told);
}

INSTANTIATE_TEST_SUITE_P(Plan, ClusterPlanTable, ::testing::ValuesIn(kCases), [](const auto& one) {
    std::string name;
    bool upper = true;
    for (const char c : one.param.name) {
        if (std::isalnum(static_cast<unsigned char>(c)) == 0) {
            upper = true;
            continue;
        }
        name += upper ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c;
        upper = false;
    }
    return name;
});

using Kinds = std::vector<std::string>;

TEST(ClusterPlan, ACrashIsToldOnceWithItsLimit) {
    ClusterScene scene;
    scene.serves(1);
    auto& pod = scene.app().pods[0];
    pod.state = P::waiting;
    pod.exit_code = 137;
    pod.oom_killed = true;
    const auto made = scene.plan();
    ASSERT_EQ(made.changes.events.size(), 1U);
    EXPECT_EQ(made.changes.events[0].kind, "instance.crashed");
    EXPECT_EQ(
        made.changes.events[0].message,
        "web.0 was killed for memory: it needed more than its limit of 64 MiB; the cluster starts "
        "it again");
    const auto& row = made.changes.instances.at(0).after;
    EXPECT_EQ(row.state, S::backoff);
    EXPECT_EQ(row.restarts, 1);
    EXPECT_TRUE(row.oom_killed);
    // Its next container is the same crash, seen from the other side.
    scene.rows.instances[0] = row;
    pod.state = P::starting;
    pod.restarts = 1;
    EXPECT_EQ(scene.events(), Kinds{});
    scene.rows.instances[0] = scene.plan().changes.instances.at(0).after;
    pod.state = P::ready;
    EXPECT_EQ(scene.events(), Kinds{"instance.recovered"});
    scene.rows.instances[0] = scene.plan().changes.instances.at(0).after;
    EXPECT_TRUE(scene.plan().empty()) << "a quiet app causes no writes";
}

TEST(ClusterPlan, AnInstanceThatIsNotReadyAnyMoreIsTold) {
    ClusterScene scene;
    scene.serves(1);
    scene.app().pods[0].state = P::starting;
    scene.app().pods[0].was_ready = true;
    EXPECT_EQ(scene.events(), Kinds{}) << "what its checks see is known a moment later";
    scene.rows.instances[0] = scene.plan().changes.instances.at(0).after;
    scene.app().pods[0].problem = "readiness: GET /healthz answered 500";
    const auto made = scene.plan();
    ASSERT_EQ(made.changes.events.size(), 1U);
    EXPECT_EQ(made.changes.events[0].message,
              "web.0 fails its health checks: readiness: GET /healthz answered 500; it gets no "
              "traffic until it is ready");
    EXPECT_EQ(made.changes.instances.at(0).after.last_problem.message,
              "fails its health checks: readiness: GET /healthz answered 500");
    scene.rows.instances[0] = made.changes.instances.at(0).after;
    EXPECT_EQ(scene.events(), Kinds{}) << "once";
}

TEST(ClusterPlan, AnInstanceThatIsNotReadyAnyMoreIsToldWithoutAReasonWhenNoneComes) {
    ClusterScene scene;
    scene.serves(1);
    scene.app().pods[0].state = P::starting;
    scene.app().pods[0].was_ready = true;
    scene.rows.instances[0] = scene.plan().changes.instances.at(0).after;
    scene.now = at(111);
    EXPECT_EQ(scene.events(), Kinds{"instance.unhealthy"});
}

TEST(ClusterPlan, AnInstanceThatItsNodeHasPutOutIsToldWithTheReason) {
    ClusterScene scene;
    scene.serves(1);
    auto& pod = scene.app().pods[0];
    pod.state = P::ended;
    pod.problem = "Pod ephemeral local storage usage exceeds the total limit of containers 8Mi";
    pod.problem_code = "evicted";
    const auto made = scene.plan();
    ASSERT_EQ(made.changes.events.size(), 1U);
    EXPECT_EQ(made.changes.events[0].message,
              "web.0 has ended: Pod ephemeral local storage usage exceeds the total limit of "
              "containers 8Mi; the cluster starts another");
    EXPECT_NE(made.changes.events[0].data.find(R"("code":"evicted")"), std::string::npos);
}

TEST(ClusterPlan, AnInstanceThatSomebodyRemovedIsToldButNotOneThatARolloutReplaces) {
    ClusterScene removed;
    removed.serves(1, 2);
    removed.app().pods[1].state = P::terminating;
    removed.pod(kOld, 1, P::pending, false);
    EXPECT_EQ(removed.events(), Kinds{"instance.removed"});

    ClusterScene scaled_down;
    scaled_down.serves(1, 2);
    scaled_down.rows.app.scale["web"].replicas = 1;
    scaled_down.app().pods[1].state = P::terminating;
    EXPECT_EQ(scaled_down.events(), Kinds{});

    ClusterScene replaced;
    replaced.rolls({P::starting});
    replaced.app().pods[0].state = P::terminating;
    EXPECT_EQ(replaced.events(), Kinds{});
}

TEST(ClusterPlan, APodThatNoNodeTakesIsToldOnceAfterAFewSeconds) {
    ClusterScene scene;
    scene.serves(1);
    auto& pod = scene.app().pods[0];
    scene.rows.instances[0].state = S::pending;
    pod.state = P::pending;
    pod.problem = "0/1 nodes are available: 1 Insufficient cpu";
    pod.problem_code = "unschedulable";
    EXPECT_EQ(scene.events(), Kinds{});
    scene.rows.instances[0] = scene.plan().changes.instances.at(0).after;
    EXPECT_EQ(scene.plan().wake_at, at(110));
    scene.now = at(110);
    const auto made = scene.plan();
    ASSERT_EQ(made.changes.events.size(), 1U);
    EXPECT_EQ(made.changes.events[0].message,
              "web.0 cannot start yet: 0/1 nodes are available: 1 Insufficient cpu");
    scene.rows.instances[0] = made.changes.instances.at(0).after;
    EXPECT_TRUE(scene.plan().empty());
}

TEST(ClusterPlan, WhatAStrangerChangedIsToldByName) {
    ClusterScene scene;
    scene.serves(1);
    scene.view().put_right = {"Deployment web", "Service web"};
    const auto made = scene.plan();
    ASSERT_EQ(made.changes.events.size(), 1U);
    EXPECT_EQ(made.changes.events[0].kind, "app.drift");
    EXPECT_NE(made.changes.events[0].message.find("Deployment web, Service web"),
              std::string::npos);
}

TEST(ClusterPlan, NotedPodsHaveTheirNodeTheirLimitsAndTheLeastFreeIndex) {
    ClusterScene scene;
    scene.serves(1, 2);
    scene.app().pods.erase(scene.app().pods.begin());
    scene.pod(kOld, 1, P::ready, false).restarts = 0;
    const auto made = scene.plan();
    ASSERT_EQ(made.changes.new_instances.size(), 1U);
    const auto& row = made.changes.new_instances[0];
    EXPECT_EQ(row.id, scene.app().pods.back().instance);
    EXPECT_EQ(row.index, 0);
    EXPECT_EQ(row.host, "node-1");
    EXPECT_EQ(row.address, "");
    EXPECT_EQ(row.memory_bytes, scene.release(1).spec.resources.memory_bytes);
    EXPECT_EQ(row.state, S::healthy);
}

TEST(ClusterPlan, WhatIsNeverReadyFailsWithWhatEachPodSays) {
    ClusterScene scene;
    scene.rolls({P::starting});
    scene.app().pods.back().problem = "readiness: connection refused";
    scene.now = at(151);
    EXPECT_EQ(scene.diagnosis().code, "never_healthy");
    EXPECT_EQ(scene.diagnosis().message,
              "web.0 was not healthy within 1m: readiness: connection refused");
}

TEST(ClusterPlan, ARefusalBeforeAnythingStartsIsNoFailedRollout) {
    ClusterScene scene;
    scene.deployment(deploy, rolling, 1);
    scene.view().nodes->clear();
    EXPECT_EQ(scene.diagnosis().kind, static_cast<std::uint8_t>(ErrorKind::refused));
    EXPECT_EQ(scene.diagnosis().message, "the cluster has no node");
}

// --- what is ordered

TEST(ClusterOrder, IsWhatIsRolledOutElseWhatIsLive) {
    ClusterScene scene;
    EXPECT_EQ(cluster_order(scene.rows), std::nullopt);
    scene.serves(1);
    EXPECT_EQ(cluster_order(scene.rows)->set, kOld);
    auto& open = scene.deployment(deploy, checking, 2);
    EXPECT_EQ(cluster_order(scene.rows)->set, kOld);
    open.state = rolling;
    EXPECT_EQ(cluster_order(scene.rows)->set, kNew);
    EXPECT_EQ(cluster_order(scene.rows)->release, scene.release(2).id);
    scene.rows.app.destroying = true;
    EXPECT_EQ(cluster_order(scene.rows), std::nullopt);
}

TEST(ClusterOrder, OfAFailedChangeOfMemoryIsTheScaleBefore) {
    ClusterScene scene;
    scene.serves(1);
    auto& open = scene.deployment(DeploymentKind::scale, rolling, 1);
    scene.rows.app.scale["web"].memory_bytes = 1 << 30;
    EXPECT_EQ(cluster_order(scene.rows)->scale, scene.rows.app.scale);
    open.state = releasing;
    EXPECT_EQ(cluster_order(scene.rows)->scale, open.previous_scale);
}

TEST(ClusterOrder, NamesAHostOnlyWhenWhatServesWasNamedForIt) {
    ClusterScene scene;
    scene.serves(1);
    scene.rows.hosts.push_back({.name = "shop.example",
                                .team = scene.rows.team.id,
                                .app = scene.rows.app.id,
                                .primary = false,
                                .reserved_until = {}});
    const auto order = *cluster_order(scene.rows);
    EXPECT_EQ(cluster_app(scene.rows, order, {}, "").hosts, Kinds{"shop.localhost"});
    scene.release(1).spec.domains = {"shop.example"};
    EXPECT_EQ(cluster_app(scene.rows, order, {}, "").hosts,
              (Kinds{"shop.localhost", "shop.example"}));
}

TEST(ClusterOrder, HasTheEnvironmentThatAllPodsShare) {
    ClusterScene scene;
    scene.serves(3);
    scene.release(3).spec.env = {{"COLOR", "blue"}, {"KEY", "plain"}};
    SecretEnv secrets;
    secrets["KEY"] = Secret<>("secret");
    const auto app =
        cluster_app(scene.rows, *cluster_order(scene.rows), std::move(secrets), "http://shop");
    const auto value = [&](const std::string& name) { return app.env.at(name).reveal(); };
    EXPECT_EQ(value("COLOR"), "blue");
    EXPECT_EQ(value("KEY"), "secret");
    EXPECT_EQ(value("LOCO_RELEASE"), "v3");
    EXPECT_EQ(value("LOCO_URL"), "http://shop");
    EXPECT_EQ(value("PORT"), std::to_string(scene.release(3).spec.ports[0].port));
    EXPECT_FALSE(app.env.contains("LOCO_INSTANCE")) << "it differs by pod";
}

TEST(ClusterOrder, ScalesBetweenTheSpecsLimitsUnlessSomebodyHasScaledByHand) {
    ClusterScene scene;
    scene.serves(1);
    auto& spec = scene.release(1).spec;
    spec.scale = {.min = 2, .max = 5, .cpu_target = 70};
    const auto web = [&] {
        return cluster_app(scene.rows, *cluster_order(scene.rows), {}, "").processes.at(0);
    };
    EXPECT_EQ(web().replicas, 2);
    EXPECT_EQ(web().max_replicas, 5);
    EXPECT_EQ(web().cpu_target, 70);
    scene.rows.app.scale["web"].replicas = 3;
    EXPECT_EQ(web().replicas, 3);
    EXPECT_EQ(web().max_replicas, 3);
    EXPECT_EQ(web().cpu_target, 0);
}

TEST(ClusterFit, NamesWhatIsAskedForAndTheMostThereIs) {
    const std::vector<ObservedNode> nodes{{.name = "small",
                                           .ready = true,
                                           .schedulable = true,
                                           .cpu_millis = 1500,
                                           .memory_bytes = 2LL << 30,
                                           .platform = "linux/amd64"},
                                          {.name = "large but away",
                                           .ready = false,
                                           .schedulable = true,
                                           .cpu_millis = 64'000,
                                           .memory_bytes = 256LL << 30,
                                           .platform = "linux/amd64"}};
    AppSpec spec;
    spec.name = "shop";
    spec.resources.cpu_millis = 2000;
    spec.resources.memory_bytes = 1LL << 30;
    const auto fits = check_fits(nodes, spec, {});
    ASSERT_FALSE(fits);
    EXPECT_EQ(fits.error().code, "does_not_fit");
    EXPECT_EQ(
        fits.error().message,
        "no node can ever hold one instance of web: it asks for 2 CPU and 1 GiB, and the most "
        "that a node has is 1.5 CPU and 2 GiB");
    EXPECT_TRUE(check_fits(nodes, spec, {{"web", {.replicas = 0}}})) << "none is wanted";
}

}  // namespace
}  // namespace loco::reconcile::testing
