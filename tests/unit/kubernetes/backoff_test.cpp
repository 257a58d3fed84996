#include "kubernetes/backoff.hpp"

#include <gtest/gtest.h>

namespace loco::kubernetes {
namespace {

using std::chrono::milliseconds;

TEST(Backoff, doubles_up_to_its_bound_and_begins_anew_after_a_reset) {
    SeededRandom random(1);
    Backoff backoff({.initial = milliseconds(100), .max = milliseconds(500), .jitter = 0.0},
                    random);
    for (const int expected : {100, 200, 400, 500, 500})
        EXPECT_EQ(backoff.next().count(), expected);
    backoff.reset();
    EXPECT_EQ(backoff.next().count(), 100);
}

TEST(Backoff, every_wait_is_random_within_its_part) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        SeededRandom random(seed);
        Backoff backoff({.initial = milliseconds(1000), .max = milliseconds(8000), .jitter = 0.5},
                        random);
        for (const int full : {1000, 2000, 4000, 8000, 8000}) {
            const auto wait = backoff.next().count();
            EXPECT_GE(wait, full / 2) << seed;
            EXPECT_LE(wait, full) << seed;
        }
    }
}

TEST(Backoff, two_that_failed_together_do_not_come_back_together) {
    SeededRandom one(1);
    SeededRandom other(2);
    EXPECT_NE(Backoff({}, one).next(), Backoff({}, other).next());
}

}  // namespace
}  // namespace loco::kubernetes
