#include "cluster/kubernetes/ordering.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include "cluster/kubernetes/attendant.hpp"
#include "cluster/kubernetes/labels.hpp"

namespace loco::cluster {
namespace {

using namespace kubernetes;
using boost::json::value;
using testing::ElementsAre;
using testing::IsEmpty;

const DeploymentId kSet("dep_2");

class OrderingTest : public testing::Test {
  protected:
    static Manifest manifest(const Kind& kind, const std::string& name, value spec) {
        value metadata{{"name", name}};
        if (kind.namespaced) metadata.as_object()["namespace"] = "space";
        return {kind,
                {{"apiVersion", kind.api_version},
                 {"kind", kind.name},
                 {"metadata", metadata},
                 {"spec", std::move(spec)}}};
    }
    static value template_with(const std::string& secret) {
        return {{"spec",
                 {{"containers",
                   boost::json::array{
                       {{"name", "app"},
                        {"envFrom", boost::json::array{{{"secretRef", {{"name", secret}}}}}}}}}}}};
    }
    void SetUp() override {
        manifests_ = {
            manifest(kNamespace, "space", {}), manifest(kSecret, "env-2", {}),
            manifest(kService, "web", {{"type", "ClusterIP"}}),
            manifest(kDeployment, "web", {{"replicas", 1}, {"template", template_with("env-2")}})};
        prepare(manifests_, Secret<>("key"));
    }
    // As the cluster has it when all was applied.
    void hold_all() {
        for (const auto& one : manifests_) {
            if (one.kind != kSecret) hold(one.kind, one.object);
        }
        note("Deployment/web Namespace/space Secret/env-2 Service/web");
    }
    void hold(const Kind& kind, const value& object) {
        held_.objects.at(*watched_index(kind))[key_of(object)] =
            std::make_shared<const value>(object);
    }
    void drop(const Kind& kind, const std::string& key) {
        held_.objects.at(*watched_index(kind)).erase(key);
    }
    void note(const std::string& inventory) {
        auto place = manifests_[0].object;
        place.at("metadata").at("annotations").as_object()[annotation::kInventory] = inventory;
        hold(kNamespace, place);
    }
    static value changed(value object, const std::function<void(value&)>& change) {
        change(object);
        return object;
    }
    // "Deployment web!": with a mark where somebody else was at it.
    std::vector<std::string> writes() {
        std::vector<std::string> all;
        const auto ordering = order(manifests_, kSet, held_);
        for (const auto& one : ordering.writes) {
            all.push_back(std::string(one.manifest->kind.name) + " " +
                          name_of(one.manifest->object) + (one.put_right ? "!" : ""));
        }
        return all;
    }
    std::vector<std::string> removals() {
        std::vector<std::string> all;
        for (const auto& one : order(manifests_, kSet, held_).removals) {
            all.push_back(std::string(one.kind.name) + " " + one.name);
        }
        return all;
    }

    std::vector<Manifest> manifests_;
    Held held_;
};

TEST_F(OrderingTest, of_nothing_everything_is_written_in_order) {
    EXPECT_THAT(writes(),
                ElementsAre("Namespace space", "Secret env-2", "Service web", "Deployment web"));
    EXPECT_TRUE(order(manifests_, kSet, held_).makes_pods);
}

TEST_F(OrderingTest, of_what_is_there_nothing_is) {
    hold_all();
    EXPECT_TRUE(order(manifests_, kSet, held_).nothing_to_do());
}

TEST_F(OrderingTest, what_was_ordered_and_is_missing_was_removed_by_somebody) {
    hold_all();
    drop(kService, "space/web");
    EXPECT_THAT(writes(), ElementsAre("Service web!"));
    note("Deployment/web Namespace/space Secret/env-2");
    EXPECT_THAT(writes(), ElementsAre("Service web")) << "it was not ordered before";
}

TEST_F(OrderingTest, what_is_not_ordered_any_more_goes_unless_it_is_somebodys_or_going) {
    hold_all();
    hold(kService, manifest(kService, "old", {}).object);
    hold(kHttpRoute, changed(manifest(kHttpRoute, "leaving", {}).object, [](value& route) {
             route.at("metadata").as_object()["deletionTimestamp"] = "2026-01-01T00:00:00Z";
         }));
    hold(kService, changed(manifest(kService, "owned", {}).object, [](value& service) {
             service.at("metadata").as_object()["ownerReferences"] = {{{"kind", "X"}}};
         }));
    EXPECT_THAT(removals(), ElementsAre("Service old"));
}

TEST_F(OrderingTest, jobs_of_older_sets_go_and_of_younger_ones_stay) {
    hold_all();
    for (const auto* set : {"dep_1", "dep_2", "dep_3"}) {
        hold(kJob,
             changed(manifest(kJob, std::string("release-") + set, {}).object, [&](value& job) {
                 job.at("metadata").as_object()["labels"] = {{label::kSet, set}};
             }));
    }
    EXPECT_THAT(removals(), ElementsAre("Job release-dep_1"));
}

TEST_F(OrderingTest, an_older_sets_secret_stays_for_as_long_as_anything_reads_it) {
    hold_all();
    note("Deployment/web Namespace/space Secret/env-1 Secret/env-2 Service/web");
    auto pod = manifest(kPod, "web-1", template_with("env-1").at("spec")).object;
    hold(kPod, pod);
    EXPECT_TRUE(order(manifests_, kSet, held_).nothing_to_do());
    drop(kPod, "space/web-1");
    EXPECT_THAT(removals(), ElementsAre("Secret env-1"));
    EXPECT_FALSE(order(manifests_, kSet, held_).after.contains("Secret/env-1"));
    hold(kJob, changed(manifest(kJob, "release-3", {{"template", template_with("env-1")}}).object,
                       [](value& job) {
                           job.at("metadata").as_object()["labels"] = {{label::kSet, "dep_3"}};
                       }));
    EXPECT_THAT(removals(), IsEmpty());
}

TEST_F(OrderingTest, the_number_of_pods_is_held_when_an_autoscaler_takes_it_over_and_only_then) {
    hold_all();
    auto three = manifests_[3].object;
    three.at("spec").as_object()["replicas"] = 3;
    hold(kDeployment, three);
    auto scaled = manifest(kDeployment, "web", {{"template", template_with("env-2")}});
    manifests_[3] = scaled;
    manifests_.push_back(manifest(kHorizontalPodAutoscaler, "web", {{"minReplicas", 1}}));
    prepare(manifests_, Secret<>("key"));
    const auto held = [&] {
        for (const auto& one : order(manifests_, kSet, held_).writes) {
            if (one.manifest->kind == kDeployment) return one.hold_replicas;
        }
        return std::int64_t{-1};
    };
    EXPECT_EQ(held(), 3);
    hold(kHorizontalPodAutoscaler, manifests_[4].object);
    EXPECT_EQ(held(), 0) << "the autoscaler is there, and its choice is its own";
    drop(kHorizontalPodAutoscaler, "space/web");
    drop(kDeployment, "space/web");
    EXPECT_EQ(held(), 0) << "there is none to hold";
}

TEST_F(OrderingTest, another_environment_is_written_and_its_values_stand_nowhere) {
    hold_all();
    manifests_[1] = manifest(kSecret, "env-2", {{"K", "canary"}});
    prepare(manifests_, Secret<>("key"));
    EXPECT_THAT(writes(), ElementsAre("Secret env-2", "Deployment web"));
    for (const auto& one : manifests_) {
        if (one.kind == kSecret) continue;
        EXPECT_EQ(boost::json::serialize(one.object).find("canary"), std::string::npos);
    }
    const auto hash = [](const std::vector<Manifest>& all) {
        return text(member(member(all[3].object, "metadata"), "annotations"), annotation::kSecrets);
    };
    auto other = manifests_;
    prepare(other, Secret<>("another key"));
    EXPECT_NE(hash(manifests_), hash(other)) << "nobody without the key can try values";
}

TEST_F(OrderingTest, a_secret_that_a_pod_misses_is_written_again) {
    hold_all();
    auto pod = manifest(kPod, "web-1", template_with("env-2").at("spec")).object;
    pod.as_object()["status"] = *parse_object(R"({"containerStatuses":[{"name":"app","state":
        {"waiting":{"reason":"CreateContainerConfigError","message":"secret \"env-2\" not found"}}}]})");
    hold(kPod, pod);
    EXPECT_THAT(writes(), ElementsAre("Secret env-2!"));
}

TEST(Inventory, is_read_as_it_is_written) {
    const Inventory some{"Deployment/web", "Secret/env-1"};
    EXPECT_EQ(parse_inventory(to_text(some)), some);
    EXPECT_EQ(parse_inventory("  a  b "), (Inventory{"a", "b"}));
    EXPECT_TRUE(parse_inventory("").empty());
}

TEST(ProbeWords, say_which_probe_and_what_was_answered) {
    EXPECT_EQ(probe_words("Readiness probe failed: HTTP probe failed with statuscode: 500"),
              "readiness: answered 500");
    EXPECT_EQ(
        probe_words("Startup probe failed: dial tcp 10.0.0.1:80: connect: connection refused"),
        "startup: dial tcp 10.0.0.1:80: connect: connection refused");
    EXPECT_EQ(probe_words("Liveness probe errored: x"), "liveness: x");
    EXPECT_EQ(probe_words("something else"), "something else");
}

}  // namespace
}  // namespace loco::cluster
