#include <array>

#include "domain/catalogue.hpp"

namespace loco {
namespace {

using enum ErrorKind;

constexpr std::array kEntries{
    Explanation{"no_such_app", not_found, "There is no app of that name in the team",
                "Never made, destroyed, in another team, or mistyped.",
                "loco apps lists the team's; --team chooses another\n"
                "make it by deploying it: loco deploy"},
    Explanation{"app_exists", conflict, "The team has an app of that name already",
                "Names are unique within a team.",
                "deploy to it, or choose another name in loco.toml"},
    Explanation{"app_being_destroyed", not_found, "The app is being removed",
                "Somebody destroyed it; its instances end, then it is gone and its name is free.",
                "to make it anew, deploy again in a moment"},
    Explanation{"name_being_freed", conflict, "An app of that name is still being removed",
                "Its name is free as soon as its last instance has ended.",
                "try again in a moment"},
    Explanation{"app_quota", refused, "The team has as many apps as it may",
                "The server bounds how many apps a team can have.",
                "remove one that is not needed: loco destroy -a APP"},
    Explanation{"app_in_use", conflict, "There is an app of that name here already",
                "`loco move` brings an app to a Loco where there is none of its name, or goes on "
                "with a move that was interrupted; this one has a life of its own.",
                "remove it, if it is not needed: loco destroy -a APP"},
    Explanation{"reserved_name", invalid, "The name is reserved for Loco",
                "Loco itself answers under loco, api, www, registry and some more.",
                "choose another, for example my-api"},
    Explanation{"host_taken", conflict, "The host name belongs to another app",
                "A host name leads to one app. One that was freed stays with its team for 30 days, "
                "so that nobody else gets its visitors.",
                "another name, or take it from that app first: [http] domains in its loco.toml, "
                "and deploy it"},
    Explanation{
        "host_under_base_domain", invalid, "Host names under the base domain are given by Loco",
        "An app has its own there: NAME.BASE_DOMAIN. `[http] domains` is for domains of yours.",
        "take it out of [http] domains"},
    Explanation{"nothing_live", not_found, "The app has no release that is live",
                "Nothing was deployed yet, or no deploy has succeeded.",
                "loco deploy; loco status says why the last one failed"},
    Explanation{"no_such_release", not_found, "The app has no release of that number", "",
                "loco releases lists them"},
    Explanation{"no_previous_release", not_found, "There is nothing to roll back to",
                "No other release was live before the one that is.",
                "loco releases\n"
                "an older version of the source: check it out, and loco deploy"},
    Explanation{"never_live", refused, "That release never was live",
                "It failed before traffic reached it, so going back to it would not be going back.",
                "loco releases shows which were live"},
    Explanation{"is_live", refused, "That release is what is live now", "",
                "loco releases shows the others; the same once more: loco redeploy"},
    Explanation{"image_gone", refused, "The release's image was cleaned up",
                "Images of the last releases are kept; older ones go.",
                "check out that version of the source, and loco deploy"},
    Explanation{"no_such_process", not_found, "The app has no process of that name",
                "The main one is web (of a worker, too); others are `[process.NAME]` in loco.toml.",
                "loco status lists them"},
    Explanation{"invalid_scale", invalid, "That many, or that much, cannot be",
                "Out of the bounds that the message names.",
                "loco scale --replicas N --cpu 500m --memory 512Mi"},
    Explanation{"deploy_in_progress", conflict, "Another deployment holds the app",
                "One at a time changes an app. The message says what kind it is, whose, and since "
                "when. It ends by itself, at the latest at its timeout.",
                "see how far it is: loco status\n"
                "wait for it, or cancel it (Ctrl-C where it was started), then deploy again"},
    Explanation{"deployment_ended", conflict, "The deployment has ended already",
                "It failed, was cancelled, or is live: nothing can be added to it. A client that "
                "was cut off for long gets this.",
                "loco status says how it ended; deploy again if it is not live"},
    Explanation{"no_such_deployment", not_found, "The app has no such deployment", "",
                "loco events lists what happened"},
    Explanation{"env_too_large", invalid, "A variable's value is too large",
                "At most 64 KiB each: the environment is copied into every process.",
                "put files into the image, or let the app fetch them when it starts"},
    Explanation{"env_quota", refused, "The app has as many variables as it may", "",
                "remove some: loco env unset NAME"},
    Explanation{"invalid_env_name", invalid, "That can be no variable's name",
                "Letters, digits and _, not beginning with a digit.",
                "the error suggests one where it can"},
    Explanation{"reserved_env_name", invalid, "The variable is set by Loco itself",
                "PORT and everything that begins with LOCO_ tells an app where it runs.",
                "choose another name"},
    Explanation{"invalid_env_value", invalid, "The value holds a NUL byte",
                "An environment cannot hold one.", "store it in text form, for example base64"},
    Explanation{
        "nothing_ended", not_found, "No instance has ended lately",
        "`loco logs --previous` shows what an instance that crashed or was replaced had written.",
        "loco logs has all lines, also of those that are gone"},
    Explanation{"moved_image_gone", not_found, "The other Loco no longer has the image",
                "`loco move` copies the images of the releases that it brings; the registry there "
                "lacks one.",
                "move the app again: what is exported then has the images that are kept"},
};

}  // namespace

std::span<const Explanation> explained_apps() { return kEntries; }

}  // namespace loco
