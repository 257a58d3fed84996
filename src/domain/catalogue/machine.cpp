#include <array>

#include "domain/catalogue.hpp"

namespace loco {
namespace {

using enum ErrorKind;

constexpr std::array kEntries{
    Explanation{"already_up", conflict, "Loco is up already for that folder", "",
                "loco status; to end it: loco down"},
    Explanation{"up_with_other_options", conflict, "Loco is up with other options",
                "What runs was started with others than those given now, and they can't be changed "
                "while it runs.",
                "loco down, then loco up with the new ones"},
    Explanation{"roots_loco", forbidden, "The Loco of this machine is root's",
                "Yours would be a second one beside it, which is rarely meant.",
                "sudo loco up, sudo loco down\n"
                "a second one on purpose: --data FOLDER"},
    Explanation{"port_taken", unavailable, "A port that Loco needs is taken",
                "Another program listens there; the message says which port it is for.",
                "see who: ss -ltnp\n"
                "stop it (Debian's own registry: systemctl disable --now docker-registry), or "
                "choose another port with the option that is named"},
    Explanation{"missing_program", unavailable, "A program that Loco runs is not installed", "",
                "install the package that is named: apt-get install PACKAGE"},
    Explanation{"no_engine", unavailable, "No container engine answers, and none could be started",
                "Loco runs apps on a Docker engine. It uses the one that answers, else starts "
                "Debian's own where that is installed and it may (as root).",
                "sudo apt-get install docker.io, or start the one that is there: sudo systemctl "
                "start docker"},
    Explanation{"engine_unreachable", unavailable,
                "The container engine that was named does not answer", "",
                "docker -H unix:///SOCKET info\n"
                "name another with --docker-host, or leave it out"},
    Explanation{"firewall_unavailable", unavailable, "The firewall's rules cannot be set",
                "Loco lets apps reach the internet and their team only; it sets that with iptables "
                "before an app runs, and starts none without.",
                "run loco up as root, with iptables installed: apt-get install iptables"},
    Explanation{"no_free_range", refused, "No range of addresses is free for the apps' networks",
                "Every range that Loco tries is used by a network or a route of this machine.",
                "name a free one: loco up --subnets 10.200.0.0/16"},
    Explanation{"network_range_full", refused,
                "The range of addresses has no room for another team", "",
                "a larger one, with no app running: loco up --subnets RANGE"},
    Explanation{"team_network_full", refused, "The team's network has no address left",
                "Each instance of the team's apps has one.",
                "scale down, or destroy apps of this team"},
    Explanation{"network_mismatch", conflict,
                "The range of addresses was changed while networks exist", "",
                "change it back (--subnets), or destroy the team's apps first"},
    Explanation{
        "subnet_taken", conflict, "Another network uses the team's addresses",
        "A network of Docker, or a route of the machine, came to use a part of Loco's range.",
        "see which: docker network ls, ip route\n"
        "remove it, or give Loco another range: loco up --subnets RANGE"},
    Explanation{
        "address_in_use", conflict, "An instance's address is taken",
        "Another container of the team's network has it; Loco tries the next one by itself."},
    Explanation{"command_not_startable", refused, "The engine could not start the program",
                "Its own words are in the message; see `cannot_start`.",
                "check CMD, ENTRYPOINT and [deploy] command"},
    Explanation{"gateway_unavailable", unavailable, "The gateway does not answer",
                "HAProxy does not run, or hangs. Apps stay reachable as it was last told, if it "
                "runs; Loco tells it the rest when it answers.",
                "see DATA/log/haproxy.log; loco up --detach starts what is missing"},
    Explanation{"already_running", conflict, "Another loco-api uses the data folder",
                "Two would spoil each other's work.",
                "stop that one first, or name another folder"},
    Explanation{"program_not_found", not_found, "A program is not in PATH", "",
                "install it, or add its folder to PATH"},
    Explanation{"program_failed", internal, "A program that Loco ran failed",
                "Its last words are in the message."},
    Explanation{"engine_too_old", unavailable, "The container engine is too old", "",
                "Docker 20.10, Podman 4, or newer"},
    Explanation{"part_failed", unavailable, "A part of Loco did not start",
                "loco-api, HAProxy, the registry or the engine ended at once or was not ready in "
                "time; its last lines are in the message.",
                "read its log: DATA/log/PART.log\n"
                "then: loco up --detach"},
    Explanation{"port_forbidden", forbidden, "Ports below 1024 are for root", "",
                "sudo loco up, or choose another port with the option that is named"},
    Explanation{"no_such_address", invalid, "This machine has no such address to listen on", "",
                "ip address shows those that it has"},
    Explanation{"disk_full", refused, "The server's disk is full",
                "With so little left nothing new is deployed. All that runs goes on, and deploys "
                "do by themselves when there is room.",
                "see what holds it: loco status, loco doctor\n"
                "[how](../guides/operate-one-machine.md#disk)"},
    Explanation{"disk_low", refused, "The server's disk is nearly full",
                "A warning. Loco removes what need not be kept: layers and images that no release "
                "needs, old log lines, the build cache of an engine of its own.",
                "make room before it is full: [how](../guides/operate-one-machine.md#disk)"},
    Explanation{"not_one_machine", not_found, "The apps run on a cluster, not on one machine", "",
                "its nodes: kubectl describe nodes"},
    Explanation{"doctor_busy", rate_limited, "Others ask the doctor at this moment",
                "It looks at every part, so few may ask at once.", "ask again in a moment"},
    Explanation{
        "server_config_invalid", invalid, "The server's configuration has mistakes",
        "All of them are named, each with its key.",
        "docs/reference/loco-api.md lists the keys; loco-api check-config --config FILE checks it"},
};

}  // namespace

std::span<const Explanation> explained_machine() { return kEntries; }

}  // namespace loco
