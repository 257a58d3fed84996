#include "tests/contract/gateway/suite.hpp"

#include <fstream>
#include <set>
#include <sstream>

namespace loco::gateway {
namespace {

Endpoint draining(Endpoint endpoint) {
    endpoint.draining = true;
    return endpoint;
}

TEST_P(GatewayContract, ARequestReachesTheEndpointOfItsHost) {
    const auto a = harness_->start_endpoint();
    const auto b = harness_->start_endpoint();
    ASSERT_TRUE(gateway().apply(routes(new_app(), "a.localhost", {a})));
    ASSERT_TRUE(gateway().apply(routes(new_app(), "b.localhost", {b})));
    EXPECT_EQ(get("a.localhost", "/x?y=1"), (Answer{200, a.instance.str(), "/x?y=1"}));
    EXPECT_EQ(get("b.localhost").instance, b.instance.str());
    EXPECT_EQ(get("c.localhost").status, 404);
}

TEST_P(GatewayContract, AllActiveEndpointsTakeTheirTurn) {
    const auto a = harness_->start_endpoint();
    const auto b = harness_->start_endpoint();
    const auto c = harness_->start_endpoint();
    ASSERT_TRUE(gateway().apply(routes(new_app(), "a.localhost", {a, b, c})));
    std::map<std::string, int> counted;
    for (int i = 0; i < 30; ++i) ++counted[get("a.localhost").instance];
    EXPECT_EQ(counted,
              (std::map<std::string, int>{
                  {a.instance.str(), 10}, {b.instance.str(), 10}, {c.instance.str(), 10}}));
}

TEST_P(GatewayContract, ADrainingEndpointGetsNoNewRequestAndFinishesThoseInFlight) {
    const auto old = harness_->start_endpoint();
    const auto fresh = harness_->start_endpoint();
    const auto app = new_app();
    ASSERT_TRUE(gateway().apply(routes(app, "a.localhost", {old})));
    auto held = harness_->hold("a.localhost", "/hold");
    ASSERT_TRUE(held);
    ASSERT_TRUE(gateway().apply(routes(app, "a.localhost", {fresh, draining(old)})));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(get("a.localhost").instance, fresh.instance.str());
    EXPECT_EQ(gateway().connections(app).value().at(old.instance), 1);
    EXPECT_TRUE(held->finish());
    EXPECT_TRUE(harness_->eventually(
        [&] { return gateway().connections(app).value().at(old.instance) == 0; }));
    ASSERT_TRUE(gateway().apply(routes(app, "a.localhost", {fresh})));
    EXPECT_TRUE(harness_->eventually(
        [&] { return !gateway().connections(app).value().contains(old.instance); }));
    EXPECT_EQ(get("a.localhost").instance, fresh.instance.str());
}

TEST_P(GatewayContract, AnEndpointThatIsNamedNoMoreIsCutOff) {
    const auto old = harness_->start_endpoint();
    const auto fresh = harness_->start_endpoint();
    const auto app = new_app();
    ASSERT_TRUE(gateway().apply(routes(app, "a.localhost", {old})));
    auto held = harness_->hold("a.localhost", "/hold");
    ASSERT_TRUE(held);
    ASSERT_TRUE(gateway().apply(routes(app, "a.localhost", {fresh})));
    EXPECT_TRUE(harness_->eventually(
        [&] { return !gateway().connections(app).value().contains(old.instance); }));
    EXPECT_FALSE(held->finish());
}

TEST_P(GatewayContract, AnEndpointThatDrainsMayServeAgain) {
    const auto a = harness_->start_endpoint();
    const auto app = new_app();
    ASSERT_TRUE(gateway().apply(routes(app, "a.localhost", {draining(a)})));
    EXPECT_EQ(get("a.localhost").status, 503);
    ASSERT_TRUE(gateway().apply(routes(app, "a.localhost", {a})));
    EXPECT_EQ(get("a.localhost").instance, a.instance.str());
}

TEST_P(GatewayContract, AnInstanceMayMoveToAnotherAddress) {
    const auto a = harness_->start_endpoint();
    auto moved = harness_->start_endpoint();
    const auto app = new_app();
    ASSERT_TRUE(gateway().apply(routes(app, "a.localhost", {a})));
    // What answers names the endpoint that was started, not the instance that the gateway takes it for.
    const auto answers = moved.instance;
    moved.instance = a.instance;
    ASSERT_TRUE(gateway().apply(routes(app, "a.localhost", {moved})));
    const auto answer = get("a.localhost");
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.instance == answers.str() || answer.instance == moved.instance.str());
    EXPECT_TRUE(
        harness_->eventually([&] { return gateway().connections(app).value().size() == 1; }));
}

TEST_P(GatewayContract, ApplyingTwiceIsApplyingOnce) {
    const auto a = harness_->start_endpoint();
    const auto app = new_app();
    const auto wanted = routes(app, "a.localhost", {a});
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(gateway().apply(wanted));
    EXPECT_EQ(gateway().connections(app).value().size(), 1U);
    EXPECT_EQ(get("a.localhost").instance, a.instance.str());
    ASSERT_TRUE(gateway().remove(app));
    ASSERT_TRUE(gateway().remove(app));
    EXPECT_EQ(get("a.localhost").status, 404);
    EXPECT_TRUE(gateway().connections(app).value().empty());
}

TEST_P(GatewayContract, AnAppWithoutEndpointAnswersForItself) {
    const auto app = new_app();
    auto wanted = routes(app, "a.localhost", {});
    wanted.without_endpoint = NoEndpoint::starting;
    ASSERT_TRUE(gateway().apply(wanted));
    EXPECT_EQ(get("a.localhost").status, 503);
    wanted.without_endpoint = NoEndpoint::down;
    ASSERT_TRUE(gateway().apply(wanted));
    EXPECT_EQ(get("a.localhost").status, 503);
}

TEST_P(GatewayContract, HostsAndPathsComeAndGo) {
    const auto a = harness_->start_endpoint();
    const auto b = harness_->start_endpoint();
    const auto app = new_app();
    auto wanted = routes(app, "a.localhost", {a});
    wanted.hosts.push_back("www.a.example");
    wanted.ports.push_back({.name = "admin", .path = "/admin", .endpoints = {b}});
    ASSERT_TRUE(gateway().apply(wanted));
    EXPECT_EQ(get("www.a.example", "/admin/x").instance, b.instance.str());
    EXPECT_EQ(get("a.localhost", "/administrator").instance, a.instance.str());
    wanted.ports.pop_back();
    wanted.hosts.erase(wanted.hosts.begin());
    ASSERT_TRUE(gateway().apply(wanted));
    EXPECT_EQ(get("www.a.example", "/admin/x").instance, a.instance.str());
    EXPECT_EQ(get("a.localhost").status, 404);
    EXPECT_TRUE(
        harness_->eventually([&] { return gateway().connections(app).value().size() == 1; }));
}

TEST_P(GatewayContract, AHostMayMoveToAnotherApp) {
    const auto a = harness_->start_endpoint();
    const auto b = harness_->start_endpoint();
    const auto first = new_app();
    ASSERT_TRUE(gateway().apply(routes(first, "a.localhost", {a})));
    ASSERT_TRUE(gateway().remove(first));
    ASSERT_TRUE(gateway().apply(routes(new_app(), "a.localhost", {b})));
    EXPECT_EQ(get("a.localhost").instance, b.instance.str());
}

TEST_P(GatewayContract, SyncKeepsOnlyWhatItNames) {
    const auto a = harness_->start_endpoint();
    const auto b = harness_->start_endpoint();
    const auto c = harness_->start_endpoint();
    const auto gone = new_app();
    const auto kept = new_app();
    ASSERT_TRUE(gateway().apply(routes(gone, "a.localhost", {a})));
    ASSERT_TRUE(gateway().apply(routes(kept, "b.localhost", {b})));
    ASSERT_TRUE(
        gateway().sync({routes(kept, "b.localhost", {b}), routes(new_app(), "c.localhost", {c})}));
    EXPECT_EQ(get("a.localhost").status, 404);
    EXPECT_EQ(get("b.localhost").instance, b.instance.str());
    EXPECT_EQ(get("c.localhost").instance, c.instance.str());
    EXPECT_TRUE(harness_->eventually([&] { return gateway().connections(gone).value().empty(); }));
}

TEST_P(GatewayContract, AGatewayThatWasKilledHasAllRoutesAgain) {
    const auto a = harness_->start_endpoint();
    const auto b = harness_->start_endpoint();
    const auto app = new_app();
    ASSERT_TRUE(gateway().apply(routes(app, "a.localhost", {a, draining(b)})));
    harness_->kill_gateway_and_start_again();
    EXPECT_EQ(get("a.localhost").instance, a.instance.str());
    EXPECT_EQ(get("a.localhost").instance, a.instance.str());
    ASSERT_TRUE(gateway().apply(routes(app, "a.localhost", {b})));
    EXPECT_EQ(get("a.localhost").instance, b.instance.str());
    EXPECT_TRUE(
        harness_->eventually([&] { return gateway().connections(app).value().size() == 1; }));
}

TEST_P(GatewayContract, ANewAdapterKnowsWhatTheGatewayHas) {
    const auto a = harness_->start_endpoint();
    const auto b = harness_->start_endpoint();
    const auto app = new_app();
    ASSERT_TRUE(gateway().apply(routes(app, "a.localhost", {a})));
    harness_->restart_adapter();
    EXPECT_EQ(get("a.localhost").instance, a.instance.str());
    EXPECT_TRUE(gateway().connections(app).value().contains(a.instance));
    ASSERT_TRUE(gateway().sync({routes(app, "a.localhost", {b})}));
    EXPECT_EQ(get("a.localhost").instance, b.instance.str());
    EXPECT_TRUE(harness_->eventually(
        [&] { return !gateway().connections(app).value().contains(a.instance); }));
}

TEST_P(GatewayContract, OneThatTakesNoOrdersIsUnavailableAndHasTheRoutesWhenItIsBack) {
    const auto a = harness_->start_endpoint();
    const auto b = harness_->start_endpoint();
    const auto app = new_app();
    ASSERT_TRUE(gateway().apply(routes(app, "a.localhost", {a})));
    harness_->set_reachable(false);
    const auto refused = gateway().apply(routes(app, "a.localhost", {b, draining(a)}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::unavailable);
    EXPECT_FALSE(gateway().connections(app));
    EXPECT_EQ(get("a.localhost").instance, a.instance.str()) << "it serves what it had";
    harness_->set_reachable(true);
    EXPECT_TRUE(gateway().connections(app)) << "any call brings it up to date";
    EXPECT_EQ(get("a.localhost").instance, b.instance.str());
    harness_->kill_gateway_and_start_again();
    EXPECT_EQ(get("a.localhost").instance, b.instance.str());
}

TEST_P(GatewayContract, StatsCountTheRequestsOfEachPort) {
    const auto a = harness_->start_endpoint();
    const auto app = new_app();
    ASSERT_TRUE(gateway().apply(routes(app, "a.localhost", {a})));
    for (int i = 0; i < 7; ++i) EXPECT_EQ(get("a.localhost").status, 200);
    EXPECT_TRUE(harness_->eventually([&] {
        for (const auto& stats : gateway().stats().value()) {
            if (stats.app == app)
                return stats.port == "http" && stats.requests == 7 && stats.status_2xx == 7;
        }
        return false;
    }));
}

TEST_P(GatewayContract, RoutesThatItCouldNotHonourAreRefusedAndChangeNothing) {
    const auto a = harness_->start_endpoint();
    const auto app = new_app();
    const auto good = routes(app, "a.localhost", {a});
    ASSERT_TRUE(gateway().apply(good));
    const auto refused = [&](auto change) {
        auto bad = good;
        change(bad);
        const auto result = gateway().apply(bad);
        return !result && result.error().kind == ErrorKind::invalid;
    };
    EXPECT_TRUE(refused([](auto& r) { r.hosts = {"A.localhost"}; }));
    EXPECT_TRUE(refused([](auto& r) { r.hosts = {"a.localhost evil\n"}; }));
    EXPECT_TRUE(refused([](auto& r) { r.hosts = {""}; }));
    EXPECT_TRUE(refused([](auto& r) { r.app = AppId(); }));
    EXPECT_TRUE(refused([](auto& r) { r.app = AppId("app_1; shutdown"); }));
    EXPECT_TRUE(refused([](auto& r) { r.ports[0].path = "api"; }));
    EXPECT_TRUE(refused([](auto& r) { r.ports[0].path = "/a b"; }));
    EXPECT_TRUE(refused([](auto& r) { r.ports[0].path = "/a\nb"; }));
    EXPECT_TRUE(refused([](auto& r) { r.ports[0].path = "/a#b"; }));
    EXPECT_TRUE(refused([](auto& r) { r.ports[0].name = "ht tp"; }));
    EXPECT_TRUE(refused([](auto& r) { r.ports[0].endpoints[0].address = "localhost"; }));
    EXPECT_TRUE(refused([](auto& r) { r.ports[0].endpoints[0].port = 0; }));
    EXPECT_TRUE(refused([](auto& r) { r.ports.push_back(r.ports[0]); }));
    EXPECT_EQ(get("a.localhost").instance, a.instance.str());
}

// routes.txt: "app HOST PATH [strip]" declares a route, "HOST PATH -> ROUTE SEEN" what a request gets.
TEST_P(GatewayContract, TheLongestPrefixOfTheHostWins) {
    std::ifstream file(LOCO_SOURCE_DIR "/tests/contract/gateway/routes.txt");
    ASSERT_TRUE(file);
    std::map<std::string, AppRoutes> apps;
    std::map<std::string, std::string> instances;  // of "HOST PATH"
    bool applied = false;
    int cases = 0;
    std::string line;
    for (int number = 1; std::getline(file, line); ++number) {
        if (line.empty() || line.starts_with('#')) continue;
        std::istringstream words(line);
        std::string host, path, arrow, route, seen;
        words >> host;
        if (host == "route") {
            std::string strip;
            words >> host >> path >> strip;
            auto& app = apps[host];
            if (app.hosts.empty()) {
                app.app = new_app();
                app.hosts = {host};
            }
            const auto endpoint = harness_->start_endpoint();
            app.ports.push_back({.name = "p" + std::to_string(app.ports.size()),
                                 .path = path,
                                 .strip_path = strip == "strip",
                                 .endpoints = {endpoint}});
            instances[host + path] = endpoint.instance.str();
            continue;
        }
        if (!applied) {
            for (const auto& [name, app] : apps) ASSERT_TRUE(gateway().apply(app));
            applied = true;
        }
        words >> path >> arrow >> route >> seen;
        const auto answer = get(host, path);
        if (route == "404") {
            EXPECT_EQ(answer.status, 404) << "line " << number << ": " << line;
        } else {
            ASSERT_TRUE(instances.contains(route)) << "line " << number << ": " << line;
            EXPECT_EQ(answer, (Answer{200, instances[route], seen}))
                << "line " << number << ": " << line;
        }
        ++cases;
    }
    EXPECT_GE(cases, 30);
}

}  // namespace
}  // namespace loco::gateway
