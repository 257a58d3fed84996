// Who an image's user is, and how a container is confined, on the real engine.
#include <gtest/gtest.h>

#include "http/client.hpp"
#include "tests/contract/runtime/docker_bed.hpp"

namespace loco::runtime {
namespace {

#define MUST(expression)                                                     \
    do {                                                                     \
        const auto must_result = (expression);                               \
        ASSERT_TRUE(must_result.has_value()) << must_result.error().message; \
    } while (false)

class DockerFacts : public testing::Test {
  protected:
    void SetUp() override {
        world_ = DockerWorld::get();
        if (world_ == nullptr) GTEST_SKIP() << "no container engine answers at DOCKER_HOST";
        bed_ = std::make_unique<DockerBed>(*world_);
    }

    // Of an image whose Dockerfile goes on with `rest`.
    Result<ImageFacts> facts(const std::string& name, const std::string& rest,
                             const std::vector<std::pair<std::string, std::string>>& files = {}) {
        LOCO_ASSIGN(const std::string digest,
                    world_->build(name, "FROM scratch\nCOPY busybox /bin/busybox\n" + rest, files));
        return bed_->runtime().ensure_image({.repository = name, .digest = digest});
    }
    std::string passwd_ = "root:x:0:0::/:\nboss:x:0:0::/:\napp:x:1000:1000::/:\n";

    // Runs it to its end; 0 when what it checks holds.
    int check(ContainerSpec spec) {
        auto& runtime = bed_->runtime();
        auto network = runtime.ensure_network(spec.network);
        EXPECT_TRUE(network) << network.error().message;
        auto image = runtime.ensure_image(spec.image);
        EXPECT_TRUE(image) << image.error().message;
        auto started = runtime.start(spec);
        EXPECT_TRUE(started) << started.error().message;
        return bed_->exit_of(spec.instance.id);
    }

    DockerWorld* world_ = nullptr;
    std::unique_ptr<DockerBed> bed_;
};

TEST_F(DockerFacts, an_image_without_a_user_is_root) {
    auto seen = facts("facts-none", "CMD [\"/bin/busybox\"]\n");
    MUST(seen);
    EXPECT_EQ(seen->user, "");
    EXPECT_EQ(seen->uid, 0);
}

TEST_F(DockerFacts, a_name_that_means_uid_0_is_root) {
    auto seen = facts("facts-boss", "COPY passwd /etc/passwd\nUSER boss\n", {{"passwd", passwd_}});
    MUST(seen);
    EXPECT_EQ(seen->user, "boss");
    EXPECT_EQ(seen->uid, 0);
    EXPECT_FALSE(seen->has_command);
}

TEST_F(DockerFacts, two_zeros_are_root) {
    auto seen = facts("facts-00", "COPY passwd /etc/passwd\nUSER 00\n", {{"passwd", passwd_}});
    MUST(seen);
    EXPECT_EQ(seen->uid, 0);
}

TEST_F(DockerFacts, a_name_that_its_passwd_lacks_has_no_uid) {
    auto seen =
        facts("facts-ghost", "COPY passwd /etc/passwd\nUSER ghost\n", {{"passwd", passwd_}});
    MUST(seen);
    EXPECT_EQ(seen->user, "ghost");
    EXPECT_EQ(seen->uid, std::nullopt);
}

TEST_F(DockerFacts, a_number_needs_no_passwd) {
    auto seen = facts("facts-number", "USER 1000:33\n");
    MUST(seen);
    EXPECT_EQ(seen->uid, 1000);
    EXPECT_EQ(seen->gid, 33);
}

TEST_F(DockerFacts, links_to_a_passwd_are_followed_inside_the_image) {
    auto seen = facts(
        "facts-link",
        "COPY passwd /usr/share/real\n"
        "RUN [\"/bin/busybox\", \"mkdir\", \"-p\", \"/etc\"]\n"
        "RUN [\"/bin/busybox\", \"ln\", \"-s\", \"../../usr/share/middle\", \"/etc/passwd\"]\n"
        "RUN [\"/bin/busybox\", \"ln\", \"-s\", \"/usr/share/real\", \"/usr/share/middle\"]\n"
        "USER boss\n",
        {{"passwd", passwd_}});
    MUST(seen);
    EXPECT_EQ(seen->uid, 0);
}

TEST_F(DockerFacts, a_passwd_of_megabytes_is_refused) {
    auto seen = facts("facts-huge", "COPY passwd /etc/passwd\nUSER app\n",
                      {{"passwd", std::string(2U << 20, '\n') + passwd_}});
    ASSERT_FALSE(seen);
    EXPECT_EQ(seen.error().kind, ErrorKind::refused) << seen.error().message;
}

TEST_F(DockerFacts, looking_into_an_image_leaves_no_container) {
    MUST(bed_->runtime().ensure_image(bed_->image()));
    auto left = world_->engine().list_containers({{"loco.dev/instance-of", world_->loco()}});
    MUST(left);
    EXPECT_TRUE(left->empty());
}

TEST_F(DockerFacts, what_runs_has_no_rights_from_the_inside) {
    EXPECT_EQ(check(bed_->shell("set -e; s=/proc/self/status; B=/bin/busybox\n"
                                "$B grep -q '^CapEff:.0000000000000000$' $s\n"
                                "$B grep -q '^CapBnd:.0000000000000000$' $s\n"
                                "$B grep -q '^NoNewPrivs:.1$' $s\n"
                                "$B grep -q '^Seccomp:.2$' $s\n"
                                "[ $($B id -u) = 1000 ]; [ $($B id -g) = 1000 ]\n"
                                "[ $($B cat /proc/1/comm) = docker-init ]",
                                1, 10)),
              0);
}

TEST_F(DockerFacts, limits_are_as_wanted) {
    const auto spec = bed_->shell("exec /bin/busybox sleep 600", 1, 10);
    MUST(bed_->runtime().ensure_network(spec.network));
    MUST(bed_->runtime().ensure_image(spec.image));
    MUST(bed_->runtime().start(spec));
    http::Client client;
    http::ClientRequest request;
    request.url = "http://engine/containers/" + bed_->container_of(spec.instance.id) + "/json";
    request.unix_socket = world_->engine().socket();
    auto answer = client.send(request);
    MUST(answer);
    for (const char* want :
         {"\"Memory\":33554432,", "\"MemorySwap\":33554432,", "\"NanoCpus\":1000000000,",
          "\"CpuShares\":256,", "\"PidsLimit\":512,", "\"Privileged\":false",
          "\"User\":\"1000:1000\"", "\"CapDrop\":[\"ALL\"]",
          "\"SecurityOpt\":[\"no-new-privileges:true\"]", "\"Init\":true", "\"max-size\":\"10m\"",
          "\"loco.dev/instance\""}) {
        EXPECT_NE(answer->body.find(want), std::string::npos) << want << " in " << answer->body;
    }
    EXPECT_EQ(answer->body.find("HostPort"), std::string::npos) << answer->body;
}

TEST_F(DockerFacts, a_read_only_root_has_a_tmp_that_can_be_written_and_fills_with_an_error) {
    auto spec = bed_->shell(
        "B=/bin/busybox; $B touch /x 2>/dev/null && exit 1\n"
        "$B cp $B /tmp/busybox && /tmp/busybox true || exit 2\n"
        "said=$($B dd if=/dev/zero of=/tmp/big bs=1M count=17 2>&1) && exit 3\n"
        "case $said in *'No space'*) exit 0;; esac; exit 4",
        1, 10);
    spec.writable = false;
    spec.instance.memory_bytes = 64LL << 20;
    EXPECT_EQ(check(spec), 0);
    EXPECT_EQ(check(bed_->shell("/bin/busybox touch /tmp-x 2>/dev/null; exit 0", 1, 11)), 0);
}

TEST_F(DockerFacts, an_image_comes_from_the_registry_and_goes_with_all_its_names) {
    auto digest =
        world_->build("facts-gone", "FROM scratch\nCOPY busybox /bin/busybox\nUSER 1000\n");
    MUST(digest);
    const ImageRef image{.repository = "facts-gone", .digest = *digest};
    MUST(bed_->runtime().remove_image(image));
    EXPECT_FALSE(world_->engine().inspect_image(world_->registry().host() + "/facts-gone:latest"));
    MUST(bed_->runtime().ensure_image(image));
}

}  // namespace
}  // namespace loco::runtime
