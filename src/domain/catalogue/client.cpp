#include <array>

#include "domain/catalogue.hpp"

namespace loco {
namespace {

using enum ErrorKind;

constexpr std::array kEntries{
    Explanation{"usage", invalid, "The command was called in a way that it does not know",
                "A command, an option or an argument that is not there, is missing, or cannot have "
                "that value. What was meant is suggested where it can be guessed.",
                "loco COMMAND --help says what it takes, with examples"},
    Explanation{
        "no_such_topic", not_found, "There are no docs about that",
        "`loco docs` has the references of loco.toml, of the commands and of the error codes.",
        "loco docs"},
    Explanation{"no_such_code", not_found, "No error of Loco has that code",
                "Perhaps it is mistyped, or the server is newer than this client, which knows only "
                "the codes of its own version.",
                "see all: loco explain"},
    Explanation{"config_readable", forbidden, "The client's configuration can be read by others",
                "It holds your token, so it must be yours alone: anybody who can read it can do "
                "what you can.",
                "chmod 600 ~/.config/loco/config.toml\n"
                "if others may have read it: loco up on the server's machine makes a new token for "
                "an invalid one"},
    Explanation{"server_unreachable", unavailable, "The server cannot be reached",
                "Nothing answers where the client looks for Loco: it does not run, another address "
                "is meant, or the network is in between. Apps that run go on serving.",
                "is it up? On its machine: loco up --detach (its log: DATA/log/supervisor.log)\n"
                "is it the right one? --host, LOCO_HOST, or host in ~/.config/loco/config.toml"},
    Explanation{"not_a_loco", unavailable, "What answers there is no Loco",
                "An answer came, but not one of Loco's API: another program listens at that "
                "address, or a proxy in between answers by itself.",
                "check --host, LOCO_HOST, or host in ~/.config/loco/config.toml\n"
                "curl URL/api/v1/version must answer with a version"},
    Explanation{
        "not_signed_in", unauthenticated, "You are not signed in",
        "The client has no token for this server. `loco up` writes one into the configuration of "
        "the user for whom it runs; another user (or root, by sudo) has none.",
        "on the server's machine, as that user: loco up --detach\n"
        "elsewhere: LOCO_TOKEN, or token in ~/.config/loco/config.toml"},
    Explanation{"token_invalid", unauthenticated, "The token is not valid here",
                "The server does not know it: it is of another Loco, was cut off when it was "
                "copied, or the server's data was purged since.",
                "on the server's machine: loco up --detach makes a new one for this user\n"
                "is it the right server? loco whoami, --host, LOCO_HOST; and is LOCO_TOKEN set?"},
    Explanation{
        "token_expired", unauthenticated, "The token has expired",
        "It was made for a limited time, which is over.",
        "on the server's machine: loco up --detach; else ask whoever gave it to you for a new one"},
    Explanation{"token_revoked", unauthenticated, "The token was revoked", "Somebody took it back.",
                "ask whoever gave it to you for a new one"},
    Explanation{"forbidden", forbidden, "You may not do that",
                "You are known, but your role in the team, or the token's scopes, are not enough; "
                "the message names what is needed. On this machine: a file or a port that your "
                "user may not use.",
                "ask an admin of the team for the role, or for a token with the scope"},
    Explanation{"no_such_team", not_found, "There is no team of that name for you",
                "It does not exist, or you are not a member: Loco does not tell which.",
                "loco whoami lists yours; --team, LOCO_TEAM, or team in the configuration chooses"},
    Explanation{"up_failed", unavailable, "Loco did not come up",
                "A part of it did not start, or was not ready in time. What it wrote is above.",
                "read DATA/log/supervisor.log and the log of the part that it names\n"
                "then: loco up --detach"},
    Explanation{"connection_lost", unavailable, "The connection broke before the answer came",
                "The server may have done what was asked or not. `loco` asks again by itself where "
                "that does no harm.",
                "loco status says how things are"},
    Explanation{"no_url", not_found, "The app has no URL",
                "It is a worker (`type = \"worker\"`): nothing of it is reached from outside.",
                "a service has one: type = \"service\" and [http] port in loco.toml"},
    Explanation{"no_build", not_found, "Nothing was built for the app yet",
                "`loco logs --build` shows what the last build wrote, and there was none.",
                "loco deploy"},
    Explanation{"invalid_env_file", invalid, "A line of the file is no NAME=VALUE",
                "`loco env import` reads lines of NAME=VALUE; quotes around a value go, `#` begins "
                "a comment, `export ` in front is taken.",
                "correct the line that is named"},
    Explanation{
        "no_address", not_found, "The app's own host name has no address",
        "For this machine's name resolution, so that there is nothing to compare its domains with.",
        "point a wildcard at the gateway: *.BASE_DOMAIN"},
    Explanation{"domain_elsewhere", not_found, "A domain of the app does not lead to it",
                "Its addresses are others than those of the host that Loco gave the app, or it has "
                "none. Behind a proxy of your own that may be right.",
                "a CNAME record to the app's own host, or an A record with its addresses; it takes "
                "a while to be seen everywhere"},
    Explanation{"pull_forbidden", forbidden, "The other Loco gives no token for the app's images",
                "`loco move` copies them from there, and LOCO_FROM_TOKEN may not read them.",
                "use a token that may move the app there (scope app:move)"},
    Explanation{"already_reported", invalid, "What is wrong was told in the document",
                "With --json, `loco validate` gives its findings as its result."},
    Explanation{"config_invalid", invalid, "The client's configuration cannot be read",
                "It is TOML; the line with the mistake is named.",
                "mend that line, or remove the file and run loco up"},
};

}  // namespace

std::span<const Explanation> explained_client() { return kEntries; }

}  // namespace loco
