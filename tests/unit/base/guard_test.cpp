#include "base/guard.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace loco {
namespace {

TEST(Guarded, WhatIsThrownBecomesAnInternalErrorOfOneLine) {
    const auto done = guarded([]() -> Result<> { throw std::runtime_error("first\nsecond"); });
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, ErrorKind::internal);
    EXPECT_EQ(done.error().message, "a bug in Loco: first second");
    EXPECT_EQ(traits(done.error().kind).exit_status, 1);
}

TEST(Guarded, WhatIsNoExceptionIsCaughtAsWell) {
    EXPECT_EQ(guarded([]() -> Result<> { throw 3; }).error().kind, ErrorKind::internal);
}

TEST(Guarded, ResultsComeThroughAsTheyAre) {
    EXPECT_TRUE(guarded([]() -> Result<> { return {}; }));
    EXPECT_EQ(guarded([]() -> Result<> { return fail(ErrorKind::conflict, "taken"); }).error().kind,
              ErrorKind::conflict);
}

}  // namespace
}  // namespace loco
