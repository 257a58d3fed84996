#include "domain/capacity.hpp"

#include <gtest/gtest.h>

namespace loco {
namespace {

constexpr std::int64_t kMi = 1LL << 20;
constexpr std::int64_t kGi = 1LL << 30;
const TeamId kTeam("team_a");
const TeamId kStrangers("team_b");

// 2 cores and 4 GiB, of which apps may have 20 CPU and 3686 MiB.
constexpr Share kMachine{.cpu_millis = 2000, .memory_bytes = 4 * kGi};

AppSpec spec_of(int replicas, std::int64_t memory, std::int64_t cpu = 250,
                Strategy strategy = Strategy::rolling) {
    AppSpec spec;
    spec.name = "shop";
    spec.ports = {PortSpec{}};
    spec.scale.min = spec.scale.max = replicas;
    spec.resources.memory_bytes = memory;
    spec.resources.cpu_millis = cpu;
    spec.deploy.strategy = strategy;
    return spec;
}

Holding holding(const std::string& app, std::int64_t memory, const TeamId& team = kTeam) {
    return {team, app, {.cpu_millis = 250, .memory_bytes = memory}};
}

struct Case {
    const char* name;
    AppSpec old;  // without a name: nothing serves
    AppSpec next;
    std::vector<Holding> others;
    std::string code;  // empty: there is room
    std::string message;
    std::vector<std::string> steps = {};
};

const std::string kSee =
    "see what the machine has and what holds it: GET /api/v1/machine, or loco doctor";
const std::string kLess = "ask for less: [resources] memory in loco.toml, or loco scale -a shop";

std::vector<Case> cases() {
    return {
        {"the first app of an empty machine", {}, spec_of(1, 256 * kMi), {}, "", ""},
        {"all that there is", {}, spec_of(1, 3686 * kMi), {}, "", ""},
        {"a first deploy for which too little is left",
         {},
         spec_of(2, 512 * kMi),
         {holding("blog", 2 * kGi), holding("api", kGi)},
         "not_enough_memory",
         "not enough memory on this machine: the deploy of shop needs 1 GiB, and of 3.6 GiB for "
         "apps "
         "614 MiB is free; held by blog 2 GiB, api 1 GiB",
         {kLess, "or make room: loco scale -a blog with less, or loco destroy what is not needed",
          kSee}},
        {"old and new beside each other do not fit, one after the other they do",
         spec_of(1, 2 * kGi),
         spec_of(1, 2 * kGi),
         {},
         "not_enough_memory",
         "not enough memory on this machine: the deploy of shop needs 2 GiB more while old and new "
         "run beside each other, and of 3.6 GiB for apps 1.6 GiB is free; held by shop 2 GiB",
         {kLess,
          "or set [deploy] strategy = \"recreate\" in loco.toml: the old stops before the new "
          "starts, and that fits",
          kSee}},
        {"the same with recreate",
         spec_of(1, 2 * kGi),
         spec_of(1, 2 * kGi, 250, Strategy::recreate),
         {},
         "",
         ""},
        {"recreate with a larger one that does not fit",
         spec_of(1, kGi),
         spec_of(1, 3 * kGi, 250, Strategy::recreate),
         {holding("blog", kGi)},
         "not_enough_memory",
         "not enough memory on this machine: the deploy of shop needs 2 GiB more, and of 3.6 GiB "
         "for "
         "apps 1.6 GiB is free; held by blog 1 GiB, shop 1 GiB",
         {kLess, "or make room: loco scale -a blog with less, or loco destroy what is not needed",
          kSee}},
        {"other teams' apps have no names, and many are summed up",
         {},
         spec_of(1, kGi),
         {holding("a", 700 * kMi), holding("secret", 700 * kMi, kStrangers),
          holding("b", 600 * kMi), holding("c", 500 * kMi), holding("d", 300 * kMi),
          holding("e", 200 * kMi), holding("hidden", 100 * kMi, kStrangers)},
         "not_enough_memory",
         "not enough memory on this machine: the deploy of shop needs 1 GiB, and of 3.6 GiB for "
         "apps "
         "586 MiB is free; held by a 700 MiB, b 600 MiB, c 500 MiB, d 300 MiB, 3 other apps 1000 "
         "MiB",
         {kLess, "or make room: loco scale -a a with less, or loco destroy what is not needed",
          kSee}},
        {"a machine that others have filled",
         {},
         spec_of(1, 256 * kMi),
         {holding("secret", 4 * kGi, kStrangers)},
         "not_enough_memory",
         "not enough memory on this machine: the deploy of shop needs 256 MiB, and of 3.6 GiB for "
         "apps nothing is free; held by 1 app 4 GiB",
         {kLess, kSee}},
        {"more memory than the machine has",
         {},
         spec_of(1, 8 * kGi),
         {},
         "does_not_fit",
         "this machine can never hold one instance of web: it asks for 0.25 CPU and 8 GiB, and the "
         "most that it has for apps is 2 CPU and 3.6 GiB"},
        {"more cores than the machine has",
         {},
         spec_of(1, 64 * kMi, 3000),
         {},
         "does_not_fit",
         "this machine can never hold one instance of web: it asks for 3 CPU and 64 MiB, and the "
         "most that it has for apps is 2 CPU and 3.6 GiB"},
        {"more shares of CPU than there may be",
         {},
         spec_of(11, 16 * kMi, 2000),
         {},
         "not_enough_cpu",
         "not enough CPU on this machine: the deploy of shop needs 22 CPU, and of 20 CPU for apps "
         "20 CPU is free",
         {"ask for less: [resources] cpu in loco.toml, or loco scale -a shop", kSee}},
        {"no more than it holds, on a machine that has too little by now",
         spec_of(2, 3 * kGi),
         spec_of(1, 3 * kGi, 250, Strategy::recreate),
         {holding("blog", 2 * kGi)},
         "",
         ""},
    };
}

RoomRequest request_of(const Case& test) {
    const bool serves = !test.old.name.empty();
    return {.team = kTeam,
            .app = "shop",
            .what = "deploy",
            .now = serves ? need_of(test.old, {}) : Share(),
            .rollout = {.old = serves ? &test.old : nullptr, .next = &test.next, .command = true}};
}

TEST(CapacityTest, WhatFitsPassesAndWhatDoesNotIsRefusedInWordsThatHelp) {
    for (const auto& test : cases()) {
        const auto checked = check_room(kMachine, {}, test.others, request_of(test));
        ASSERT_EQ(checked.has_value(), test.code.empty())
            << test.name << ": " << (checked ? "" : checked.error().message);
        if (checked) continue;
        EXPECT_EQ(checked.error().kind, ErrorKind::refused) << test.name;
        EXPECT_EQ(checked.error().code, test.code) << test.name;
        EXPECT_EQ(checked.error().message, test.message) << test.name;
        EXPECT_FALSE(checked.error().hint.empty()) << test.name;
        if (!test.steps.empty()) EXPECT_EQ(checked.error().next_steps, test.steps) << test.name;
    }
}

TEST(CapacityTest, AReserveIsKeptForTheSystem) {
    const auto reserved = [](std::int64_t memory) {
        return memory_reserve({.cpu_millis = 1000, .memory_bytes = memory}, {}) / kMi;
    };
    EXPECT_EQ(reserved(kGi), 256);
    EXPECT_EQ(reserved(8 * kGi), 819);
    EXPECT_EQ(reserved(64 * kGi), 2048);
    EXPECT_EQ(room_of({.cpu_millis = 1000, .memory_bytes = 128 * kMi}, {}).memory_bytes, 0);
    const CapacityPolicy policy{
        .memory_reserve_bytes = kGi, .memory_percent = 150, .cpu_percent = 100};
    EXPECT_EQ(room_of(kMachine, policy).cpu_millis, 2000);
    EXPECT_NEAR(static_cast<double>(room_of(kMachine, policy).memory_bytes), 4.5 * kGi, 200);
}

TEST(CapacityTest, ARolloutIsAsLargeAsAtItsHeight) {
    auto old = spec_of(2, 100 * kMi);
    auto next = spec_of(3, 100 * kMi);
    next.processes["mailer"] = {.replicas = 1, .memory_bytes = 50 * kMi};
    next.deploy.release_command = {"/migrate"};
    next.resources.memory_bytes = 120 * kMi;
    const auto peak = [&](Rollout rollout) { return peak_of(rollout).memory_bytes / kMi; };
    EXPECT_EQ(peak({.old = &old, .next = &next, .command = true}), 200 + 410);
    next.scale.min = 0;
    next.processes.clear();
    EXPECT_EQ(peak({.old = &old, .next = &next, .command = true}), 200 + 120) << "the command's";
    EXPECT_EQ(peak({.old = &old, .next = &next, .command = false}), 200);
    next.scale.min = 3;
    next.deploy.strategy = Strategy::recreate;
    EXPECT_EQ(peak({.old = &old, .next = &next, .command = true}), 360);
    EXPECT_EQ(peak({.next = &next, .command = true}), 360);
    const std::map<std::string, ScaleOverride> five{{"web", {.replicas = 5}}};
    EXPECT_EQ(peak({.old = &old, .next = &old, .scale = five, .in_place = true}), 500);
    EXPECT_EQ(peak({.old = &old, .old_scale = five, .next = &old, .in_place = true}), 500)
        << "what goes is there until it has gone";
}

// --- disk

Disk disk(std::int64_t total, std::int64_t free, std::int64_t inodes = 0,
          std::int64_t free_inodes = 0) {
    return {.path = "/var/lib/loco",
            .holds = {"database", "images"},
            .total_bytes = total,
            .free_bytes = free,
            .total_inodes = inodes,
            .free_inodes = free_inodes};
}

TEST(CapacityTest, ADiskIsLowAtATenthAndFullAtThreePercentWithinBounds) {
    struct Row {
        std::int64_t total;
        std::int64_t low;
        std::int64_t full;
    };
    for (const auto& row : {Row{4 * kGi, 2 * kGi, kGi / 2}, Row{40 * kGi, 4 * kGi, 1228 * kMi},
                            Row{4000 * kGi, 10 * kGi, 3 * kGi}}) {
        const auto marks = marks_of(disk(row.total, 0), {});
        EXPECT_EQ(marks.low_bytes / kMi, row.low / kMi);
        EXPECT_EQ(marks.full_bytes / kMi, row.full / kMi);
    }
    const auto set = marks_of(disk(kGi, 0), {.low_bytes = 200 * kMi, .full_bytes = 100 * kMi});
    EXPECT_EQ(set.low_bytes, 200 * kMi);
    EXPECT_EQ(set.full_bytes, 100 * kMi);
    EXPECT_EQ(marks_of(disk(kGi, 0), {.full_bytes = 5 * kGi}).low_bytes, 5 * kGi);
}

TEST(CapacityTest, ADisksStateEndsWithALittleMoreThanItBeginsWith) {
    const DiskPolicy policy{.low_bytes = 200 * kMi, .full_bytes = 100 * kMi};
    struct Row {
        std::int64_t free;
        DiskState before;
        DiskState state;
    };
    using enum DiskState;
    for (const auto& row :
         {Row{200, ok, ok}, Row{199, ok, low}, Row{210, low, low}, Row{220, low, ok},
          Row{100, low, low}, Row{99, low, full}, Row{109, full, full}, Row{110, full, low},
          Row{215, full, low}, Row{220, full, ok}, Row{0, ok, full}}) {
        EXPECT_EQ(judge(disk(kGi, row.free * kMi), policy, row.before), row.state)
            << row.free << " MiB";
    }
    EXPECT_EQ(judge(disk(kGi, kGi / 2, 1000, 49), policy, ok), low);
    EXPECT_EQ(judge(disk(kGi, kGi / 2, 1000, 9), policy, ok), full);
    EXPECT_EQ(judge(disk(kGi, kGi / 2, 1000, 50), policy, ok), ok);
    EXPECT_EQ(judge(disk(kGi, kGi / 2, 0, 0), policy, ok), ok) << "without a bound of inodes";
    const DiskPolicy never{.low_bytes = kMi, .full_bytes = 0};
    EXPECT_EQ(judge(disk(kGi, 0), never, ok), low);
    EXPECT_EQ(judge(disk(kGi, 0), never, full), low);
}

WatchedDisk watched(const Disk& disk, DiskState state) {
    return {
        .disk = disk, .marks = {.low_bytes = 200 * kMi, .full_bytes = 100 * kMi}, .state = state};
}

TEST(CapacityTest, ADiskThatIsNotWellIsToldWithWhatToDo) {
    EXPECT_FALSE(warning_of(watched(disk(kGi, kGi / 2), DiskState::ok)));
    const auto low = warning_of(watched(disk(kGi, 150 * kMi), DiskState::low));
    ASSERT_TRUE(low);
    EXPECT_EQ(low->code, "disk_low");
    EXPECT_EQ(low->message,
              "the disk of /var/lib/loco (database, images) is nearly full: 150 MiB of 1 GiB is "
              "free; Loco removes what it need not keep");
    const auto full = warning_of(watched(disk(kGi, kGi / 2, 1000, 3), DiskState::full));
    ASSERT_TRUE(full);
    EXPECT_EQ(full->code, "disk_full");
    EXPECT_EQ(full->message,
              "the disk of /var/lib/loco (database, images) is full: 3 of 1000 inodes are free; "
              "what runs goes on, new deploys wait for room");
    EXPECT_FALSE(full->next_steps.empty());
}

TEST(CapacityTest, NothingIsDeployedWhileADiskIsFull) {
    MachineFacts facts;
    EXPECT_TRUE(check_disks(facts));
    facts.disks = {watched(disk(kGi, 150 * kMi), DiskState::low)};
    EXPECT_TRUE(check_disks(facts));
    facts.disks.push_back(watched(disk(kGi, 10 * kMi), DiskState::full));
    EXPECT_EQ(facts.disk_state(), DiskState::full);
    const auto checked = check_disks(facts);
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().kind, ErrorKind::refused);
    EXPECT_EQ(checked.error().code, "disk_full");
    EXPECT_FALSE(checked.error().hint.empty());
}

TEST(CapacityTest, SizesReadAsPeopleWriteThem) {
    EXPECT_EQ(size_text(-5), "0 bytes");
    EXPECT_EQ(size_text(900), "900 bytes");
    EXPECT_EQ(size_text(20 << 10), "20 KiB");
    EXPECT_EQ(size_text(256 * kMi), "256 MiB");
    EXPECT_EQ(size_text(1023 * kMi), "1023 MiB");
    EXPECT_EQ(size_text(kGi), "1 GiB");
    EXPECT_EQ(size_text(3686 * kMi), "3.5 GiB");
    EXPECT_EQ(size_text(23 * kGi + 900 * kMi), "23 GiB");
    EXPECT_EQ(cpu_text(250), "0.25 CPU");
    EXPECT_EQ(cpu_text(2000), "2 CPU");
}

}  // namespace
}  // namespace loco
