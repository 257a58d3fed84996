// What the registry alone tells of an image is what the engine tells of it: images built and pushed by a real engine.
#include <gtest/gtest.h>

#include <algorithm>

#include "registry/image_inspector.hpp"
#include "tests/contract/runtime/docker_bed.hpp"

namespace loco::runtime {
namespace {

constexpr const char* kPasswd =
    "root:x:0:0::/:\nboss:x:0:0::/:\napp:x:1000:1001::/:\nodd:x:abc:5::/:\n";
constexpr const char* kGroup = "root:x:0:\napp:x:1001:\nweb:x:33:app\n";

class RegistryFacts : public testing::Test {
  protected:
    void SetUp() override {
        world_ = DockerWorld::get();
        if (world_ == nullptr) GTEST_SKIP() << "no container engine answers at DOCKER_HOST";
        bed_ = std::make_unique<DockerBed>(*world_);
        inspector_.emplace(world_->registry(), client_, clock_);
    }

    // Both answers for an image whose Dockerfile goes on with `rest`; the registry's is returned.
    std::optional<ImageFacts> same(const std::string& name, const std::string& rest) {
        const auto digest = world_->build(name, "FROM scratch\nCOPY busybox /bin/busybox\n" + rest,
                                          {{"passwd", kPasswd}, {"group", kGroup}});
        EXPECT_TRUE(digest) << digest.error().message;
        if (!digest) return {};
        const ImageRef image{.repository = name, .digest = *digest};
        auto engine = bed_->runtime().ensure_image(image);
        auto registry = inspector_->facts(image, "linux/amd64");
        EXPECT_TRUE(engine) << engine.error().message;
        EXPECT_TRUE(registry) << registry.error().message;
        if (!engine || !registry) return {};
        std::ranges::sort(engine->exposed_tcp);
        std::ranges::sort(registry->exposed_tcp);
        EXPECT_EQ(engine->image_id, registry->image_id) << rest;
        EXPECT_EQ(engine->digest, registry->digest) << rest;
        EXPECT_EQ(engine->platform, registry->platform) << rest;
        EXPECT_EQ(engine->user, registry->user) << rest;
        EXPECT_EQ(engine->uid, registry->uid) << rest;
        EXPECT_EQ(engine->gid, registry->gid) << rest;
        EXPECT_EQ(engine->exposed_tcp, registry->exposed_tcp) << rest;
        EXPECT_EQ(engine->has_command, registry->has_command) << rest;
        EXPECT_GT(registry->size_bytes, 0);
        return *registry;
    }

    DockerWorld* world_ = nullptr;
    std::unique_ptr<DockerBed> bed_;
    SystemClock clock_;
    http::Client client_;
    std::optional<registry::ImageInspector> inspector_;
};

TEST_F(RegistryFacts, every_kind_of_user_is_resolved_as_the_engine_does) {
    int number = 0;
    for (const char* user : {"app", "app:web", "app:77", "1000", "1000:web", "1000:1000", "00",
                             "boss", "odd", "ghost", "app:nogroup", "5555", "root"}) {
        const auto seen = same("same-" + std::to_string(++number),
                               "COPY passwd /etc/passwd\nCOPY group /etc/group\nUSER " +
                                   std::string(user) + "\nEXPOSE 8080/tcp 9000/udp 80\n");
        ASSERT_TRUE(seen);
    }
    EXPECT_EQ(same("same-app", "COPY passwd /etc/passwd\nUSER app\n")->uid, 1000);
}

TEST_F(RegistryFacts, an_image_without_a_user_is_root) {
    const auto seen = same("same-none", "CMD [\"/bin/busybox\"]\n");
    ASSERT_TRUE(seen);
    EXPECT_EQ(seen->uid, 0);
    EXPECT_TRUE(seen->has_command);
}

TEST_F(RegistryFacts, a_passwd_that_a_later_layer_changes_removes_or_links_is_read_as_it_ends) {
    const std::string run = "RUN [\"/bin/busybox\", ";
    const std::string base = "COPY passwd /etc/passwd\n";
    EXPECT_EQ(same("same-removed", base + run + "\"rm\", \"/etc/passwd\"]\nUSER app\n")->uid,
              std::nullopt);
    EXPECT_EQ(same("same-folder-gone",
                   "COPY passwd /opt/etc/passwd\n" + run + "\"rm\", \"-r\", \"/opt\"]\n" + run +
                       "\"mkdir\", \"-p\", \"/etc\"]\n" + run +
                       "\"ln\", \"-s\", \"/opt/etc/passwd\", \"/etc/passwd\"]\nUSER 1000\n")
                  ->gid,
              0);
    EXPECT_EQ(same("same-changed", base + run +
                                       "\"sed\", \"-i\", \"s/1000:1001/2000:2001/\", "
                                       "\"/etc/passwd\"]\nUSER app\n")
                  ->uid,
              2000);
    EXPECT_EQ(
        same("same-again", base + run + "\"rm\", \"/etc/passwd\"]\n" + base + "USER app\n")->uid,
        1000);
    EXPECT_EQ(same("same-moved", base + run + "\"mv\", \"/etc/passwd\", \"/real\"]\n" + run +
                                     "\"ln\", \"-s\", \"../real\", \"/etc/passwd\"]\nUSER app\n")
                  ->uid,
              1000);
    EXPECT_EQ(same("same-hard", "COPY passwd /real\n" + run + "\"mkdir\", \"-p\", \"/etc\"]\n" +
                                    run + "\"ln\", \"/real\", \"/etc/passwd\"]\nUSER app\n")
                  ->uid,
              1000);
    EXPECT_EQ(
        same("same-linked-folder",
             "COPY passwd /opt/etc/passwd\n" + run + "\"ln\", \"-s\", \"opt/etc\", \"/etc2\"]\n" +
                 run + "\"mkdir\", \"-p\", \"/etc\"]\n" + run +
                 "\"ln\", \"-s\", \"/etc2/passwd\", \"/etc/passwd\"]\nUSER app\n")
            ->uid,
        1000);
}

}  // namespace
}  // namespace loco::runtime
