#include "kubernetes/client.hpp"

#include <boost/json/serialize.hpp>
#include <filesystem>

#include "os/file.hpp"
#include "tests/contract/kubernetes/bed.hpp"

namespace loco::kubernetes {
namespace {

using test::Fault;

class ClientTest : public KubernetesTest {
  protected:
    [[nodiscard]] std::string value_of(const std::string& name) const {
        auto object = client->get(kConfigMap, space, name);
        return object ? text(member(*object, "data"), "key") : object.error().code;
    }
};

TEST_F(ClientTest,
       what_is_applied_can_be_read_listed_and_removed_and_a_second_apply_changes_nothing) {
    const auto first = client->apply(kConfigMap, config_map("a", "1"));
    ASSERT_TRUE(first) << first.error().message;
    const auto second = client->apply(kConfigMap, config_map("a", "1"));
    ASSERT_TRUE(second) << second.error().message;
    EXPECT_EQ(resource_version_of(*first), resource_version_of(*second));
    EXPECT_EQ(value_of("a"), "1");
    ASSERT_TRUE(client->apply(kConfigMap, config_map("a", "2")));
    EXPECT_EQ(value_of("a"), "2");

    const auto listed =
        client->list(kConfigMap, {.namespace_ = space, .labels = "loco-test=" + space});
    ASSERT_TRUE(listed) << listed.error().message;
    ASSERT_EQ(listed->items.size(), 1U);
    EXPECT_EQ(text(listed->items[0], "kind"), "ConfigMap");
    EXPECT_FALSE(listed->resource_version.empty());

    ASSERT_TRUE(client->remove(kConfigMap, space, "a"));
    EXPECT_TRUE(client->remove(kConfigMap, space, "a")) << "gone already is fine";
    const auto gone = client->get(kConfigMap, space, "a");
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().kind, ErrorKind::not_found);
    EXPECT_TRUE(gone.error().message.starts_with("get ConfigMap " + space + "/a: 404 Not Found"))
        << gone.error().message;
}

TEST_F(ClientTest, a_field_of_another_manager_is_a_conflict_that_names_it_until_it_is_forced) {
    kubectl({"create", "configmap", "shared", "-n", space, "--from-literal=key=theirs",
             "--field-manager=someone"});
    const auto refused = client->apply(kConfigMap, config_map("shared", "ours"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "apply_conflict");
    EXPECT_NE(refused.error().message.find("someone"), std::string::npos)
        << refused.error().message;
    EXPECT_NE(refused.error().message.find(".data.key"), std::string::npos)
        << refused.error().message;
    EXPECT_EQ(value_of("shared"), "theirs");
    ASSERT_TRUE(client->apply(kConfigMap, config_map("shared", "ours"), {.force = true}));
    EXPECT_EQ(value_of("shared"), "ours");
}

TEST_F(ClientTest, a_dry_run_is_checked_and_not_kept) {
    ASSERT_TRUE(client->apply(kConfigMap, config_map("a", "1"), {.dry_run = true}));
    EXPECT_EQ(value_of("a"), "not_found");
    auto misspelt = config_map("a", "1");
    misspelt.as_object()["dta"] = {{"key", "1"}};
    const auto refused = client->apply(kConfigMap, misspelt, {.dry_run = true});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("dta"), std::string::npos) << refused.error().message;
}

TEST_F(ClientTest, an_applied_secret_does_not_come_back) {
    const Object secret{{"apiVersion", "v1"},
                        {"kind", "Secret"},
                        {"metadata", {{"name", "s"}, {"namespace", space}}},
                        {"stringData", {{"KEY", "canary-value"}}}};
    const auto applied = client->apply(kSecret, secret);
    ASSERT_TRUE(applied) << applied.error().message;
    EXPECT_EQ(name_of(*applied), "s");
    const auto shown = boost::json::serialize(*applied);
    EXPECT_EQ(shown.find("canary"), std::string::npos) << shown;
    EXPECT_EQ(shown.find("Y2FuYXJ5"), std::string::npos) << shown;
    auto malformed = secret;
    malformed.as_object()["data"] = {{"KEY", "canary value, no base64"}};
    const auto refused = client->apply(kSecret, malformed);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message.find("canary"), std::string::npos) << refused.error().message;
}

TEST_F(ClientTest, a_list_comes_in_pages) {
    for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(client->apply(kConfigMap, config_map("m" + std::to_string(i), "1")));
    }
    auto config = read_kubeconfig({kubeconfig});
    Client paged(*config, clock, random, {.page_size = 2});
    const auto all = paged.list(kConfigMap, {.namespace_ = space, .labels = "loco-test=" + space});
    ASSERT_TRUE(all) << all.error().message;
    EXPECT_EQ(all->items.size(), 5U);
    Client bounded(*config, clock, random, {.page_size = 2, .max_objects = 4});
    const auto too_many =
        bounded.list(kConfigMap, {.namespace_ = space, .labels = "loco-test=" + space});
    ASSERT_FALSE(too_many);
    EXPECT_EQ(too_many.error().kind, ErrorKind::too_large);
}

TEST_F(ClientTest, another_object_of_the_same_name_is_not_removed) {
    const auto made = client->apply(kConfigMap, config_map("a", "1"));
    ASSERT_TRUE(made);
    const auto refused = client->remove(kConfigMap, space, "a", {.only_uid = "another"});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::conflict);
    EXPECT_TRUE(client->remove(kConfigMap, space, "a", {.only_uid = uid_of(*made)}));
}

TEST_F(ClientTest, a_token_from_a_file_signs_in_and_a_missing_right_is_told_without_it) {
    kubectl({"create", "serviceaccount", "nobody", "-n", space});
    const auto token = kubectl({"create", "token", "nobody", "-n", space});
    const auto file = std::filesystem::temp_directory_path() / (space + "-token");
    ASSERT_TRUE(os::write_file_atomically(file, token, 0600));
    auto config = *read_kubeconfig({kubeconfig});
    config.certificate_pem = config.certificate_file = config.key_file = "";
    config.key_pem = {};
    config.exec = {};
    config.token_file = file;
    Client nobody(config, clock, random);
    const auto refused = nobody.apply(kConfigMap, config_map("a", "1"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, "kubernetes_forbidden");
    EXPECT_TRUE(
        refused.error().message.starts_with("apply ConfigMap " + space + "/a: 403 Forbidden: "))
        << refused.error().message;
    EXPECT_NE(refused.error().message.find("system:serviceaccount:" + space + ":nobody"),
              std::string::npos);
    ASSERT_TRUE(os::write_file_atomically(file, "not-a-token", 0600));
    Client stranger(config, clock, random);
    const auto unknown = stranger.get(kConfigMap, space, "a");
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, "kubernetes_unauthorized");
    EXPECT_EQ(unknown.error().message.find("not-a-token"), std::string::npos);
    std::filesystem::remove(file);
}

TEST_F(ClientTest, a_server_of_another_authority_is_not_spoken_to) {
    auto config = *read_kubeconfig({kubeconfig});
    config.ca_pem = config.ca_file = "";  // the system's authorities did not sign it
    Client other(config, clock, random);
    const auto refused = other.get_path("/version");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::unavailable);
    EXPECT_EQ(refused.error().code, "tls_failed") << refused.error().message;
}

// Every call in turn fails once in each way that passes: all come through, and nothing is doubled.
TEST_F(ClientTest, what_passes_is_tried_again) {
    const auto asked = through_proxy();
    const std::vector<Fault> faults{
        {.type = Fault::Type::answer, .answer = refusal(429, "Retry-After: 1\r\n")},
        {.type = Fault::Type::answer, .answer = refusal(500)},
        {.type = Fault::Type::answer, .answer = refusal(503)},
        {.type = Fault::Type::cut_before},
        {.type = Fault::Type::cut_after},
    };
    for (std::size_t i = 0; i < faults.size(); ++i) {
        const auto name = "f" + std::to_string(i);
        int left = 0;
        const auto fail_once = [&] {
            left = 1;
            proxy->set_rule([&](const std::string&) { return left-- > 0 ? faults[i] : Fault{}; });
        };
        fail_once();
        const auto applied = asked->apply(kConfigMap, config_map(name, "1"));
        EXPECT_TRUE(applied) << i << ": " << applied.error().message;
        fail_once();
        EXPECT_TRUE(asked->get(kConfigMap, space, name)) << i;
        fail_once();
        const auto listed =
            asked->list(kConfigMap, {.namespace_ = space, .labels = "loco-test=" + space});
        ASSERT_TRUE(listed) << i;
        EXPECT_EQ(listed->items.size(), 1U) << i;
        fail_once();
        EXPECT_TRUE(asked->remove(kConfigMap, space, name)) << i;
        EXPECT_EQ(value_of(name), "not_found") << i;
        proxy->set_rule({});
    }
}

TEST_F(ClientTest, the_servers_retry_after_is_waited_for) {
    const auto asked = through_proxy();
    std::vector<SteadyTime> times;
    proxy->set_rule([&](const std::string&) {
        times.push_back(clock.steady());
        return times.size() == 1 ? Fault{.type = Fault::Type::answer,
                                         .answer = refusal(429, "Retry-After: 1\r\n")}
                                 : Fault{};
    });
    ASSERT_TRUE(asked->get_path("/version"));
    proxy->set_rule({});
    ASSERT_EQ(times.size(), 2U);
    EXPECT_GE(times[1] - times[0], std::chrono::seconds(1));
}

TEST_F(ClientTest, what_does_not_pass_is_told_once_and_what_never_ends_within_the_deadline) {
    const auto asked = through_proxy();
    int requests = 0;
    proxy->set_rule([&](const std::string&) {
        ++requests;
        return Fault{.type = Fault::Type::answer, .answer = refusal(409)};
    });
    EXPECT_EQ(asked->apply(kConfigMap, config_map("a", "1")).error().code, "version_conflict");
    EXPECT_EQ(requests, 1);
    proxy->set_rule([&](const std::string&) {
        return Fault{.type = Fault::Type::answer, .answer = refusal(503)};
    });
    const auto began = clock.steady();
    const auto failed = asked->apply(kConfigMap, config_map("a", "1"));
    proxy->set_rule({});
    ASSERT_FALSE(failed);
    EXPECT_EQ(failed.error().kind, ErrorKind::unavailable);
    EXPECT_NE(failed.error().message.find("injected"), std::string::npos);
    EXPECT_LT(clock.steady() - began, std::chrono::seconds(6));
}

}  // namespace
}  // namespace loco::kubernetes
