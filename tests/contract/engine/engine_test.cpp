// Against the real daemon at DOCKER_HOST: what the headers of src/engine promise.
#include "engine/engine.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <future>

#include "base/random.hpp"
#include "engine/streams.hpp"
#include "os/file.hpp"
#include "os/process.hpp"

namespace loco::engine {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr const char* kImage = "loco-test/engine:busybox";
constexpr const char* kDockerfile = R"(FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
COPY passwd /usr/lib/passwd
RUN mkdir -p /etc && ln -s ../usr/lib/passwd /etc/passwd && ln -s loop /etc/loop
ENV KEY=value
EXPOSE 8080/tcp
USER 1234
LABEL loco-test=engine
CMD ["/bin/sh", "-c", "echo out; echo err >&2; exec sleep 600"]
)";

class EngineContract : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        auto socket = find_socket();
        if (!socket) return;
        engine = std::make_unique<Engine>(*socket);
        if (!engine->ping()) {
            engine.reset();
            return;
        }
        SystemRandom random;
        run_id = random_word(random, 10);
        const fs::path dir = fs::temp_directory_path() / ("loco-engine-" + run_id);
        ASSERT_TRUE(os::make_directories(dir));
        fs::copy_file("/bin/busybox", dir / "busybox");
        ASSERT_TRUE(os::write_file_atomically(dir / "passwd", "app:x:1234:1234::/:/bin/sh\n"));
        ASSERT_TRUE(os::write_file_atomically(dir / "Dockerfile", kDockerfile));
        const char* cli = fs::exists("/usr/bin/docker") ? "/usr/bin/docker" : "docker";
        auto built = os::output_of(
            {.argv = {cli, "build", "-t", kImage, dir.string()},
             .env = {{"DOCKER_BUILDKIT", "1"}, {"DOCKER_HOST", "unix://" + engine->socket()}}},
            seconds(300));
        fs::remove_all(dir);
        ASSERT_TRUE(built) << built.error().message;
    }
    static void TearDownTestSuite() { engine.reset(); }

    void SetUp() override {
        if (!engine) GTEST_SKIP() << "no container engine answers at DOCKER_HOST";
    }
    void TearDown() override {
        if (!engine) return;
        auto left = engine->list_containers({{"loco-test", run_id}});
        if (left) {
            for (const auto& c : *left) EXPECT_TRUE(engine->remove_container(c.id, /*force=*/true));
        }
        auto networks = engine->list_networks({{"loco-test", run_id}});
        if (networks) {
            for (const auto& n : *networks) EXPECT_TRUE(engine->remove_network(n.id));
        }
    }

    static std::string name(const std::string& what) { return "loco-test-" + run_id + "-" + what; }
    static ContainerSpec spec(std::vector<std::string> command = {}) {
        return {.image = kImage, .command = std::move(command), .labels = {{"loco-test", run_id}}};
    }
    static std::string must_run(const std::string& what, const ContainerSpec& wanted) {
        auto id = engine->create_container(name(what), wanted);
        EXPECT_TRUE(id) << id.error().message;
        if (!id) return {};
        auto started = engine->start_container(*id);
        EXPECT_TRUE(started) << started.error().message;
        return *id;
    }

    static inline std::unique_ptr<Engine> engine;
    static inline std::string run_id;
};

TEST_F(EngineContract, tells_its_version_and_what_the_machine_has) {
    auto version = engine->version();
    ASSERT_TRUE(version) << version.error().message;
    EXPECT_FALSE(version->version.empty());
    EXPECT_TRUE(version->api_version.starts_with("1."));
    EXPECT_EQ(version->os, "linux");
    auto info = engine->info();
    ASSERT_TRUE(info) << info.error().message;
    EXPECT_GT(info->cpus, 0);
    EXPECT_GT(info->memory_bytes, 0);
    EXPECT_TRUE(engine->disk_usage());
}

TEST_F(EngineContract, an_engine_that_is_not_there_is_unavailable_with_what_to_do) {
    Engine nobody("/nonexistent/docker.sock");
    auto pinged = nobody.ping();
    ASSERT_FALSE(pinged);
    EXPECT_EQ(pinged.error().kind, ErrorKind::unavailable);
    EXPECT_EQ(pinged.error().code, "engine_unavailable");
    EXPECT_NE(pinged.error().hint.find("is the Docker daemon running?"), std::string::npos);
    EXPECT_FALSE(nobody.list_containers({}));
}

TEST_F(EngineContract, a_container_runs_as_it_was_specified_and_tells_how_it_ended) {
    ContainerSpec wanted =
        spec({"/bin/sh", "-c", "test \"$SECRET\" = hush && test $(id -u) = 99 && exit 7"});
    wanted.env.emplace_back("SECRET", Secret(std::string("hush")));
    wanted.user = "99:99";
    wanted.memory_bytes = 64 << 20;
    wanted.memory_swap_bytes = 64 << 20;
    wanted.nano_cpus = 500'000'000;
    wanted.cpu_shares = 256;
    wanted.pids_limit = 64;
    wanted.cap_drop = {"ALL"};
    wanted.security_opt = {"no-new-privileges"};
    wanted.read_only_root = true;
    wanted.tmpfs = {{"/tmp", "rw,size=1m,mode=1777"}};
    wanted.init = true;
    wanted.ulimits = {{.name = "nofile", .soft = 512, .hard = 512}};
    const std::string id = must_run("exit", wanted);
    auto waited = engine->wait_container(id, seconds(60));
    ASSERT_TRUE(waited) << waited.error().message;
    EXPECT_EQ(waited->exit_code, 7);
    auto container = engine->inspect_container(id);
    ASSERT_TRUE(container) << container.error().message;
    EXPECT_EQ(container->name, name("exit"));
    EXPECT_EQ(container->user, "99:99");
    EXPECT_EQ(container->state.status, "exited");
    EXPECT_EQ(container->state.exit_code, 7);
    EXPECT_FALSE(container->state.running);
    EXPECT_TRUE(container->state.started_at);
    EXPECT_TRUE(container->state.finished_at);
    EXPECT_EQ(container->labels.at("loco-test"), run_id);
    EXPECT_TRUE(container->image_id.starts_with("sha256:"));
}

TEST_F(EngineContract, asking_for_a_state_that_is_already_there_is_fine) {
    const std::string id = must_run("idempotent", spec());
    EXPECT_TRUE(engine->start_container(id));
    EXPECT_TRUE(engine->kill_container(id, "SIGKILL"));
    auto waited = engine->wait_container(id, seconds(60));
    ASSERT_TRUE(waited) << waited.error().message;
    EXPECT_EQ(waited->exit_code, 137);
    EXPECT_TRUE(engine->kill_container(id, "SIGTERM"));
    EXPECT_TRUE(engine->stop_container(id, seconds(1)));
    EXPECT_TRUE(engine->remove_container(id, /*force=*/false));
    EXPECT_TRUE(engine->remove_container(id, /*force=*/false));
    auto gone = engine->inspect_container(id);
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().kind, ErrorKind::not_found);
}

TEST_F(EngineContract, a_taken_name_is_a_conflict_and_a_missing_image_is_not_found) {
    ASSERT_TRUE(engine->create_container(name("twice"), spec()));
    auto twice = engine->create_container(name("twice"), spec());
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().kind, ErrorKind::conflict) << twice.error().message;
    ContainerSpec missing = spec();
    missing.image = "loco-test/nothing:here";
    auto none = engine->create_container(name("none"), missing);
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().kind, ErrorKind::not_found) << none.error().message;
}

TEST_F(EngineContract, lists_only_what_carries_all_the_labels) {
    ContainerSpec one = spec();
    one.labels["loco-test-kind"] = "one";
    ASSERT_TRUE(engine->create_container(name("one"), one));
    ASSERT_TRUE(engine->create_container(name("two"), spec()));
    auto both = engine->list_containers({{"loco-test", run_id}});
    ASSERT_TRUE(both);
    EXPECT_EQ(both->size(), 2U);
    auto just_one = engine->list_containers({{"loco-test", run_id}, {"loco-test-kind", ""}});
    ASSERT_TRUE(just_one);
    ASSERT_EQ(just_one->size(), 1U);
    EXPECT_EQ(just_one->front().name, name("one"));
    EXPECT_EQ(just_one->front().state, "created");
}

TEST_F(EngineContract, a_wait_can_be_cancelled_and_times_out) {
    const std::string id = must_run("wait", spec());
    auto late = engine->wait_container(id, milliseconds(300));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().kind, ErrorKind::unavailable);
    auto cancelled = engine->wait_container(id, {}, [] { return true; });
    ASSERT_FALSE(cancelled);
    EXPECT_EQ(cancelled.error().kind, ErrorKind::interrupted);
}

TEST_F(EngineContract, reads_a_file_through_links_and_tells_what_is_none) {
    auto id = engine->create_container(name("file"), spec());
    ASSERT_TRUE(id);
    auto passwd = engine->read_file(*id, "/etc/passwd");
    ASSERT_TRUE(passwd) << passwd.error().message;
    EXPECT_EQ(*passwd, "app:x:1234:1234::/:/bin/sh\n");
    const auto kind = [&](const std::string& path, std::size_t max = 1U << 20) {
        auto read = engine->read_file(*id, path, max);
        return read ? ErrorKind::internal : read.error().kind;
    };
    EXPECT_EQ(kind("/etc/nothing"), ErrorKind::not_found);
    EXPECT_EQ(kind("/etc"), ErrorKind::invalid);
    EXPECT_EQ(kind("/etc/loop"), ErrorKind::invalid);
    EXPECT_EQ(kind("/etc/passwd", 3), ErrorKind::too_large);
    EXPECT_EQ(kind("/bin/busybox", 1000), ErrorKind::too_large);
}

TEST_F(EngineContract, images_are_inspected_tagged_listed_and_untagged) {
    auto image = engine->inspect_image(kImage);
    ASSERT_TRUE(image) << image.error().message;
    EXPECT_EQ(image->user, "1234");
    EXPECT_EQ(image->os, "linux");
    EXPECT_EQ(image->exposed_ports, std::vector<std::string>{"8080/tcp"});
    EXPECT_EQ(image->command.size(), 3U);
    EXPECT_EQ(image->labels.at("loco-test"), "engine");
    EXPECT_GT(image->size_bytes, 0);
    EXPECT_FALSE(image->layers.empty());
    const std::string repository = "127.0.0.1:1/loco-test/" + run_id;
    ASSERT_TRUE(engine->tag_image(kImage, repository, "t1"));
    auto tagged = engine->inspect_image(repository + ":t1");
    ASSERT_TRUE(tagged);
    EXPECT_EQ(tagged->id, image->id);
    auto listed = engine->list_images({{"loco-test", "engine"}});
    ASSERT_TRUE(listed);
    EXPECT_TRUE(std::any_of(listed->begin(), listed->end(),
                            [&](const ImageSummary& i) { return i.id == image->id; }));
    EXPECT_TRUE(engine->remove_image(repository + ":t1", /*force=*/false));
    EXPECT_TRUE(engine->remove_image(repository + ":t1", /*force=*/false));
    auto gone = engine->inspect_image(repository + ":t1");
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().kind, ErrorKind::not_found);
    EXPECT_TRUE(engine->inspect_image(image->id));
}

TEST_F(EngineContract, a_push_or_pull_without_a_registry_fails_although_the_engine_answers_200) {
    const std::string repository = "127.0.0.1:1/loco-test/" + run_id;
    ASSERT_TRUE(engine->tag_image(kImage, repository, "t2"));
    auto pushed = engine->push_image(repository + ":t2", {});
    ASSERT_FALSE(pushed);
    EXPECT_EQ(pushed.error().kind, ErrorKind::unavailable) << pushed.error().message;
    EXPECT_TRUE(engine->remove_image(repository + ":t2", /*force=*/false));
    EXPECT_FALSE(engine->pull_image(repository + ":t2", {}));
}

TEST_F(EngineContract, a_container_gets_its_address_in_a_network_of_its_own) {
    // Whatever else runs here has its own subnets: take the first free one.
    std::string network;
    std::string subnet;
    for (int i = 0; i < 200 && network.empty(); ++i) {
        subnet = "10.213." + std::to_string(i);
        auto made = engine->create_network({.name = name("net"),
                                            .subnet = subnet + ".0/24",
                                            .gateway = subnet + ".1",
                                            .labels = {{"loco-test", run_id}}});
        if (made) {
            network = *made;
        } else {
            ASSERT_EQ(made.error().kind, ErrorKind::conflict) << made.error().message;
        }
    }
    ASSERT_FALSE(network.empty());
    auto overlapping = engine->create_network(
        {.name = name("net2"), .subnet = subnet + ".0/24", .labels = {{"loco-test", run_id}}});
    ASSERT_FALSE(overlapping);
    EXPECT_EQ(overlapping.error().kind, ErrorKind::conflict) << overlapping.error().message;

    ContainerSpec wanted = spec();
    wanted.network = name("net");
    wanted.address = subnet + ".77";
    wanted.aliases = {"web"};
    const std::string id = must_run("addressed", wanted);
    auto container = engine->inspect_container(id);
    ASSERT_TRUE(container);
    ASSERT_EQ(container->networks.size(), 1U);
    EXPECT_EQ(container->networks[0].address, subnet + ".77");
    EXPECT_EQ(container->networks[0].requested_address, subnet + ".77");
    auto inspected = engine->inspect_network(network);
    ASSERT_TRUE(inspected);
    EXPECT_EQ(inspected->subnet, subnet + ".0/24");
    EXPECT_EQ(inspected->gateway, subnet + ".1");
    ASSERT_EQ(inspected->members.size(), 1U);
    EXPECT_EQ(inspected->members[0].container_id, id);
    EXPECT_EQ(inspected->members[0].address, subnet + ".77");

    auto busy = engine->remove_network(network);
    ASSERT_FALSE(busy);
    EXPECT_EQ(busy.error().kind, ErrorKind::conflict) << busy.error().message;
    EXPECT_TRUE(engine->disconnect_network(network, id, /*force=*/true));
    EXPECT_TRUE(engine->connect_network(network, id, subnet + ".78", {"web"}));
    container = engine->inspect_container(id);
    ASSERT_TRUE(container);
    EXPECT_EQ(container->networks.at(0).address, subnet + ".78");
    EXPECT_TRUE(engine->remove_container(id, /*force=*/true));
    EXPECT_TRUE(engine->remove_network(network));
    EXPECT_TRUE(engine->remove_network(network));
}

// Collects one stream until `enough` is true of what came, at most 30 s.
template <class T>
class Collector {
  public:
    void add(T item) {
        const std::lock_guard lock(mutex_);
        items_.push_back(std::move(item));
        changed_.notify_all();
    }
    template <class Enough>
    std::vector<T> wait(Enough enough) {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, seconds(30), [&] { return enough(items_); });
        return items_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<T> items_;
};

TEST_F(EngineContract, logs_follow_both_streams_with_times) {
    const std::string id = must_run("logs", spec());
    auto request = engine->logs_request(id, {.follow = true});
    ASSERT_TRUE(request);
    Collector<std::pair<Stream, std::string>> lines;
    FrameDemuxer demuxer(
        [&](Stream stream, std::string_view data) { lines.add({stream, std::string(data)}); });
    std::atomic<bool> broken = false;
    http::StreamClient streams;
    streams.open(*request, {.on_data = [&](std::string_view data) {
        if (!demuxer.feed(data)) broken = true;
        return true;
    }});
    const auto seen = lines.wait([](const auto& items) { return items.size() >= 2; });
    EXPECT_FALSE(broken);
    ASSERT_EQ(seen.size(), 2U);
    for (const auto& [stream, line] : seen) {
        EXPECT_TRUE(line.ends_with(stream == Stream::out ? " out\n" : " err\n")) << line;
        EXPECT_TRUE(parse_rfc3339(line.substr(0, line.find(' ')))) << line;
    }
}

TEST_F(EngineContract, events_tell_a_start_and_a_death_of_what_carries_the_label) {
    auto request = engine->events_request({{"loco-test", run_id}}, SystemClock().now());
    ASSERT_TRUE(request);
    Collector<Event> events;
    EventReader reader([&](const Event& event) { events.add(event); });
    http::StreamClient streams;
    streams.open(*request,
                 {.on_data = [&](std::string_view data) { return reader.feed(data).has_value(); }});
    const std::string id = must_run("events", spec({"/bin/sh", "-c", "exit 3"}));
    const auto died = [](const std::vector<Event>& all) {
        return !all.empty() && all.back().action == "die";
    };
    const auto seen = events.wait(died);
    ASSERT_TRUE(died(seen));
    EXPECT_EQ(seen.back().actor, id);
    EXPECT_EQ(seen.back().attributes.at("exitCode"), "3");
    EXPECT_EQ(seen.back().attributes.at("name"), name("events"));
    EXPECT_GT(seen.back().at, Time{});
}

TEST_F(EngineContract, prunes_nothing_of_the_build_cache_that_is_young) {
    auto pruned = engine->prune_build_cache(1LL << 40, std::chrono::hours(24 * 365));
    ASSERT_TRUE(pruned) << pruned.error().message;
    EXPECT_EQ(pruned->reclaimed_bytes, 0);
}

TEST(FindSocket, takes_what_it_is_given_and_refuses_other_machines) {
    EXPECT_EQ(find_socket("unix:///x/y.sock").value_or(""), "/x/y.sock");
    EXPECT_EQ(find_socket("/x/y.sock").value_or(""), "/x/y.sock");
    for (const std::string& given : {std::string("tcp://10.0.0.1:2375"), std::string("ssh://host"),
                                     "/" + std::string(200, 'x')}) {
        auto found = find_socket(given);
        ASSERT_FALSE(found);
        EXPECT_EQ(found.error().kind, ErrorKind::invalid);
    }
}

}  // namespace
}  // namespace loco::engine
