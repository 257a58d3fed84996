#include <array>

#include "domain/catalogue.hpp"

namespace loco {
namespace {

using enum ErrorKind;

constexpr std::array kEntries{
    Explanation{
        "push_forbidden", forbidden, "The registry refused the push",
        "Each deploy gets a token for its own repository and five minutes; a slow push gets new "
        "ones while it makes headway. It was refused: the token has run out without headway, it is "
        "for another repository, or the server's key for tokens was changed and its registry not "
        "restarted.",
        "deploy again: what has arrived is not sent again\n"
        "if it stays: loco up on the server's machine restarts the registry with the present key"},
    Explanation{
        "push_failed", unavailable, "The image could not be pushed",
        "The registry broke off, answered an error, or has no room. What has arrived stays.",
        "deploy again\n"
        "if it stays, see the registry's log: DATA/log/registry.log on the server's machine"},
    Explanation{"push_not_verified", internal, "The registry does not have what was pushed",
                "The push ended well, and then the registry did not know the image: its store has "
                "lost a part.",
                "deploy again\n"
                "if it stays, restart the registry: loco down, then loco up"},
    Explanation{"registry_unreachable", unavailable, "The registry cannot be reached",
                "The container engine got no answer from Loco's registry, on the server's machine, "
                "under the name that the server gave. Its own words are in the message.",
                "is Loco up? loco up --detach; its log is DATA/log/registry.log\n"
                "does the engine have a proxy? Loco's registry must be exempt from it: NO_PROXY"},
    Explanation{"registry_busy", unavailable, "The registry is being cleaned",
                "What no release needs any more is removed, seconds at a time, and nothing may be "
                "pushed meanwhile. `loco deploy` waits for it.",
                "try again in a minute\n"
                "if it lasts: loco up on the server's machine"},
    Explanation{"token_given", conflict, "The deployment's push token was given already",
                "A deployment's token is given once and can be renewed after four minutes, so that "
                "two clients cannot push for one deployment.",
                "deploy again"},
    Explanation{"unknown_image", not_found, "The app has no release with that image",
                "A client may leave the push out when a release has that very image. This one's "
                "was cleaned up; `loco deploy` then pushes it."},
};

}  // namespace

std::span<const Explanation> explained_pushing() { return kEntries; }

}  // namespace loco
