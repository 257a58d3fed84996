#include "domain/diagnosis.hpp"

#include <gtest/gtest.h>

namespace loco {
namespace {

TEST(Diagnosis, what_is_no_containers_fault_is_told_too) {
    Facts facts;
    facts.timeout = Millis(90'000);
    for (const auto& d :
         {diagnose_release_command_timeout(facts), diagnose_ignored_stop("web.0", Millis(5000)),
          diagnose_not_stopped(), diagnose_not_routed("NoMatchingParent"),
          diagnose_not_replaced(Millis(5000)), diagnose_gateway_unreachable(),
          diagnose_client_gone()}) {
        EXPECT_FALSE(d.code.empty());
        EXPECT_FALSE(d.phase.empty()) << d.code;
        EXPECT_FALSE(d.message.empty()) << d.code;
        EXPECT_FALSE(d.next_steps.empty()) << d.code;
        EXPECT_NE(d.kind, 0) << d.code;
    }
    EXPECT_NE(diagnose_release_command_timeout(facts).message.find("within 90s"),
              std::string::npos);
}

TEST(Diagnosis, a_row_keeps_it_without_the_name_that_stands_beside_it) {
    Facts facts;
    facts.moment = Moment::serving;
    facts.name = "web.0";
    facts.ended = true;
    facts.end.exit_code = 3;
    const auto problem = problem_of(diagnose(facts), "web.0");
    EXPECT_EQ(problem.code, "crashed");
    EXPECT_EQ(problem.message, "exited with 3");
    EXPECT_FALSE(problem.next_steps.empty());
}

TEST(Diagnosis, what_still_has_time_is_told_without_a_verdict) {
    Facts facts;
    facts.moment = Moment::late;
    facts.port = 8080;
    facts.check = {.saw = HealthCheck::Saw::refused, .words = "nothing listens"};
    facts.container.listeners = {{.kind = Listener::Kind::tcp, .address = "::", .port = 3000}};
    EXPECT_EQ(why_it_waits(facts), "it listens on port 3000, not on port 8080");
    facts.end.runtime_error = "no address";
    EXPECT_EQ(why_it_waits(facts), "could not be started: no address");
    EXPECT_EQ(why_it_waits({.moment = Moment::late}), "");
}

}  // namespace
}  // namespace loco
