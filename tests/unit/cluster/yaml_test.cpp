#include "cluster/kubernetes/yaml.hpp"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <boost/json.hpp>

namespace loco::cluster {
namespace {

namespace json = boost::json;

// A reader of YAML 1.1, which takes more bare words for something else than 1.2 does.
json::value read(const YAML::Node& node) {
    if (node.IsMap()) {
        json::object object;
        for (const auto& pair : node) object[pair.first.as<std::string>()] = read(pair.second);
        return object;
    }
    if (node.IsSequence()) {
        json::array array;
        for (const auto& item : node) array.push_back(read(item));
        return array;
    }
    const bool quoted = node.Tag() == "!";
    if (!quoted) {
        if (node.IsNull()) return nullptr;
        if (bool value = false; YAML::convert<bool>::decode(node, value)) return value;
        std::int64_t value = 0;
        if (YAML::convert<std::int64_t>::decode(node, value)) return value;
        if (double number = 0; YAML::convert<double>::decode(node, number)) return number;
    }
    return json::value(node.as<std::string>());
}

void expect_round_trip(const json::value& value) {
    EXPECT_EQ(read(YAML::Load(to_yaml(value))), value) << to_yaml(value);
}

TEST(Yaml, texts_that_look_like_something_else_stay_texts) {
    for (const auto* text : {"",          "yes",      "No",
                             "TRUE",      "null",     "~",
                             "y",         "on",       "1",
                             "0x1F",      "1e3",      "-1",
                             ".5",        ".inf",     "007",
                             "1_000",     "12:30:45", "2026-01-01",
                             "=",         "<<",       "- a",
                             "a: b",      "a:",       "a #b",
                             "#",         "{a}",      "[a]",
                             "&a",        "*a",       "!a",
                             "|",         ">",        "'a'",
                             "\"a\"",     "%a",       "@a",
                             "`a`",       " a",       "a ",
                             "a\nb\n",    "a\tb",     "\x01",
                             "grüße",     "世界",     "🚀",
                             "\\",        "$(PORT)",  "?",
                             "? a",       "--- a",    "... ",
                             "v7",        "10m",      "registry.example.com:5000/a@sha256:abc",
                             "http://a:b"}) {
        expect_round_trip(json::object{{"key", text}});
        expect_round_trip(json::array{text, "b"});
        if (*text != '\0') expect_round_trip(json::object{{text, "value"}});
    }
}

TEST(Yaml, everything_nested_in_everything_is_read_back) {
    expect_round_trip(json::object{
        {"empty", json::object{}},
        {"none", json::array{}},
        {"list", json::array{json::object{{"a", 1}, {"b", json::array{json::object{{"c", true}}}}},
                             json::array{1, 2}, json::array{json::array{json::object{{"x", 1}}}},
                             json::object{}, nullptr}},
        {"number", -3},
        {"flag", false},
        {"long", json::array{std::string(70, 'a'), "b"}}});
}

TEST(Yaml, each_manifest_is_a_document_behind_its_comment) {
    const std::vector<Manifest> two = {
        {kubernetes::kService, json::object{{"kind", "Service"}}, "first\nsecond"},
        {kubernetes::kSecret, json::object{{"kind", "Secret"}}}};
    EXPECT_EQ(to_yaml(two), "---\n# first\n# second\nkind: Service\n---\nkind: Secret\n");
}

}  // namespace
}  // namespace loco::cluster
