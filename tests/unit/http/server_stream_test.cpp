#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <set>
#include <thread>

#include "http/client.hpp"
#include "http/server.hpp"
#include "tests/unit/http/raw_server.hpp"

namespace loco::http {
namespace {

using namespace std::chrono_literals;
using test::connect_to;
using test::RawConnection;
using SteadyClock = std::chrono::steady_clock;

template <class Condition>
bool eventually(Condition condition) {
    const auto end = SteadyClock::now() + 10s;
    while (SteadyClock::now() < end) {
        if (condition()) return true;
        std::this_thread::yield();
    }
    return false;
}

// What a test says into a stream, and what it learns about it.
struct Source {
    std::mutex mutex;
    std::deque<std::string> chunks;
    bool ended = false;
    std::function<void()> waker;
    int destroyed = 0;
    std::set<std::thread::id> threads;

    void say(std::string text) {
        std::function<void()> wake;
        {
            const std::lock_guard lock(mutex);
            chunks.push_back(std::move(text));
            wake = waker;
        }
        if (wake) wake();
    }
    void end() {
        std::function<void()> wake;
        {
            const std::lock_guard lock(mutex);
            ended = true;
            wake = waker;
        }
        if (wake) wake();
    }
    bool is_open() {
        const std::lock_guard lock(mutex);
        return static_cast<bool>(waker);
    }
    int destroyed_count() {
        const std::lock_guard lock(mutex);
        return destroyed;
    }
};

class SourceStream final : public BodyStream {
  public:
    explicit SourceStream(Source& source) : source_(source) {}
    ~SourceStream() override {
        const std::lock_guard lock(source_.mutex);
        ++source_.destroyed;
        source_.threads.insert(std::this_thread::get_id());
    }
    Chunk next() override {
        const std::lock_guard lock(source_.mutex);
        source_.threads.insert(std::this_thread::get_id());
        if (source_.chunks.empty()) return {.ended = source_.ended};
        Chunk chunk{.data = std::move(source_.chunks.front())};
        source_.chunks.pop_front();
        return chunk;
    }
    void set_waker(std::function<void()> waker) override {
        const std::lock_guard lock(source_.mutex);
        source_.waker = std::move(waker);
    }
    [[nodiscard]] std::string keep_alive() const override { return ": keep-alive\n\n"; }

  private:
    Source& source_;
};

std::unique_ptr<Server> serve(Source& source, ServerOptions options = {}) {
    auto server = Server::start(options, [&source](Request&&) {
        Response response;
        response.headers.add("Content-Type", "text/event-stream");
        response.stream = std::make_shared<SourceStream>(source);
        return response;
    });
    EXPECT_TRUE(server);
    return std::move(*server);
}

constexpr std::string_view kGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

TEST(ServerStream, sends_what_is_said_at_once_and_ends_with_it) {
    Source source;
    const auto server = serve(source);
    RawConnection c(connect_to(server->port()));
    c.send(kGet);
    EXPECT_NE(c.read_head().find("Transfer-Encoding: chunked\r\n"), std::string::npos);
    ASSERT_TRUE(eventually([&] { return source.is_open(); }));
    source.say("first");
    EXPECT_EQ(c.read_until("first\r\n"), "5\r\nfirst\r\n");
    source.say("second");
    EXPECT_EQ(c.read_until("second\r\n"), "6\r\nsecond\r\n");
    source.end();
    EXPECT_EQ(c.read_to_end(), "0\r\n\r\n");
    EXPECT_TRUE(eventually([&] { return source.destroyed_count() == 1; }));
    EXPECT_EQ(source.threads.size(), 1U) << "read and destroyed by the one stream thread";
    source.say("after the end the waker does nothing");
}

TEST(ServerStream, loses_nothing_between_producer_and_client) {
    Source source;
    const auto server = serve(source);
    std::string received;
    std::thread producer([&] {
        for (int i = 0; i < 20'000; ++i) source.say(std::to_string(i) + "\n");
        source.end();
    });
    Client client;
    const auto response =
        client.send({.url = "http://127.0.0.1:" + std::to_string(server->port()) + "/",
                     .on_data = [&](std::string_view data) {
                         received += data;
                         return true;
                     }});
    producer.join();
    ASSERT_TRUE(response) << response.error().message;
    std::string expected;
    for (int i = 0; i < 20'000; ++i) expected += std::to_string(i) + "\n";
    EXPECT_EQ(received, expected);
}

TEST(ServerStream, is_destroyed_when_its_client_goes_away_in_silence) {
    Source source;
    const auto server = serve(source);
    {
        RawConnection c(connect_to(server->port()));
        c.send(kGet);
        c.read_head();
        ASSERT_TRUE(eventually([&] { return source.is_open(); }));
    }
    EXPECT_TRUE(eventually([&] { return source.destroyed_count() == 1; }));
    EXPECT_TRUE(eventually([&] { return server->stats().connections_open == 0; }));
}

TEST(ServerStream, is_destroyed_when_its_client_takes_nothing_any_more) {
    Source source;
    const auto server = serve(source, {.write_timeout = 200ms});
    RawConnection c(connect_to(server->port()));
    c.send(kGet);
    c.read_head();
    for (int i = 0; i < 1000; ++i) source.say(std::string(65'536, 'x'));
    EXPECT_TRUE(eventually([&] { return source.destroyed_count() == 1; }));
}

TEST(ServerStream, sends_a_sign_of_life_in_silence) {
    Source source;
    const auto server = serve(source, {.stream_keep_alive = 50ms});
    RawConnection c(connect_to(server->port()));
    c.send(kGet);
    c.read_head();
    EXPECT_EQ(c.read_until("keep-alive\n\n\r\n"), "e\r\n: keep-alive\n\n\r\n");
    EXPECT_EQ(c.read_until("keep-alive\n\n\r\n"), "e\r\n: keep-alive\n\n\r\n");
}

TEST(ServerStream, is_not_started_for_head_and_not_chunked_for_http_1_0) {
    Source source;
    source.chunks = {"abc"};
    source.ended = true;
    const auto server = serve(source);
    RawConnection head(connect_to(server->port()));
    head.send("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(head.read_to_end().ends_with("\r\n\r\n"));
    EXPECT_FALSE(source.is_open());
    RawConnection old(connect_to(server->port()));
    old.send("GET / HTTP/1.0\r\n\r\n");
    const auto response = old.read_to_end();
    EXPECT_EQ(response.find("chunked"), std::string::npos);
    EXPECT_TRUE(response.ends_with("\r\n\r\nabc")) << response;
}

TEST(ServerStream, is_cut_off_when_the_server_stops) {
    Source source;
    const auto server = serve(source);
    RawConnection c(connect_to(server->port()));
    c.send(kGet);
    c.read_head();
    ASSERT_TRUE(eventually([&] { return source.is_open(); }));
    server->stop(10s);
    EXPECT_EQ(source.destroyed_count(), 1);
    EXPECT_EQ(c.read_to_end(), "") << "no last chunk: the client sees that it is not complete";
    source.say("after the server's end the waker does nothing");
}

TEST(ServerStream, many_need_no_thread_each) {
    constexpr int kStreams = 300;
    Source source;
    const auto server = serve(source);
    std::vector<std::unique_ptr<RawConnection>> clients;
    for (int i = 0; i < kStreams; ++i) {
        clients.push_back(std::make_unique<RawConnection>(connect_to(server->port())));
        clients.back()->send(kGet);
        EXPECT_FALSE(clients.back()->read_head().empty());
    }
    source.end();
    server->stop(10s);
    EXPECT_EQ(source.destroyed_count(), kStreams);
    EXPECT_EQ(source.threads.size(), 1U);
}

}  // namespace
}  // namespace loco::http
