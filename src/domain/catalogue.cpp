#include "domain/catalogue.hpp"

#include <array>

namespace loco {

std::span<const CatalogueSection> catalogue() {
    static const std::array sections{
        CatalogueSection{"client", "Your command and the way to the server",
                         "Before anything is asked of a server, or instead of its answer.",
                         explained_client()},
        CatalogueSection{"spec", "loco.toml", "What is wrong with the file.", explained_spec()},
        CatalogueSection{"building", "Building the image",
                         "On the machine where `loco` runs, with its container engine. What served "
                         "before still serves.",
                         explained_building()},
        CatalogueSection{"pushing", "Pushing the image",
                         "From the client's container engine to Loco's registry. What has arrived "
                         "stays there, so the next try is quicker.",
                         explained_pushing()},
        CatalogueSection{"checking", "Checking the image",
                         "The server looks at what was pushed, before anything of it runs.",
                         explained_checking()},
        CatalogueSection{"releasing", "The release command",
                         "`[deploy] release_command` runs once in the new image before traffic "
                         "moves. When it fails, none does.",
                         explained_releasing()},
        CatalogueSection{"rolling", "The rollout",
                         "New instances are started and must be healthy until `[deploy] timeout`; "
                         "until then, and if they do not get there, what served before serves.",
                         explained_rolling()},
        CatalogueSection{"rolling", "Why an app does not run",
                         "In a rollout it ends the deployment; of an app that is live it stands in "
                         "`loco status` and `loco events`, and the app is started again by itself.",
                         explained_causes()},
        CatalogueSection{
            "live", "At the app's address",
            "What the gateway answers for an app that does not, or not yet: a page for "
            "a browser, `application/problem+json` for everything else.",
            explained_live()},
        CatalogueSection{"any", "Apps, releases, variables, domains",
                         "What a command about an app can answer at any time.", explained_apps()},
        CatalogueSection{"machine", "One machine: `loco up` and its parts",
                         "Seen by whoever runs Loco on a machine.", explained_machine()},
        CatalogueSection{"backup", "Backup and restore",
                         "`loco-api backup` and `loco-api restore`, on the server's machine.",
                         explained_backup()},
        CatalogueSection{"cluster", "On Kubernetes",
                         "What the cluster answers to Loco; whoever runs the cluster can mend it.",
                         explained_cluster()},
        CatalogueSection{"store", "The server's database and keys",
                         "Seen by whoever runs loco-api, in its log and on `/readyz`; a client "
                         "gets them as an answer 503.",
                         explained_store()},
        CatalogueSection{"api", "For writers of clients",
                         "A request that the API does not take. `loco` itself sends none of these.",
                         explained_api()},
        CatalogueSection{"inside", "Between the parts",
                         "What one part of Loco tells another. You see one of these only as the "
                         "reason within another message, or in a log.",
                         explained_inside()},
        CatalogueSection{"general", "Without a code of their own",
                         "Where nothing more exact is known, the code is the kind of the failure.",
                         explained_general()},
    };
    return sections;
}

Explained explain(std::string_view code) {
    for (const auto& section : catalogue()) {
        for (const auto& entry : section.entries) {
            if (entry.code == code) return {&section, &entry};
        }
    }
    return {};
}

std::vector<std::string> next_steps(const Explanation& entry) {
    std::vector<std::string> steps;
    std::string_view left = entry.next;
    while (!left.empty()) {
        const auto end = left.find('\n');
        steps.emplace_back(left.substr(0, end));
        left.remove_prefix(end == std::string_view::npos ? left.size() : end + 1);
    }
    return steps;
}

}  // namespace loco
