// The collector of logs and the watcher of events, on the real engine: exactly once through every break.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "tests/contract/runtime/docker_bed.hpp"

namespace loco::runtime {
namespace {

using std::chrono::milliseconds;

#define MUST(expression)                                                     \
    do {                                                                     \
        const auto must_result = (expression);                               \
        ASSERT_TRUE(must_result.has_value()) << must_result.error().message; \
    } while (false)

// Keeps lines in memory; refuses on demand.
class MemoryLogs final : public LogStore {
  public:
    Result<> append(std::vector<LogLine> lines) override {
        const std::lock_guard lock(mutex_);
        ++appends_;
        if (refusing_) return fail(ErrorKind::unavailable, "the disk is full");
        for (auto& line : lines) {
            line.seq = static_cast<std::int64_t>(lines_.size()) + 1;
            lines_.push_back(std::move(line));
        }
        return {};
    }
    Result<std::vector<LogLine>> after(const LogFilter&, std::int64_t, int) override {
        return fail(ErrorKind::internal, "not asked here");
    }
    Result<std::vector<LogLine>> last(const LogFilter& filter, int limit) override {
        const std::lock_guard lock(mutex_);
        std::vector<LogLine> found;
        for (const auto& line : lines_) {
            if (line.app == filter.app && (!filter.instance || line.instance == *filter.instance)) {
                found.push_back(line);
            }
        }
        std::ranges::sort(found, {}, [](const LogLine& l) { return std::pair(l.at, l.seq); });
        if (found.size() > static_cast<std::size_t>(limit)) {
            found.erase(found.begin(), found.end() - limit);
        }
        return found;
    }
    Result<std::optional<Time>> newest(const std::string&) override {
        return std::optional<Time>();
    }
    Result<> remove_app(const AppId&) override { return {}; }

    void refuse(bool on) {
        const std::lock_guard lock(mutex_);
        refusing_ = on;
    }
    std::vector<LogLine> lines() {
        const std::lock_guard lock(mutex_);
        return lines_;
    }
    int appends() {
        const std::lock_guard lock(mutex_);
        return appends_;
    }

  private:
    std::mutex mutex_;
    std::vector<LogLine> lines_;
    bool refusing_ = false;
    int appends_ = 0;
};

// Stands between Loco and the engine's socket, and can go away like an engine.
class Relay {
  public:
    explicit Relay(std::string upstream)
        : upstream_(std::move(upstream)),
          path_("/tmp/loco-relay-" + std::to_string(::getpid()) + ".sock") {
        open();
    }
    ~Relay() { close(); }
    [[nodiscard]] const std::string& path() const { return path_; }

    void open() {
        ::unlink(path_.c_str());
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path_.copy(address.sun_path, sizeof address.sun_path - 1);
        ASSERT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        ::listen(listener_, 64);
        stopping_ = false;
        thread_ = std::thread([this] { serve(); });
    }
    // Cuts all connections; new ones are refused.
    void close() {
        if (!thread_.joinable()) return;
        stopping_ = true;
        thread_.join();
        ::close(listener_);
        ::unlink(path_.c_str());
    }

  private:
    void serve() {
        std::vector<std::pair<int, int>> pairs;
        while (!stopping_) {
            std::vector<pollfd> fds{{listener_, POLLIN, 0}};
            for (const auto& [a, b] : pairs) {
                fds.push_back({a, POLLIN, 0});
                fds.push_back({b, POLLIN, 0});
            }
            if (::poll(fds.data(), fds.size(), 20) <= 0) continue;
            std::vector<std::pair<int, int>> kept;
            for (std::size_t i = 0; i < pairs.size(); ++i) {
                const auto& [a, b] = pairs[i];
                const bool alive = pass(fds[1 + 2 * i], b) && pass(fds[2 + 2 * i], a);
                if (alive) {
                    kept.push_back(pairs[i]);
                } else {
                    ::close(a);
                    ::close(b);
                }
            }
            pairs = std::move(kept);
            if (fds[0].revents != 0) {
                const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
                const int server = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
                sockaddr_un address{};
                address.sun_family = AF_UNIX;
                upstream_.copy(address.sun_path, sizeof address.sun_path - 1);
                if (::connect(server, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
                    pairs.emplace_back(client, server);
                } else {
                    ::close(client);
                    ::close(server);
                }
            }
        }
        for (const auto& [a, b] : pairs) {
            ::close(a);
            ::close(b);
        }
    }
    static bool pass(const pollfd& from, int to) {
        if (from.revents == 0) return true;
        char bytes[65536];
        const auto n = ::recv(from.fd, bytes, sizeof bytes, 0);
        if (n <= 0) return false;
        ssize_t sent = 0;
        while (sent < n) {
            const auto m =
                ::send(to, bytes + sent, static_cast<std::size_t>(n - sent), MSG_NOSIGNAL);
            if (m <= 0) return false;
            sent += m;
        }
        return true;
    }

    std::string upstream_;
    std::string path_;
    int listener_ = -1;
    std::atomic<bool> stopping_ = false;
    std::thread thread_;
};

class DockerLogs : public testing::Test {
  protected:
    void SetUp() override {
        world_ = DockerWorld::get();
        if (world_ == nullptr) GTEST_SKIP() << "no container engine answers at DOCKER_HOST";
    }
    static void start(DockerBed& bed, const ContainerSpec& spec) {
        MUST(bed.runtime().ensure_network(spec.network));
        MUST(bed.runtime().ensure_image(spec.image));
        MUST(bed.runtime().start(spec));
    }
    // "1" to "n" in order, each once.
    void expect_count(int n) {
        std::vector<LogLine> lines = logs_.lines();
        std::ranges::sort(lines, {}, [](const LogLine& l) { return std::pair(l.at, l.seq); });
        ASSERT_EQ(lines.size(), static_cast<std::size_t>(n));
        for (int i = 0; i < n; ++i) {
            ASSERT_EQ(lines[static_cast<std::size_t>(i)].text, std::to_string(i + 1));
        }
    }

    DockerWorld* world_ = nullptr;
    MemoryLogs logs_;
};

TEST_F(DockerLogs, lines_come_while_the_container_lives_with_whose_they_are) {
    DockerBed bed(*world_, &logs_);
    const auto spec = bed.shell("echo hello; echo trouble >&2; exec /bin/busybox sleep 600", 1, 10);
    start(bed, spec);
    ASSERT_TRUE(bed.eventually([&] { return logs_.lines().size() == 2; }));
    auto lines = logs_.lines();
    std::ranges::sort(lines, {}, &LogLine::stream);
    EXPECT_EQ(lines[0].text, "hello");
    EXPECT_EQ(lines[0].stream, LogStream::out);
    EXPECT_EQ(lines[0].app, spec.instance.app);
    EXPECT_EQ(lines[0].instance, spec.instance.id.str());
    EXPECT_EQ(lines[0].deployment, spec.instance.set);
    EXPECT_EQ(lines[0].process, "web");
    EXPECT_EQ(lines[0].release, 7);
    EXPECT_EQ(lines[1].text, "trouble");
    EXPECT_EQ(lines[1].stream, LogStream::err);
}

TEST_F(DockerLogs, nothing_is_lost_when_a_container_that_has_just_ended_is_removed) {
    DockerBed bed(*world_, &logs_);
    const auto spec = bed.shell("i=1; while [ $i -le 3000 ]; do echo $i; i=$((i+1)); done", 1, 10);
    start(bed, spec);
    EXPECT_EQ(bed.exit_of(spec.instance.id), 0);
    MUST(bed.runtime().remove(spec.instance.id));
    expect_count(3000);
}

TEST_F(DockerLogs, the_last_words_of_what_ended_are_at_hand) {
    DockerBed bed(*world_, &logs_);
    const auto spec = bed.shell("echo first; echo 'cannot connect' >&2; exit 3", 1, 10);
    start(bed, spec);
    EXPECT_EQ(bed.exit_of(spec.instance.id), 3);
    const std::string words = bed.collector()->last_words(spec.instance);
    EXPECT_NE(words.find("cannot connect\n"), std::string::npos) << words;
    EXPECT_NE(words.find("first\n"), std::string::npos) << words;
}

TEST_F(DockerLogs, a_new_collector_goes_on_exactly_where_the_last_one_ended) {
    const auto slowly =
        "i=1; while [ $i -le 400 ]; do echo $i; i=$((i+1)); "
        "[ $((i % 20)) = 0 ] && /bin/busybox usleep 100000; done; exit 0";
    DockerBed bed(*world_);  // starts the container, collects nothing
    const auto spec = bed.shell(slowly, 1, 10);
    start(bed, spec);
    const SystemClock clock;
    std::size_t before = 0;
    for (int round = 0; round < 4; ++round) {
        LogCollector collector(world_->engine(), logs_, clock);
        DockerRuntime runtime(world_->engine(), world_->registry(), clock,
                              {.loco = world_->loco(), .host_ports = {}}, &collector);
        runtime.watch();
        ASSERT_TRUE(bed.eventually([&] { return logs_.lines().size() > before; }));
        before = logs_.lines().size();
    }
    EXPECT_EQ(bed.exit_of(spec.instance.id), 0);
    LogCollector collector(world_->engine(), logs_, clock);
    DockerRuntime runtime(world_->engine(), world_->registry(), clock,
                          {.loco = world_->loco(), .host_ports = {}}, &collector);
    MUST(runtime.remove(spec.instance.id));
    expect_count(400);
}

TEST_F(DockerLogs, a_store_that_refuses_for_a_while_costs_nothing) {
    DockerBed bed(*world_, &logs_);
    const auto spec = bed.shell(
        "i=1; while [ $i -le 200 ]; do echo $i; i=$((i+1)); "
        "[ $((i % 20)) = 0 ] && /bin/busybox usleep 50000; done; exit 0",
        1, 10);
    start(bed, spec);
    ASSERT_TRUE(bed.eventually([&] { return !logs_.lines().empty(); }));
    logs_.refuse(true);
    const int appends = logs_.appends();
    ASSERT_TRUE(bed.eventually([&] { return logs_.appends() > appends + 1; }));
    logs_.refuse(false);
    EXPECT_EQ(bed.exit_of(spec.instance.id), 0);
    MUST(bed.runtime().remove(spec.instance.id));
    expect_count(200);
}

TEST_F(DockerLogs,
       when_the_engine_was_away_everything_may_have_changed_and_no_line_is_lost_or_doubled) {
    Relay relay(world_->engine().socket());
    engine::Engine engine(relay.path());
    const SystemClock clock;
    LogCollector collector(engine, logs_, clock);
    DockerRuntime runtime(engine, world_->registry(), clock,
                          {.loco = world_->loco(), .host_ports = {}}, &collector);
    std::atomic<int> everything = 0;
    runtime.on_change([&](std::optional<AppId> app) {
        if (!app) ++everything;
    });
    runtime.watch();
    DockerBed bed(*world_);
    ASSERT_TRUE(bed.eventually([&] { return everything == 1; }));
    const auto spec = bed.shell(
        "i=1; while [ $i -le 300 ]; do echo $i; i=$((i+1)); "
        "[ $((i % 20)) = 0 ] && /bin/busybox usleep 100000; done; exit 0",
        1, 10);
    start(bed, spec);
    ASSERT_TRUE(bed.eventually([&] { return logs_.lines().size() > 20; }));
    relay.close();
    auto away = runtime.list_all();
    ASSERT_FALSE(away);
    EXPECT_EQ(away.error().kind, ErrorKind::unavailable);
    EXPECT_FALSE(away.error().hint.empty());
    relay.open();
    ASSERT_TRUE(bed.eventually([&] { return everything >= 2; }));
    EXPECT_EQ(bed.exit_of(spec.instance.id), 0);
    MUST(runtime.remove(spec.instance.id));
    expect_count(300);
}

TEST_F(DockerLogs, a_line_of_100_kb_comes_in_two_pieces) {
    DockerBed bed(*world_, &logs_);
    const auto spec =
        bed.shell("/bin/busybox head -c 100000 /dev/zero | /bin/busybox tr '\\0' a; echo", 1, 10);
    start(bed, spec);
    EXPECT_EQ(bed.exit_of(spec.instance.id), 0);
    MUST(bed.runtime().remove(spec.instance.id));
    const auto lines = logs_.lines();
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0].text, std::string(kMaxLineBytes, 'a'));
    EXPECT_EQ(lines[1].text, std::string(100000 - kMaxLineBytes, 'a'));
}

}  // namespace
}  // namespace loco::runtime
