#include "http/server.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "http/client.hpp"
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

Response echo(Request&& request) {
    Response response;
    response.headers.add("Content-Type", "text/plain");
    response.body = std::string(to_string(request.method)) + " " + request.path;
    for (const auto& [name, value] : request.query) response.body += " " + name + "=" + value;
    response.body += " [" + request.body + "]";
    return response;
}

std::unique_ptr<Server> serve(Server::Handler handler = echo, ServerOptions options = {}) {
    auto server = Server::start(options, std::move(handler));
    EXPECT_TRUE(server) << server.error().message;
    return std::move(*server);
}

// One response, read by its Content-Length.
std::string read_response(RawConnection& c) {
    const auto head = c.read_head();
    const auto at = head.find("Content-Length: ");
    if (at == std::string::npos) return head;
    return head + c.read_bytes(std::stoul(head.substr(at + 16)));
}

// What the server says to these bytes until it closes.
std::string ask(const Server& server, std::string_view bytes) {
    RawConnection c(connect_to(server.port()));
    c.send(bytes);
    ::shutdown(c.fd(), SHUT_WR);
    return c.read_to_end();
}

std::string status_of(std::string_view response) {
    return response.size() < 12 ? "none" : std::string(response.substr(9, 3));
}

// Lowers the number of descriptors of this process while it lives.
class DescriptorLimit {
  public:
    explicit DescriptorLimit(rlim_t limit) {
        ::getrlimit(RLIMIT_NOFILE, &old_);
        auto low = old_;
        low.rlim_cur = limit;
        EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &low), 0);
    }
    ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &old_); }
    DescriptorLimit(const DescriptorLimit&) = delete;
    DescriptorLimit& operator=(const DescriptorLimit&) = delete;

  private:
    rlimit old_{};
};

// Lets handlers of a test wait until the test goes on.
class Gate {
  public:
    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        changed_.notify_all();
    }
    void pass() {
        std::unique_lock lock(mutex_);
        ++waiting_;
        changed_.wait_for(lock, 20s, [this] { return open_; });
    }
    int waiting() {
        const std::lock_guard lock(mutex_);
        return waiting_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool open_ = false;
    int waiting_ = 0;
};

TEST(Server, answers_requests_of_one_connection_in_turn) {
    const auto server = serve();
    RawConnection c(connect_to(server->port()));
    c.send("GET /a%20b?x=1&y=%2B HTTP/1.1\r\nHost: x\r\n\r\n");
    const auto first = read_response(c);
    EXPECT_TRUE(first.starts_with("HTTP/1.1 200 OK\r\nDate: ")) << first;
    EXPECT_TRUE(first.ends_with("\r\n\r\nGET /a b x=1 y=+ []")) << first;
    EXPECT_EQ(first.find("Connection:"), std::string::npos);
    c.send("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
    EXPECT_TRUE(read_response(c).ends_with("POST /p [hello]"));
    EXPECT_EQ(server->stats().connections_total, 1U);
    EXPECT_EQ(server->stats().requests_total, 2U);
}

TEST(Server, answers_pipelined_requests_in_order) {
    const auto server = serve();
    std::string requests;
    for (int i = 0; i < 50; ++i) {
        requests += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n";
        requests +=
            "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab";
    }
    RawConnection c(connect_to(server->port()));
    c.send(requests);
    for (int i = 0; i < 50; ++i) {
        EXPECT_TRUE(read_response(c).ends_with("GET /" + std::to_string(i) + " []"));
        EXPECT_TRUE(read_response(c).ends_with("POST /" + std::to_string(i) + " [ab]"));
    }
}

TEST(Server, takes_a_request_byte_by_byte) {
    const auto server = serve();
    RawConnection c(connect_to(server->port()));
    for (const char byte :
         std::string_view("\r\nPUT /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                          "3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: 1\r\n\r\n")) {
        ASSERT_TRUE(c.send({&byte, 1}));
    }
    EXPECT_TRUE(read_response(c).ends_with("PUT /x [abcde]"));
}

TEST(Server, does_not_take_trailers_for_headers) {
    std::string seen = "unset";
    const auto server = serve([&](Request&& r) {
        seen = r.headers.get("Authorization");
        return Response{};
    });
    ask(*server,
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: "
        "a\r\n\r\n");
    EXPECT_EQ(seen, "");
}

TEST(Server, head_has_the_length_and_no_body) {
    const auto server = serve();
    const auto response =
        ask(*server, "HEAD /abc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_NE(response.find("Content-Length: 12\r\n"), std::string::npos) << response;
    EXPECT_TRUE(response.ends_with("\r\n\r\n"));
}

TEST(Server, a_204_has_neither_body_nor_length) {
    const auto server = serve([](Request&&) { return Response{.status = 204, .body = "x"}; });
    const auto response = ask(*server, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(response.find("Content-Length"), std::string::npos);
    EXPECT_TRUE(response.ends_with("\r\n\r\n"));
}

TEST(Server, keeps_or_closes_as_the_client_says) {
    const auto server = serve();
    const auto closed = ask(*server, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_NE(closed.find("Connection: close\r\n"), std::string::npos);
    const auto old = ask(*server, "GET / HTTP/1.0\r\n\r\n");
    EXPECT_NE(old.find("Connection: close\r\n"), std::string::npos);
    RawConnection c(connect_to(server->port()));
    c.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_NE(read_response(c).find("Connection: keep-alive\r\n"), std::string::npos);
    c.send("GET / HTTP/1.0\r\n\r\n");
    EXPECT_EQ(status_of(read_response(c)), "200");
}

TEST(Server, tells_the_client_to_go_on_with_a_large_body) {
    const auto server = serve();
    RawConnection c(connect_to(server->port()));
    c.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    EXPECT_EQ(c.read_head(), "HTTP/1.1 100 Continue\r\n\r\n");
    c.send("abc");
    EXPECT_TRUE(read_response(c).ends_with("[abc]"));
}

TEST(Server, refuses_what_is_malformed_ambiguous_or_not_served) {
    const auto server = serve(echo, {.max_body_bytes = 100});
    struct Case {
        std::string request;
        std::string status;
    };
    const std::string get = "GET / HTTP/1.1\r\nHost: x\r\n";
    const std::string post = "POST / HTTP/1.1\r\nHost: x\r\n";
    const std::vector<Case> cases{
        {"\x16\x03\x01", "400"},  // TLS on a plain port
        {"GET\r\n\r\n", "400"},
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", "505"},
        {"GET / HTTP/1.1\r\n\r\n", "400"},
        {get + "Host: y\r\n\r\n", "400"},
        {get + "X: a\r\n b\r\n\r\n", "400"},
        {get + "X : a\r\n\r\n", "400"},
        {get + "X\r\n\r\n", "400"},
        {get + std::string("X: a\0b\r\n\r\n", 10), "400"},
        {"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET /a/../b HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET /%2e%2e/b HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET /a%2fb HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET /%ff HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET /\xc3\xbc HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET /?a=%g1 HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"GET a HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
        {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "405"},
        {"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", "405"},
        {"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", "501"},
        {post + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "400"},
        {post + "Content-Length: 3, 3\r\n\r\nabc", "400"},
        {post + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
        {post + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", "400"},
        {post + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
        {post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "501"},
        {post + "Transfer-Encoding: identity\r\n\r\n", "501"},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"},
        {post + "Content-Length: -1\r\n\r\n", "400"},
        {post + "Content-Length: 99999999999999999999\r\n\r\n", "400"},
        {post + "Content-Length: 101\r\n\r\n", "413"},
        {post + "Content-Length: 101\r\nExpect: 100-continue\r\n\r\n", "413"},
        {post + "Transfer-Encoding: chunked\r\n\r\n65\r\nabc", "413"},
        {post + "Transfer-Encoding: chunked\r\n\r\nxx\r\nabc", "400"},
        {post + "Content-Length: 1\r\nExpect: cake\r\n\r\na", "417"},
        {get + "X: " + std::string(20'000, 'a') + "\r\n\r\n", "431"},
        {"GET /" + std::string(20'000, 'a'), "431"},
        {post + "Transfer-Encoding: chunked\r\n\r\n1;" + std::string(20'000, 'a'), "400"},
    };
    for (const auto& [request, status] : cases) {
        const auto response = ask(*server, request);
        ASSERT_GE(response.size(), 12U) << request.substr(0, 200);
        EXPECT_EQ(status_of(response), status) << request.substr(0, 200);
        EXPECT_NE(response.find("Content-Type: application/problem+json\r\n"), std::string::npos);
        EXPECT_NE(response.find("Connection: close\r\n"), std::string::npos);
        EXPECT_EQ(response.find("Date: ", response.find("Date: ") + 1), std::string::npos)
            << "one answer only: " << response;
    }
    EXPECT_EQ(server->stats().rejected_total, cases.size());
}

TEST(Server, refusals_name_their_code_or_come_from_the_hook) {
    const auto server = serve(echo, {.max_body_bytes = 1});
    const std::string large = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab";
    EXPECT_NE(ask(*server, large).find(R"("status":413,)"), std::string::npos);
    EXPECT_NE(ask(*server, large).find(R"("code":"payload_too_large")"), std::string::npos);
    ServerOptions options{.max_body_bytes = 1};
    options.on_refusal = [](int status, std::string_view code, std::string_view) {
        return Response{.status = status, .body = "mine: " + std::string(code)};
    };
    const auto hooked = serve(echo, options);
    EXPECT_TRUE(ask(*hooked, large).ends_with("mine: payload_too_large"));
}

TEST(Server, takes_the_absolute_form_of_a_target) {
    const auto server = serve();
    EXPECT_TRUE(ask(*server, "GET http://x:80/a?b=c HTTP/1.1\r\nHost: x\r\n\r\n")
                    .ends_with("GET /a b=c []"));
    EXPECT_TRUE(ask(*server, "GET http://x HTTP/1.1\r\nHost: x\r\n\r\n").ends_with("GET / []"));
}

TEST(Server, gives_its_refusal_to_a_client_that_is_still_sending) {
    const auto server = serve(echo, {.max_body_bytes = 1000});
    Client client;
    const auto response =
        client.send({.method = Method::post,
                     .url = "http://127.0.0.1:" + std::to_string(server->port()) + "/",
                     .body = std::string(3'000'000, 'x')});
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->status, 413);
}

TEST(Server, bounds_the_bytes_of_all_bodies_together) {
    const auto server = serve(echo, {.max_buffered_bytes = 1000});
    EXPECT_EQ(status_of(ask(*server, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n" +
                                         std::string(1001, 'x'))),
              "503");
    EXPECT_EQ(status_of(ask(*server, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" +
                                         std::string(1000, 'x'))),
              "200");
}

TEST(Server, gives_up_slow_requests) {
    const auto server =
        serve(echo, {.header_timeout = 100ms, .body_timeout = 100ms, .idle_timeout = 100ms});
    RawConnection silent(connect_to(server->port()));
    RawConnection slow_head(connect_to(server->port()));
    RawConnection slow_body(connect_to(server->port()));
    slow_head.send("GET / HT");
    slow_body.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab");
    EXPECT_EQ(status_of(slow_head.read_to_end()), "408");
    EXPECT_EQ(status_of(slow_body.read_to_end()), "408");
    EXPECT_EQ(silent.read_to_end(), "");
}

TEST(Server, gives_up_a_client_that_does_not_take_its_answer) {
    const auto server =
        serve([](Request&&) { return Response{.body = std::string(64U << 20, 'x')}; },
              {.write_timeout = 200ms});
    RawConnection c(connect_to(server->port()));
    c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_TRUE(eventually([&] {
        return server->stats().connections_total == 1 && server->stats().connections_open == 0;
    }));
}

TEST(Server, a_handler_that_blocks_does_not_hold_up_others) {
    Gate gate;
    const auto server = serve([&](Request&& r) {
        if (r.path == "/slow") gate.pass();
        return echo(std::move(r));
    });
    std::vector<std::unique_ptr<RawConnection>> slow;
    for (int i = 1; i <= 3; ++i) {
        slow.push_back(std::make_unique<RawConnection>(connect_to(server->port())));
        slow.back()->send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
        ASSERT_TRUE(eventually([&] { return gate.waiting() == i; }));
        RawConnection quick(connect_to(server->port()));
        quick.send("GET /quick HTTP/1.1\r\nHost: x\r\n\r\n");
        EXPECT_TRUE(read_response(quick).ends_with("GET /quick []"));
    }
    gate.open();
    for (auto& c : slow) EXPECT_TRUE(read_response(*c).ends_with("GET /slow []"));
}

TEST(Server, refuses_with_503_when_all_threads_and_the_queue_are_taken) {
    Gate gate;
    const auto server = serve(
        [&](Request&& r) {
            gate.pass();
            return echo(std::move(r));
        },
        {.handler_threads = 2, .max_queued = 1});
    std::vector<std::unique_ptr<RawConnection>> waiting;
    const auto send = [&](std::string_view method) {
        waiting.push_back(std::make_unique<RawConnection>(connect_to(server->port())));
        waiting.back()->send(std::string(method) + " / HTTP/1.1\r\nHost: x\r\n\r\n");
    };
    send("GET");
    ASSERT_TRUE(eventually([&] { return gate.waiting() == 1; }));
    send("POST");
    ASSERT_TRUE(eventually([&] { return gate.waiting() == 2; }));
    send("GET");  // waits in the queue
    ASSERT_TRUE(eventually([&] { return server->stats().requests_total == 3; }));
    RawConnection c(connect_to(server->port()));
    c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    const auto refused = read_response(c);
    EXPECT_EQ(status_of(refused), "503");
    EXPECT_NE(refused.find("Retry-After: 1\r\n"), std::string::npos);
    gate.open();
    for (auto& w : waiting) EXPECT_EQ(status_of(read_response(*w)), "200");
    c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(status_of(read_response(c)), "200") << "the connection goes on";
}

TEST(Server, gives_up_the_longest_idle_connection_for_a_new_one) {
    const auto server = serve(echo, {.max_connections = 2});
    RawConnection a(connect_to(server->port()));
    a.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    read_response(a);
    RawConnection b(connect_to(server->port()));
    b.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    read_response(b);
    RawConnection c(connect_to(server->port()));
    c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(status_of(read_response(c)), "200");
    EXPECT_TRUE(a.closed_within(5000));
    EXPECT_FALSE(b.closed_within(0));
}

TEST(Server, refuses_a_connection_when_all_are_busy) {
    Gate gate;
    const auto server = serve(
        [&](Request&& r) {
            gate.pass();
            return echo(std::move(r));
        },
        {.max_connections = 1});
    RawConnection busy(connect_to(server->port()));
    busy.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return gate.waiting() == 1; }));
    RawConnection c(connect_to(server->port()));
    EXPECT_EQ(status_of(c.read_to_end()), "503");
    gate.open();
    EXPECT_EQ(status_of(read_response(busy)), "200");
}

TEST(Server, gives_up_an_idle_connection_when_descriptors_run_out) {
#if __has_feature(undefined_behavior_sanitizer)
    GTEST_SKIP()
        << "the sanitizer opens a pipe to look at memory, and takes its failure for a bad pointer";
#endif
    const auto server = serve();
    RawConnection idle(connect_to(server->port()));
    ASSERT_TRUE(eventually([&] { return server->stats().connections_open == 1; }));
    const int waiting = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    RawConnection late(waiting);
    // No descriptor above those that are there.
    const DescriptorLimit limit(static_cast<rlim_t>(waiting) + 1);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(server->port());
    ASSERT_EQ(::connect(waiting, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_TRUE(idle.closed_within(5000));
    for (int i = 0; i < 3; ++i) {
        late.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        EXPECT_EQ(status_of(read_response(late)), "200");
    }
    EXPECT_FALSE(late.closed_within(300)) << "nobody else waits for a descriptor";
}

TEST(Server, an_answer_that_would_split_headers_becomes_an_error) {
    const auto server = serve([](Request&&) {
        Response response;
        response.headers.add("X-A", "a\r\nSet-Cookie: b");
        return response;
    });
    const auto response = ask(*server, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(status_of(response), "500");
    EXPECT_EQ(response.find("Set-Cookie"), std::string::npos);
}

TEST(Server, says_that_its_address_is_taken) {
    const auto server = serve();
    const auto second = Server::start({.port = server->port()}, echo);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, ErrorKind::unavailable);
    EXPECT_NE(second.error().message.find("127.0.0.1:" + std::to_string(server->port())),
              std::string::npos);
}

TEST(Server, stop_lets_a_running_request_end_and_takes_no_more) {
    Gate gate;
    const auto server = serve([&](Request&& r) {
        gate.pass();
        return echo(std::move(r));
    });
    RawConnection idle(connect_to(server->port()));
    RawConnection running(connect_to(server->port()));
    running.send("POST /r HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    ASSERT_TRUE(eventually([&] { return gate.waiting() == 1; }));
    std::thread stopper([&] { server->stop(10s); });
    EXPECT_TRUE(idle.closed_within(5000));
    EXPECT_LT(connect_to(server->port()), 0);
    gate.open();
    const auto response = running.read_to_end();
    EXPECT_TRUE(response.ends_with("POST /r []")) << response;
    EXPECT_NE(response.find("Connection: close"), std::string::npos);
    stopper.join();
    EXPECT_EQ(server->stats().connections_open, 0U);
}

TEST(Server, starts_and_stops_at_any_moment_while_clients_come) {
    for (int i = 0; i < 150; ++i) {
        const auto server = serve(echo, {.idle_timeout = 80ms});
        std::thread client([&] {
            for (int k = 0; k < 3; ++k) {
                const int fd = connect_to(server->port());
                if (fd < 0) return;
                RawConnection c(fd);
                c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
                read_response(c);
            }
        });
        if (i % 2 == 0) server->stop(std::chrono::milliseconds(i % 7));
        client.join();
    }
}

TEST(Server, serves_thousands_of_idle_connections_beside_others) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    const std::size_t count = std::min<std::size_t>(4000, limit.rlim_max / 2 - 100);
    const auto server = serve(echo, {.max_connections = 20'000});
    std::vector<std::unique_ptr<RawConnection>> idle;
    for (std::size_t i = 0; i < count; ++i) {
        idle.push_back(std::make_unique<RawConnection>(connect_to(server->port())));
        idle.back()->send("GET / HT");
    }
    ASSERT_TRUE(eventually([&] { return server->stats().connections_open == count; }));
    RawConnection c(connect_to(server->port()));
    for (int i = 0; i < 100; ++i) {
        c.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        ASSERT_EQ(status_of(read_response(c)), "200");
    }
}

}  // namespace
}  // namespace loco::http
