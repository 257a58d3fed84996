// Following a deployment until it has ended.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "cli/invocation.hpp"

namespace loco::cli {

struct Followed {
    boost::json::value deployment;  // as it ended
};

// Prints each step with its time to stderr, until the deployment has ended. Lost connections are taken up again.
// Its failure is an error of the kind that its diagnosis names, with the evidence printed. Ctrl-C asks for it to be
// cancelled when `cancel_on_interrupt`, says how to follow on, and is interrupted.
[[nodiscard]] Result<Followed> follow_deployment(Invocation& invocation,
                                                 const std::string& app_path,
                                                 const std::string& deployment_id,
                                                 bool cancel_on_interrupt);

// For commands that began a deployment: follows it (or, with --detach, only names it), and prints the result.
// `done` is the line of success, e.g. "restarted".
[[nodiscard]] Result<> finish(Invocation& invocation, const std::string& app_path,
                              const boost::json::value& deployment, std::string_view done);

// The error that an ended deployment stands for; nothing when it is live.
[[nodiscard]] std::optional<Error> failure_of(const boost::json::value& deployment);

// "1.3 s" between two RFC 3339 times.
[[nodiscard]] std::string elapsed(std::string_view from, std::string_view to);

}  // namespace loco::cli
