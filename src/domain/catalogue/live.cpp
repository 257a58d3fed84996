#include <array>

#include "domain/catalogue.hpp"

namespace loco {
namespace {

using enum ErrorKind;

constexpr std::array kEntries{
    Explanation{
        "unknown_host", not_found, "Nothing is deployed at this address",
        "No app has this host name, or none of that host has this path.",
        "loco apps shows where each app answers; [http] path and domains in loco.toml say more"},
    Explanation{"app_starting", unavailable, "The app is starting",
                "It was just brought up, or is coming back. The page looks again by itself.",
                "follow it: loco logs -f"},
    Explanation{"app_down", unavailable, "Nothing of the app can take a request",
                "All its instances have crashed or are not healthy, or it was scaled to 0.",
                "loco status says why; loco events says since when\n"
                "scaled to 0: loco scale --replicas 1"},
    Explanation{"app_unreachable", unavailable, "The app takes no connections",
                "Its instance is there, but its port refused. It may be starting again.",
                "loco status; loco logs"},
    Explanation{"app_broke_off", unavailable, "The app ended the connection in the middle",
                "It took the request and closed without a complete answer: it crashed, or has a "
                "shorter limit of its own. Answered with 502.",
                "loco logs --previous, loco events"},
    Explanation{"app_timed_out", unavailable, "The app did not answer in time",
                "It was silent for longer than `[http] idle_timeout`. Answered with 504.",
                "make it answer sooner, or raise [http] idle_timeout in loco.toml"},
    Explanation{"loco_restarting", unavailable, "Loco's API is restarting", "Apps go on serving.",
                "if it stays: DATA/log/loco-api.log on the server's machine"},
};

}  // namespace

std::span<const Explanation> explained_live() { return kEntries; }

}  // namespace loco
