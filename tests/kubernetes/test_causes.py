"""Why an app does not run on a cluster, for real: each cause is produced there, and what its user reads is compared with a text that a person
has read and found helpful (golden/causes/NAME.txt). LOCO_ACCEPT=1 rewrites those: read the difference before you keep it."""
import contextlib
import os
import re
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from support import golden, probe
from support.causes import CAUSES, NAMED, Cause, folder_of, produced
from support.cluster_platform import running_on_cluster
from support.wait import until

GOLDEN = Path(__file__).resolve().parent / "golden/causes"
# Of those of one machine: what a cluster tells by other words, or must tell as well.
ALSO_HERE = ["command-not-found", "command-not-in-path", "command-not-executable", "command-is-a-folder", "script-line-ends", "script-no-interpreter",
             "interpreter-missing", "loader-missing", "library-missing", "wrong-architecture", "exits-with-42", "exits-with-0", "killed-by-a-signal",
             "oom-killed-at-start", "read-only-file-system", "tmp-full", "variable-missing", "connection-refused", "wrong-port", "loopback-only",
             "not-listening", "health-unauthorized", "health-not-found", "health-error", "health-redirects", "health-timeout", "speaks-tls",
             "not-http", "closes-connections", "release-command-failed", "release-command-not-found", "release-command-timeout",
             "release-command-oom-killed"]


# With a folder that its user may write to.
WITH_A_FOLDER = "FROM scratch\nCOPY probe /probe\nCOPY --chown=10001 version /data/\nUSER 10001\nCMD [\"/probe\"]\n"


class Scene:
    """A platform on the tests' cluster, and what its user reads there."""

    def __init__(self, loco, folder: Path):
        self.loco, self.cluster, self.folder = loco, loco.cluster, folder
        self.policies: list[str] = []
        room = self.cluster.json("get", "nodes")["items"][0]["status"]["allocatable"]
        self.memory_mib = int(room["memory"].removesuffix("Ki")) >> 10
        self.cpu_millis = int(room["cpu"]) * 1000
        self.named = NAMED | {"NODE-CPU": f"{self.cpu_millis}m CPU", "NODE-CPUS": f"{self.cpu_millis // 1000} CPU",
                              "NODE-MEMORY": f"{self.memory_mib} MiB", "LOCO": loco.name, "127.0.0.1:REGISTRY": f"127.0.0.1:{loco.registry}"}

    def app(self, name: str, cause: Cause | None = None) -> probe.Folder:
        return folder_of(self.folder, name, cause or Cause(toml={"timeout": "120s"}))

    def run(self, *words, status: int) -> str:
        shown = " ".join("." if isinstance(word, Path) else word for word in words)
        done = self.loco.run(*words, expect=None)
        assert done.status == status, f"expected exit status {status}\n{done}"
        return f"$ loco {shown}\n{done.err}{done.out}→ {done.status}\n"

    def deploy(self, folder: probe.Folder, status: int = 7) -> str:
        return self.run("deploy", folder.path, status=status)

    def live(self, app: str, kind: str, code: str, then, within: float = 90) -> str:
        """What is told of an app that serves, of what befell it, when that was told and `then` is so."""
        def is_told() -> bool:
            return any(event["kind"] == kind and (event["data"] or {}).get("code") == code for event in self.loco.events(app))
        try:
            until(is_told, within, f"{kind} of {app} with {code}")
            until(lambda: then(self.loco.status(app)["instances"]), 30, f"{app} is as expected")
        except AssertionError as error:
            raise AssertionError(f"{error}; what is told:\n{self.run('events', '-a', app, status=0)}{self.loco.run('status', '-a', app)}") from None
        events = self.run("events", "-a", app, status=0).splitlines(keepends=True)
        return self.run("status", "-a", app, status=0) + "".join(
            line for line in events if line[0] in "$→" or f"  {kind}  " in line and line.endswith(f"({code})\n"))

    def namespace(self, app: str) -> str:
        return until(lambda: next(one for one in self.loco.namespaces() if one.startswith(f"loco-{app}-")), 20, f"{app} has a namespace")

    def refuse(self, app: str, kind: str, rule: str, words: str) -> None:
        """A policy of the cluster about what is in the app's namespace. It is in force within a second, before any image is built."""
        name = f"{self.loco.name}-{app}"
        self.policies.append(name)
        match = {"resourceRules": [{"apiGroups": ["", "apps"], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": [kind]}],
                 "namespaceSelector": {"matchLabels": {"loco.dev/app": app, "loco.dev/instance-of": self.loco.name}}}
        group = "admissionregistration.k8s.io/v1"
        self.cluster.apply(
            {"apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
             "spec": {"failurePolicy": "Fail", "matchConstraints": match, "validations": [{"expression": rule, "message": words}]}},
            {"apiVersion": group, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
             "spec": {"policyName": name, "validationActions": ["Deny"]}})


def patient(cause: Cause) -> Cause:
    """On a cluster a deploy of what is not well ends when its grace is over; until it is started there it can take long."""
    commands = cause.toml.get("timeout") == "3s"   # of a release command: that time is what is waited for
    return replace(cause, toml=cause.toml | {"timeout": "15s" if commands else "120s"})


def all_of_a_node(scene: Scene, name: str, resources: str) -> str:
    """What a node has, where something else runs on it."""
    until(lambda: scene.loco.pods("live-oom-killed"), 60, "something runs")
    return scene.deploy(scene.app(name, Cause(toml={"resources": resources, "timeout": "30s"})))


def memory_is_taken(scene: Scene) -> str:
    return all_of_a_node(scene, "memory-taken", f'cpu = "50m"\nmemory = "{scene.memory_mib}Mi"')


def cpu_is_taken(scene: Scene) -> str:
    return all_of_a_node(scene, "cpu-taken", f'cpu = "{scene.cpu_millis}m"\nmemory = "48Mi"')


def more_memory_than_any_node_has(scene: Scene) -> str:
    return scene.deploy(scene.app("more-memory", Cause(toml={"resources": 'cpu = "50m"\nmemory = "1000Gi"'})), status=6)


def more_cpu_than_any_node_has(scene: Scene) -> str:
    return scene.deploy(scene.app("more-cpu", Cause(toml={"resources": 'cpu = "100"\nmemory = "48Mi"'})), status=6)


def a_quota(scene: Scene) -> str:
    folder = scene.app("quota")
    scene.loco.deploy(folder)
    scene.cluster.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "company", "namespace": scene.namespace("quota")},
                         "spec": {"hard": {"requests.memory": "64Mi"}}})
    until(lambda: scene.cluster.json("get", "resourcequota", "company", "-n", scene.namespace("quota"))["status"]["used"], 20, "it is in force")
    return scene.run("scale", "--replicas", "3", "-a", "quota", status=6)


def a_limit_range(scene: Scene) -> str:
    folder = scene.app("limited")
    scene.loco.deploy(folder)
    scene.cluster.apply({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "company", "namespace": scene.namespace("limited")},
                         "spec": {"limits": [{"type": "Container", "max": {"memory": "64Mi"}}]}})
    return scene.deploy(folder.image("2").toml(resources='cpu = "50m"\nmemory = "96Mi"'), status=6)


def a_policy_about_pods(scene: Scene) -> str:
    scene.refuse("policy", "pods", "has(object.metadata.labels.owner)", "every pod needs a label owner")
    return scene.deploy(scene.app("policy"), status=6)


def a_policy_about_deployments(scene: Scene) -> str:
    scene.refuse("denied", "deployments", "has(object.metadata.labels.owner)", "every deployment needs a label owner")
    return scene.deploy(scene.app("denied"), status=6)


def image_is_gone(scene: Scene) -> str:
    scene.loco.deploy(scene.app("image-gone"))
    forget_image(scene, "image-gone", registry=True)
    return scene.run("restart", "-a", "image-gone", status=7)


def forget_image(scene: Scene, app: str, registry: bool) -> None:
    """By the node, and by the registry."""
    image = scene.loco.pods(app)[0]["spec"]["containers"][0]["image"]
    repository = image.split("/", 1)[1].split("@")[0].split(":")[0]
    own = scene.cluster.own
    known = subprocess.run([own / "bin/ctr", "-a", own / "containerd.sock", "-n", "k8s.io", "images", "ls", "-q"], capture_output=True, text=True, check=True)
    subprocess.run([own / "bin/ctr", "-a", own / "containerd.sock", "-n", "k8s.io", "images", "rm", "--sync",
                    *(one for one in known.stdout.split() if repository in one)], check=True, capture_output=True)
    if registry:
        shutil.rmtree(scene.loco.folder / "registry/docker/registry/v2/repositories" / repository)


def all_are(state: str):
    return lambda instances: len(instances) == 1 and instances[0]["state"] == state


def killed_for_memory_while_it_serves(scene: Scene) -> str:
    scene.loco.deploy(scene.app("live-oom-killed"))
    scene.loco.fetch("live-oom-killed", "/memory?mb=200")
    return scene.live("live-oom-killed", "instance.crashed", "oom_killed", all_are("healthy"))


def crashes_again_and_again(scene: Scene) -> str:
    loco = scene.loco
    loco.deploy(scene.app("live-crash-loop"))
    for crashes in range(1, 4):
        until(lambda: all_are("healthy")(loco.status("live-crash-loop")["instances"]) and loco.fetch("live-crash-loop").status == 200, 90, "it is back")
        loco.fetch("live-crash-loop", "/crash?code=3")
        until(lambda: sum(event["kind"] == "instance.crashed" for event in loco.events("live-crash-loop")) == crashes, 30, "the crash is told")
    return scene.live("live-crash-loop", "instance.crashed", "crash_loop", all_are("backoff"))


def hangs_while_it_serves(scene: Scene) -> str:
    scene.loco.deploy(scene.app("live-hangs", Cause(toml={"timeout": "120s", "health": 'path = "/healthz"\ntimeout = "1s"'})))
    scene.loco.fetch("live-hangs", "/hang")
    return scene.live("live-hangs", "instance.unhealthy", "hangs", all_are("starting"))


def put_out_by_its_node(scene: Scene) -> str:
    """It writes more to its node's disk than the namespace's limits let it."""
    folder = scene.app("live-evicted", Cause(env={"IGNORE_TERM": "1"}, toml={"timeout": "120s"})).image("1", dockerfile=WITH_A_FOLDER)
    scene.loco.deploy(folder)
    scene.cluster.apply({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "company", "namespace": scene.namespace("live-evicted")},
                         "spec": {"limits": [{"type": "Container", "default": {"ephemeral-storage": "8Mi"}}]}})
    scene.loco.run("restart", "-a", "live-evicted")
    scene.loco.settled("live-evicted", 1)   # of the pods before, which have no such limit, none is left
    until(lambda: scene.loco.fetch("live-evicted", "/write?path=/data/dump&mb=64").text == "written", 30, "it has written")
    return scene.live("live-evicted", "instance.removed", "evicted", all_are("healthy"))


SCENES = {"live-oom-killed": killed_for_memory_while_it_serves, "live-crash-loop": crashes_again_and_again, "live-hangs": hangs_while_it_serves,
          "live-evicted": put_out_by_its_node,
          "memory-taken": memory_is_taken, "cpu-taken": cpu_is_taken, "more-memory-than-a-node": more_memory_than_any_node_has,
          "more-cpu-than-a-node": more_cpu_than_any_node_has, "quota": a_quota, "limit-range": a_limit_range,
          "policy-about-pods": a_policy_about_pods, "policy-about-deployments": a_policy_about_deployments, "image-gone": image_is_gone}


@pytest.fixture(scope="module")
def scene(engine, cluster, postgres, tmp_path_factory):
    if cluster.own is None:
        pytest.skip("takes images off the node, and stops it: needs a cluster of the tests' own")
    for platform in running_on_cluster(engine, cluster, postgres):
        one = Scene(platform, tmp_path_factory.mktemp("causes"))
        yield one
        for name in one.policies:
            cluster.kubectl("delete", "validatingadmissionpolicybindings,validatingadmissionpolicies", name, "--ignore-not-found")


@pytest.fixture(scope="module")
def told(scene):
    """name → what is read of that cause, once it was produced."""
    def produce(name: str) -> str:
        return SCENES[name](scene) if name in SCENES else scene.deploy(scene.app(name, patient(CAUSES[name])))

    with produced(os.environ.get("LOCO_CAUSES", "").split() or [*SCENES, *ALSO_HERE], produce, at_a_time=4) as results:
        yield results


def compare(scene: Scene, name: str, text: str) -> None:
    text = golden.readable(text, scene.named)
    text = re.sub(r"got no pod within \d+s", "got no pod within Ns", text)   # as soon as that is sure
    text = re.sub(r"read tcp \S+: read: connection reset by peer", "EOF", text)   # whichever is seen first
    golden.compare(GOLDEN / f"{name}.txt", text)


@pytest.mark.parametrize("name", [*SCENES, *ALSO_HERE])
def test_each_cause_is_told_with_what_to_do(scene, told, name):
    try:
        compare(scene, name, told(name))
    except AssertionError:
        if name in SCENES:
            raise
        # Beside others, on few processors, what a pod has said last can come too late to be told; by itself it does not.
        scene.loco.run("destroy", "-a", name, "--yes")
        compare(scene, name, scene.deploy(folder_of(scene.folder / "again", name, patient(CAUSES[name]))))


# What befalls all apps alike comes last, one after the other.

@pytest.fixture(scope="module")
def alone(scene, told):
    for name in [*SCENES, *ALSO_HERE]:
        with contextlib.suppress(BaseException):   # told by its own test
            told(name)
    return scene


def test_a_registry_that_its_node_cannot_reach(alone):
    loco = alone.loco
    loco.deploy(alone.app("registry-away", Cause(toml={"timeout": "20s"})))
    forget_image(alone, "registry-away", registry=False)
    loco.registry_process.terminate()
    loco.registry_process.wait(20)
    try:
        text = alone.run("restart", "-a", "registry-away", status=7)
    finally:
        loco.start_registry()
    compare(alone, "registry-away", text)


def test_a_node_that_is_lost(alone):
    """Its kubelet stands still: the cluster waits 50 s for it."""
    loco = alone.loco
    loco.deploy(alone.app("node-lost"))
    kubelet = int((alone.cluster.own / "kubelet.pid").read_text())
    os.kill(kubelet, signal.SIGSTOP)
    try:
        text = alone.live("node-lost", "instance.unhealthy", "node_lost", all_are("starting"))
    finally:
        os.kill(kubelet, signal.SIGCONT)
    until(lambda: all_are("healthy")(loco.status("node-lost")["instances"]), 60, "its node is back, and it serves again")
    compare(alone, "node-lost", text)


def test_every_text_that_is_kept_is_that_of_a_test():
    """A cause that is gone takes its text along."""
    assert {path.stem for path in GOLDEN.glob("*.txt")} <= {*SCENES, *ALSO_HERE, "registry-away", "node-lost"}
