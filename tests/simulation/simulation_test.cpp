// Runs the simulation: 20,000 seeds on a machine and 5,000 on a cluster as a test; any others by hand:
//   simulation_test --seeds N --from S [--steps N] [--jobs N] [--trace] [--counts] [--cluster]
// A broken invariant is printed with its seed; `--from SEED --seeds 1 --trace` shows how it came about.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/log.hpp"
#include "tests/simulation/world.hpp"

namespace loco::simulation {
namespace {

struct Options {
    std::uint64_t seeds = 20'000;
    std::uint64_t from = 1;
    int steps = 120;
    unsigned jobs = std::max(1U, std::min(4U, std::thread::hardware_concurrency()));
    bool trace = false;
    bool counts = false;
    Place place = Place::machine;
    bool by_hand = false;
};
Options options;  // set once, before anything runs

struct Outcome {
    std::string violation;
    std::uint64_t trace_hash = 0;
    std::map<std::string, std::uint64_t> counts;
};

Outcome run(std::uint64_t seed, bool trace) {
    World world(seed, options.place);
    world.print_trace(trace);
    bool good = true;
    for (int i = 0; good && i < options.steps; ++i) good = world.step();
    if (good) (void)world.settle();
    return {world.violation(), world.trace_hash(), world.counts()};
}

// How many seeds broke an invariant; the first few are told.
std::uint64_t run_all() {
    std::atomic<std::uint64_t> next{options.from};
    std::atomic<std::uint64_t> broken{0};
    std::mutex mutex;
    std::map<std::string, std::uint64_t> counts;
    const auto work = [&] {
        for (auto seed = next.fetch_add(1); seed < options.from + options.seeds;
             seed = next.fetch_add(1)) {
            const auto outcome = run(seed, options.trace);
            const std::lock_guard lock(mutex);
            for (const auto& [what, count] : outcome.counts) counts[what] += count;
            if (outcome.violation.empty()) continue;
            if (++broken <= 10)
                std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed),
                            outcome.violation.c_str());
        }
    };
    std::vector<std::thread> threads;
    for (unsigned i = 1; i < options.jobs; ++i) threads.emplace_back(work);
    work();
    for (auto& thread : threads) thread.join();
    if (options.counts) {
        for (const auto& [what, count] : counts)
            std::printf("%12llu  %s\n", static_cast<unsigned long long>(count), what.c_str());
    }
    return broken;
}

TEST(Simulation, NoSeedBreaksAnInvariantOnAMachine) {
    options.place = Place::machine;
    EXPECT_EQ(run_all(), 0U);
}

TEST(Simulation, NoSeedBreaksAnInvariantOnACluster) {
    options.place = Place::cluster;
    options.seeds = std::min<std::uint64_t>(options.seeds, 5'000);
    EXPECT_EQ(run_all(), 0U);
}

TEST(Simulation, OneSeedReplaysToTheSameTrace) {
    for (const auto place : {Place::machine, Place::cluster}) {
        options.place = place;
        for (std::uint64_t seed = 1; seed <= 20; ++seed) {
            EXPECT_EQ(run(seed, false).trace_hash, run(seed, false).trace_hash) << seed;
        }
    }
    EXPECT_NE(run(1, false).trace_hash, run(2, false).trace_hash);
}

void read_options(int argc, char** argv) {
    const auto number = [&](int i) { return i < argc ? std::strtoull(argv[i], nullptr, 10) : 0; };
    for (int i = 1; i < argc; ++i) {
        const std::string_view arg = argv[i];
        if (arg == "--seeds")
            options.seeds = number(++i);
        else if (arg == "--from")
            options.from = number(++i);
        else if (arg == "--steps")
            options.steps = static_cast<int>(number(++i));
        else if (arg == "--jobs")
            options.jobs = static_cast<unsigned>(number(++i));
        else if (arg == "--trace")
            options.trace = true;
        else if (arg == "--counts")
            options.counts = true;
        else if (arg == "--cluster")
            options.place = Place::cluster;
        else
            continue;
        options.by_hand = true;
    }
}

}  // namespace
}  // namespace loco::simulation

int main(int argc, char** argv) {
    testing::InitGoogleTest(&argc, argv);
    loco::simulation::read_options(argc, argv);
    loco::log::init({.level = loco::log::Level::error, .json = false});
    if (loco::simulation::options.by_hand) return loco::simulation::run_all() == 0 ? 0 : 1;
    return RUN_ALL_TESTS();
}
