#include <array>

#include "domain/catalogue.hpp"

namespace loco {
namespace {

using enum ErrorKind;

constexpr std::array kEntries{
    Explanation{"no_spec", not_found, "There is no loco.toml",
                "A command about an app, and deploy, read loco.toml of the folder where you are, "
                "or of the one that you name.",
                "write one: loco init\n"
                "or name the folder or the file: loco deploy FOLDER, -c FILE"},
    Explanation{"invalid_spec", invalid, "loco.toml has mistakes",
                "Every one is shown with its line, what was found there and what may stand there: "
                "an unknown key (with the one that was meant), a wrong type, a value out of its "
                "bounds, two keys that exclude each other.",
                "look a key up: loco docs loco.toml, or docs/reference/loco-toml.md\n"
                "check it without deploying: loco validate"},
    Explanation{"unsupported_spec", invalid, "loco.toml asks for what this server cannot do",
                "The key is valid, but the runtime in use cannot honour it (autoscaling on one "
                "machine, volumes, cron). It is refused so that nobody thinks that it works.",
                "take the key out, or deploy to a Loco that can"},
    Explanation{"spec_too_large", too_large, "loco.toml says more than a server takes",
                "The whole specification may have 256 KiB.",
                "keep data out of [env]: put files into the image"},
    Explanation{"spec_exists", conflict, "There is a loco.toml already",
                "`loco init` does not write over it.", "loco init --force"},
    Explanation{"no_folder", invalid, "That is no folder",
                "`loco init` writes into the folder that it is given, or the one where you are.",
                "name a folder that exists"},
    Explanation{
        "invalid_name", invalid, "That can be no name here",
        "Names of apps, processes and ports are DNS labels: a to z, 0 to 9 and hyphens, a letter "
        "first, at most 40 characters or so; the error says which rule is broken. Names that Loco "
        "itself answers under (loco, api, www, registry and others) are reserved.",
        "choose another name"},
    Explanation{"invalid_host", invalid, "That can be no host name here",
                "A host name has labels of a to z, 0 to 9 and hyphens with dots between them: no "
                "scheme, no port, no path, no wildcard.",
                "write it like shop.example.org"},
    Explanation{"name_mismatch", invalid, "loco.toml is of another app",
                "The name in the file and the app that was asked for differ.",
                "change name in loco.toml, or leave -a out"},
    Explanation{"invalid_value", invalid,
                "A size, an amount or a time is written in a way that cannot be",
                "Sizes are like 256Mi, CPU like 250m or 0.5, times like 90s, 1h30m, 7d.",
                "the error says what is meant"},
};

}  // namespace

std::span<const Explanation> explained_spec() { return kEntries; }

}  // namespace loco
