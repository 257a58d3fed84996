#include <array>

#include "domain/catalogue.hpp"

namespace loco {
namespace {

using enum ErrorKind;

constexpr std::array kEntries{
    Explanation{"release_command_oom_killed", rollout_failed,
                "The release command was killed for memory",
                "It has the same limit as the app: `[resources] memory`.",
                "give it more: [resources] memory\n"
                "or let it do less at once"},
    Explanation{"release_command_failed", rollout_failed, "The release command failed",
                "It ended with another exit status than 0, was killed, or could not be started; "
                "its last lines are shown. What it had done by then is done.",
                "read all of it: loco logs --process release\n"
                "try it by hand against a copy of the data, mend it, and deploy again"},
    Explanation{"release_command_timeout", rollout_failed, "The release command took too long",
                "It ran for as long as `[deploy] timeout` allows and was stopped.",
                "give it longer: [deploy] timeout = \"15m\"\n"
                "see where it stood: loco logs --process release"},
    Explanation{"release_command_lost", rollout_failed,
                "Nobody can say how the release command ended",
                "Its container is gone: removed by hand, or lost with its machine. It may have run "
                "to its end or not at all; Loco does not run it a second time by itself.",
                "look at what it has done, then: loco redeploy"},
};

}  // namespace

std::span<const Explanation> explained_releasing() { return kEntries; }

}  // namespace loco
