#include "spec/read.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "spec/schema.hpp"
#include "spec/suggest.hpp"

namespace loco::spec {
namespace {

AppSpec read(std::string_view text, ReadOptions options = {.default_name = "shop"}) {
    auto spec = read_spec(text, options);
    EXPECT_TRUE(spec) << (spec ? "" : render(spec.error().front(), /*color=*/false));
    return spec.value_or(AppSpec{});
}

Diagnostics mistakes(std::string_view text) {
    auto spec = read_spec(text, {.default_name = "shop"});
    EXPECT_FALSE(spec);
    return spec ? Diagnostics{} : spec.error();
}

TEST(ReadSpec, an_almost_empty_file_is_the_defaults_with_the_folders_name) {
    AppSpec expected = default_spec();
    expected.name = "shop";
    EXPECT_EQ(read("version = 1\n"), expected);
}

TEST(ReadSpec, every_value_reaches_the_spec) {
    const auto spec = read(R"(
version = 1
name = "cart"
[build]
dockerfile = "docker/Dockerfile"
context = "app"
target = "prod"
args = { LEVEL = "3" }
secrets = { npm = ".npmrc" }
platform = "linux/arm64"
[deploy]
command = ["/app", "serve"]
user = "1000:1000"
strategy = "recreate"
release_command = ["/app", "migrate"]
timeout = "10m"
stop_timeout = "0s"
[http]
port = 3000
path = "/shop/"
strip_path = true
protocol = "h2c"
domains = ["shop.example.com"]
idle_timeout = "1h"
[[ports]]
name = "admin"
port = 9090
path = "/admin"
[[ports]]
name = "metrics"
port = 9100
[process.mailer]
command = ["/app", "mail"]
replicas = 2
memory = "64Mi"
[health]
path = "/healthz?full=1"
interval = "5s"
timeout = "1s"
failures = 5
grace = "2m"
[resources]
cpu = "500m"
cpu_max = 2
memory = "1Gi"
writable = false
[scale]
min = 3
[env]
LOG_LEVEL = "debug"
[secrets]
required = ["DATABASE_URL"]
[logs]
retention = "168h"
)");
    EXPECT_EQ(spec.name, "cart");
    EXPECT_EQ(spec.type, AppType::service);
    EXPECT_EQ(spec.build.dockerfile, "docker/Dockerfile");
    EXPECT_EQ(spec.build.context, "app");
    EXPECT_EQ(spec.build.target, "prod");
    EXPECT_EQ(spec.build.args.at("LEVEL"), "3");
    EXPECT_EQ(spec.build.secrets.at("npm"), ".npmrc");
    EXPECT_EQ(spec.build.platform, "linux/arm64");
    EXPECT_EQ(spec.deploy.command, (std::vector<std::string>{"/app", "serve"}));
    EXPECT_EQ(spec.deploy.user, "1000:1000");
    EXPECT_EQ(spec.deploy.strategy, Strategy::recreate);
    EXPECT_EQ(spec.deploy.release_command, (std::vector<std::string>{"/app", "migrate"}));
    EXPECT_EQ(spec.deploy.timeout, Millis{600'000});
    EXPECT_EQ(spec.deploy.stop_timeout, Millis{0});
    ASSERT_EQ(spec.ports.size(), 3U);
    EXPECT_EQ(spec.ports[0], (PortSpec{.name = "http",
                                       .port = 3000,
                                       .path = "/shop",
                                       .strip_path = true,
                                       .protocol = Protocol::h2c,
                                       .idle_timeout = Millis{3'600'000}}));
    EXPECT_EQ(spec.ports[1], (PortSpec{.name = "admin", .port = 9090, .path = "/admin"}));
    EXPECT_EQ(spec.ports[2], (PortSpec{.name = "metrics", .port = 9100, .path = ""}));
    EXPECT_EQ(spec.domains, std::vector<std::string>{"shop.example.com"});
    EXPECT_EQ(spec.processes.at("mailer"), (ProcessSpec{.command = {"/app", "mail"},
                                                        .replicas = 2,
                                                        .cpu_millis = 500,
                                                        .cpu_max_millis = 2000,
                                                        .memory_bytes = 64LL << 20}));
    EXPECT_EQ(spec.health, (HealthSpec{.path = "/healthz?full=1",
                                       .interval = Millis{5'000},
                                       .timeout = Millis{1'000},
                                       .failures = 5,
                                       .grace = Millis{120'000}}));
    EXPECT_EQ(spec.resources, (Resources{.cpu_millis = 500,
                                         .cpu_max_millis = 2000,
                                         .memory_bytes = 1LL << 30,
                                         .writable = false}));
    EXPECT_EQ(spec.scale.min, 3);
    EXPECT_EQ(spec.scale.max, 3);
    EXPECT_EQ(spec.env.at("LOG_LEVEL"), "debug");
    EXPECT_EQ(spec.required_secrets, std::vector<std::string>{"DATABASE_URL"});
    EXPECT_EQ(spec.log_retention, Millis{7LL * 86'400'000});
}

TEST(ReadSpec, a_worker_has_no_ports) {
    EXPECT_TRUE(read("version = 1\ntype = \"worker\"\n").ports.empty());
}

TEST(ReadSpec, a_profile_merges_tables_and_replaces_everything_else) {
    const std::string_view text = R"(
version = 1
name = "shop"
[env]
A = "1"
B = "1"
[deploy]
command = ["a", "b"]
[process.mailer]
command = ["mail"]
replicas = 3
[profile.staging]
name = "shop-staging"
[profile.staging.env]
B = "2"
[profile.staging.deploy]
command = ["c"]
[profile.staging.process.mailer]
replicas = 1
)";
    const auto staging = read(text, {.profile = "staging"});
    EXPECT_EQ(staging.name, "shop-staging");
    EXPECT_EQ(staging.env, (std::map<std::string, std::string>{{"A", "1"}, {"B", "2"}}));
    EXPECT_EQ(staging.deploy.command, std::vector<std::string>{"c"});
    EXPECT_EQ(staging.processes.at("mailer").command, std::vector<std::string>{"mail"});
    EXPECT_EQ(staging.processes.at("mailer").replicas, 1);
    EXPECT_EQ(read(text).name, "shop");
    EXPECT_EQ(read(text).env.at("B"), "1");
}

TEST(ReadSpec, a_byte_order_mark_and_windows_line_ends_are_taken) {
    EXPECT_EQ(read("\xef\xbb\xbfversion = 1\r\nname = \"cart\"\r\n").name, "cart");
    const auto found = mistakes("version = 1\r\nport = 3\r\n");
    EXPECT_EQ(found.at(0).source_line, "port = 3");
}

TEST(ReadSpec, a_file_over_256_kib_is_refused_unread) {
    EXPECT_EQ(mistakes(std::string(kMaxSpecBytes + 1, '#')).at(0).message,
              "the file has more than 256 KiB");
}

TEST(ReadSpec, at_most_a_hundred_mistakes_are_told) {
    std::string text = "version = 1\n";
    for (int i = 0; i < 500; ++i) text += "key_" + std::to_string(i) + " = 1\n";
    EXPECT_EQ(mistakes(text).size(), 100U);
}

TEST(ReadSpec, deeply_nested_input_is_refused_and_not_followed) {
    EXPECT_FALSE(read_spec("version = 1\na = " + std::string(100'000, '['), {}));
    std::string keys = "a";
    for (int i = 0; i < 100'000; ++i) keys += ".a";
    EXPECT_FALSE(read_spec("version = 1\n" + keys + " = 1\n", {}));
}

TEST(ReadSpec, a_control_character_is_told_with_its_place) {
    using namespace std::string_literals;
    for (const auto& text :
         {"version = 1\n# é\0x\n"s, "version = 1\n[é\0]\n"s, "version = 1\n\"é\x7f\n"s}) {
        const auto found = mistakes(text);
        ASSERT_EQ(found.size(), 1U);
        EXPECT_EQ(found[0].message, "there is a control character here");
        EXPECT_EQ(found[0].line, 2);
        EXPECT_GE(found[0].column, 3);
    }
}

TEST(Diagnostic, is_rendered_like_a_compilers) {
    const auto found = mistakes("version = 1\n\n[resources]\nmemory = \"100m\"\n");
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(render(found[0], /*color=*/false),
              "loco.toml:4:10: error: \"100m\" is 0.1 bytes\n"
              "    4 | memory = \"100m\"\n"
              "      |          ^^^^^^\n"
              "      = expected: bytes as a Kubernetes quantity such as \"256Mi\" or \"1Gi\", from "
              "8Mi to 1Ti\n"
              "      = help: did you mean \"100Mi\"?\n"
              "      = fix: write `memory = \"100Mi\"`\n");
    EXPECT_NE(render(found[0], /*color=*/true).find("\x1b["), std::string::npos);
    EXPECT_EQ(summary(found[0]), "loco.toml:4:10: \"100m\" is 0.1 bytes (did you mean \"100Mi\"?)");
}

TEST(Diagnostic, never_shows_a_control_character_of_the_file) {
    const auto found =
        mistakes("version = 1\n\"\\u001b[2J\" = \"\\u009b31m\"\t# \xc2\x9b\nname = 3 # \x7f\n");
    for (const auto& d : found) {
        for (const char c : render(d, /*color=*/false) + summary(d))
            EXPECT_TRUE(c == '\n' || (c >= ' ' || c < 0)) << int{c};
        EXPECT_EQ(render(d, false).find("\xc2\x9b"), std::string::npos);
    }
    const Diagnostic d{.file = "f",
                       .line = 1,
                       .column = 1,
                       .length = 1,
                       .source_line = "a\x1b[31m\xc2\x9b b\xff",
                       .key = {},
                       .message = "m\x1b",
                       .expected = {},
                       .suggestion = {},
                       .fix = {}};
    EXPECT_EQ(render(d, false).find('\x1b'), std::string::npos);
    EXPECT_EQ(render(d, false).find('\xff'), std::string::npos);
}

TEST(Diagnostic, text_that_turns_its_direction_is_shown_as_what_it_is) {
    EXPECT_EQ(printable("a\u202Etxt.exe"), "a\u{FFFD}txt.exe");
    EXPECT_EQ(printable("\u2066x\u2069"), "\u{FFFD}x\u{FFFD}");
}

TEST(Diagnostic, broken_utf8_hides_no_control_character) {
    EXPECT_EQ(printable("\xff\x01\x02\x03"), "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}");
    EXPECT_EQ(printable("\xe2\x1b["), "\u{FFFD}\u{FFFD}[");
    EXPECT_EQ(printable("\xc3"), "\u{FFFD}");
    EXPECT_EQ(printable("\xc3\xa9\t\xf0\x9f\x9a\x82"), "é 🚂");
}

TEST(Diagnostic, a_long_line_is_cut_around_what_is_underlined) {
    const std::string text =
        "version = 1\nenv = { A = \"" + std::string(500, 'x') + "\", PORT = \"1\" }\n";
    const auto found = mistakes(text);
    ASSERT_EQ(found.size(), 1U);
    const auto shown = render(found[0], /*color=*/false);
    const auto source = shown.substr(shown.find("| ") + 2,
                                     shown.find('\n', shown.find("| ")) - shown.find("| ") - 2);
    EXPECT_LT(source.size(), 150U);
    EXPECT_NE(source.find("PORT"), std::string::npos);
}

TEST(Diagnostic, as_an_error_counts_and_lists_the_mistakes) {
    const auto several = to_error(mistakes("version = 1\nName = \"x\"\n[http]\nport = 0\n"));
    EXPECT_EQ(several.kind, ErrorKind::invalid);
    EXPECT_EQ(several.code, "invalid_spec");
    EXPECT_EQ(several.message, "loco.toml has 2 mistakes");
    EXPECT_EQ(several.next_steps.size(), 2U);
    const auto one = to_error(mistakes("version = 1\nName = \"x\"\n"));
    EXPECT_EQ(one.hint, "did you mean name?");
    EXPECT_EQ(to_error(mistakes("version = 1\ntype = \"static\"\n")).code, "unsupported_spec");
}

TEST(Diagnostic, that_only_what_is_built_is_missing_has_a_code_of_its_own) {
    const auto code = [](std::string_view missing, const std::string& text) {
        const auto read = read_spec(text, {.exists_inside = [&](std::string_view path) {
                                        if (path == missing) return PathState::missing;
                                        return path == "." ? PathState::folder : PathState::file;
                                    }});
        return read ? std::string() : to_error(read.error()).code;
    };
    const std::string head = "version = 1\nname = \"x\"\n";
    EXPECT_EQ(code("none", head), "");
    EXPECT_EQ(code("Dockerfile", head), "no_dockerfile");
    EXPECT_EQ(code("other", head + "[build]\ndockerfile = \"other\"\n"), "no_dockerfile");
    EXPECT_EQ(code("src", head + "[build]\ncontext = \"src\"\n"), "no_context");
    EXPECT_EQ(code("Dockerfile", head + "[http]\nport = 0\n"), "invalid_spec");
}

TEST(Suggest, edit_distance_counts_swaps_as_one_and_ignores_case) {
    EXPECT_EQ(edit_distance("name", "Name"), 0U);
    EXPECT_EQ(edit_distance("nmae", "name"), 1U);
    EXPECT_EQ(edit_distance("release-command", "release_command"), 0U);
    EXPECT_EQ(edit_distance("", "abc"), 3U);
}

TEST(Schema, every_key_has_words_and_one_place) {
    std::vector<std::string_view> paths;
    for (const auto& field : app_fields()) {
        EXPECT_TRUE(field.doc.ends_with('.')) << field.path;
        EXPECT_EQ(std::ranges::find(paths, field.path), paths.end()) << field.path;
        paths.push_back(field.path);
    }
}

}  // namespace
}  // namespace loco::spec
