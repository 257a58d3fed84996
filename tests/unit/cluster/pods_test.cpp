// seen/NAME.json are objects as a real API server of 1.34 gave them.
#include "cluster/kubernetes/pods.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

namespace loco::cluster {
namespace {

using boost::json::value;
using testing::ElementsAre;
using testing::HasSubstr;

value seen(const std::string& name) {
    std::ifstream file(std::filesystem::path(LOCO_SOURCE_DIR) / "tests/unit/cluster/seen" /
                       (name + ".json"));
    std::ostringstream text;
    text << file.rdbuf();
    auto object = kubernetes::parse_object(text.str());
    EXPECT_TRUE(object) << name;
    return object.value_or(value{});
}

// As it is, and as a reflector keeps it: both must say the same.
ObservedPod observed(value pod, bool node_lost = false, const std::string& words = {}) {
    const auto whole = observed_pod({.pod = &pod, .node_lost = node_lost, .health_words = words});
    reduce_pod(pod);
    const auto kept = observed_pod({.pod = &pod, .node_lost = node_lost, .health_words = words});
    EXPECT_EQ(whole, kept);
    return kept;
}

TEST(Pods, one_that_serves) {
    const auto pod = observed(seen("ready"));
    EXPECT_EQ(pod.state, PodState::ready);
    EXPECT_TRUE(pod.was_ready);
    EXPECT_EQ(pod.name, "ready");
    EXPECT_EQ(pod.node, "localhost");
    EXPECT_THAT(pod.address, HasSubstr("10.244."));
    EXPECT_EQ(pod.process, "web");
    EXPECT_EQ(pod.set.str(), "dep_01jd0000000000000000000003");
    EXPECT_EQ(pod.release.str(), "rel_01jd0000000000000000000004");
    EXPECT_TRUE(pod.started_at);
    EXPECT_FALSE(pod.exit_code);
    EXPECT_EQ(pod.problem_code, "");
}

TEST(Pods, how_a_container_ended) {
    const auto crashing = observed(seen("crashing"));
    EXPECT_EQ(crashing.state, PodState::waiting);
    EXPECT_EQ(crashing.exit_code, 3);
    EXPECT_FALSE(crashing.oom_killed);
    EXPECT_EQ(crashing.restarts, 2);
    EXPECT_TRUE(crashing.finished_at);
    const auto memory = observed(seen("oom"));
    EXPECT_EQ(memory.state, PodState::waiting);
    EXPECT_EQ(memory.exit_code, 137);
    EXPECT_TRUE(memory.oom_killed);
    const auto done = observed(seen("done"));
    EXPECT_EQ(done.state, PodState::ended);
    EXPECT_EQ(done.exit_code, 7);
}

TEST(Pods, why_one_does_not_come_up) {
    const auto program = observed(seen("no-program"));
    EXPECT_EQ(program.problem_code, "cannot_start");
    EXPECT_THAT(program.problem, HasSubstr("/bin/nothing"));
    EXPECT_EQ(program.state, PodState::waiting);
    for (const auto* name : {"no-image", "bad-image-name"}) {
        const auto image = observed(seen(name));
        EXPECT_EQ(image.problem_code, "image_pull_failed") << name;
        EXPECT_EQ(image.state, PodState::pending) << name;
        EXPECT_FALSE(image.problem.empty()) << name;
    }
    const auto place = observed(seen("unschedulable"));
    EXPECT_EQ(place.problem_code, "unschedulable");
    EXPECT_EQ(place.problem, "0/1 nodes are available: 1 Insufficient cpu");
    EXPECT_EQ(place.state, PodState::pending);
    const auto secret = observed(seen("no-secret"));
    EXPECT_EQ(secret.problem_code, "config_error");
    EXPECT_EQ(secret.problem, "secret \"env-x\" not found");
}

TEST(Pods, one_that_should_run_for_ever_and_is_done_was_put_out_by_its_node) {
    auto pod = seen("ready");
    pod.as_object()["status"].as_object()["phase"] = "Succeeded";
    const auto done = observed(pod);
    EXPECT_EQ(done.state, PodState::ended);
    EXPECT_EQ(done.problem_code, "evicted");
    pod.as_object()["metadata"].as_object()["labels"].as_object()["loco.dev/process"] = "release";
    EXPECT_EQ(observed(pod).problem_code, "");
}

// As containerd 1.6 and the kubelet of 1.34 have them.
TEST(Pods, of_an_image_that_cannot_be_had_only_the_reason_is_told) {
    const std::string image = "127.0.0.1:5000/loco/01jd:abc@sha256:" + std::string(64, 'a');
    const std::string passed_on = "failed to pull and unpack image \"" + image +
                                  "\": failed to resolve reference \"" + image + "\": ";
    const auto problem = [&](const std::string& message) {
        auto pod = seen("no-image");
        auto& status = pod.as_object()["status"].as_object()["containerStatuses"].as_array()[0];
        status.as_object()["state"] = {
            {"waiting", {{"reason", "ErrImagePull"}, {"message", message}}}};
        return observed(pod).problem;
    };
    EXPECT_EQ(problem("Back-off pulling image \"" + image +
                      "\": ErrImagePull: rpc error: code = NotFound desc = " + passed_on + image +
                      ": not found"),
              "not found");
    EXPECT_EQ(problem(passed_on + "dial tcp 127.0.0.1:5000: connect: connection refused"),
              "dial tcp 127.0.0.1:5000: connect: connection refused");
    EXPECT_EQ(problem("Back-off pulling image \"x\""), "Back-off pulling image \"x\"");
}

TEST(Pods, readiness_is_what_the_cluster_says_now_and_said_before) {
    const auto never = observed(seen("never-ready"), false, "readiness: answered 500");
    EXPECT_EQ(never.state, PodState::starting);
    EXPECT_FALSE(never.was_ready);
    EXPECT_EQ(never.problem, "readiness: answered 500");
    EXPECT_EQ(never.problem_code, "");
    const auto before = observed(seen("was-ready"));
    EXPECT_EQ(before.state, PodState::starting);
    EXPECT_TRUE(before.was_ready);
    const auto gated = observed(seen("gated"));
    EXPECT_EQ(gated.state, PodState::starting);
    EXPECT_THAT(gated.problem, HasSubstr("x.example/y"));
}

// The kubelet's words of 1.34, as an attendant shortens them.
TEST(Pods, what_a_probe_saw_is_known_by_its_words) {
    using enum HealthCheck::Saw;
    struct Words {
        const char* words;
        HealthCheck::Saw saw;
        int status = 0;
    };
    for (
        const auto& [words, saw, code] : {
            Words{"readiness: answered 503", status, 503},
            Words{"startup: answered 404", status, 404},
            Words{
                R"(startup: Get "http://10.244.0.5:8080/healthz": dial tcp 10.244.0.5:8080: connect: connection refused)",
                refused},
            Words{"startup: dial tcp 10.244.0.5:8080: connect: connection refused", refused},
            Words{
                R"(readiness: Get "http://10.244.0.5:8080/": context deadline exceeded (Client.Timeout exceeded while awaiting headers))",
                no_answer},
            Words{"readiness: dial tcp 10.244.0.5:8080: i/o timeout", unreachable},
            Words{R"(readiness: Get "http://10.244.0.5:8080/": EOF)", closed},
            Words{R"(readiness: Get "http://10.244.0.5:8080/": read: connection reset by peer)",
                  closed},
            Words{
                R"(readiness: Get "http://10.244.0.5:8080/": net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x15\x03\x01\x00\x02")",
                tls},
            Words{
                R"(readiness: Get "http://10.244.0.5:8080/": net/http: HTTP/1.x transport connection broken: malformed HTTP status code "mail.example")",
                not_http},
            Words{R"(readiness: Get "/healthz": stopped after 10 redirects)", circle, 302},
            Words{"its node is somewhere", nothing},
        }) {
        const auto check = check_of(words);
        EXPECT_EQ(check.saw, saw) << words;
        EXPECT_EQ(check.status, code) << words;
        EXPECT_EQ(check.words, words);
    }
    EXPECT_EQ(observed(seen("never-ready"), false, "readiness: answered 500").check.status, 500);
}

TEST(Pods, one_that_took_too_long_is_told_so) {
    auto pod = seen("done");
    pod.at("status").as_object()["reason"] = "DeadlineExceeded";
    pod.at("status").as_object()["message"] = "Pod was active on the node longer than allowed";
    EXPECT_EQ(observed(pod).problem_code, "deadline");
}

TEST(Pods, one_that_was_told_to_go_is_terminating_whatever_else_it_is) {
    EXPECT_EQ(observed(seen("leaving")).state, PodState::terminating);
}

TEST(Pods, one_that_sleeps_before_it_stops_may_be_asked_meanwhile) {
    auto pod = kubernetes::parse_object(R"({"metadata":{"name":"web-1","uid":"u",
        "creationTimestamp":"2026-11-23T10:00:00Z","deletionTimestamp":"2026-11-23T12:00:15Z",
        "deletionGracePeriodSeconds":15},"spec":{"containers":[{"name":"app",
        "lifecycle":{"preStop":{"sleep":{"seconds":5}}}}]}})");
    ASSERT_TRUE(pod);
    EXPECT_EQ(observed(*pod).asked_until, parse_rfc3339("2026-11-23T12:00:06Z").value());
    pod->at("spec").at("containers").at(0).as_object().erase("lifecycle");
    EXPECT_EQ(observed(*pod).asked_until, std::nullopt);
}

TEST(Pods, one_whose_node_is_lost_serves_nobody) {
    const auto lost = observed(seen("ready"), true);
    EXPECT_EQ(lost.state, PodState::starting);
    EXPECT_EQ(lost.problem_code, "node_lost");
    EXPECT_EQ(lost.problem, "its node localhost is not ready");
    auto deleted = seen("leaving");
    deleted.at("status")
        .at("conditions")
        .as_array()
        .push_back({{"type", "DisruptionTarget"},
                    {"status", "True"},
                    {"reason", "DeletionByTaintManager"}});
    EXPECT_EQ(observed(deleted).problem_code, "node_lost");
    EXPECT_EQ(observed(deleted).state, PodState::terminating);
}

TEST(Pods, an_evicted_one_has_ended) {
    auto pod = seen("ready");
    pod.at("status").as_object()["phase"] = "Failed";
    pod.at("status").as_object()["reason"] = "Evicted";
    pod.at("status").as_object()["message"] = "The node was low on resource: memory. ";
    const auto evicted = observed(pod);
    EXPECT_EQ(evicted.state, PodState::ended);
    EXPECT_EQ(evicted.problem_code, "evicted");
    EXPECT_EQ(evicted.problem, "The node was low on resource: memory");
}

TEST(Pods, a_container_that_others_put_beside_it_says_nothing) {
    auto pod = seen("crashing");
    auto& list = pod.at("status").at("containerStatuses").as_array();
    list.insert(list.begin(), value{{"name", "mesh"},
                                    {"restartCount", 9},
                                    {"state", {{"running", boost::json::object{}}}}});
    EXPECT_EQ(observed(pod).exit_code, 3);
    EXPECT_EQ(observed(pod).restarts, 2);
}

TEST(Pods, what_is_no_pod_at_all_is_read_without_harm) {
    for (const auto* text :
         {"{}", "[]", "null", R"({"metadata":7,"status":[],"spec":"x"})",
          R"({"status":{"containerStatuses":[7,{"state":1}],"conditions":[3]}})"}) {
        EXPECT_EQ(observed(*kubernetes::parse_object(text)).state, PodState::pending) << text;
    }
}

TEST(Pods, an_instances_id_is_always_the_same_and_sorts_by_time) {
    const auto id = instance_of("uid-1", from_unix_ms(1'700'000'000'000));
    EXPECT_EQ(id, instance_of("uid-1", from_unix_ms(1'700'000'000'000)));
    EXPECT_NE(id, instance_of("uid-2", from_unix_ms(1'700'000'000'000)));
    EXPECT_LT(id, instance_of("uid-0", from_unix_ms(1'700'000'001'000)));
    EXPECT_TRUE(InstanceId::parse(id.str()));
}

TEST(Pods, words_are_one_short_line) {
    EXPECT_EQ(short_words(" a\n\tb  c. "), "a b c");
    EXPECT_EQ(short_words("0/3 nodes are available: 3 Insufficient cpu. preemption: 0/3 nodes"),
              "0/3 nodes are available: 3 Insufficient cpu");
    const auto cut = short_words(std::string(299, 'x') + "ééé");
    EXPECT_EQ(cut, std::string(299, 'x') + "…") << "no half character";
}

TEST(Pods, a_node) {
    auto node = seen("node");
    const auto whole = observed_node(node);
    reduce_node(node);
    EXPECT_EQ(observed_node(node), whole);
    EXPECT_EQ(whole.name, "localhost");
    EXPECT_TRUE(whole.ready);
    EXPECT_TRUE(whole.schedulable);
    EXPECT_EQ(whole.cpu_millis, 2000);
    EXPECT_GT(whole.memory_bytes, 1LL << 30);
    EXPECT_EQ(whole.platform, "linux/amd64");
    node.at("spec").as_object()["taints"] = {{{"key", "x"}, {"effect", "NoSchedule"}}};
    EXPECT_FALSE(observed_node(node).schedulable);
}

TEST(Pods, processes_count_pods_of_the_wanted_set) {
    const auto deployment = *kubernetes::parse_object(R"({"metadata":{"generation":4,"labels":{
        "loco.dev/process":"web","loco.dev/set":"dep_2"}},"spec":{"replicas":2},
        "status":{"observedGeneration":3,"conditions":[{"type":"ReplicaFailure","status":"True",
        "message":"pods \"x\" is forbidden: exceeded quota"}]}})");
    const auto pod = [](const char* set, PodState state) {
        ObservedPod one;
        one.process = "web";
        one.set = DeploymentId(set);
        one.state = state;
        return one;
    };
    const auto process = observed_process(
        deployment, {pod("dep_1", PodState::ready), pod("dep_1", PodState::terminating),
                     pod("dep_2", PodState::ready), pod("dep_2", PodState::starting),
                     pod("dep_2", PodState::ended)});
    EXPECT_FALSE(process.settled);
    EXPECT_EQ(process.wanted, 2);
    EXPECT_EQ(process.updated, 2);
    EXPECT_EQ(process.ready, 1);
    EXPECT_EQ(process.total, 3);
    EXPECT_THAT(process.problem, HasSubstr("exceeded quota"));
}

TEST(Pods, what_containers_use_is_counted_together) {
    const auto answer = *kubernetes::parse_object(R"({"kind":"PodMetricsList","items":[
        {"metadata":{"name":"web-1"},"containers":[{"name":"app","usage":{"cpu":"1500000n","memory":"10Mi"}},
         {"name":"mesh","usage":{"cpu":"2m","memory":"1Ki"}}]},
        {"metadata":{"name":"other"},"containers":[]},
        {"metadata":{"name":"web-2"},"containers":[{"usage":{"cpu":"x"}}]}]})");
    const auto usage = usage_of(answer, [](const std::string& pod) -> std::optional<InstanceId> {
        return pod == "other" ? std::nullopt : std::optional(InstanceId(pod));
    });
    ASSERT_EQ(usage.size(), 2U);
    EXPECT_EQ(usage[0].instance.str(), "web-1");
    EXPECT_DOUBLE_EQ(usage[0].cpu_millis, 3.5);
    EXPECT_EQ(usage[0].memory_bytes, (10 << 20) + 1024);
    EXPECT_DOUBLE_EQ(usage[1].cpu_millis, 0);
}

TEST(Pods, a_route_counts_when_a_gateway_has_accepted_what_it_is_now) {
    const auto route = [](const std::string& parents) {
        return *kubernetes::parse_object(
            R"({"metadata":{"name":"web","generation":2},"status":{"parents":[)" + parents + "]}}");
    };
    const auto none = route("");
    EXPECT_FALSE(routing_of({&none}).routed);
    EXPECT_EQ(routing_of({&none}).problem, "no gateway has taken the route web");
    const auto good = route(R"({"conditions":[
        {"type":"Accepted","status":"True","observedGeneration":2},
        {"type":"ResolvedRefs","status":"True","observedGeneration":2}]})");
    EXPECT_TRUE(routing_of({&good}).routed);
    EXPECT_FALSE(routing_of({&good, &none}).routed);
    const auto old = route(R"({"conditions":[
        {"type":"Accepted","status":"True","observedGeneration":1},
        {"type":"ResolvedRefs","status":"True","observedGeneration":2}]})");
    EXPECT_FALSE(routing_of({&old}).routed);
    const auto refused = route(R"({"conditions":[{"type":"Accepted","status":"False",
        "reason":"NotAllowedByListeners","message":"no listener","observedGeneration":2}]})");
    EXPECT_EQ(routing_of({&refused}).problem, "NotAllowedByListeners: no listener");
    EXPECT_FALSE(routing_of({}).routed);
}

TEST(Pods, the_secrets_that_containers_read) {
    const auto spec = *kubernetes::parse_object(R"({"containers":[{"envFrom":[
        {"secretRef":{"name":"a"}},{"configMapRef":{"name":"x"}}],"env":[
        {"name":"K","valueFrom":{"secretKeyRef":{"name":"b","key":"k"}}}]}]})");
    EXPECT_THAT(secrets_of(spec), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace loco::cluster
