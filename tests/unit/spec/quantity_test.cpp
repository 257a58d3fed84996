#include "spec/quantity.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace loco::spec {
namespace {

TEST(Quantity, cpu_is_read_as_kubernetes_reads_it) {
    EXPECT_EQ(parse_cpu("100m"), 100);
    EXPECT_EQ(parse_cpu("0.5"), 500);
    EXPECT_EQ(parse_cpu("2"), 2000);
    EXPECT_EQ(parse_cpu("1.0005"), 1001);  // rounded up
    EXPECT_EQ(parse_cpu("5e-1"), 500);
    EXPECT_EQ(parse_cpu("128"), 128'000);
    EXPECT_FALSE(parse_cpu("128.001"));
    EXPECT_FALSE(parse_cpu("9m"));
    EXPECT_FALSE(parse_cpu("-1"));
    EXPECT_FALSE(parse_cpu("1 "));
    EXPECT_FALSE(parse_cpu("1e99"));
}

TEST(Quantity, memory_is_read_as_kubernetes_reads_it) {
    EXPECT_EQ(parse_memory("256Mi"), 256LL << 20);
    EXPECT_EQ(parse_memory("1G"), 1'000'000'000);
    EXPECT_EQ(parse_memory("1.5Gi"), 3LL << 29);
    EXPECT_EQ(parse_memory("268435456"), 256LL << 20);
    EXPECT_EQ(parse_memory("1e9"), 1'000'000'000);
    EXPECT_EQ(parse_memory("8388608.5"), (8LL << 20) + 1);  // rounded up
    EXPECT_EQ(parse_memory("1Ti"), 1LL << 40);
    EXPECT_FALSE(parse_memory("1Ei"));
    EXPECT_FALSE(parse_memory("8Mib"));
    EXPECT_FALSE(parse_memory("0x10"));
}

TEST(Quantity, durations_are_gos_with_days) {
    using namespace std::chrono_literals;
    EXPECT_EQ(parse_duration("90s"), Millis(90s));
    EXPECT_EQ(parse_duration("1h30m"), Millis(90min));
    EXPECT_EQ(parse_duration("7d"), Millis(168h));
    EXPECT_EQ(parse_duration("1.5h"), Millis(90min));
    EXPECT_EQ(parse_duration("250ms"), 250ms);
    EXPECT_EQ(parse_duration("0"), 0ms);
    EXPECT_FALSE(parse_duration("1h 30m"));
    EXPECT_FALSE(parse_duration("s"));
    EXPECT_FALSE(parse_duration("1x"));
    EXPECT_FALSE(parse_duration("4000d"));
}

TEST(Quantity, an_error_for_an_argument_says_what_was_meant) {
    const auto error = to_error("--memory", parse_memory("100m").error());
    EXPECT_EQ(error.kind, ErrorKind::invalid);
    EXPECT_EQ(error.message, "--memory: \"100m\" is 0.1 bytes");
    EXPECT_EQ(error.hint, "did you mean \"100Mi\"?");
}

TEST(Quantity, durations_are_written_as_people_say_them) {
    EXPECT_EQ(format_duration(Millis{0}), "0s");
    EXPECT_EQ(format_duration(Millis{60'000}), "60s");
    EXPECT_EQ(format_duration(Millis{90'000}), "90s");
    EXPECT_EQ(format_duration(Millis{300'000}), "5m");
    EXPECT_EQ(format_duration(Millis{5'400'000}), "1h30m");
    EXPECT_EQ(format_duration(Millis{7LL * 86'400'000}), "7d");
    EXPECT_EQ(format_duration(Millis{1'500}), "1s500ms");
}

RC_GTEST_PROP(Quantity, every_cpu_survives_being_written_and_read, ()) {
    const auto millis = *rc::gen::inRange<std::int64_t>(kMinCpuMillis, kMaxCpuMillis + 1);
    RC_ASSERT(parse_cpu(format_cpu(millis)).value() == millis);
}

RC_GTEST_PROP(Quantity, every_memory_survives_being_written_and_read, ()) {
    const auto unit =
        *rc::gen::element<std::int64_t>(1, 1'000, 1LL << 10, 1'000'000, 1LL << 20, 1LL << 30);
    const auto bytes = *rc::gen::inRange<std::int64_t>((kMinMemoryBytes + unit - 1) / unit,
                                                       kMaxMemoryBytes / unit + 1) *
                       unit;
    RC_ASSERT(parse_memory(format_memory(bytes)).value() == bytes);
}

RC_GTEST_PROP(Quantity, every_duration_survives_being_written_and_read, ()) {
    const auto unit = *rc::gen::element<std::int64_t>(1, 1'000, 60'000, 3'600'000, 86'400'000);
    const Millis duration{*rc::gen::inRange<std::int64_t>(0, kMaxDuration.count() / unit + 1) *
                          unit};
    RC_ASSERT(parse_duration(format_duration(duration)).value() == duration);
}

RC_GTEST_PROP(Quantity, whatever_is_suggested_is_valid, (const std::string& text)) {
    // Strings that look like quantities, mostly.
    const auto digits = std::to_string(*rc::gen::inRange(0, 10'000));
    const auto unit = *rc::gen::element<std::string>("", "m", "M", "mb", "MB", "Gi", "gib", "cores",
                                                     "%", "s", " min", "w", text);
    const auto check = [](const auto& parsed, auto parse) {
        if (parsed || parsed.error().suggestion.empty()) return;
        const auto& quoted = parsed.error().suggestion;
        RC_ASSERT(quoted.size() > 2U);
        RC_ASSERT(parse(quoted.substr(1, quoted.size() - 2)).has_value());
    };
    check(parse_cpu(digits + unit), parse_cpu);
    check(parse_memory(digits + unit), parse_memory);
    check(parse_duration(digits + unit), parse_duration);
}

}  // namespace
}  // namespace loco::spec
