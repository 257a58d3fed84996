#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "runtime/health/health_monitor.hpp"
#include "runtime/health/probe.hpp"
#include "tests/unit/http/raw_server.hpp"

namespace loco {
namespace {

using http::test::ok;
using http::test::RawConnection;
using http::test::RawServer;
using std::chrono::milliseconds;

int port_of(const RawServer& server) {
    const std::string url = server.url("");
    return std::stoi(url.substr(url.rfind(':') + 1));
}

class HealthMonitorTest : public testing::Test {
  protected:
    HealthMonitorTest() {
        monitor_.on_change([this](const AppId&) {
            ++changes_;
            changed_.notify_all();
        });
    }

    HealthTarget target(int port, std::string path = {}) {
        HealthTarget target;
        target.instance = InstanceId("inst_1");
        target.app = AppId("app_1");
        target.attempt = 1;
        target.address = "127.0.0.1";
        target.port = port;
        target.spec.path = std::move(path);
        target.spec.interval = milliseconds(50);
        target.spec.timeout = milliseconds(1500);
        target.spec.failures = 3;
        target.spec.grace = milliseconds(0);
        return target;
    }

    bool eventually(const std::function<bool(const HealthView&)>& holds) {
        const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!holds(monitor_.view(InstanceId("inst_1")))) {
            if (std::chrono::steady_clock::now() > deadline) return false;
            std::unique_lock lock(mutex_);
            changed_.wait_for(lock, milliseconds(10));
        }
        return true;
    }
    bool becomes_healthy() {
        return eventually([](const HealthView& v) { return v.ever_healthy && !v.failing; });
    }
    std::string first_problem() {
        eventually([](const HealthView& v) { return !v.last.words.empty(); });
        return monitor_.view(InstanceId("inst_1")).last.words;
    }

    SystemClock clock_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::atomic<int> changes_ = 0;
    ProbingHealthMonitor monitor_{clock_};
};

RawServer::Script answers(std::string bytes) {
    return [bytes = std::move(bytes)](RawConnection& connection) {
        connection.read_head();
        connection.send(bytes);
    };
}

TEST_F(HealthMonitorTest, an_answer_below_500_is_healthy_when_no_path_is_set) {
    RawServer server(answers("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
    monitor_.watch(target(port_of(server)));
    EXPECT_TRUE(becomes_healthy());
    EXPECT_GE(changes_.load(), 1);
    EXPECT_EQ(monitor_.view(InstanceId("inst_1")).last.words, "");
}

TEST_F(HealthMonitorTest, with_a_path_only_2xx_and_3xx_are_healthy) {
    RawServer missing(answers("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
    monitor_.watch(target(port_of(missing), "/healthz"));
    EXPECT_EQ(first_problem(), "GET /healthz answered 404");
    RawServer moved(answers("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"));
    monitor_.watch(target(port_of(moved), "/healthz"));
    EXPECT_TRUE(becomes_healthy());
    EXPECT_EQ(port_of(moved) == port_of(missing), false);
}

TEST_F(HealthMonitorTest, a_redirect_to_itself_is_no_answer_unless_it_sets_a_cookie) {
    RawServer circle(
        answers("HTTP/1.1 302 Found\r\nLocation: /healthz\r\nContent-Length: 0\r\n\r\n"));
    monitor_.watch(target(port_of(circle), "/healthz"));
    EXPECT_EQ(first_problem(), "GET /healthz answered 302, a redirect to itself");
    EXPECT_EQ(monitor_.view(InstanceId("inst_1")).last.saw, HealthCheck::Saw::circle);
    RawServer cookie(
        answers("HTTP/1.1 302 Found\r\nSet-Cookie: seen=1\r\nLocation: /healthz\r\n"
                "Content-Length: 0\r\n\r\n"));
    monitor_.watch(target(port_of(cookie), "/healthz"));
    EXPECT_TRUE(becomes_healthy());
    // To TLS, which the gateway does: the app is well.
    RawServer upgrade(
        answers("HTTP/1.1 301 Moved\r\nLocation: https://shop.example/healthz\r\n"
                "Content-Length: 0\r\n\r\n"));
    monitor_.watch(target(port_of(upgrade), "/healthz"));
    EXPECT_TRUE(becomes_healthy());
}

TEST_F(HealthMonitorTest, a_server_error_is_told_with_what_was_asked) {
    RawServer server(answers("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\noops"));
    monitor_.watch(target(port_of(server)));
    EXPECT_EQ(first_problem(), "GET / answered 503");
}

TEST_F(HealthMonitorTest, a_port_that_nothing_listens_on_is_told) {
    int port = 0;
    {
        RawServer server(answers(""));
        port = port_of(server);
    }
    monitor_.watch(target(port));
    EXPECT_EQ(first_problem(),
              "nothing listens on port " + std::to_string(port) + " (connection refused)");
}

TEST_F(HealthMonitorTest, an_instance_that_is_silent_is_told_with_the_time_that_was_waited) {
    RawServer server([](RawConnection& connection) { connection.read_to_end(); });
    auto slow = target(port_of(server));
    slow.spec.timeout = milliseconds(250);
    monitor_.watch(slow);
    EXPECT_EQ(first_problem(), "no answer within 250ms");
}

TEST_F(HealthMonitorTest, an_instance_that_speaks_tls_is_told_so) {
    // An alert, as OpenSSL answers plain HTTP.
    RawServer alert(answers(std::string("\x15\x03\x01\x00\x02\x02\x46", 7)));
    monitor_.watch(target(port_of(alert)));
    EXPECT_NE(first_problem().find("answers in TLS"), std::string::npos) << first_problem();
    // And as Go's and nginx's servers do.
    RawServer polite(answers(
        "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n"));
    monitor_.watch(target(port_of(polite)));
    EXPECT_TRUE(eventually([](const HealthView& v) {
        return v.last.words.find("answers in TLS") != std::string::npos && !v.ever_healthy;
    }));
}

TEST_F(HealthMonitorTest, an_instance_that_hangs_up_or_speaks_something_else_is_told) {
    RawServer silent([](RawConnection& connection) { connection.read_head(); });
    monitor_.watch(target(port_of(silent)));
    EXPECT_NE(first_problem().find("closed the connection without an answer"), std::string::npos)
        << first_problem();
    RawServer mail(answers("220 mail.example.com ESMTP\r\n"));
    auto other = target(port_of(mail));
    other.instance = InstanceId("inst_2");
    monitor_.watch(other);
    EXPECT_TRUE(eventually([&](const HealthView&) {
        return monitor_.view(other.instance).last.words.find("not in HTTP") != std::string::npos;
    })) << monitor_.view(other.instance).last.words;
}

TEST_F(HealthMonitorTest, an_answer_without_an_end_is_an_answer) {
    RawServer server([](RawConnection& connection) {
        connection.read_head();
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
        connection.read_to_end();
    });
    const auto begin = clock_.steady();
    monitor_.watch(target(port_of(server)));
    EXPECT_TRUE(becomes_healthy());
    EXPECT_LT(clock_.steady() - begin, std::chrono::milliseconds(1200));
}

TEST_F(HealthMonitorTest, a_huge_answer_is_not_read_to_its_end) {
    std::atomic<std::size_t> sent = 0;
    RawServer server([&](RawConnection& connection) {
        connection.read_head();
        connection.send("HTTP/1.1 200 OK\r\n\r\n");
        const std::string chunk(1U << 20, 'x');
        for (int i = 0; i < 64 && connection.send(chunk); ++i) sent += chunk.size();
    });
    monitor_.watch(target(port_of(server)));
    EXPECT_TRUE(becomes_healthy());
    monitor_.unwatch(InstanceId("inst_1"));
    EXPECT_LT(sent.load(), std::size_t{32} << 20);
}

TEST_F(HealthMonitorTest, until_it_is_healthy_it_is_asked_at_least_every_100_ms) {
    std::atomic<int> asked = 0;
    RawServer server([&](RawConnection& connection) {
        connection.read_head();
        connection.send(++asked < 6 ? "HTTP/1.1 503 Not Yet\r\nContent-Length: 0\r\n\r\n"
                                    : ok("up"));
    });
    auto lazy = target(port_of(server));
    lazy.spec.interval = std::chrono::seconds(30);
    const auto begin = clock_.steady();
    monitor_.watch(lazy);
    EXPECT_TRUE(becomes_healthy());
    EXPECT_LT(clock_.steady() - begin, std::chrono::milliseconds(900));
}

TEST_F(HealthMonitorTest,
       as_many_failures_in_a_row_as_were_set_count_as_failing_and_one_success_ends_it) {
    std::atomic<bool> up = true;
    std::atomic<int> refused = 0;
    RawServer server([&](RawConnection& connection) {
        connection.read_head();
        if (!up) ++refused;
        connection.send(up ? ok("up") : "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n");
    });
    monitor_.watch(target(port_of(server), "/healthz"));
    ASSERT_TRUE(becomes_healthy());
    up = false;
    EXPECT_TRUE(eventually([](const HealthView& v) { return v.failing && v.ever_healthy; }));
    EXPECT_GE(refused.load(), 3);
    EXPECT_EQ(first_problem(), "GET /healthz answered 500");
    up = true;
    EXPECT_TRUE(becomes_healthy());
}

TEST_F(HealthMonitorTest, failures_in_the_grace_time_do_not_count) {
    std::atomic<int> asked = 0;
    RawServer server([&](RawConnection& connection) {
        connection.read_head();
        connection.send(++asked == 1 ? ok("up")
                                     : "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n");
    });
    auto patient = target(port_of(server));
    patient.spec.grace = std::chrono::hours(1);
    monitor_.watch(patient);
    ASSERT_TRUE(eventually([&](const HealthView& v) { return asked > 8 && v.ever_healthy; }));
    EXPECT_FALSE(monitor_.view(patient.instance).failing);
    EXPECT_EQ(monitor_.view(patient.instance).last.words, "GET / answered 500");
}

TEST_F(HealthMonitorTest, the_same_target_goes_on_and_another_attempt_begins_anew) {
    RawServer server(answers(ok("up")));
    auto first = target(port_of(server));
    monitor_.watch(first);
    ASSERT_TRUE(becomes_healthy());
    monitor_.watch(first);
    EXPECT_TRUE(monitor_.view(first.instance).ever_healthy);
    auto second = first;
    second.attempt = 2;
    second.port = 1;
    monitor_.watch(second);
    EXPECT_FALSE(monitor_.view(first.instance).ever_healthy);
    monitor_.unwatch(first.instance);
    EXPECT_FALSE(monitor_.view(first.instance).ever_healthy);
}

TEST_F(HealthMonitorTest, without_a_path_h2c_needs_only_a_connection) {
    RawServer server([](RawConnection& connection) { connection.read_to_end(); });
    auto grpc = target(port_of(server));
    grpc.protocol = Protocol::h2c;
    monitor_.watch(grpc);
    EXPECT_TRUE(becomes_healthy());
}

TEST_F(HealthMonitorTest, with_a_path_h2c_is_asked_in_http_2) {
    std::string preface;
    std::mutex mutex;
    RawServer server([&](RawConnection& connection) {
        const auto bytes = connection.read_bytes(24);
        const std::lock_guard lock(mutex);
        preface = bytes;
    });
    auto grpc = target(port_of(server), "/healthz");
    grpc.protocol = Protocol::h2c;
    monitor_.watch(grpc);
    EXPECT_TRUE(eventually([&](const HealthView&) {
        const std::lock_guard lock(mutex);
        return preface == "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    }));
}

TEST_F(HealthMonitorTest, a_hundred_instances_are_asked_at_once) {
    RawServer server(answers(ok("up")));
    for (int i = 0; i < 100; ++i) {
        auto one = target(port_of(server));
        one.instance = InstanceId("inst_" + std::to_string(i));
        one.spec.interval = std::chrono::seconds(30);
        monitor_.watch(one);
    }
    EXPECT_TRUE(eventually([&](const HealthView&) {
        for (int i = 0; i < 100; ++i) {
            if (!monitor_.view(InstanceId("inst_" + std::to_string(i))).ever_healthy) return false;
        }
        return true;
    }));
}

TEST(HealthWords, durations_are_said_as_in_loco_toml) {
    EXPECT_EQ(runtime::in_words(milliseconds(2000)), "2s");
    EXPECT_EQ(runtime::in_words(milliseconds(1500)), "1.5s");
    EXPECT_EQ(runtime::in_words(milliseconds(250)), "250ms");
}

}  // namespace
}  // namespace loco
