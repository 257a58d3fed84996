#include <gtest/gtest.h>

#include <cctype>

#include "tests/unit/reconcile/scene.hpp"

namespace loco::reconcile::testing {
namespace {

using enum DeploymentState;
constexpr auto deploy = DeploymentKind::deploy;
constexpr auto scale = DeploymentKind::scale;
using S = InstanceState;

const DeploymentId kNew("new");
const DeploymentId kOld("old");
const Error kNoFirewall{.kind = ErrorKind::unavailable,
                        .message = "no rules",
                        .hint = "install iptables",
                        .code = "firewall_unavailable"};

void fail_checks(Scene& scene, const Instance& instance) {
    scene.seen.health[instance.id] = {
        .ever_healthy = true,
        .failing = true,
        .last = {.saw = HealthCheck::Saw::no_answer, .words = "no answer within 2 s"}};
}

struct Case {
    std::string name;
    void (*build)(Scene&);
    std::string told;
};

// What follows from a scene, as a table. Every line of a plan is named, in its order.
const Case kCases[] = {
    {"nothing is to do for an app without anything", [](Scene&) {}, ""},
    {"nothing is to do for an app that serves", [](Scene& s) { s.live(1, 2); }, ""},
    {"the gateway is told when it is not known to have the routes",
     [](Scene& s) {
         s.live(1);
         s.seen.routes_known = false;
     },
     "routes web.0@old\n"},

    // --- building and checking
    {"a build lives by its lease", [](Scene& s) { s.deployment(deploy, building); },
     "wake +50000ms\n"},
    {"a build whose client is gone fails",
     [](Scene& s) {
         s.deployment(deploy, building);
         s.now = at(150);
     },
     "deployment building -> failed (client_gone)\n"},
    {"an image is checked until the deadline", [](Scene& s) { s.deployment(deploy, checking); },
     "admit\nwake +50000ms\n"},
    {"a check that cannot be made fails at the deadline",
     [](Scene& s) {
         s.deployment(deploy, checking);
         s.seen.admission_errors[kNew] = {.kind = ErrorKind::unavailable, .message = "no answer"};
         s.now = at(151);
     },
     "unlocked\ndeployment checking -> failed (unavailable)\n"},
    {"a refused image fails with what refused it",
     [](Scene& s) {
         s.deployment(deploy, checking);
         s.seen.admissions[kNew].refusal =
             Diagnosis{.code = "image_runs_as_root", .message = "root"};
     },
     "unlocked\ndeployment checking -> failed (image_runs_as_root)\n"},
    {"an admitted image becomes a release whose instances are wanted, in one write",
     [](Scene& s) {
         auto& d = s.deployment(deploy, checking);
         d.spec.ports = {PortSpec{}};
         d.spec.scale.min = 2;
         s.seen.admissions[kNew] = {
             .refusal = {}, .release = ReleaseId("rel_9"), .image_id = "i", .uid = 7, .gid = 7};
     },
     "release v1\ndeployment checking -> rolling\nnew web.0@new\nnew web.1@new\n"},
    {"with a release command that runs first, alone",
     [](Scene& s) {
         auto& d = s.deployment(deploy, checking);
         d.spec.deploy.release_command = {"/migrate"};
         s.seen.admissions[kNew] = {
             .refusal = {}, .release = ReleaseId("rel_9"), .image_id = "i", .uid = 7, .gid = 7};
     },
     "release v1\ndeployment checking -> releasing\nnew release@new\n"},
    {"who asked to cancel is heard in any state before traffic moves",
     [](Scene& s) { s.deployment(deploy, checking).cancel_requested = true; },
     "unlocked\ndeployment checking -> cancelled (cancelled)\n"},

    // --- the release command
    {"a release command that ended well lets instances start",
     [](Scene& s) {
         s.release(2).spec.deploy.release_command = {"/migrate"};
         s.deployment(deploy, releasing, 2);
         s.exited(s.instance(kNew, 2, 0, S::starting, "release"), 0);
     },
     "deployment releasing -> rolling\nrelease@new starting -> stopping\nnew web.0@new\n"},
    {"one that failed ends the rollout, with its exit status",
     [](Scene& s) {
         s.release(2).spec.deploy.release_command = {"/migrate"};
         s.deployment(deploy, releasing, 2);
         s.exited(s.instance(kNew, 2, 0, S::starting, "release"), 1);
     },
     "unlocked\ndeployment releasing -> failed (release_command_failed)\nrelease@new starting -> "
     "stopping\n"},
    {"one whose container is gone is not run again",
     [](Scene& s) {
         s.release(2).spec.deploy.release_command = {"/migrate"};
         s.deployment(deploy, releasing, 2);
         s.gone(s.instance(kNew, 2, 0, S::starting, "release"));
     },
     "unlocked\ndeployment releasing -> failed (release_command_lost)\ngone release@new\n"},
    {"one that does not end is stopped at the deadline",
     [](Scene& s) {
         s.release(2).spec.deploy.release_command = {"/migrate"};
         s.deployment(deploy, releasing, 2);
         s.instance(kNew, 2, 0, S::starting, "release");
         s.now = at(150);
     },
     "unlocked\ndeployment releasing -> failed (release_command_timeout)\nrelease@new starting -> "
     "stopping\n"},

    // --- rolling
    {"pending instances are started together",
     [](Scene& s) {
         s.live(1);
         s.release(2).spec.scale.min = 2;
         s.deployment(deploy, rolling, 2);
         s.instance(kNew, 2, 0, S::pending);
         s.instance(kNew, 2, 1, S::pending);
     },
     "start web.0@new\nstart web.1@new\nwake +50000ms\n"},
    {"traffic moves in the write in which the last one is healthy",
     [](Scene& s) {
         s.live(1);
         s.release(2);
         s.deployment(deploy, rolling, 2);
         s.healthy(s.instance(kNew, 2, 0, S::starting));
     },
     "live set is new\nprevious set is old\nweb.0@new starting -> healthy\n"},
    {"not while another is still starting",
     [](Scene& s) {
         s.live(1);
         s.release(2).spec.scale.min = 2;
         s.deployment(deploy, rolling, 2);
         s.instance(kNew, 2, 0, S::healthy);
         s.instance(kNew, 2, 1, S::starting);
     },
     "wake +50000ms\n"},
    {"the gateway is told to send new requests to the new and to drain the old",
     [](Scene& s) {
         s.live(1);
         s.release(2);
         s.deployment(deploy, rolling, 2);
         s.instance(kNew, 2, 0, S::healthy);
         s.rows.app.previous_set = kOld;
         s.rows.app.previous_release = s.rows.app.live_release;
         s.rows.app.live_set = kNew;
         s.rows.app.live_release = s.release(2).id;
     },
     "routes web.0@old(draining) web.0@new\nwake +50000ms\n"},
    {"live is what the gateway has confirmed; only then the old drain",
     [](Scene& s) {
         s.live(1);
         s.release(2);
         s.deployment(deploy, rolling, 2);
         s.instance(kNew, 2, 0, S::healthy);
         s.rows.app.previous_set = kOld;
         s.rows.app.previous_release = s.rows.app.live_release;
         s.rows.app.live_set = kNew;
         s.rows.app.live_release = s.release(2).id;
         s.routed();
     },
     "previous set is none\nunlocked\ndeployment rolling -> live\nweb.0@old healthy -> draining\n"},
    {"a gateway that cannot be told until the deadline leaves the old in place",
     [](Scene& s) {
         s.live(1);
         s.release(2);
         s.deployment(deploy, rolling, 2);
         s.instance(kNew, 2, 0, S::healthy);
         s.rows.app.previous_set = kOld;
         s.rows.app.previous_release = s.rows.app.live_release;
         s.rows.app.live_set = kNew;
         s.rows.app.live_release = s.release(2).id;
         s.seen.routes_known = false;
         s.seen.gateway_error = Error{.kind = ErrorKind::unavailable, .message = "no answer"};
         s.now = at(150);
     },
     "live set is old\nprevious set is none\nunlocked\ndeployment rolling -> failed "
     "(gateway_unreachable)\n"
     "web.0@new healthy -> draining\n"},
    {"but it is tried before it is given up",
     [](Scene& s) {
         s.live(1);
         s.release(2);
         s.deployment(deploy, rolling, 2);
         s.instance(kNew, 2, 0, S::healthy);
         s.rows.app.previous_set = kOld;
         s.rows.app.previous_release = s.rows.app.live_release;
         s.rows.app.live_set = kNew;
         s.rows.app.live_release = s.release(2).id;
         s.seen.routes_known = false;
         s.now = at(150);
     },
     "routes web.0@old(draining) web.0@new\n"},
    {"a container that exits before it serves ends the rollout at once; the old is not touched",
     [](Scene& s) {
         s.live(1);
         s.release(2);
         s.deployment(deploy, rolling, 2);
         s.exited(s.instance(kNew, 2, 0, S::starting), 1);
     },
     "unlocked\ndeployment rolling -> failed (exited_at_start)\nweb.0@new starting -> stopping\n"},
    {"out of memory is told as such",
     [](Scene& s) {
         s.live(1);
         s.release(2);
         s.deployment(deploy, rolling, 2);
         s.exited(s.instance(kNew, 2, 0, S::starting), 137, true);
     },
     "unlocked\ndeployment rolling -> failed (oom_killed_at_start)\nweb.0@new starting -> "
     "stopping\n"},
    {"a command that the runtime refuses ends it too",
     [](Scene& s) {
         s.release(2);
         s.deployment(deploy, rolling, 2);
         const auto& i = s.instance(kNew, 2, 0, S::pending);
         s.seen.start_errors[i.id] = {
             1, {.kind = ErrorKind::refused, .message = "exec /app: no such file"}};
     },
     "unlocked\ndeployment rolling -> failed (cannot_start)\ngone web.0@new\n"},
    {"an engine that does not answer does not",
     [](Scene& s) {
         s.release(2);
         s.deployment(deploy, rolling, 2);
         const auto& i = s.instance(kNew, 2, 0, S::pending);
         s.seen.start_errors[i.id] = {1, {.kind = ErrorKind::unavailable, .message = "no answer"}};
         s.routed();
     },
     "start web.0@new\nwake +50000ms\n"},
    {"a machine without a firewall fails it at once, with what to do",
     [](Scene& s) {
         s.live(1);
         s.release(2);
         s.deployment(deploy, rolling, 2);
         const auto& i = s.instance(kNew, 2, 0, S::pending);
         s.seen.start_errors[i.id] = {1, kNoFirewall};
     },
     "unlocked\ndeployment rolling -> failed (firewall_unavailable)\ngone web.0@new\n"},
    {"and a release command too",
     [](Scene& s) {
         s.release(2).spec.deploy.release_command = {"/migrate"};
         s.deployment(deploy, releasing, 2);
         auto& i = s.instance(kNew, 2, 0, S::pending, "release");
         i.one_shot = true;
         s.seen.start_errors[i.id] = {1, kNoFirewall};
     },
     "unlocked\ndeployment releasing -> failed (firewall_unavailable)\ngone release@new\n"},
    {"but what is live is tried again until there is one",
     [](Scene& s) {
         s.live(1);
         auto& i = s.of("web.0", *s.rows.app.live_set);
         i.state = S::pending;
         s.gone(i);
         s.seen.start_errors[i.id] = {1, kNoFirewall};
         s.routed();
     },
     "start web.0@old\n"},
    {"what is not healthy at the deadline has failed",
     [](Scene& s) {
         s.live(1);
         s.release(2);
         s.deployment(deploy, rolling, 2);
         s.instance(kNew, 2, 0, S::starting);
         s.now = at(150);
     },
     "unlocked\ndeployment rolling -> failed (never_healthy)\nweb.0@new starting -> stopping\n"},
    {"a team without a free address fails the rollout",
     [](Scene& s) {
         s.release(2);
         s.deployment(deploy, rolling, 2);
         s.seen.placement_error =
             Error{.kind = ErrorKind::refused, .message = "full", .code = "team_network_full"};
     },
     "unlocked\ndeployment rolling -> failed (team_network_full)\n"},
    {"recreate makes room first",
     [](Scene& s) {
         s.live(1);
         s.release(2).spec.deploy.strategy = Strategy::recreate;
         s.deployment(deploy, rolling, 2);
     },
     "web.0@old healthy -> draining\n"},
    {"and starts the new when the old have stopped",
     [](Scene& s) {
         s.live(1);
         s.release(2).spec.deploy.strategy = Strategy::recreate;
         s.deployment(deploy, rolling, 2);
         auto& old = s.of("web.0", kOld);
         old.state = S::stopping;
         old.deadline = at(110);
         s.gone(old).routed();
     },
     "new web.0@new\ngone web.0@old\n"},
    {"a recreate that failed brings the old back",
     [](Scene& s) {
         s.live(1);
         s.rows.instances.clear();
         s.seen.containers.clear();
     },
     "new web.0@old\n"},

    {"what a rollout waits for is told when it has waited for a while",
     [](Scene& s) {
         auto& d = s.deployment(deploy, rolling, 1);
         d.phases["rolling"] = at(90);
         const auto& one = s.instance(kNew, 1, 0, S::starting);
         s.seen.health[one.id] = {.last = {.words = "connection refused"}};
     },
     "event deployment.waiting web.0: connection refused\n"},
    {"not sooner",
     [](Scene& s) {
         auto& d = s.deployment(deploy, rolling, 1);
         d.phases["rolling"] = at(91);
         const auto& one = s.instance(kNew, 1, 0, S::starting);
         s.seen.health[one.id] = {.last = {.words = "connection refused"}};
         s.routed();
     },
     "wake +1000ms\n"},
    {"once, and what else it waits for then",
     [](Scene& s) {
         auto& d = s.deployment(deploy, rolling, 1);
         d.phases["rolling"] = at(70);
         const auto& one = s.instance(kNew, 1, 0, S::starting);
         s.seen.health[one.id] = {.last = {.words = "GET / answered 500"}};
         s.seen.told_waits[kNew] = {"web.0: connection refused"};
     },
     "event deployment.waiting web.0: GET / answered 500\n"},
    {"but not for ever anew",
     [](Scene& s) {
         auto& d = s.deployment(deploy, rolling, 1);
         d.phases["rolling"] = at(70);
         const auto& one = s.instance(kNew, 1, 0, S::starting);
         s.seen.health[one.id] = {.last = {.words = "the sixth"}};
         s.seen.told_waits[kNew] = {"1", "2", "3", "4", "5"};
         s.routed();
     },
     "wake +10000ms\n"},

    // --- scale
    {"more replicas are added to what serves",
     [](Scene& s) {
         s.live(1);
         auto& d = s.deployment(scale, rolling, 1);
         d.set = kOld;
         s.rows.app.scale["web"].replicas = 3;
     },
     "new web.1@old\nnew web.2@old\n"},
    {"an added one is waited for although the machine's clock was set back in between",
     [](Scene& s) {
         s.live(1);
         auto& d = s.deployment(scale, rolling, 1);
         d.set = kOld;
         s.rows.app.scale["web"].replicas = 2;
         s.instance(kOld, 1, 1, S::starting).created_at = at(80);
         s.routed();
     },
     "wake +50000ms\n"},
    {"fewer drain",
     [](Scene& s) {
         s.live(1, 2);
         auto& d = s.deployment(scale, rolling, 1);
         d.set = kOld;
         s.rows.app.scale["web"].replicas = 1;
     },
     "web.1@old healthy -> draining\n"},
    {"but not the only one that is healthy",
     [](Scene& s) {
         s.live(1, 2);
         auto& d = s.deployment(scale, rolling, 1);
         d.set = kOld;
         s.rows.app.scale["web"].replicas = 1;
         auto& first = s.of("web.0", kOld);
         first.state = S::backoff;
         first.restart_at = at(103);
         s.gone(first).routed();
     },
     "unlocked\ndeployment rolling -> live\n"},
    {"nor one whose checks fail, as long as no other answers",
     [](Scene& s) {
         s.live(1, 2);
         auto& d = s.deployment(scale, rolling, 1);
         d.set = kOld;
         s.rows.app.scale["web"].replicas = 1;
         auto& first = s.of("web.0", kOld);
         first.state = S::backoff;
         first.restart_at = at(103);
         s.seen.health[s.of("web.1", kOld).id] = {
             .ever_healthy = true, .failing = true, .last = {.words = "slow"}};
         s.gone(first).routed();
     },
     "unlocked\ndeployment rolling -> live\n"},
    {"an added one that fails puts the scale back; those that served are not touched",
     [](Scene& s) {
         s.live(1);
         auto& d = s.deployment(scale, rolling, 1);
         d.set = kOld;
         s.rows.app.scale["web"].replicas = 2;
         s.exited(s.instance(kOld, 1, 1, S::starting), 1);
     },
     "unlocked\nscale is put back\ndeployment rolling -> failed (exited_at_start)\nweb.1@old "
     "starting -> stopping\n"},

    // --- crashes
    {"a live instance that crashed waits before it is started again",
     [](Scene& s) {
         s.live(1);
         s.exited(s.of("web.0", kOld), 3);
     },
     "web.0@old healthy -> backoff\n"},
    {"what is left of one that died is removed first",
     [](Scene& s) {
         s.live(1);
         auto& one = s.of("web.0", kOld);
         one.state = S::backoff;
         one.restart_at = at(104);
         s.routed();
     },
     "remove web.0@old\nwake +4000ms\n"},
    {"then there is another container",
     [](Scene& s) {
         s.live(1);
         auto& one = s.of("web.0", kOld);
         one.state = S::backoff;
         one.restart_at = at(100);
         s.gone(one).routed();
     },
     "web.0@old backoff -> pending\n"},
    {"which is started",
     [](Scene& s) {
         s.live(1);
         auto& one = s.of("web.0", kOld);
         one.state = S::pending;
         one.attempt = 2;
         s.gone(one).routed();
     },
     "start web.0@old again\n"},
    {"one of several that fails its checks drains, and another is started beside it",
     [](Scene& s) {
         s.live(1, 2);
         fail_checks(s, s.of("web.0", kOld));
     },
     "web.0@old healthy -> draining\nnew web.0@old\n"},
    {"the last that has traffic keeps it until another is healthy",
     [](Scene& s) {
         s.live(1);
         fail_checks(s, s.of("web.0", kOld));
     },
     "web.0@old healthy -> healthy\nnew web.0@old\n"},
    {"which is waited for",
     [](Scene& s) {
         s.live(1);
         fail_checks(s, s.of("web.0", kOld));
         s.instance(kOld, 1, 0, S::pending);
     },
     "start web.0@old\n"},
    {"then the one that fails drains",
     [](Scene& s) {
         s.live(1);
         fail_checks(s, s.of("web.0", kOld));
         s.healthy(s.instance(kOld, 1, 0, S::healthy));
     },
     "web.0@old healthy -> draining\n"},
    {"of those that fail together one is replaced at a time, and all keep their traffic",
     [](Scene& s) {
         s.live(1, 3);
         for (const auto& one : s.rows.instances) fail_checks(s, one);
     },
     "web.0@old healthy -> healthy\nnew web.0@old\n"},
    {"the next waits until the first is gone",
     [](Scene& s) {
         s.live(1, 2);
         fail_checks(s, s.of("web.1", kOld));
         s.instance(kOld, 1, 0, S::stopping).deadline = at(110);
         s.routed();
     },
     "terminate web.0@old\nwake +10000ms\n"},
    {"one that is well again before the other is healthy stays",
     [](Scene& s) {
         s.live(1);
         s.instance(kOld, 1, 0, S::starting);
     },
     "web.0@old healthy -> healthy\nweb.0@old starting -> stopping\n"},
    {"what served before drains although its checks fail while traffic moves",
     [](Scene& s) {
         s.live(1);
         s.release(2);
         s.deployment(deploy, rolling, 2);
         s.instance(kNew, 2, 0, S::healthy);
         s.rows.app.previous_set = kOld;
         s.rows.app.previous_release = s.rows.app.live_release;
         s.rows.app.live_set = kNew;
         s.rows.app.live_release = s.release(2).id;
         fail_checks(s, s.of("web.0", kOld));
         s.routed();
     },
     "previous set is none\nunlocked\ndeployment rolling -> live\nweb.0@old healthy -> draining\n"},
    {"a replacement of what was replaced just before waits as after a crash",
     [](Scene& s) {
         s.live(1);
         fail_checks(s, s.of("web.0", kOld));
         s.instance(kOld, 1, 0, S::pending).restart_at = at(102);
     },
     "wake +2000ms\n"},
    {"a container that was removed by hand comes back",
     [](Scene& s) {
         s.live(1);
         s.gone(s.of("web.0", kOld));
     },
     "web.0@old healthy -> backoff\n"},
    {"nothing is concluded while the engine is away",
     [](Scene& s) {
         s.live(1);
         s.seen.runtime_known = false;
         s.seen.containers.clear();
     },
     ""},
    {"a process without a port is healthy when it has run for a second",
     [](Scene& s) {
         s.live(1);
         s.release(1).spec.processes["mailer"] = {};
         s.instance(kOld, 1, 0, S::starting, "mailer").state_since = at(99.5);
         s.seen.containers.back().started_at = at(99.5);
     },
     "wake +500ms\n"},

    // --- the end of instances
    {"requests in flight are waited for",
     [](Scene& s) {
         s.live(1);
         auto& one = s.instance(kNew, 1, 0, S::draining);
         one.deadline = at(110);
         s.seen.connections = std::map<InstanceId, int>{{one.id, 2}};
         s.routed();
     },
     "wake +500ms\n"},
    {"until the deadline",
     [](Scene& s) {
         s.live(1);
         auto& one = s.instance(kNew, 1, 0, S::draining);
         one.deadline = at(100);
         s.seen.connections = std::map<InstanceId, int>{{one.id, 2}};
         s.routed();
     },
     "web.0@new draining -> stopping\n"},
    {"what drained is cut from the gateway before it is told to stop",
     [](Scene& s) {
         s.live(1);
         auto& one = s.instance(kNew, 1, 0, S::draining);
         s.routed();
         one.state = S::stopping;
         s.seen.connections = std::map<InstanceId, int>{{one.id, 0}};
     },
     "routes web.0@old\n"},
    {"what no request reaches is told to stop",
     [](Scene& s) {
         s.live(1);
         s.instance(kNew, 1, 0, S::stopping).deadline = at(110);
     },
     "terminate web.0@new\nwake +10000ms\n"},
    {"and killed when it does not",
     [](Scene& s) {
         s.live(1);
         s.instance(kNew, 1, 0, S::stopping).deadline = at(100);
     },
     "remove web.0@new\n"},
    {"what has stopped is removed",
     [](Scene& s) {
         s.live(1);
         auto& one = s.instance(kNew, 1, 0, S::stopping);
         one.deadline = at(110);
         s.exited(one, 143);
     },
     "remove web.0@new\n"},
    {"its address stays taken while the gateway lists it",
     [](Scene& s) {
         s.live(1);
         auto& one = s.instance(kNew, 1, 0, S::stopping);
         one.deadline = at(110);
         s.gone(one);
         s.seen.connections = std::map<InstanceId, int>{{one.id, 0}};
     },
     "wake +100ms\n"},
    {"then its row goes",
     [](Scene& s) {
         s.live(1);
         auto& one = s.instance(kNew, 1, 0, S::stopping);
         one.deadline = at(110);
         s.gone(one);
     },
     "gone web.0@new\n"},
    {"a container of the app that has no row is removed",
     [](Scene& s) {
         s.live(1);
         Instance stray;
         stray.id = InstanceId("ins_stray");
         stray.attempt = 1;
         s.container(stray);
     },
     "remove ins_stray\n"},

    // --- destroy
    {"a destroyed app loses its routes first",
     [](Scene& s) {
         s.live(1);
         auto& one = s.of("web.0", kOld);
         one.state = S::stopping;
         s.rows.app.destroying = true;
         s.seen.connections = std::map<InstanceId, int>{{one.id, 1}};
     },
     "no routes\n"},
    {"then its instances stop",
     [](Scene& s) {
         s.live(1);
         auto& one = s.of("web.0", kOld);
         one.state = S::stopping;
         s.rows.app.destroying = true;
         s.seen.routes.reset();
     },
     "web.0@old stopping -> stopping\n"},
    {"then its images and logs go",
     [](Scene& s) {
         s.rows.app.destroying = true;
         s.seen.routes.reset();
     },
     "forget\n"},
    {"and its row last",
     [](Scene& s) {
         s.rows.app.destroying = true;
         s.seen.routes.reset();
         s.seen.forgotten = true;
     },
     "destroyed\n"},
};

class PlanTable : public ::testing::TestWithParam<Case> {};

TEST_P(PlanTable, SaysWhatFollows) {
    Scene scene;
    GetParam().build(scene);
    EXPECT_EQ(scene.told(), GetParam().told);
}

INSTANTIATE_TEST_SUITE_P(Plan, PlanTable, ::testing::ValuesIn(kCases), [](const auto& one) {
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

TEST(Plan, ACrashWaitsLongerEachTimeButAtMostAMinute) {
    const std::int64_t expected[] = {1, 2, 4, 8, 16, 32, 60, 60};
    for (int crashes = 1; crashes <= 8; ++crashes) {
        EXPECT_EQ(restart_delay(crashes), std::chrono::seconds(expected[crashes - 1])) << crashes;
    }
    EXPECT_EQ(restart_delay(1000), std::chrono::seconds(60));
}

TEST(Plan, WhatFailsItsChecksIsReplacedLaterEachTimeAndTheReasonIsTold) {
    Scene scene;
    scene.live(1, 2);
    auto& one = scene.of("web.0", kOld);
    fail_checks(scene, one);
    const auto first = scene.plan();
    ASSERT_EQ(first.changes.new_instances.size(), 1U);
    EXPECT_EQ(first.changes.new_instances[0].restarts, 1);
    EXPECT_FALSE(first.changes.new_instances[0].restart_at);
    EXPECT_EQ(first.changes.new_instances[0].last_problem.code, "hangs");
    EXPECT_EQ(first.changes.new_instances[0].last_problem.message,
              "fails its health checks: it takes connections on port 8080, but GET / has no answer "
              "within 2s");
    EXPECT_EQ(first.changes.instances.at(0).after.deadline, at(110)) << "it has its stop_timeout";
    ASSERT_EQ(first.changes.events.size(), 1U);
    EXPECT_EQ(first.changes.events[0].kind, "instance.replaced");
    EXPECT_EQ(first.changes.events[0].message,
              "web.0 fails its health checks: it takes connections on port 8080, but GET / has no "
              "answer within 2s; it is replaced");
    EXPECT_NE(first.changes.events[0].data.find(R"("code":"hangs")"), std::string::npos);
    one.restarts = 3;
    EXPECT_EQ(scene.plan().changes.new_instances.at(0).restart_at, at(104));
}

TEST(Plan, WhatIgnoresSigtermIsToldOnce) {
    Scene scene;
    scene.live(1);
    auto& one = scene.instance(DeploymentId("older"), 1, 0, S::stopping);
    one.deadline = at(99);
    EXPECT_TRUE(scene.plan().changes.events.empty()) << "this process has not asked it to stop";
    scene.seen.terminated.insert(one.id);
    const auto made = scene.plan();
    ASSERT_EQ(made.changes.events.size(), 1U);
    EXPECT_EQ(made.changes.events[0].kind, "instance.killed");
    EXPECT_NE(made.changes.events[0].message.find("did not stop within 10s of SIGTERM"),
              std::string::npos);
    one = made.changes.instances.at(0).after;
    const auto after = scene.plan();
    EXPECT_TRUE(after.changes.empty());
    EXPECT_EQ(after.effects.size(), 1U) << "it is killed";
}

TEST(Plan, ManyCrashesInARowAreALoopAndSayWhatToDo) {
    Scene scene;
    scene.live(1);
    auto& one = scene.of("web.0", kOld);
    one.restarts = 2;
    scene.exited(one, 3);
    const auto made = scene.plan();
    const auto& problem = made.changes.instances.at(0).after.last_problem;
    EXPECT_EQ(problem.code, "crash_loop");
    EXPECT_EQ(problem.message, "exited with 3 for the 3rd time in a row");
    EXPECT_FALSE(problem.next_steps.empty());
    ASSERT_EQ(made.changes.events.size(), 1U);
    EXPECT_EQ(made.changes.events[0].message,
              "web.0 exited with 3 for the 3rd time in a row; it is started again in 4s");
}

TEST(Plan, WhatListensElsewhereIsToldWhileItIsWaitedForAndInTheEnd) {
    Scene scene;
    scene.release(2);
    scene.deployment(deploy, rolling, 2).phases["rolling"] = at(100);
    const auto& one = scene.instance(kNew, 2, 0, S::starting);
    scene.seen.health[one.id].last = {.saw = HealthCheck::Saw::refused, .words = "nothing listens"};
    scene.seen.looks[one.id].listeners = {
        {.kind = Listener::Kind::tcp, .address = "0.0.0.0", .port = 3000}};
    scene.now = at(115);
    const auto waiting = scene.plan();
    ASSERT_EQ(waiting.changes.events.size(), 1U);
    EXPECT_EQ(waiting.changes.events[0].message,
              "web.0: it listens on port 3000, not on port 8080");
    scene.now = at(151);
    const auto diagnosis = *scene.plan().changes.deployments.at(0).after.diagnosis;
    EXPECT_EQ(diagnosis.code, "wrong_port");
    EXPECT_EQ(diagnosis.message,
              "web.0 was not healthy within 1m: it listens on port 3000, not on port 8080");
}

TEST(Plan, CrashesAreForgottenAfterTenHealthyMinutes) {
    Scene scene;
    scene.live(1);
    auto& one = scene.of("web.0", kOld);
    one.restarts = 5;
    one.state_since = at(100) - std::chrono::minutes(10);
    scene.exited(one, 1);
    const auto made = scene.plan();
    ASSERT_EQ(made.changes.instances.size(), 1U);
    EXPECT_EQ(made.changes.instances[0].after.restarts, 1);
    EXPECT_EQ(made.changes.instances[0].after.restart_at, at(101));
}

TEST(Plan, AFailureTellsExitStatusMeaningAndLastLines) {
    Scene scene;
    scene.release(2);
    scene.deployment(deploy, rolling, 2);
    const auto& one = scene.instance(kNew, 2, 0, S::starting);
    scene.exited(one, 127);
    scene.seen.tails[one.id] = "sh: app: not found";
    const auto made = scene.plan();
    ASSERT_EQ(made.changes.deployments.size(), 1U);
    const auto& diagnosis = *made.changes.deployments[0].after.diagnosis;
    EXPECT_EQ(diagnosis.phase, "rolling");
    EXPECT_NE(diagnosis.message.find("exited with 127 before it could serve"), std::string::npos)
        << diagnosis.message;
    EXPECT_EQ(diagnosis.evidence, "sh: app: not found");
    EXPECT_FALSE(diagnosis.next_steps.empty());
    EXPECT_EQ(diagnosis.kind, static_cast<std::uint8_t>(ErrorKind::rollout_failed));
}

TEST(Plan, AMachineWithoutAFirewallIsToldWithWhatToDo) {
    Scene scene;
    scene.release(2);
    scene.deployment(deploy, rolling, 2);
    const auto& one = scene.instance(kNew, 2, 0, S::pending);
    scene.seen.start_errors[one.id] = {1, kNoFirewall};
    const auto made = scene.plan();
    ASSERT_EQ(made.changes.deployments.size(), 1U);
    const auto& diagnosis = *made.changes.deployments[0].after.diagnosis;
    EXPECT_EQ(diagnosis.message, "no rules");
    EXPECT_EQ(diagnosis.next_steps, std::vector<std::string>{"install iptables"});
}

TEST(Plan, WhatAReleaseWentLiveWithIsToldToThoseWhoKeepItsDomains) {
    Scene scene;
    scene.release(2).spec.domains = {"shop.example"};
    scene.deployment(deploy, rolling, 2);
    scene.instance(kNew, 2, 0, S::healthy);
    scene.rows.app.live_set = kNew;
    scene.rows.app.live_release = scene.release(2).id;
    scene.routed();
    const auto made = scene.plan();
    ASSERT_TRUE(made.changes.live_domains);
    EXPECT_EQ(*made.changes.live_domains, std::vector<std::string>{"shop.example"});
    EXPECT_EQ(made.changes.releases.at(0).after.live_at, scene.now);
}

TEST(Plan, WhatHadEndedBeforeThisProcessBeganIsNoCrashAndComesBackAtOnce) {
    Scene scene;
    scene.live(1);
    auto& one = scene.of("web.0", *scene.rows.app.live_set);
    scene.exited(one, 137);
    scene.seen.containers.at(0).finished_at = at(90);
    scene.seen.since = at(95);
    const auto made = scene.plan();
    ASSERT_EQ(made.changes.events.size(), 1U);
    EXPECT_EQ(made.changes.events[0].kind, "instance.restarted");
    ASSERT_EQ(made.changes.instances.size(), 1U);
    EXPECT_EQ(made.changes.instances[0].after.restarts, 0);
    EXPECT_LE(made.changes.instances[0].after.restart_at.value_or(scene.now), scene.now);
    scene.seen.since = at(80);
    EXPECT_EQ(scene.plan().changes.events.at(0).kind, "instance.crashed");
}

}  // namespace
}  // namespace loco::reconcile::testing
