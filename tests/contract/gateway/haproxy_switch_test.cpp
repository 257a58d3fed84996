// What changes under running traffic: switches, drains, growth, kills in the middle.
#include <fmt/format.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "gateway/haproxy/runtime_api.hpp"
#include "os/file.hpp"
#include "tests/contract/gateway/haproxy_fixture.hpp"

namespace loco::gateway {
namespace {

using std::chrono::milliseconds;

// Keep-alive POSTs, one after the other on each connection, never tried again. A connection that is closed while
// it is idle by an answer that said so is opened anew; any other end counts as a failure.
class PostLoad {
  public:
    PostLoad(std::uint16_t port, std::string host, int connections)
        : port_(port), host_(std::move(host)) {
        for (int i = 0; i < connections; ++i) threads_.emplace_back([this, i] { run(i); });
    }
    ~PostLoad() { stop(); }
    void stop() {
        stop_ = true;
        for (auto& thread : threads_) thread.join();
        threads_.clear();
    }
    [[nodiscard]] std::uint64_t done() const { return done_; }
    [[nodiscard]] std::uint64_t failed() const { return failed_; }

  private:
    void run(int number) {
        auto connection = test::Connection::to(port_);
        const auto text = fmt::format(
            "POST /p{} HTTP/1.1\r\nHost: {}\r\nContent-Length: 5\r\n\r\nhello", number, host_);
        while (!stop_) {
            const bool sent = connection.send(text);
            const auto response = sent ? connection.receive_response() : std::nullopt;
            if (!response || response->status != 200 || response->header("x-body") != "5") {
                ++failed_;
                connection = test::Connection::to(port_);
                continue;
            }
            ++done_;
            if (response->header("connection") == "close") connection = test::Connection::to(port_);
        }
    }

    std::uint16_t port_;
    std::string host_;
    std::atomic<bool> stop_ = false;
    std::atomic<std::uint64_t> done_ = 0;
    std::atomic<std::uint64_t> failed_ = 0;
    std::vector<std::thread> threads_;
};

TEST(HaproxyTable, AMessageInItsPlaceIsAnErrorAndNoEmptyTable) {
    const auto rows =
        haproxy::parse_csv("# pxname,svname,scur,\ns0001,ins_1,3,\n", {"svname", "scur"});
    ASSERT_TRUE(rows) << rows.error().message;
    ASSERT_EQ(rows->size(), 1U);
    EXPECT_EQ(rows->at(0).at("scur"), "3");
    for (const auto* text :
         {"No such proxy.\n", "", "# pxname,\ns0001,\n", "# pxname,svname,svname,\ns0001,a,b,\n"}) {
        const auto refused = haproxy::parse_csv(text, {"svname", "scur"});
        ASSERT_FALSE(refused) << text;
        EXPECT_EQ(refused.error().kind, ErrorKind::internal);
    }
}

TEST_F(Haproxy, AHundredSwitchesUnderKeepAlivePostsFailNone) {
    start();
    const auto app = new_app();
    auto live = endpoint();
    ASSERT_TRUE(gateway_->apply(routes(app, "a.localhost", {live})));
    PostLoad load(haproxy_->port(), "a.localhost", 6);
    for (int i = 0; i < 120; ++i) {
        const auto next = endpoint();
        ASSERT_TRUE(gateway_->apply(routes(app, "a.localhost", {next, draining(live)})));
        ASSERT_TRUE(test::eventually(
            [&] { return gateway_->connections(app).value().at(live.instance) == 0; }));
        ASSERT_TRUE(gateway_->apply(routes(app, "a.localhost", {next})));
        upstream(live).stop();  // as its SIGTERM: idle connections are closed at once
        ASSERT_TRUE(gone(app, live));
        upstreams_.erase(live.instance);
        live = next;
    }
    load.stop();
    EXPECT_EQ(load.failed(), 0U) << "of " << load.done();
    EXPECT_GT(load.done(), 1'000U);
    EXPECT_EQ(gateway_->reloads(), 0U);
}

TEST_F(Haproxy, MoreAppsThanSlotsGrowThemWithOneReload) {
    start([](auto& options) { options.slots = 2; }, /*grow_by=*/8);
    const auto first = new_app();
    const auto a = endpoint();
    ASSERT_TRUE(gateway_->apply(routes(first, "first.localhost", {a})));
    std::vector<Endpoint> endpoints;
    for (int i = 0; i < 6; ++i) {
        endpoints.push_back(endpoint());
        const auto applied =
            gateway_->apply(routes(new_app(), fmt::format("n{}.localhost", i), {endpoints.back()}));
        ASSERT_TRUE(applied) << applied.error().message << haproxy_->log();
    }
    EXPECT_EQ(gateway_->reloads(), 1U);
    EXPECT_EQ(get("first.localhost", "/").header("x-instance"), a.instance.str());
    for (int i = 0; i < 6; ++i) {
        EXPECT_EQ(get(fmt::format("n{}.localhost", i), "/").header("x-instance"),
                  endpoints[static_cast<std::size_t>(i)].instance.str());
    }
}

TEST_F(Haproxy, WhatIsInFlightInAnOldWorkerCountsUntilItEnds) {
    start([](auto& options) { options.slots = 1; });
    const auto app = new_app();
    const auto a = endpoint();
    const auto b = endpoint();
    ASSERT_TRUE(gateway_->apply(routes(app, "a.localhost", {a})));
    auto held = haproxy_->connect();
    held.send("POST /hold HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 0\r\n\r\n");
    ASSERT_TRUE(test::eventually([&] { return upstream(a).held() == 1; }));
    ASSERT_TRUE(gateway_->apply(routes(new_app(), "b.localhost", {b})));
    ASSERT_EQ(gateway_->reloads(), 1U);
    ASSERT_TRUE(gateway_->apply(routes(app, "a.localhost", {b, draining(a)})));
    open();  // loco-api restarts: the new one knows nothing of a reload
    EXPECT_EQ(gateway_->connections(app).value().at(a.instance), 1);
    upstream(a).release();
    const auto response = held.receive_response();
    EXPECT_TRUE(response && response->status == 200);
    EXPECT_TRUE(test::eventually([&] {
        const auto listed = gateway_->connections(app).value();
        return !listed.contains(a.instance) || listed.at(a.instance) == 0;
    }));
}

TEST_F(Haproxy, ASlotIsGivenToAnotherAppOnlyWhenItIsEmptyAndCountsFromZero) {
    start([](auto& options) { options.slots = 1; });
    const auto a = endpoint();
    const auto b = endpoint();
    const auto first = new_app();
    const auto second = new_app();
    ASSERT_TRUE(gateway_->apply(routes(first, "a.localhost", {a})));
    for (int i = 0; i < 5; ++i) EXPECT_EQ(get("a.localhost", "/").status, 200);
    ASSERT_TRUE(gateway_->remove(first));
    ASSERT_TRUE(gone(first, a));
    ASSERT_TRUE(gateway_->apply(routes(second, "b.localhost", {b})));
    EXPECT_EQ(gateway_->reloads(), 0U);
    EXPECT_EQ(get("b.localhost", "/").header("x-instance"), b.instance.str());
    EXPECT_EQ(get("a.localhost", "/").status, 404);
    EXPECT_TRUE(test::eventually([&] { return gateway_->stats().value().at(0).requests == 1; }));
    EXPECT_EQ(gateway_->stats().value().at(0).app, second);
}

TEST_F(Haproxy, ADrainThatPassesItsDeadlineIsCut) {
    start();
    const auto app = new_app();
    const auto a = endpoint();
    const auto b = endpoint();
    ASSERT_TRUE(gateway_->apply(routes(app, "a.localhost", {a})));
    auto socket = haproxy_->connect();
    socket.send(
        "GET /ws HTTP/1.1\r\nHost: a.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    ASSERT_TRUE(socket.receive_response(/*head_only=*/true));
    ASSERT_TRUE(gateway_->apply(routes(app, "a.localhost", {b, draining(a)})));
    EXPECT_FALSE(socket.closed_within(milliseconds(200)));
    ASSERT_TRUE(gateway_->apply(routes(app, "a.localhost", {b})));
    EXPECT_TRUE(socket.closed_within(milliseconds(2'000)));
    EXPECT_TRUE(gone(app, a));
}

TEST_F(Haproxy, AnyOfItsProcessesKilledItIsBackWithAllRoutesWithinASecond) {
    start();
    std::map<std::string, std::string> hosts;
    for (int i = 0; i < 20; ++i) {
        const auto e = endpoint();
        const auto host = fmt::format("n{}.localhost", i);
        ASSERT_TRUE(gateway_->apply(routes(new_app(), host, {e})));
        hosts[host] = e.instance.str();
    }
    for (const bool only_workers : {false, true}) {
        haproxy_->kill(only_workers);
        const auto before = std::chrono::steady_clock::now();
        haproxy_->start();
        for (const auto& [host, instance] : hosts)
            EXPECT_EQ(get(host, "/").header("x-instance"), instance);
        EXPECT_LT(std::chrono::steady_clock::now() - before, milliseconds(1'000));
    }
}

TEST_F(Haproxy, AServerThatRefusesIsPassedOver) {
    start();
    const auto alive = endpoint();
    const auto dead = endpoint();
    ASSERT_TRUE(gateway_->apply(routes(new_app(), "a.localhost", {alive, dead})));
    upstream(dead).kill();
    for (int i = 0; i < 20; ++i)
        EXPECT_EQ(get("a.localhost", "/").header("x-instance"), alive.instance.str());
}

TEST_F(Haproxy, APostIsNeverSentTwice) {
    start();
    const auto a = endpoint();
    const auto b = endpoint();
    ASSERT_TRUE(gateway_->apply(routes(new_app(), "a.localhost", {a, b})));
    auto connection = haproxy_->connect();
    connection.send("POST /close HTTP/1.1\r\nHost: a.localhost\r\nContent-Length: 0\r\n\r\n");
    const auto response = connection.receive_response();
    ASSERT_TRUE(response);
    EXPECT_EQ(response->status, 502);
    EXPECT_EQ(upstream(a).requests() + upstream(b).requests(), 1U);
}

TEST_F(Haproxy, RoutesOfAnyAllowedSpellingGoThroughItsCommandLine) {
    start();
    const auto a = endpoint();
    auto wanted = routes(new_app(), "a.localhost", {a});
    wanted.ports[0].path = "/x;y'z$(id)&a=b!*,:@~";
    ASSERT_TRUE(gateway_->apply(wanted));
    EXPECT_EQ(get("a.localhost", wanted.ports[0].path + "/q").header("x-instance"),
              a.instance.str());
    wanted.ports[0].path = "/plain";
    ASSERT_TRUE(gateway_->apply(wanted));
    EXPECT_EQ(get("a.localhost", "/x;y'z$(id)&a=b!*,:@~/q").status, 404);
    EXPECT_EQ(get("a.localhost", "/plain").status, 200);
}

TEST_F(Haproxy, AFileOfRoutesThatIsDamagedIsMadeAnewInsteadOfKeepingLocoFromStarting) {
    start();
    const auto app = new_app();
    const auto wanted = routes(app, "a.localhost", {endpoint()});
    ASSERT_TRUE(gateway_->apply(wanted));
    int damaged = 0;
    for (const auto& file :
         std::filesystem::directory_iterator(haproxy_->options().data_dir / "slots")) {
        const auto text = os::read_file(file.path());
        ASSERT_TRUE(text);
        if (!text->contains(app.str())) continue;
        ASSERT_TRUE(os::write_file_atomically(file.path(), "# half a fi\n# what is this\n"));
        ++damaged;
    }
    ASSERT_EQ(damaged, 1);
    open();
    ASSERT_TRUE(gateway_->sync({wanted}));
    EXPECT_EQ(get("a.localhost", "/").status, 200);
    haproxy_->kill();
    haproxy_->start();
    EXPECT_EQ(get("a.localhost", "/").status, 200) << "what it reads at a start is whole again";
}

TEST_F(Haproxy, WhatAnotherHandChangedIsPutRightBySync) {
    start();
    const auto app = new_app();
    const auto a = endpoint();
    const auto wanted = routes(app, "a.localhost", {a});
    ASSERT_TRUE(gateway_->apply(wanted));
    {
        auto session = haproxy::RuntimeSession::open(haproxy::stats_socket(haproxy_->options()));
        ASSERT_TRUE(session);
        const auto map = (haproxy_->options().data_dir / "routes.map").string();
        ASSERT_TRUE(session->ask("set server s0001/" + a.instance.str() + " state maint"));
        ASSERT_TRUE(session->order("del map " + map + " a.localhost/"));
        ASSERT_TRUE(session->order("add map " + map + " stray.localhost/ s0001"));
        ASSERT_TRUE(session->ask("add server s0002/stray 127.0.0.1:9"));
    }
    ASSERT_TRUE(gateway_->sync({wanted}));
    EXPECT_EQ(get("a.localhost", "/").header("x-instance"), a.instance.str());
    EXPECT_EQ(get("stray.localhost", "/").status, 404);
    auto session = haproxy::RuntimeSession::open(haproxy::stats_socket(haproxy_->options()));
    EXPECT_FALSE(session->ask("show servers state").value().contains("stray"));
}

TEST(HaproxyConfig, IsTakenByHaproxyAndRefusesWhatItCouldNotHonour) {
    const auto refused = [](auto change) {
        haproxy::Options options{.data_dir = "/tmp/loco-gateway-never"};
        change(options);
        const auto prepared = haproxy::prepare(options);
        return !prepared && prepared.error().kind == ErrorKind::invalid;
    };
    EXPECT_TRUE(refused([](auto& o) { o.data_dir = "relative"; }));
    EXPECT_TRUE(refused([](auto& o) { o.data_dir = "/tmp/with space"; }));
    EXPECT_TRUE(refused([](auto& o) { o.stats_socket = "/tmp/" + std::string(120, 'x'); }));
    EXPECT_TRUE(refused([](auto& o) { o.base_domain = "x\n    bind :1"; }));
    EXPECT_TRUE(refused([](auto& o) { o.listen = {"127.0.0.1:80 ssl crt /etc/x"}; }));
    EXPECT_TRUE(refused([](auto& o) { o.listen = {}; }));
    EXPECT_TRUE(refused([](auto& o) { o.slots = 0; }));
    EXPECT_FALSE(std::filesystem::exists("/tmp/loco-gateway-never"));
}

TEST(HaproxySlots, AreReadAsTheyWereWritten) {
    haproxy::Slot slot;
    slot.number = 7;
    EXPECT_EQ(haproxy::parse_slot(haproxy::render(slot)), slot);
    slot.used = true;
    slot.app = AppId("app_x");
    slot.hosts = {"a.localhost", "b.example"};
    slot.route = {.name = "admin",
                  .path = "/a/b",
                  .strip_path = true,
                  .protocol = Protocol::h2c,
                  .idle_timeout = Millis(5'000),
                  .endpoints = {{InstanceId("ins_1"), "10.0.0.1", 80, false},
                                {InstanceId("ins_2"), "10.0.0.2", 81, true}}};
    slot.without_endpoint = NoEndpoint::starting;
    slot.before.requests = 9;
    EXPECT_EQ(haproxy::parse_slot(haproxy::render(slot)), slot);
    EXPECT_FALSE(haproxy::parse_slot("# x\n# slot 1\n# what is this\n"));
    EXPECT_FALSE(haproxy::parse_slot(""));
}

}  // namespace
}  // namespace loco::gateway
