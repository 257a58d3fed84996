// Pushes into a registry of our own (Debian's docker-registry, which the daemon takes without TLS on the loopback).
#include "build/push.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/random.hpp"
#include "build/builder.hpp"
#include "os/file.hpp"
#include "os/process.hpp"
#include "tests/support/free_port.hpp"
#include "tests/unit/build/folder.hpp"

namespace loco::build {
namespace {

namespace fs = std::filesystem;

class PushContract : public testing::Test {
  protected:
    void SetUp() override {
        auto socket = engine::find_socket();
        if (socket) engine = std::make_unique<engine::Engine>(*socket);
        if (!engine || !engine->ping()) {
            GTEST_SKIP() << "no container engine answers at DOCKER_HOST";
        }
        if (access("/usr/bin/docker-registry", X_OK) != 0) {
            GTEST_SKIP() << "docker-registry is not installed";
        }
        SystemRandom random;
        repository = "loco-test/push-" + random_word(random, 10);
        const int port = tests::free_port();
        registry = "127.0.0.1:" + std::to_string(port);
        folder.write("config.yml",
                     "version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: {rootdirectory: " +
                         (folder.path() / "data").string() + "}\nhttp: {addr: '" + registry +
                         "'}\n");
        auto started = os::start_daemon({.argv = {"/usr/bin/docker-registry", "serve",
                                                  (folder.path() / "config.yml").string()}},
                                        (folder.path() / "registry.log").string());
        ASSERT_TRUE(started) << started.error().message;
        pid = *started;
        ASSERT_TRUE(answers()) << os::read_file(folder.path() / "registry.log").value_or("");
        build("one");
    }
    void TearDown() override {
        if (engine && !repository.empty()) {
            for (const auto& name : made) EXPECT_TRUE(engine->remove_image(name, /*force=*/true));
        }
        if (pid > 0) kill(pid, SIGKILL);
    }
    bool answers() {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        while (std::chrono::steady_clock::now() < until) {
            if (auto response = client.send({.url = "http://" + registry + "/v2/"});
                response && response->ok()) {
                return true;
            }
            std::this_thread::yield();
        }
        return false;
    }
    // Two layers, of which the second differs by `content`.
    void build(const std::string& content) {
        Folder context;
        context.write("base", "the layer that all share: " + repository);
        context.write("top", content);
        context.write("Dockerfile", "FROM scratch\nCOPY base /base\nCOPY top /top\n");
        auto builder = DockerBuilder::find(engine->socket());
        ASSERT_TRUE(builder) << builder.error().message;
        image = repository + ":" + content;
        auto built = builder->build({.context = context.path(),
                                     .dockerfile = context.path() / "Dockerfile",
                                     .tags = {image}},
                                    {});
        ASSERT_TRUE(built) << built.error().error.message;
        made.push_back(image);
    }
    Result<PushOutcome> push_it(const std::string& tag, const PushHooks& hooks = {}) {
        made.push_back(registry + "/" + repository + ":" + tag);
        return push(*engine, client,
                    {.image = image, .registry = registry, .repository = repository, .tag = tag},
                    hooks);
    }

    Folder folder;
    std::unique_ptr<engine::Engine> engine;
    http::Client client;
    std::string repository;
    std::string registry;
    std::string image;
    std::vector<std::string> made;
    pid_t pid = 0;
};

TEST_F(PushContract, pushes_and_gives_the_digest_under_which_the_registry_has_it) {
    std::vector<std::string> seen;
    auto outcome = push_it("t1", {.on_progress = [&](const auto& p) { seen.push_back(p.status); }});
    ASSERT_TRUE(outcome) << outcome.error().message;
    EXPECT_TRUE(outcome->digest.starts_with("sha256:"));
    EXPECT_EQ(outcome->layers, 2);
    EXPECT_EQ(outcome->layers_existing, 0);
    EXPECT_FALSE(seen.empty());
    auto manifest = client.send(
        {.url = "http://" + registry + "/v2/" + repository + "/manifests/" + outcome->digest});
    ASSERT_TRUE(manifest);
    EXPECT_EQ(manifest->status, 200);
    auto pulled = engine->pull_image(registry + "/" + repository + "@" + outcome->digest, {});
    EXPECT_TRUE(pulled) << pulled.error().message;
}

TEST_F(PushContract, only_layers_that_changed_travel) {
    ASSERT_TRUE(push_it("t1"));
    auto again = push_it("t2");
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->layers_existing, 2);
    build("two");
    auto changed = push_it("t3");
    ASSERT_TRUE(changed) << changed.error().message;
    EXPECT_EQ(changed->layers, 2);
    EXPECT_EQ(changed->layers_existing, 1);
    EXPECT_NE(changed->digest, again->digest);
}

TEST_F(PushContract, a_push_to_where_no_registry_is_fails) {
    registry = "127.0.0.1:1";
    auto outcome = push_it("t1");
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().kind, ErrorKind::unavailable) << outcome.error().message;
    EXPECT_EQ(outcome.error().code, "registry_unreachable");
    EXPECT_EQ(outcome.error().message.find("push "), std::string::npos) << outcome.error().message;
}

TEST_F(PushContract, can_be_cancelled) {
    auto outcome = push_it("t1", {.cancelled = [] { return true; }});
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().kind, ErrorKind::interrupted) << outcome.error().message;
}

TEST_F(PushContract, an_image_that_is_not_there_is_not_found) {
    image = repository + ":nothing";
    auto outcome = push_it("t1");
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().kind, ErrorKind::not_found) << outcome.error().message;
}

}  // namespace
}  // namespace loco::build
