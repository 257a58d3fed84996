#include <array>

#include "domain/catalogue.hpp"

namespace loco {
namespace {

using enum ErrorKind;

constexpr std::array kEntries{
    Explanation{"not_enough_memory", refused, "The machine has no memory left for it",
                "`[resources] memory` is guaranteed, so what all apps may use together must fit "
                "into the machine. A rolling release needs room beside what runs.",
                "ask for less: [resources] memory\n"
                "let the new take the place of the old: [deploy] strategy = \"recreate\"\n"
                "scale down or destroy what holds it: it is named\n"
                "[how much apps may have](../guides/operate-one-machine.md#room-for-apps)"},
    Explanation{
        "not_enough_cpu", refused, "The machine has no CPU left for it",
        "All `[resources] cpu` together is more than the machine's cores times `cpu_overcommit`.",
        "ask for less: [resources] cpu\n"
        "scale down or destroy what holds it: it is named\n"
        "[how much apps may have](../guides/operate-one-machine.md#room-for-apps)"},
    Explanation{"image_runs_as_root", refused, "The image would run as root",
                "Loco runs no container as root: whoever breaks out of one is root on the machine. "
                "The image names no USER, or one that is uid 0 in its own /etc/passwd, or "
                "`[deploy] user` is 0.",
                "in the Dockerfile, before CMD: USER 10001:10001\n"
                "what it must write belongs to that user: RUN chown -R 10001:10001 /data\n"
                "or without another build: [deploy] user = \"10001:10001\" in loco.toml"},
    Explanation{"image_user_unknown", refused, "The image's USER does not exist in it",
                "The name after USER is in no line of the image's own /etc/passwd, so nobody knows "
                "its number.",
                "make it in the Dockerfile: RUN useradd --uid 10001 app\n"
                "or name the number: USER 10001:10001"},
    Explanation{"image_user_unreadable", refused, "The image's users cannot be read",
                "To know whether the image's USER is root, Loco reads /etc/passwd and /etc/group "
                "in it; one of them is unreasonably large, or no file.",
                "name numbers, with the group: USER 10001:10001"},
    Explanation{"invalid_user", refused, "[deploy] user is no number",
                "Names are only known inside of an image; `[deploy] user` is the number of a user, "
                "with a group's if wanted.",
                "write it as \"10001\" or \"10001:10001\""},
    Explanation{"no_command", refused, "The image says nothing to run",
                "It has neither CMD nor ENTRYPOINT, and loco.toml has no `[deploy] command`. Base "
                "images often have none.",
                "add to the Dockerfile: CMD [\"/app/server\"]\n"
                "or to loco.toml: [deploy] command = [\"/app/server\"]"},
    Explanation{"wrong_platform", refused, "The image is for another kind of machine",
                "Its processor or system is not the server's: an image built on an Apple or ARM "
                "machine for a server with an Intel or AMD processor, or the other way round.",
                "build for the server: [build] platform = \"linux/amd64\" in loco.toml (the error "
                "names which)\n"
                "an image given with --image: docker pull --platform linux/amd64 IMAGE"},
    Explanation{"image_too_large", refused, "The image is larger than this server takes",
                "Counted is what is stored and sent: all layers, compressed. Whoever runs the "
                "server sets the bound (max_image_size). Most of a large image is tools of the "
                "build, caches of package managers, and data.",
                "build in one stage, and COPY --from only the result into a small last one\n"
                "in the RUN that installs, remove the caches: rm -rf /var/lib/apt/lists/*\n"
                "see which layers are large: docker history IMAGE\n"
                "or have the bound raised: max_image_size in the server's loco-api.toml"},
    Explanation{
        "image_unreadable", refused, "The image's layers cannot be read",
        "A layer is in a form that Loco does not know, damaged, or so large inside that reading it "
        "was stopped. It must be read only to learn who a USER given by name is.",
        "name numbers: USER 10001:10001\n"
        "build it again without cache: docker build --no-cache FOLDER"},
    Explanation{"image_not_found", refused, "The image is not in the registry",
                "It was pushed and is gone, or the push did not end: the registry's store was "
                "cleaned or replaced meanwhile.",
                "build and push it again: loco deploy"},
    Explanation{
        "secret_unset", refused, "A required secret is not set",
        "`[secrets] required` in loco.toml names variables that the app cannot do without, and at "
        "least one is not set. Nothing was built for nothing: this is looked at first.",
        "set it: loco env set NAME --stage (the value is read from a prompt or from stdin)\n"
        "it is not needed: take it out of [secrets] required"},
    Explanation{"env_unreadable", refused, "The release's [env] cannot be opened",
                "It was sealed with another key than this server has: the server's key file was "
                "replaced, or the database comes from elsewhere.",
                "put keys/seal.key back as it belongs to the database, and restart loco-api\n"
                "or deploy the app's folder again: it brings its [env] along"},
    Explanation{"no_node_ready", refused, "No node of the cluster can take an instance",
                "On Kubernetes: every node is away, not ready or closed to new pods.",
                "see why: kubectl get nodes"},
    Explanation{"does_not_fit", refused, "No node could ever hold one instance",
                "On Kubernetes: one instance asks for more CPU or memory than the largest node has "
                "in all, so waiting would not help.",
                "ask for less: [resources] in loco.toml, or loco scale\n"
                "or add a larger node"},
    Explanation{"quota", refused, "The app asks for more than one app may have",
                "On Kubernetes: with the pods that a rollout adds for a moment, it would be more "
                "pods, CPU or memory than the server allows an app.",
                "fewer or smaller replicas: loco scale, [scale] and [resources] in loco.toml\n"
                "or have the bound raised: max_pods, max_cpu, max_memory of the server"},
};

}  // namespace

std::span<const Explanation> explained_checking() { return kEntries; }

}  // namespace loco
