#include "spec/json.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "spec/read.hpp"
#include "spec/schema.hpp"

namespace loco::spec {
namespace {

AppSpec named(std::string name) {
    AppSpec spec = default_spec();
    spec.name = std::move(name);
    return spec;
}

TEST(SpecJson, has_the_shape_of_the_file_with_every_default) {
    EXPECT_EQ(
        to_json(named("shop")),
        R"({"version":1,"name":"shop","type":"service",)"
        R"("build":{"dockerfile":"Dockerfile","context":".","target":"","args":{},"secrets":{},"platform":"","image":""},)"
        R"("deploy":{"command":[],"user":"","strategy":"rolling","release_command":[],"timeout":"5m","stop_timeout":"30s"},)"
        R"("http":{"port":8080,"path":"/","strip_path":false,"protocol":"http","domains":[],"idle_timeout":"60s"},)"
        R"("health":{"path":"","interval":"2s","timeout":"2s","failures":3,"grace":"60s"},)"
        R"("resources":{"cpu":"250m","cpu_max":"1","memory":"256Mi","writable":true},)"
        R"("scale":{"min":1,"max":1,"cpu_target":0,"idle_after":"0s"},)"
        R"("env":{},"secrets":{"required":[]},"logs":{"retention":"7d"},"ports":[],"process":{}})");
}

TEST(SpecJson, a_worker_has_no_http_no_ports_and_no_health) {
    AppSpec spec = named("work");
    spec.type = AppType::worker;
    spec.ports.clear();
    const auto text = to_json(spec);
    EXPECT_EQ(text.find("\"http\""), std::string::npos);
    EXPECT_EQ(text.find("\"health\""), std::string::npos);
    EXPECT_EQ(from_json(text).value_or(AppSpec{}), spec);
}

TEST(SpecJson, hostile_input_is_refused_by_the_rules_of_the_file) {
    const auto refused = [](std::string_view text) {
        const auto spec = from_json(text);
        return spec ? "taken" : spec.error().message;
    };
    EXPECT_EQ(refused("{"), "the spec is no JSON: incomplete JSON");
    EXPECT_EQ(refused("[]"), "the spec is no JSON object");
    EXPECT_EQ(refused(R"({"version":1})"), "spec: name: the app has no name");
    EXPECT_EQ(refused(R"({"version":1,"name":"api"})"),
              "spec: name: \"api\" cannot be an app's name: it is reserved for Loco");
    EXPECT_EQ(refused(R"({"version":1,"name":"x","build":{"dockerfile":"../../etc/passwd"}})"),
              "spec: build.dockerfile: \"../../etc/passwd\" is outside the app's folder");
    EXPECT_EQ(refused(R"({"version":1,"name":"x","deploy":{"user":"0"}})"),
              "spec: deploy.user: \"0\" is root, and no app may run as root");
    EXPECT_EQ(refused(R"({"version":1,"name":"x","http":{"port":99999999999999999999}})"),
              "spec: http.port: this is a number with a fraction");
    EXPECT_EQ(refused(R"({"version":1,"name":"x","http":{"port":18446744073709551615}})"),
              "spec: http.port: 9223372036854775807 is out of range");
    EXPECT_EQ(refused(R"({"version":1,"name":"x","type":"static"})"),
              "spec: type: static sites are not supported yet");
    EXPECT_EQ(refused(R"({"version":1,"name":"x","profile":{}})"),
              "spec: profile: there is no key `profile` at the top level");
    EXPECT_EQ(
        refused(
            R"({"version":1,"name":"x","ports":[{"name":"a","port":1},{"name":"a","port":2}]})"),
        "spec: ports[1].name: two ports are called \"a\"");
    EXPECT_EQ(refused(R"({"version":1,"name":"x","env":{"A\u0000B":"c"}})"),
              "spec: env.A\u{FFFD}B: \"A\\u0000B\" cannot be a variable's name: it has a character "
              "other than letters, digits and _");
    EXPECT_EQ(refused(R"({"version":1,"name":"x","build":{"image":"shop","target":"prod"}})"),
              "spec: build.target: `image` is set, so nothing is built and `target` has no effect");
    EXPECT_FALSE(from_json(std::string(100'000, '[')));
    EXPECT_EQ(from_json(std::string(kMaxSpecBytes + 1, ' ')).error().kind, ErrorKind::too_large);
}

TEST(SpecJson, null_is_as_good_as_absent) {
    EXPECT_EQ(from_json(R"({"version":1,"name":"x","http":{"port":null},"health":null})")
                  .value_or(AppSpec{}),
              named("x"));
}

std::string lower_word(std::size_t max) {
    const auto length = *rc::gen::inRange<std::size_t>(1, max + 1);
    return *rc::gen::container<std::string>(length,
                                            rc::gen::inRange('a', static_cast<char>('z' + 1)));
}

AppSpec any_spec() {
    AppSpec spec = named("a" + lower_word(20));
    const auto flip = [] { return *rc::gen::arbitrary<bool>(); };
    const auto text = [] { return *rc::gen::container<std::string>(rc::gen::inRange(' ', '~')); };
    const auto millis = [](std::int64_t low, std::int64_t high) {
        return Millis{*rc::gen::inRange<std::int64_t>(low, high)};
    };
    spec.build.target = flip() ? lower_word(10) : "";
    spec.build.args[lower_word(5)] = text();
    spec.build.secrets[lower_word(5)] = "files/" + lower_word(5);
    spec.deploy.command = {"/app", text()};
    spec.deploy.user = flip() ? std::to_string(*rc::gen::inRange(1, 70'000)) : "";
    spec.deploy.strategy = flip() ? Strategy::rolling : Strategy::recreate;
    spec.deploy.timeout = millis(1'000, 3'600'000);
    spec.deploy.stop_timeout = millis(0, 3'600'000);
    spec.ports[0].port = *rc::gen::inRange(1, 10'000);
    spec.ports[0].path = flip() ? "/" : "/" + lower_word(8);
    spec.ports[0].protocol = flip() ? Protocol::http : Protocol::h2c;
    if (flip())
        spec.ports.push_back(
            {.name = "internal", .port = 10'000, .path = "", .protocol = Protocol::h2c});
    if (flip())
        spec.ports.push_back({.name = "routed",
                              .port = 10'001,
                              .path = "/r/" + lower_word(4),
                              .strip_path = flip()});
    spec.domains = {lower_word(8) + ".example.com"};
    spec.health.path = flip() ? "" : "/" + lower_word(8);
    spec.health.interval = millis(100, 100'000);
    spec.resources.cpu_millis = *rc::gen::inRange<std::int64_t>(10, 5'000);
    spec.resources.cpu_max_millis =
        spec.resources.cpu_millis + *rc::gen::inRange<std::int64_t>(0, 5'000);
    spec.resources.memory_bytes = *rc::gen::inRange<std::int64_t>(8LL << 20, 1LL << 35);
    spec.resources.writable = flip();
    spec.scale.min = spec.scale.max = *rc::gen::inRange(1, 100);
    spec.processes["p" + lower_word(5)] = {.command = {text() + "x"},
                                           .replicas = *rc::gen::inRange(0, 100)};
    spec.env["A" + lower_word(5)] = text();
    spec.required_secrets = {"B" + lower_word(5)};
    return spec;
}

RC_GTEST_PROP(SpecJson, every_spec_survives_being_written_and_read, ()) {
    const AppSpec spec = any_spec();
    const auto text = to_json(spec);
    const auto read = from_json(text);
    RC_ASSERT(read.has_value());
    RC_ASSERT(*read == spec);
    RC_ASSERT(to_json(*read) == text);
}

}  // namespace
}  // namespace loco::spec
