#include <array>

#include "domain/catalogue.hpp"

namespace loco {
namespace {

using enum ErrorKind;

constexpr std::array kEntries{
    Explanation{
        "no_dockerfile", invalid, "There is no Dockerfile",
        "`loco deploy` builds the file that `[build] dockerfile` names, relative to loco.toml; "
        "without that key it is `Dockerfile` in the app's folder. Nothing was sent to the server's "
        "machine.",
        "write a Dockerfile, or say where it is: [build] dockerfile = \"docker/Dockerfile\"\n"
        "an image that is built already needs none: loco deploy --image REF"},
    Explanation{"no_context", invalid, "The folder to build from is not there",
                "`[build] context` is the folder that COPY and ADD take files from, relative to "
                "loco.toml; without that key it is the app's folder.",
                "correct [build] context in loco.toml, or leave it out"},
    Explanation{"context_too_large", too_large, "The folder to build from is too large",
                "All files of the context are sent to the container engine for each build. A "
                "folder with more than the bound, or with too many or too deeply nested entries, "
                "mostly holds what the build does not need: data, caches, other builds, "
                "dependencies that the Dockerfile installs itself. The largest ones are named.",
                "name them in .dockerignore, one a line\n"
                "see what would be sent: loco deploy --dry-run\n"
                "it really is that large: loco deploy --max-context 20Gi"},
    Explanation{
        "context_unreadable", forbidden, "Something in the folder cannot be read",
        "The user who runs `loco` may not read a file or a folder of the context, often one that a "
        "container running as root has made.",
        "leave it out in .dockerignore, or change its owner: sudo chown -R \"$USER\" FOLDER"},
    Explanation{"context_changed", conflict, "A file changed while it was sent to the build",
                "The build would have got a file that never was: half old, half new. A compiler, a "
                "formatter or a log writer runs in the folder.",
                "wait until it is done and deploy again, or leave the file out in .dockerignore"},
    Explanation{"ignore_file_invalid", invalid, ".dockerignore has a line that is no pattern",
                "The line and what is wrong with it are named. Patterns are those of Docker: `*`, "
                "`?`, `**`, `[a-z]`, and `!` in front for what shall go in all the same.",
                "mend that line"},
    Explanation{"dockerfile_invalid", build_failed, "The Dockerfile has a mistake",
                "The builder could not read it, and names the line. A line that should go on in "
                "the next one needs a `\\` as its last character; an instruction is FROM, RUN, "
                "COPY and so on; the first one is FROM (or ARG).",
                "correct the line that is named\n"
                "here-documents (`RUN <<EOF`) need BuildKit of Docker 23, or `# "
                "syntax=docker/dockerfile:1` as the first line"},
    Explanation{"build_step_failed", build_failed, "A RUN instruction failed",
                "The program that RUN started ended with another exit status than 0. Its last "
                "lines are shown; they say why. 127: no such program in this stage. 126: it may "
                "not be executed. 137: it was killed, most likely for want of memory.",
                "read the lines above the error, or all of them: loco logs --build\n"
                "try that instruction by hand: docker build FOLDER"},
    Explanation{"build_copy_missing", build_failed, "A file to copy is not in the build context",
                "COPY and ADD take files only from the context, the folder of `[build] context`, "
                "and not from outside of it. The file does not exist there, or an ignore file "
                "leaves it out, or Loco does because it is a secret (an environment file, a "
                "private key, credentials). The hint says which of these it is.",
                "list what the build may use: loco deploy --dry-run\n"
                "a file outside of the app's folder: put it inside, or put loco.toml into the "
                "folder above both and "
                "name the Dockerfile with [build] dockerfile\n"
                "a secret that the image really needs: a line of .dockerignore without wildcards, "
                "!config/.env"},
    Explanation{"build_base_image", build_failed,
                "An image that the Dockerfile begins with cannot be had",
                "The container engine could not fetch what FROM (or COPY --from, or `# syntax=`) "
                "names: the name or the tag does not exist, it is private, it is not made for this "
                "platform, or its registry cannot be reached.",
                "check the name and the tag: docker pull IMAGE\n"
                "a private image: docker login REGISTRY\n"
                "no way to that registry: load it by hand, docker load -i FILE"},
    Explanation{"build_no_stage", build_failed, "[build] target names no stage of the Dockerfile",
                "A stage has a name when its FROM says so: `FROM debian:12 AS run`.",
                "correct [build] target, or leave it out for the last stage"},
    Explanation{
        "build_no_shell", build_failed, "RUN needs a shell and the image has none",
        "`RUN make` is run by /bin/sh of the image. `scratch` and the distroless images have none.",
        "run it in an earlier stage and COPY --from the result\n"
        "or without a shell: RUN [\"/app\", \"migrate\"]"},
    Explanation{
        "build_wrong_platform", build_failed, "The build ran a program of another processor",
        "\"exec format error\": this machine cannot run a program of the image. Either the build "
        "is for another platform (`[build] platform`, or the server's) and there is no emulator "
        "for it, or the base image or a copied program is made for another one.",
        "build for this machine's platform, if the server has it: leave [build] platform out\n"
        "an emulator: sudo apt-get install qemu-user-static binfmt-support\n"
        "or compile on FROM --platform=$BUILDPLATFORM and COPY the result into the last stage"},
    Explanation{"build_fetch", build_failed, "A file that ADD downloads cannot be had",
                "ADD takes URLs, and the container engine fetches them. It does not exist, or "
                "there is no way to it.",
                "check the address: curl -I URL"},
    Explanation{"build_secret_missing", build_failed,
                "The Dockerfile mounts a secret that loco.toml does not name",
                "`RUN --mount=type=secret,id=npm` needs a file for that id.",
                "name it in loco.toml: [build] secrets = { npm = \".npm-token\" }"},
    Explanation{"build_secret_unreadable", invalid, "A file of [build] secrets cannot be read",
                "The file is not there, or the user who runs `loco` may not read it. Its path is "
                "relative to loco.toml.",
                "create it, or correct its path in [build] secrets"},
    Explanation{"build_failed", build_failed, "The build failed",
                "For a reason that Loco does not know better; the builder's own words are given.",
                "read all that it wrote: loco logs --build\n"
                "try it by hand: docker build FOLDER"},
    Explanation{
        "builder_unavailable", unavailable, "There is no docker command that can build",
        "Images are built by the `docker` command with BuildKit: Docker 20 to 22 have it built in, "
        "newer ones need the buildx plugin. Podman's stand-in for it cannot.",
        "install it: sudo apt-get install docker.io (newer systems: docker-cli docker-buildx)"},
    Explanation{"engine_unavailable", unavailable, "The container engine cannot be reached",
                "Nothing answers on its socket: the Docker daemon does not run, DOCKER_HOST names "
                "another socket, or you may not use it. On the client's machine it builds, on the "
                "server's it runs the apps. Apps that run go on running.",
                "is it running? docker info\n"
                "start it: sudo systemctl start docker\n"
                "the right to its socket: sudo usermod -aG docker $USER, then sign in again"},
    Explanation{
        "docker_host_unsupported", invalid, "DOCKER_HOST is no Unix socket",
        "Loco speaks to the engine of this machine over its Unix socket, not over TCP or SSH.",
        "unset DOCKER_HOST, or set it to a socket: unix:///var/run/docker.sock"},
    Explanation{"engine_disk_full", unavailable, "The container engine has no disk space left",
                "The disk that holds its images, build cache and containers is full (on the "
                "client's machine while it builds, else on the server's).",
                "see what takes it: docker system df\n"
                "free what nothing uses: docker builder prune, docker image prune"},
    Explanation{"no_such_image", build_failed, "The container engine has no image of that name",
                "`loco deploy --image` and `[build] image` take an image that this machine's "
                "engine has already. It is not pulled for you.",
                "docker pull IMAGE, or docker images to see what is there"},
    Explanation{
        "client_gone", build_failed, "The client went away while it was building",
        "A deploy holds only as long as its client is heard of. It was silent for a minute: it was "
        "killed, the machine slept, or its network was gone. Nothing was changed.",
        "deploy again: loco deploy"},
};

}  // namespace

std::span<const Explanation> explained_building() { return kEntries; }

}  // namespace loco
