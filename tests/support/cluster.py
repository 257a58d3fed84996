"""The Kubernetes cluster of the tests: the one of LOCO_TEST_KUBECONFIG, else one of our own (testbed/cluster)."""
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import uuid
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent.parent
TESTBED = REPO / "tests/testbed"
PEERS = ("kube", "traefik", "gateway_crds", "coredns", "helm", "kubeconform")
# Of what only a cluster of our own has: busybox, under the name of the container that holds a pod's namespaces.
BUSYBOX = "loco.test/pause:1"
GATEWAY_PORT = 18000


class NotHere(Exception):
    """No cluster can be had on this machine; says why."""


class Cluster:
    def __init__(self, kubeconfig: Path, own: Path | None, ends_with_us: bool = False):
        self.kubeconfig, self.own = kubeconfig, own   # own: the folder of a cluster that the tests may also break
        self.ends_with_us = ends_with_us
        ours = (own or Path("/nonexistent")) / "bin/kubectl"
        self.program = str(ours) if ours.exists() else "kubectl"

    def kubectl(self, *words: str, stdin: str | None = None, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess:
        done = subprocess.run([self.program, "--kubeconfig", self.kubeconfig, *map(str, words)], input=stdin, capture_output=True,
                              text=True, timeout=timeout)
        assert not check or done.returncode == 0, f"kubectl {' '.join(map(str, words))}: {done.stderr}"
        return done

    def json(self, *words: str) -> dict:
        return json.loads(self.kubectl(*words, "-o", "json").stdout)

    def apply(self, *objects: dict, check: bool = True) -> subprocess.CompletedProcess:
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        return self.kubectl("apply", "--server-side", "-f", "-", stdin=document, check=check)

    def new_namespace(self, labels: dict | None = None) -> str:
        name = f"loco-test-{uuid.uuid4().hex[:10]}"
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}})
        return name

    def remove_namespace(self, name: str) -> None:
        self.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false")

    def load(self, archive: Path) -> None:
        """Puts an image (as `docker save` writes it) where the node finds it; for a cluster of our own."""
        subprocess.run([TESTBED / "cluster", "load", self.own, archive], check=True, capture_output=True, timeout=120)


def need_peers(*names: str) -> None:
    """Builds what the cluster and its tests are made of, with its progress shown, where that was not done before."""
    missing = subprocess.run([TESTBED / "build-peers", "--check", *names], capture_output=True, text=True)
    if missing.returncode == 3:
        raise NotHere(missing.stderr.strip())
    if missing.returncode:
        print(f"    building what a Kubernetes cluster is tested with, once ({' '.join(names)}): 12 to 25 minutes for all", flush=True)
        built = subprocess.run([TESTBED / "build-peers", *names], timeout=3600).returncode
        if built == 3:
            raise NotHere("the modules of its parts cannot be downloaded (shown above)")
        assert built == 0, "the parts of a Kubernetes cluster could not be built: shown above"


def find_peers() -> None:
    """All of them, while there is a network. What cannot be had, bring_up() tells."""
    with contextlib.suppress(NotHere, AssertionError, subprocess.SubprocessError):
        need_peers(*PEERS)


def kubeconform(location: str, *words) -> subprocess.CompletedProcess:
    """Checks manifests against the schemas at that location; its answer is JSON."""
    try:
        need_peers("kubeconform")
    except NotHere as reason:
        pytest.skip(str(reason))
    cache = Path(os.environ.get("LOCO_PEERS") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "loco-peers")
    return subprocess.run([cache / "bin/kubeconform", "-strict", "-summary", "-output", "json", "-schema-location", location, *words],
                          capture_output=True, text=True, timeout=300)


def bring_up() -> Cluster:
    if reason := os.environ.get("LOCO_TEST_NO_CLUSTER"):
        raise NotHere(reason)   # tests/run.py tried for all parts
    if given := os.environ.get("LOCO_TEST_KUBECONFIG"):
        own = os.environ.get("LOCO_TEST_OWN_CLUSTER")   # tests/run.py brought it up for all parts
        one = Cluster(Path(given), Path(own) if own else None)
        one.kubectl("get", "--raw", "/readyz", timeout=30)
        return one
    if os.geteuid() != 0:
        raise NotHere("no cluster: LOCO_TEST_KUBECONFIG is not set, and only root can bring one up here")
    try:
        need_peers(*PEERS)
    except NotHere as reason:
        raise NotHere(f"no cluster: LOCO_TEST_KUBECONFIG is not set, and {reason}") from None
    folder = Path(tempfile.mkdtemp(prefix="loco-cluster-"))
    # To a file: what `up` leaves running would hold a pipe open.
    with (folder.parent / f"{folder.name}.log").open("w+") as log:
        done = subprocess.run([TESTBED / "cluster", "up", folder], stdout=log, stderr=log, timeout=300)
        log.seek(0)
        said = log.read()
    Path(log.name).unlink()
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise AssertionError(f"no cluster: {said}")
    return Cluster(folder / "admin.kubeconfig", folder, ends_with_us=True)


def take_down(cluster: Cluster) -> None:
    if cluster.ends_with_us:
        subprocess.run([TESTBED / "cluster", "down", cluster.own], check=True, timeout=180)
