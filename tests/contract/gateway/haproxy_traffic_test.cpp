// What a request meets on its way: headers, pages, streams, protocols, timeouts, hostile clients.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "os/process.hpp"
#include "tests/contract/gateway/haproxy_fixture.hpp"

namespace loco::gateway {
namespace {

using std::chrono::milliseconds;

TEST_F(Haproxy, SaysWhoTheClientWasAndBelievesNobody) {
    start();
    ASSERT_TRUE(gateway_->apply(routes(new_app(), "a.localhost", {endpoint()})));
    const auto head =
        get("A.localhost:" + std::to_string(haproxy_->port()), "/x",
            "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n"
            "X-Forwarded-Prefix: /evil\r\nX_Forwarded_For: 7.7.7.7\r\nForwarded: for=8.8.8.8\r\n"
            "X-Real-IP: 9.9.9.9\r\nProxy: http://evil\r\nX-Request-Id: bad id!\r\nX-Mine: kept\r\n")
            .body;
    EXPECT_TRUE(head.contains("x-forwarded-for: 127.0.0.1\r\n")) << head;
    EXPECT_TRUE(head.contains("x-forwarded-proto: http\r\n")) << head;
    EXPECT_TRUE(
        head.contains(fmt::format("x-forwarded-host: A.localhost:{}\r\n", haproxy_->port())))
        << head;
    EXPECT_TRUE(head.contains(fmt::format("x-forwarded-port: {}\r\n", haproxy_->port()))) << head;
    EXPECT_TRUE(head.contains("x-mine: kept\r\n")) << head;
    for (const auto* lie : {"6.6.6.6", "7.7.7.7", "8.8.8.8", "9.9.9.9", "evil", "bad id!"}) {
        EXPECT_FALSE(head.contains(lie)) << lie << " in " << head;
    }
    EXPECT_TRUE(head.contains("\r\nx-request-id: ")) << head;
    EXPECT_TRUE(get("a.localhost", "/", "X-Request-Id: req_0123456789\r\n")
                    .body.contains("x-request-id: req_0123456789\r\n"));
}

TEST_F(Haproxy, BelievesOfAClientWhatATrustedProxySaysAndOnlyItsOwnWord) {
    start([](haproxy::Options& options) {
        options.trusted_proxies = {"192.0.2.7/32", "127.0.0.0/8"};
    });
    ASSERT_TRUE(gateway_->apply(routes(new_app(), "a.localhost", {endpoint()})));
    const auto head = get("a.localhost", "/",
                          "X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\nX-Forwarded-Proto: https\r\n"
                          "X-Forwarded-Host: evil\r\nX-Real-IP: 9.9.9.9\r\n")
                          .body;
    EXPECT_TRUE(head.contains("x-forwarded-for: 203.0.113.9\r\n")) << head;
    EXPECT_TRUE(head.contains("x-forwarded-proto: https\r\n")) << head;
    EXPECT_TRUE(head.contains("x-forwarded-port: 443\r\n")) << head;
    EXPECT_TRUE(head.contains("x-forwarded-host: a.localhost\r\n")) << head;
    for (const auto* lie : {"6.6.6.6", "9.9.9.9", "evil"})
        EXPECT_FALSE(head.contains(lie)) << lie << " in " << head;
    const auto other_port =
        get("a.localhost", "/", "X-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\n").body;
    EXPECT_TRUE(other_port.contains("x-forwarded-port: 8443\r\n")) << other_port;
    // What is no address, scheme or port, or nothing: as from anybody.
    for (const auto* odd :
         {"", "X-Forwarded-For: nobody\r\nX-Forwarded-Proto: gopher\r\nX-Forwarded-Port: x\r\n"}) {
        const auto plain = get("a.localhost", "/", odd).body;
        EXPECT_TRUE(plain.contains("x-forwarded-for: 127.0.0.1\r\n")) << plain;
        EXPECT_TRUE(plain.contains("x-forwarded-proto: http\r\n")) << plain;
        EXPECT_TRUE(plain.contains(fmt::format("x-forwarded-port: {}\r\n", haproxy_->port())))
            << plain;
    }
}

TEST_F(Haproxy, BelievesNobodyElseWhereAProxyIsTrusted) {
    start([](haproxy::Options& options) { options.trusted_proxies = {"192.0.2.7/32"}; });
    ASSERT_TRUE(gateway_->apply(routes(new_app(), "a.localhost", {endpoint()})));
    const auto head =
        get("a.localhost", "/", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n").body;
    EXPECT_TRUE(head.contains("x-forwarded-for: 127.0.0.1\r\n")) << head;
    EXPECT_TRUE(head.contains("x-forwarded-proto: http\r\n")) << head;
}

TEST_F(Haproxy, ItsOwnPagesAreHtmlForBrowsersAndProblemsForPrograms) {
    start();
    const auto app = new_app();
    const auto page = [&](const std::string& host, const std::string& target, int status,
                          const std::string& code, const std::string& title, bool retry_after) {
        const auto problem = get(host, target);
        EXPECT_EQ(problem.status, status) << code;
        EXPECT_EQ(problem.header("content-type"), "application/problem+json") << code;
        EXPECT_TRUE(problem.body.contains("\"code\":\"" + code + "\"")) << problem.body;
        EXPECT_EQ(problem.header("cache-control"), "no-store") << code;
        EXPECT_EQ(!problem.header("retry-after").empty(), retry_after) << code;
        const auto html = get(host, target, "Accept: text/html,application/xhtml+xml\r\n");
        EXPECT_EQ(html.status, status) << code;
        EXPECT_EQ(html.header("content-type"), "text/html; charset=utf-8") << code;
        EXPECT_TRUE(html.body.starts_with("<!doctype html>") && html.body.contains(title))
            << html.body;
        EXPECT_TRUE(html.header("x-loco-page").empty());
    };
    page("nobody.localhost", "/", 404, "unknown_host", "Nothing is deployed here", false);
    auto wanted = routes(app, "a.localhost", {});
    ASSERT_TRUE(gateway_->apply(wanted));
    page("a.localhost", "/", 503, "app_down", "This app is not running", true);
    wanted.without_endpoint = NoEndpoint::starting;
    ASSERT_TRUE(gateway_->apply(wanted));
    page("a.localhost", "/", 503, "app_starting", "This app is starting", true);
    const auto a = endpoint();
    wanted.ports[0].endpoints = {a};
    ASSERT_TRUE(gateway_->apply(wanted));
    page("a.localhost", "/close", 502, "app_broke_off", "This app broke off", false);
    page("loco.localhost", "/", 503, "loco_restarting", "Loco is restarting", true);
    wanted.ports[0].endpoints[0].port = test::free_port();
    ASSERT_TRUE(gateway_->apply(wanted));
    page("a.localhost", "/", 503, "app_unreachable", "This app does not answer", true);
}

TEST_F(Haproxy, SendsTheApiAndDashboardToLocoApi) {
    test::Upstream api("api");
    start([&](auto& options) { options.api_address = "127.0.0.1:" + std::to_string(api.port()); });
    EXPECT_EQ(get("loco.localhost", "/api/v1/version").header("x-instance"), "api");
    EXPECT_EQ(get("xloco.localhost", "/").status, 404);
}

TEST_F(Haproxy, AMessageOfAStreamArrivesAtOnce) {
    start();
    const auto a = endpoint();
    ASSERT_TRUE(gateway_->apply(routes(new_app(), "a.localhost", {a})));
    auto connection = haproxy_->connect();
    connection.send(
        "GET /events HTTP/1.1\r\nHost: a.localhost\r\nAccept: text/event-stream\r\n\r\n");
    ASSERT_TRUE(connection.receive_response(/*head_only=*/true));
    ASSERT_TRUE(connection.receive_until("data: x\n\n\r\n"));
    for (int i = 0; i < 20; ++i) {
        const auto before = std::chrono::steady_clock::now();
        upstream(a).emit();
        ASSERT_TRUE(connection.receive_until("data: x\n\n\r\n", milliseconds(2'000)));
        EXPECT_LT(std::chrono::steady_clock::now() - before, milliseconds(150))
            << "it waits for more to come";
    }
}

TEST_F(Haproxy, AStreamMayBeQuietForItsIdleTimeoutAndNoLonger) {
    start([](auto& options) { options.client_timeout = milliseconds(500); });
    const auto a = endpoint();
    auto wanted = routes(new_app(), "a.localhost", {a});
    wanted.ports[0].idle_timeout = Millis(2'000);
    ASSERT_TRUE(gateway_->apply(wanted));
    for (const auto* kind : {"/events", "/ws"}) {
        auto connection = haproxy_->connect();
        connection.send(fmt::format(
            "GET {} HTTP/1.1\r\nHost: a.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            kind));
        ASSERT_TRUE(connection.receive_response(/*head_only=*/true)) << kind;
        connection.receive_some(milliseconds(100));
        EXPECT_FALSE(connection.closed_within(milliseconds(1'500)))
            << kind << ": the client's own timeout cut it";
        EXPECT_TRUE(connection.closed_within(milliseconds(3'000))) << kind;
    }
    // An answer that takes too long is told as such.
    EXPECT_EQ(get("a.localhost", "/hold").status, 504);
    upstream(a).release();
}

TEST_F(Haproxy, AWebSocketCarriesBytesBothWaysAndIsCountedUntilItEnds) {
    start();
    const auto a = endpoint();
    const auto app = new_app();
    ASSERT_TRUE(gateway_->apply(routes(app, "a.localhost", {a})));
    auto connection = haproxy_->connect();
    connection.send(
        "GET /chat/ws HTTP/1.1\r\nHost: a.localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: "
        "WebSocket\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    const auto head = connection.receive_response(/*head_only=*/true);
    ASSERT_TRUE(head);
    EXPECT_EQ(head->status, 101);
    const std::string text("\x81\x05hello\x00\xff", 9);
    ASSERT_TRUE(connection.send(text));
    EXPECT_EQ(connection.receive_exactly(text.size()), text);
    ASSERT_TRUE(gateway_->apply(routes(app, "a.localhost", {draining(a)})));
    EXPECT_EQ(gateway_->connections(app).value().at(a.instance), 1);
    ASSERT_TRUE(connection.send("still"));
    EXPECT_EQ(connection.receive_exactly(5), "still");
    connection.close();
    EXPECT_TRUE(
        test::eventually([&] { return gateway_->connections(app).value().at(a.instance) == 0; }));
}

TEST_F(Haproxy, NoOtherUpgradeThanToAWebSocketReachesAnApp) {
    start();
    ASSERT_TRUE(gateway_->apply(routes(new_app(), "a.localhost", {endpoint()})));
    auto connection = haproxy_->connect();
    connection.send(
        "GET / HTTP/1.1\r\nHost: a.localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: "
        "h2c\r\n"
        "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n");
    const auto response = connection.receive_response();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 200);
    EXPECT_FALSE(response->body.contains("h2c")) << response->body;
    EXPECT_FALSE(response->body.contains("HTTP2") || response->body.contains("http2"))
        << response->body;
    auto tunnel = haproxy_->connect();
    tunnel.send("CONNECT a.localhost:80 HTTP/1.1\r\nHost: a.localhost:80\r\n\r\n");
    const auto refused = tunnel.receive_response();
    EXPECT_TRUE(!refused || refused->status >= 400);
}

TEST_F(Haproxy, LargeAndChunkedBodiesPassBothWays) {
    start();
    ASSERT_TRUE(gateway_->apply(routes(new_app(), "a.localhost", {endpoint()})));
    auto connection = haproxy_->connect();
    const std::string part(1U << 20, 'x');
    connection.send("POST / HTTP/1.1\r\nHost: a.localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 32; ++i) ASSERT_TRUE(connection.send("100000\r\n" + part + "\r\n"));
    connection.send("0\r\n\r\n");
    auto response = connection.receive_response();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->header("x-body"), std::to_string(32U << 20));
    connection.send("POST /big HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 33554432\r\n\r\n");
    for (int i = 0; i < 32; ++i) ASSERT_TRUE(connection.send(part));
    response = connection.receive_response();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->header("x-body"), std::to_string(32U << 20));
    EXPECT_EQ(response->body.size(), 1U << 20);
}

TEST_F(Haproxy, RequestsThatTwoServersWouldReadDifferentlyAreRefused) {
    start();
    const auto a = endpoint();
    ASSERT_TRUE(gateway_->apply(routes(new_app(), "a.localhost", {a})));
    for (const std::string bad : {
             "POST / HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 5\r\nContent-Length: "
             "6\r\n\r\nhello!",
             "GET / HTTP/1.1\r\nHost: a.localhost\r\nHost: b.localhost\r\n\r\n",
             "GET / HTTP/1.1\r\nHost: a.localhost\r\nX: a\r\n b\r\nBad Name: x\r\n\r\n",
             "GET / HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: -1\r\n\r\n",
             "GET http://b.localhost/ HTTP/1.1\r\nHost: a.localhost\r\n\r\n",
             "GET /\x01 HTTP/1.1\r\nHost: a.localhost\r\n\r\n",
         }) {
        auto connection = haproxy_->connect();
        connection.send(bad);
        const auto response = connection.receive_response();
        EXPECT_TRUE(!response || response->status >= 400) << bad;
    }
    EXPECT_EQ(upstream(a).requests(), 0U);
    auto connection = haproxy_->connect();
    connection.send("GET / HTTP/1.1\r\nHost: a.localhost\r\nX-Big: " + std::string(20'000, 'x') +
                    "\r\n\r\n");
    const auto large = connection.receive_response();
    EXPECT_TRUE(large && large->status >= 400 && large->status < 500);
}

TEST_F(Haproxy, AClientThatIsSlowToSendItsHeadersIsDropped) {
    start([](auto& options) { options.header_timeout = milliseconds(400); });
    const auto a = endpoint();
    ASSERT_TRUE(gateway_->apply(routes(new_app(), "a.localhost", {a})));
    std::vector<test::Connection> slow;
    for (int i = 0; i < 200; ++i) {
        slow.push_back(haproxy_->connect());
        slow.back().send("GET / HTTP/1.1\r\nHost: a.loc");
    }
    EXPECT_EQ(get("a.localhost", "/").status, 200) << "others are served meanwhile";
    for (auto& connection : slow) EXPECT_TRUE(connection.closed_within(milliseconds(5'000)));
    EXPECT_EQ(upstream(a).requests(), 1U);
}

TEST_F(Haproxy, SpeaksHttp2WithClients) {
    start();
    const auto a = endpoint();
    auto wanted = routes(new_app(), "a.localhost", {a});
    wanted.ports[0].path = "/api";
    wanted.ports[0].strip_path = true;
    ASSERT_TRUE(gateway_->apply(wanted));
    const auto out = os::output_of(
        {.argv = {"curl", "-s", "-i", "--http2-prior-knowledge", "-H", "Host: a.localhost", "-d",
                  "body", fmt::format("http://127.0.0.1:{}/api/x", haproxy_->port())}},
        milliseconds(10'000));
    ASSERT_TRUE(out) << out.error().message;
    EXPECT_TRUE(out->starts_with("HTTP/2 200")) << *out;
    EXPECT_TRUE(out->contains("x-path: /x\r\n") && out->contains("x-body: 4\r\n")) << *out;
}

// As gRPC needs it: HTTP/2 from end to end, and trailers after the body.
TEST_F(Haproxy, SpeaksHttp2WithAnAppThatWantsItAndPassesTrailers) {
    start();
    const auto folder = haproxy_->options().data_dir / "www";
    std::filesystem::create_directory(folder);
    std::ofstream(folder / "answer") << "grpc-body";
    const auto port = test::free_port();
    const test::Child server(
        {"nghttpd", "--no-tls", "--address=127.0.0.1", "--htdocs=" + folder.string(),
         "--trailer=grpc-status: 0", std::to_string(port)},
        (haproxy_->options().data_dir / "nghttpd.log").string());
    ASSERT_TRUE(test::eventually([&] { return test::Connection::to(port).open(); }));
    const auto instance = InstanceId::make(clock_, random_);
    const auto app = new_app();
    auto wanted = routes(app, "grpc.localhost", {{instance, "127.0.0.1", port, false}});
    wanted.ports[0].protocol = Protocol::h2c;
    ASSERT_TRUE(gateway_->apply(wanted));
    const auto ask = [&] {
        return os::output_of(
            {.argv = {"nghttp", "-v", "-H", ":authority: grpc.localhost", "-H", "te: trailers",
                      fmt::format("http://127.0.0.1:{}/answer", haproxy_->port())}},
            milliseconds(10'000));
    };
    const auto out = ask();
    ASSERT_TRUE(out) << out.error().message;
    EXPECT_TRUE(out->contains(":status: 200") && out->contains("grpc-body") &&
                out->contains("grpc-status: 0"))
        << *out;
    haproxy_->kill();
    haproxy_->start();
    const auto again = ask();
    EXPECT_TRUE(again && again->contains(":status: 200")) << "the protocol is in the files, too";
}

}  // namespace
}  // namespace loco::gateway
