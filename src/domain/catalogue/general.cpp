#include <array>

#include "domain/catalogue.hpp"

namespace loco {
namespace {

using enum ErrorKind;

constexpr std::array kEntries{
    Explanation{"internal", internal, "A fault in Loco, or trouble of its server",
                "What happened was not foreseen. The server's log has more, to be found by the "
                "request_id that --json shows.",
                "on the server's machine: DATA/log/loco-api.log; the client's is "
                "~/.local/state/loco/loco.log\n"
                "try again; if it stays, please report it"},
    Explanation{"invalid", invalid, "Something given cannot be",
                "A word, a file or a setting; the message says which and why.",
                "loco COMMAND --help"},
    Explanation{"unauthenticated", unauthenticated, "You are not known",
                "See `not_signed_in` and `token_invalid`. In a build: an image's registry wants "
                "you to sign in.",
                "docker login REGISTRY"},
    Explanation{"not_found", not_found, "It is not there",
                "A file, an app, or a thing that the message names."},
    Explanation{"conflict", conflict, "Something stands in the way",
                "It exists already, or something else uses it; the message says what."},
    Explanation{"refused", refused, "It is not allowed by a rule of this Loco",
                "The message says which."},
    Explanation{"rollout_failed", rollout_failed, "The rollout failed",
                "What served before still serves.", "loco status and loco events say more"},
    Explanation{"unavailable", unavailable, "Something that is needed cannot be reached",
                "The server, the container engine, the registry, the gateway, a disk; the message "
                "says which. What runs goes on running.",
                "try again in a moment\n"
                "on the server's machine, what it misses: curl http://127.0.0.1:8082/readyz"},
    Explanation{"too_large", too_large, "Something is larger than its bound",
                "The message says what, and the bound."},
    Explanation{"rate_limited", rate_limited, "Too many requests", "", "wait a moment"},
    Explanation{"interrupted", interrupted, "It was interrupted",
                "By Ctrl-C, a signal, or because the other side went away.",
                "loco status says how things are"},
};

}  // namespace

std::span<const Explanation> explained_general() { return kEntries; }

}  // namespace loco
