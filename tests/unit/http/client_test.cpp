#include "http/client.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <set>

#include "tests/unit/http/raw_server.hpp"

namespace loco::http {
namespace {

using namespace std::chrono_literals;
using test::ok;
using test::RawConnection;
using test::RawServer;

constexpr auto kBound = 10s;

// Answers every request of a connection with its own head.
void echo_heads(RawConnection& c) {
    while (true) {
        const auto head = c.read_head();
        if (head.empty() || !c.send(ok(head))) return;
    }
}

TEST(Client, gives_status_headers_and_body_of_any_status) {
    RawServer server([](RawConnection& c) {
        c.read_head();
        c.send("HTTP/1.1 404 Not Found\r\nX-One: a \r\nX-Two:b\r\nContent-Length: 4\r\n\r\nnope");
    });
    Client client;
    const auto response = client.send({.url = server.url("/x")});
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->status, 404);
    EXPECT_FALSE(response->ok());
    EXPECT_EQ(response->headers.get("x-one"), "a");
    EXPECT_EQ(response->headers.get("X-Two"), "b");
    EXPECT_EQ(response->body, "nope");
}

TEST(Client, sends_each_method_with_its_body_and_no_headers_of_its_own) {
    RawServer server(echo_heads);
    Client client;
    for (const auto method :
         {Method::get, Method::post, Method::put, Method::patch, Method::delete_}) {
        const auto response = client.send({.method = method, .url = server.url("/p?q=1")});
        ASSERT_TRUE(response) << response.error().message;
        EXPECT_TRUE(
            response->body.starts_with(std::string(to_string(method)) + " /p?q=1 HTTP/1.1\r\n"))
            << response->body;
        EXPECT_EQ(response->body.find("Expect"), std::string::npos);
        EXPECT_EQ(response->body.find("Content-Type"), std::string::npos);
        const bool has_length = response->body.find("Content-Length: 0") != std::string::npos;
        EXPECT_EQ(has_length, method != Method::get && method != Method::delete_);
    }
}

TEST(Client, head_has_no_body) {
    RawServer server([](RawConnection& c) {
        c.read_head();
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    });
    Client client;
    const auto response = client.send({.method = Method::head, .url = server.url()});
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_EQ(response->headers.get("Content-Length"), "100");
    EXPECT_EQ(response->body, "");
}

TEST(Client, uses_a_connection_again) {
    RawServer server(echo_heads);
    Client client;
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(client.send({.url = server.url()}));
    ASSERT_TRUE(client.send({.method = Method::post, .url = server.url()}));
    EXPECT_EQ(server.connections(), 1);
}

TEST(Client, speaks_over_a_unix_socket) {
    const auto path = "/tmp/loco-http-test-" + std::to_string(::getpid()) + ".sock";
    ::unlink(path.c_str());
    RawServer server(echo_heads, path);
    Client client;
    const auto response = client.send({.url = "http://docker/v1/ping", .unix_socket = path});
    ::unlink(path.c_str());
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_NE(response->body.find("Host: docker"), std::string::npos);
}

TEST(Client, says_which_socket_nobody_listens_on_and_keeps_the_query_to_itself) {
    Client client;
    const auto response =
        client.send({.url = "http://docker/info?token=abc", .unix_socket = "/nonexistent/x.sock"});
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().kind, ErrorKind::unavailable);
    EXPECT_EQ(response.error().code, "connection_refused");
    EXPECT_NE(response.error().message.find("/nonexistent/x.sock"), std::string::npos);
    EXPECT_EQ(response.error().message.find("abc"), std::string::npos);
}

TEST(Client, ignores_proxies_of_the_environment) {
    ::setenv("http_proxy", "http://127.0.0.1:1", 1);
    RawServer server(echo_heads);
    Client client;
    EXPECT_TRUE(client.send({.url = server.url()}));
    ::unsetenv("http_proxy");
}

TEST(Client, does_not_follow_redirects) {
    RawServer server([](RawConnection& c) {
        c.read_head();
        c.send("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
    });
    Client client;
    const auto response = client.send({.url = server.url()});
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 302);
}

TEST(Client, times_out_when_no_answer_comes) {
    RawServer server([](RawConnection& c) { c.read_to_end(); });
    Client client;
    const auto response = client.send({.url = server.url(), .timeout = 50ms});
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().kind, ErrorKind::unavailable);
    EXPECT_EQ(response.error().code, "timed_out");
}

TEST(Client, is_interrupted_when_cancelled) {
    RawServer server([](RawConnection& c) { c.read_to_end(); });
    Client client;
    int asked = 0;
    const auto response =
        client.send({.url = server.url(), .cancelled = [&] { return ++asked > 2; }});
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().kind, ErrorKind::interrupted);
}

TEST(Client, refuses_an_answer_beyond_its_bound) {
    RawServer server([](RawConnection& c) {
        c.read_head();
        c.send(ok(std::string(5000, 'x')));
    });
    Client client;
    const auto response = client.send({.url = server.url(), .max_response_bytes = 4999});
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().kind, ErrorKind::too_large);
}

TEST(Client, gives_a_body_in_pieces_and_stops_when_told) {
    RawServer server([](RawConnection& c) {
        c.read_head();
        c.send("HTTP/1.1 200 OK\r\n\r\n");
        while (c.send("line\n")) {
        }
    });
    Client client;
    std::size_t seen = 0;
    const auto response = client.send({.url = server.url(), .on_data = [&](std::string_view data) {
                                           seen += data.size();
                                           return seen < 100'000;
                                       }});
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().kind, ErrorKind::interrupted);
    EXPECT_GE(seen, 100'000U);
}

TEST(Client, keeps_the_body_of_an_error_although_data_is_streamed) {
    RawServer server([](RawConnection& c) {
        c.read_head();
        c.send("HTTP/1.1 500 Oh\r\nContent-Length: 3\r\n\r\nbad");
    });
    Client client;
    const auto response = client.send({.url = server.url(), .on_data = [](std::string_view) {
                                           ADD_FAILURE();
                                           return true;
                                       }});
    ASSERT_TRUE(response);
    EXPECT_EQ(response->body, "bad");
}

TEST(Client, sends_a_body_from_a_source_in_chunks) {
    std::string received;
    RawServer server([&](RawConnection& c) {
        received = c.read_head() + c.read_until("0\r\n\r\n");
        c.send(ok(""));
    });
    Client client;
    int left = 3;
    const auto response = client.send(
        {.method = Method::put, .url = server.url(), .body_source = [&]() -> Result<std::string> {
             return left-- > 0 ? std::string("abc") : std::string();
         }});
    ASSERT_TRUE(response) << response.error().message;
    EXPECT_TRUE(received.starts_with("PUT / "));
    EXPECT_NE(received.find("Transfer-Encoding: chunked"), std::string::npos);
    EXPECT_NE(received.find("3\r\nabc\r\n"), std::string::npos);
}

TEST(Client, gives_the_error_of_a_body_source) {
    RawServer server([](RawConnection& c) { c.read_to_end(); });
    Client client;
    const auto response = client.send(
        {.method = Method::post, .url = server.url(), .body_source = []() -> Result<std::string> {
             return fail(ErrorKind::refused, "no more");
         }});
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().kind, ErrorKind::refused);
}

// Answers one request on a connection and drops the second one unanswered.
void drop_second(RawConnection& c) {
    c.read_head();
    c.send(ok(""));
    c.read_head();
}

TEST(Client, does_not_send_a_post_twice_when_a_kept_connection_breaks) {
    RawServer server(drop_second);
    Client client;
    ASSERT_TRUE(client.send({.url = server.url()}));
    const auto response = client.send({.method = Method::post, .url = server.url()});
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().code, "connection_lost");
    EXPECT_EQ(response.error().kind, ErrorKind::unavailable);
}

TEST(Client, sends_a_get_again_when_a_kept_connection_breaks) {
    RawServer server(drop_second);
    Client client;
    ASSERT_TRUE(client.send({.url = server.url()}));
    EXPECT_TRUE(client.send({.url = server.url()}));
}

TEST(Client, refuses_a_header_with_a_line_break) {
    Client client;
    ClientRequest request{.url = "http://127.0.0.1:1/"};
    request.headers.add("X-A", "a\r\nX-B: b");
    const auto response = client.send(request);
    ASSERT_FALSE(response);
    EXPECT_EQ(response.error().kind, ErrorKind::invalid);
}

// What the handlers of streams saw, and a bounded wait for it.
class Seen {
  public:
    void note(std::string what) {
        const std::lock_guard lock(mutex_);
        events_.push_back(std::move(what));
        changed_.notify_all();
    }
    bool wait_for_count(std::size_t count) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, kBound, [&] { return events_.size() >= count; });
    }
    std::vector<std::string> events() {
        const std::lock_guard lock(mutex_);
        return events_;
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::string> events_;
};

StreamClient::Handler noting(Seen& seen) {
    return {.on_status = [&](int status) { seen.note("status " + std::to_string(status)); },
            .on_data =
                [&](std::string_view data) {
                    seen.note("data " + std::string(data));
                    return true;
                },
            .on_end =
                [&](Result<ClientResponse> end) {
                    seen.note(end ? "end" : "broken " + std::string(end.error().code_or_kind()));
                }};
}

TEST(StreamClient, tells_status_data_and_end_in_order) {
    RawServer server([](RawConnection& c) {
        c.read_head();
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
        c.read_to_end();
    });
    Seen seen;
    StreamClient client;
    client.open({.url = server.url()}, noting(seen));
    ASSERT_TRUE(seen.wait_for_count(3));
    EXPECT_EQ(seen.events(), (std::vector<std::string>{"status 200", "data abc", "end"}));
}

TEST(StreamClient, tells_why_a_stream_broke) {
    RawServer server([](RawConnection& c) {
        c.read_head();
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc");
    });
    Seen seen;
    StreamClient client;
    client.open({.url = server.url()}, noting(seen));
    ASSERT_TRUE(seen.wait_for_count(3));
    EXPECT_EQ(seen.events().back(), "broken no_answer");
    client.open({.url = "http://127.0.0.1:1/"}, noting(seen));
    ASSERT_TRUE(seen.wait_for_count(4));
    EXPECT_EQ(seen.events().back(), "broken connection_refused");
    client.open({.url = "gopher://127.0.0.1:1/"}, noting(seen));
    ASSERT_TRUE(seen.wait_for_count(5));
    EXPECT_EQ(seen.events().back(), "broken invalid_url");
    client.open({.url = "http://127.0.0.1:1/\n"}, noting(seen));
    ASSERT_TRUE(seen.wait_for_count(6));
    EXPECT_EQ(seen.events().back(), "broken invalid");
}

TEST(StreamClient, keeps_the_body_without_a_data_handler) {
    RawServer server([](RawConnection& c) {
        c.read_head();
        c.send(ok("whole"));
        c.read_to_end();
    });
    Seen seen;
    StreamClient client;
    client.open({.url = server.url()}, {.on_end = [&](Result<ClientResponse> end) {
                    seen.note(end ? end->body : "broken");
                }});
    ASSERT_TRUE(seen.wait_for_count(1));
    EXPECT_EQ(seen.events().front(), "whole");
}

void endless(RawConnection& c) {
    c.read_head();
    c.send("HTTP/1.1 200 OK\r\n\r\nfirst");
    c.read_to_end();
}

TEST(StreamClient, is_silent_after_close_and_drops_the_connection) {
    Seen seen;
    RawServer server([&](RawConnection& c) {
        endless(c);
        seen.note("dropped");
    });
    StreamClient client;
    const auto id = client.open({.url = server.url(), .timeout = 0ms}, noting(seen));
    ASSERT_TRUE(seen.wait_for_count(2));
    client.close(id);
    client.close(id);  // and again: nothing
    ASSERT_TRUE(seen.wait_for_count(3));
    EXPECT_EQ(seen.events().back(), "dropped");
}

TEST(StreamClient, can_be_closed_and_opened_from_a_handler) {
    RawServer server(endless);
    Seen seen;
    StreamClient client;
    std::atomic<StreamClient::Id> id = 0;
    std::mutex started;
    started.lock();
    id = client.open({.url = server.url(), .timeout = 0ms},
                     {.on_data =
                          [&](std::string_view) {
                              const std::lock_guard wait(started);
                              client.close(id);
                              client.open({.url = server.url(), .timeout = 0ms}, noting(seen));
                              return true;
                          },
                      .on_end = [&](Result<ClientResponse>) { seen.note("must not be"); }});
    started.unlock();
    ASSERT_TRUE(seen.wait_for_count(2));
    EXPECT_EQ(seen.events(), (std::vector<std::string>{"status 200", "data first"}));
}

TEST(StreamClient, ends_a_stream_whose_handler_wants_no_more) {
    RawServer server(endless);
    Seen seen;
    StreamClient client;
    auto handler = noting(seen);
    handler.on_data = [](std::string_view) { return false; };
    client.open({.url = server.url(), .timeout = 0ms}, std::move(handler));
    ASSERT_TRUE(seen.wait_for_count(2));
    EXPECT_EQ(seen.events().back(), "broken interrupted");
}

TEST(StreamClient, serves_many_streams_on_its_one_thread) {
    constexpr std::size_t kStreams = 200;
    RawServer server(endless);
    Seen seen;
    std::mutex mutex;
    std::set<std::thread::id> threads;
    {
        StreamClient client;
        for (std::size_t i = 0; i < kStreams; ++i) {
            client.open({.url = server.url(), .timeout = 0ms}, {.on_data = [&](std::string_view) {
                            const std::lock_guard lock(mutex);
                            threads.insert(std::this_thread::get_id());
                            seen.note("data");
                            return true;
                        }});
        }
        ASSERT_TRUE(seen.wait_for_count(kStreams));
    }
    EXPECT_EQ(threads.size(), 1U);
}

}  // namespace
}  // namespace loco::http
