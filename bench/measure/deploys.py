"""GP4: image present → first 200. GP5: a redeploy after a one-file change, and one that changes nothing."""
import base64
import contextlib
import datetime
import http.client
import json
import re
import shutil
import subprocess
import time
from pathlib import Path

from measure.bench import REPO, Bench, OverSocket, answer_json, first_200, free_ports, seconds, until
from measure.figures import Row, Section, ratio

IMAGE = "loco-bench/hello:1"
# What Loco gives each container; the second floor has it too.
HARDENED = ["--init", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only", "--tmpfs=/tmp", "--user=10001:10001",
            "--memory=32m", "--memory-swap=32m", "--cpus=1", "--pids-limit=512"]


def make_folder(bench: Bench, name: str) -> Path:
    """examples/hello with a file more, in a layer of its own."""
    subprocess.run([REPO / "examples/hello/build"], check=True)
    folder = bench.folder / name
    shutil.copytree(REPO / "examples/hello", folder)
    dockerfile = folder / "Dockerfile"
    dockerfile.write_text(dockerfile.read_text().replace("USER ", "COPY message.txt /message.txt\nUSER "))
    (folder / "message.txt").write_text("first\n")
    with (folder / ".dockerignore").open("a") as ignore:
        ignore.write("!message.txt\n")
    (folder / "loco.toml").write_text(re.sub(r'name = ".*"', f'name = "{name}"', (folder / "loco.toml").read_text()))
    return folder


def push(bench: Bench, reference: str, token: str) -> str:
    """Pushes with that token; the manifest's digest."""
    with contextlib.closing(OverSocket(bench.engine.host)) as engine:
        name, _, tag = reference.rpartition(":")
        auth = base64.urlsafe_b64encode(json.dumps({"registrytoken": token}).encode()).decode()
        engine.request("POST", f"/images/{name}/push?tag={tag}", headers={"X-Registry-Auth": auth})
        said = engine.getresponse().read().decode()
    digest = re.search(r"digest: (sha256:[0-9a-f]{64})", said)
    assert digest, said[-500:]
    return digest[1]


def docker_run(bench: Bench, *options: str, image: str = IMAGE) -> float:
    """Seconds from `docker run` to the first 200."""
    (port,) = free_ports(1)
    began = time.perf_counter()
    container = bench.engine.docker("run", "-d", "-p", f"127.0.0.1:{port}:8080", *options, image)
    try:
        return first_200(port, "hello.localhost") - began
    finally:
        bench.engine.docker("rm", "-f", container)


def through_loco(bench: Bench, app: str, spec: dict) -> float:
    """A new app whose image is pushed already: seconds from the report of its digest to the first 200 through the gateway."""
    platform = bench.platform
    path = platform.path(app)
    answer_json(platform.call("POST", path.rpartition("/")[0], {"name": app}))
    begun = answer_json(platform.call("POST", f"{path}/deployments", {"kind": "deploy", "spec": spec | {"name": app}}))
    deployment = f"{path}/deployments/{begun['id']}"
    token = answer_json(platform.call("POST", f"{deployment}/push-token", {}))
    reference = f"{token['registry']}/{token['repository']}:{begun['tag']}"
    bench.engine.docker("tag", IMAGE, reference)
    digest = push(bench, reference, token["token"])
    image_id = bench.engine.docker("image", "inspect", "--format", "{{.Id}}", IMAGE)
    body, headers = json.dumps({"digest": digest, "image_id": image_id}), {"Authorization": f"Bearer {platform.token()}", "Content-Type": "application/json"}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", platform.api, timeout=20)) as api:
        api.connect()
        began = time.perf_counter()
        api.request("POST", f"/api/v1{deployment}/result", body, headers)
        answer = api.getresponse()
        assert answer.status == 200, answer.read()[:300]
        return first_200(platform.gateway, f"{app}.localhost") - began


def by_command(bench: Bench, folder: Path, app: str) -> float:
    """The same as a person sees it: `loco deploy --image` of a new app, push and all."""
    (folder / "loco.toml").write_text(re.sub(r'name = ".*"', f'name = "{app}"', (folder / "loco.toml").read_text()))
    began = time.perf_counter()
    with bench.platform.start("deploy", folder, "--image", IMAGE) as process:
        answered = first_200(bench.platform.gateway, f"{app}.localhost")
        assert bench.platform.finish(process).status == 0
    return answered - began


def destroy(bench: Bench, app: str) -> None:
    bench.platform.run("destroy", "-a", app, "--yes")
    until(lambda: not bench.engine.of_app(app), 30, f"{app} is gone")


def measure_start(bench: Bench) -> Section:
    folder = make_folder(bench, "start")
    bench.engine.docker("build", "-q", "-t", IMAGE, str(folder))
    bench.undo.callback(bench.engine.docker, "rmi", "-f", IMAGE, check=False)
    spec = bench.platform.run("deploy", folder, "--dry-run", "--json").json()["spec"]
    bench.platform.run("deploy", folder)   # the team's network is there from here on, as it is for all apps but a team's first
    bare, hardened = Row("`docker run`, to the first 200", "ms"), Row("`docker run` with Loco's limits and init", "ms")
    server, command = Row("Loco: digest reported, to the first 200", "ms"), Row("`loco deploy --image`, to the first 200", "ms")
    for n in range(bench.repeats):
        bare.add(1e3 * docker_run(bench))
        hardened.add(1e3 * docker_run(bench, *HARDENED))
        server.add(1e3 * through_loco(bench, f"start-api-{n}", spec))
        command.add(1e3 * by_command(bench, folder, f"start-cli-{n}"))
        for app in (f"start-api-{n}", f"start-cli-{n}"):
            destroy(bench, app)
    destroy(bench, "start")
    return Section("GP4", "image present → first 200 through the gateway",
                   [bare, hardened, server, command, ratio("Loco against `docker run`", server, bare).at_most(1.25),
                    ratio("Loco against `docker run` with the same limits", server, hardened)],
                   ["A new app, `examples/hello`; the image is in the engine and in Loco's registry, the moment counts in which its digest is reported to the API. "
                    "`docker run` publishes a port of 127.0.0.1. Asked every 2 ms. `loco deploy --image` pushes to a new repository as well."])


def plain_registry(bench: Bench) -> str:
    """The same program as Loco's registry, with no tokens."""
    (port,) = free_ports(1)
    config = bench.folder / "registry.yml"
    config.write_text(f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {bench.folder}/registry}}}}\n"
                      f"http: {{addr: 127.0.0.1:{port}}}\n")
    bench.start(["docker-registry", "serve", config])
    address = f"127.0.0.1:{port}"
    until(lambda: http.client.HTTPConnection(address, timeout=2).request("GET", "/v2/") is None, 20, "the registry answers")
    return f"{address}/floor"


def measure_redeploy(bench: Bench) -> Section:
    floor_folder, folder = make_folder(bench, "floor"), make_folder(bench, "redeploy")
    repository = plain_registry(bench)
    tags = []

    def build_and_push(n: int) -> None:
        tags.append(f"{repository}:{n}")
        for words in (["build", "-q", "-t", tags[-1], str(floor_folder)], ["push", "-q", tags[-1]]):
            bench.engine.docker(*words)

    def deploy(folder: Path) -> None:
        bench.platform.run("deploy", folder)

    def change(folder: Path, n: int) -> None:
        (folder / "message.txt").write_text(f"{folder.name} {n} {time.time()}\n")

    build_and_push(0)
    deploy(folder)
    floor, loco, unchanged = Row("`docker build && docker push`", "ms"), Row("`loco deploy` after the same change, to live", "ms"), Row("`loco deploy`, nothing changed", "ms")
    running = Row("`docker build && docker push && docker run`, to the first 200", "ms")
    build_only = Row("`docker build`, nothing changed", "ms")
    try:
        for n in range(1, bench.repeats + 1):
            for one in (floor_folder, folder):
                change(one, n)
            floor.add(1e3 * seconds(lambda: build_and_push(n)))
            running.add(floor.values[-1] + 1e3 * docker_run(bench, image=tags[-1]))
            loco.add(1e3 * seconds(lambda: deploy(folder)))
            unchanged.add(1e3 * seconds(lambda: deploy(folder)))
            build_only.add(1e3 * seconds(lambda: bench.engine.docker("build", "-q", "-t", tags[-1], str(floor_folder))))
        phases = last_phases(bench, "redeploy")
    finally:
        bench.engine.docker("rmi", "-f", *tags, check=False)
    destroy(bench, "redeploy")
    return Section("GP5", "redeploying",
                   [floor, running, loco, ratio("redeploy against build and push", loco, floor).at_most(1.15),
                    ratio("redeploy against build, push and run", loco, running), unchanged.at_most(300), build_only],
                   ["`examples/hello` with one more file in a layer of its own, which changes. The floor pushes to the same registry program without tokens and starts nothing; "
                    "Loco's time includes the rollout until the new release has all traffic.", f"The last redeploy's phases: {phases}."])


def last_phases(bench: Bench, app: str) -> str:
    items = answer_json(bench.platform.call("GET", f"{bench.platform.path(app)}/deployments"))["items"]
    last = next(one for one in items if one["state"] == "live" and "rolling" in one["phases"])
    times = sorted((at, phase) for phase, at in last["phases"].items())
    parse = datetime.datetime.fromisoformat
    return ", ".join(f"{phase} {1e3 * (parse(after) - parse(at)).total_seconds():.0f} ms" for (at, phase), (after, _) in zip(times, times[1:]))

