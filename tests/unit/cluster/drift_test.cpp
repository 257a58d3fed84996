#include "cluster/kubernetes/drift.hpp"

#include <gtest/gtest.h>

#include "cluster/kubernetes/labels.hpp"

namespace loco::cluster {
namespace {

using boost::json::value;

value json(const std::string& text) {
    auto parsed = kubernetes::parse_object(text);
    EXPECT_TRUE(parsed) << text;
    return parsed.value_or(value{});
}
std::string difference(const std::string& ordered, const std::string& live) {
    return first_difference(json(ordered), json(live));
}

TEST(Drift, what_others_add_is_theirs) {
    EXPECT_EQ(difference(R"({"spec":{"replicas":2}})",
                         R"({"spec":{"replicas":2,"paused":false},"status":{"replicas":1}})"),
              "");
    EXPECT_EQ(difference(R"({"c":[{"name":"app","image":"a"}]})",
                         R"({"c":[{"name":"mesh"},{"name":"app","image":"a","tty":false}]})"),
              "");
}

TEST(Drift, the_path_of_what_differs_is_told_and_no_value) {
    EXPECT_EQ(difference(R"({"spec":{"replicas":2}})", R"({"spec":{"replicas":3}})"),
              "spec.replicas");
    EXPECT_EQ(difference(R"({"spec":{"replicas":2}})", R"({"spec":{}})"), "spec.replicas");
    EXPECT_EQ(difference(R"({"c":[{"name":"app","image":"a"}]})",
                         R"({"c":[{"name":"app","image":"b"}]})"),
              "c[app].image");
    EXPECT_EQ(difference(R"({"c":[{"name":"app"}]})", R"({"c":[{"name":"other"}]})"), "c[app]");
    EXPECT_EQ(difference(R"({"drop":["ALL"]})", R"({"drop":[]})"), "drop");
    EXPECT_EQ(difference(R"({"args":["a","b"]})", R"({"args":["b","a"]})"), "args[0]");
    EXPECT_EQ(difference(R"({"a":{"b":1}})", R"({"a":7})"), "a");
    EXPECT_EQ(difference(R"({"a":[1]})", R"({"a":"x"})"), "a");
}

TEST(Drift, the_same_written_differently_is_no_difference) {
    EXPECT_EQ(difference(R"({"limits":{"cpu":"0.25","memory":"268435456"}})",
                         R"({"limits":{"cpu":"250m","memory":"256Mi"}})"),
              "");
    EXPECT_EQ(difference(R"({"limits":{"cpu":"0.25"}})", R"({"limits":{"cpu":"251m"}})"),
              "limits.cpu");
    EXPECT_EQ(difference(R"({"version":"1.0"})", R"({"version":"1"})"), "version")
        << "no quantity: another text";
    EXPECT_EQ(difference(R"({"targetPort":"80"})", R"({"targetPort":80})"), "");
    EXPECT_EQ(difference(R"({"a":{},"b":[],"c":null,"d":{"e":{}}})", "{}"), "");
    EXPECT_EQ(
        difference(R"({"ports":[{"port":53,"protocol":"UDP"},{"port":53,"protocol":"TCP"}]})",
                   R"({"ports":[{"port":53,"protocol":"TCP"},{"port":53,"protocol":"UDP"}]})"),
        "");
}

TEST(Drift, what_a_reflector_keeps_says_the_same_as_the_whole) {
    auto object = json(R"({"apiVersion":"v1","kind":"X","metadata":{"name":"x","managedFields":[1]},
                           "spec":{"a":[1,2]},"data":{"k":"v"},"status":{"s":1}})");
    pack(object, true);
    EXPECT_EQ(object.as_object().size(), 5U);
    EXPECT_EQ(unpack(object), json(R"({"apiVersion":"v1","kind":"X","metadata":{"name":"x"},
                       "spec":{"a":[1,2]},"data":{"k":"v"},"status":{"s":1}})"));
    pack(object, false);
}

TEST(Drift, a_new_order_is_told_from_somebody_elses_change) {
    auto ordered = json(R"({"metadata":{"name":"x"},"spec":{"replicas":2}})");
    stamp(ordered);
    auto live = ordered;
    EXPECT_EQ(standing_of(ordered, nullptr), Standing::missing);
    EXPECT_EQ(standing_of(ordered, &live), Standing::as_ordered);
    live.at("spec").as_object()["replicas"] = 5;
    EXPECT_EQ(standing_of(ordered, &live), Standing::changed);
    auto anew = json(R"({"metadata":{"name":"x"},"spec":{"replicas":3}})");
    stamp(anew);
    EXPECT_EQ(standing_of(anew, &live), Standing::ordered_anew);
    live.at("metadata").at("annotations").as_object().clear();
    EXPECT_EQ(standing_of(ordered, &live), Standing::changed);
    auto twice = ordered;
    stamp(twice);
    EXPECT_EQ(twice, ordered) << "a stamp is not part of what it stamps";
}

}  // namespace
}  // namespace loco::cluster
