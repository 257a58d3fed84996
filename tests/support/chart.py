"""Loco installed on the tests' cluster by its Helm chart, as an operator would, with images made on this machine."""
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from support import images
from support.cluster import GATEWAY_PORT, REPO, Cluster
from support.platform import BINARIES, Done
from support.wait import until

CHART = REPO / "deploy/helm/loco"
NAMESPACE = "loco-system"
BASE_DOMAIN = "localhost"
API_HOST = f"loco.{BASE_DOMAIN}"
REGISTRY_PORT = 30500
CLASS, STORAGE = "loco-chart", "loco-chart"
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:loco-api"


def helm() -> str:
    peers = Path(os.environ.get("LOCO_PEERS", Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "loco-peers"))
    return str(peers / "bin/helm")


def run_helm(*words: str, kubeconfig: Path | None = None, check: bool = True, timeout: float = 300) -> Done:
    done = subprocess.run([helm(), *map(str, words)], capture_output=True, text=True, timeout=timeout, cwd=REPO,
                          env=os.environ | ({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {}))
    result = Done(list(map(str, words)), done.returncode, done.stdout, done.stderr)
    assert not check or result.status == 0, str(result)
    return result


def commands_of(file: str, section: str) -> str:
    """The commands of a document's section, one a line."""
    text = (REPO / file).read_text().split(f"## {section}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line[4:] for line in text.splitlines() if line.startswith("    ")]
    return "\n".join(lines).replace("\\\n", "") + "\n"


def values() -> dict:
    return {
        "baseDomain": BASE_DOMAIN, "externalUrl": f"http://{API_HOST}:{GATEWAY_PORT}",
        "image": {"repository": images.LOCO_API.split(":")[0], "tag": images.LOCO_API.split(":")[1], "pullPolicy": "Never"},
        "gateway": {"className": CLASS, "http": {"port": GATEWAY_PORT}},
        "postgres": {"image": images.POSTGRES, "storageClass": STORAGE, "storage": "1Gi"},
        "registry": {"image": images.REGISTRY, "storageClass": STORAGE, "storage": "1Gi", "nodePort": REGISTRY_PORT,
                     "host": f"127.0.0.1:{REGISTRY_PORT}"}}


class Installed:
    """One at a time on a cluster of our own."""

    def __init__(self, cluster: Cluster):
        self.cluster = cluster
        self.folder = Path(tempfile.mkdtemp(prefix="loco-chart-"))
        self.token = ""
        self.docker_host = ""   # of the engine that builds
        log = cluster.own / "log/audit"
        self.asked_before = log.stat().st_size if log.exists() else 0   # by one that was installed here before

    def helm(self, *words: str, **options) -> Done:
        return run_helm("-n", NAMESPACE, *words, kubeconfig=self.cluster.kubeconfig, **options)

    def kubectl(self, *words: str, **options) -> subprocess.CompletedProcess:
        return self.cluster.kubectl("-n", NAMESPACE, *words, **options)

    def prepare(self) -> None:
        """What a cluster has by itself elsewhere: images that can be pulled, a storage class, a class of gateways."""
        for archive in (images.loco_api(self.folder, BINARIES / "loco-api"), images.registry(self.folder), images.postgres(self.folder)):
            self.cluster.load(archive)
            archive.unlink()
        subprocess.run(["rm", "-rf", self.cluster.own / "volumes"], check=True)   # a database of before has another password
        volumes = []
        for name, claim in (("loco-chart-0", "data-loco-postgres-0"), ("loco-chart-1", "loco-registry")):
            folder = self.cluster.own / "volumes" / name
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o777)
            volumes.append({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": {
                "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": STORAGE,
                "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": str(folder)},
                "claimRef": {"namespace": NAMESPACE, "name": claim}}})
        self.cluster.apply(
            {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": CLASS},
             "spec": {"controllerName": "traefik.io/gateway-controller"}},
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {
                "pod-security.kubernetes.io/enforce": "restricted"}}}, *volumes)
        until(lambda: self.kubectl("get", "serviceaccount", "default", check=False).returncode == 0, 20)

    def follow_the_readme(self, client: Path) -> Done:
        """The README's section on Kubernetes as one script, with this cluster's names instead of its examples'. Left out is what
        makes and pushes loco-api's image, which prepare() has done by deploy/image/rootfs as the Dockerfile does."""
        (self.folder / "values.yaml").write_text(json.dumps(values()))
        for name in ("deploy", "examples"):
            shutil.copytree(REPO / name, client / name, symlinks=True, ignore=shutil.ignore_patterns("bin"))
        script = commands_of("README.md", "On Kubernetes")
        made, script = script.split("\n", 1)
        assert made.startswith("docker build -f deploy/image/Dockerfile ") and "docker push" in made
        for example, here in (("registry.example.org/loco-api", images.LOCO_API.split(":")[0]),
                              ("http://loco.apps.example.org", f"http://{API_HOST}:{GATEWAY_PORT}"), ("apps.example.org", BASE_DOMAIN),
                              ("className=eg", f"className={CLASS}"),
                              ("helm install loco deploy/helm/loco", f"helm install loco deploy/helm/loco -f {self.folder}/values.yaml --timeout 240s")):
            assert example in script, example
            script = script.replace(example, here)
        done = self.shell(script + f"\nset +x; printf %s \"$LOCO_TOKEN\" > {self.folder}/token\n", client)
        self.token = (self.folder / "token").read_text()
        return done

    def shell(self, script: str, cwd: Path) -> Done:
        """As a person types it who has helm, kubectl and loco and is the cluster's admin."""
        programs = self.folder / "bin"
        programs.mkdir(exist_ok=True)
        for program in (helm(), self.cluster.program, BINARIES / "loco"):
            if not (programs / Path(program).name).exists():
                (programs / Path(program).name).symlink_to(program)
        ran = subprocess.run(["bash", "-euxo", "pipefail", "-c", script], cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=400,
                             env=self._environment() | {"PATH": f"{programs}:{os.environ['PATH']}", "KUBECONFIG": str(self.cluster.kubeconfig)})
        result = Done([script], ran.returncode, ran.stdout, ran.stderr)
        assert result.status == 0, str(result)
        return result

    def install(self) -> Done:
        return self.helm("install", "loco", CHART, "-f", self.folder / "values.yaml", "--wait", "--timeout", "240s")

    def upgrade(self, *words: str) -> Done:
        """As the guide has it."""
        return self.helm("upgrade", "loco", CHART, "--wait", "--reset-then-reuse-values", "--timeout", "240s", *words)

    def replicas(self) -> list[dict]:
        """Its pods, without those that are going."""
        pods = self.cluster.json("-n", NAMESPACE, "get", "pods", "-l", "app.kubernetes.io/component=loco-api")["items"]
        return [one for one in pods if "deletionTimestamp" not in one["metadata"]]

    def uids_of(self, kind: str) -> dict[str, str]:
        """name → uid"""
        return {one["metadata"]["name"]: one["metadata"]["uid"] for one in self.cluster.json("-n", NAMESPACE, "get", kind)["items"]}

    def leader(self) -> str:
        """The pod that says of itself that it leads."""
        for one in self.replicas():
            name = one["metadata"]["name"]
            metrics = self.kubectl("get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{name}:8082/proxy/metrics", check=False).stdout
            if "\nloco_leader 1" in metrics:
                return name
        raise LookupError("nobody leads")

    def _environment(self) -> dict:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("LOCO_", "XDG_"))}
        return clean | {"HOME": str(self.folder), "DOCKER_HOST": self.docker_host}

    def loco(self, *words: str, cwd: Path | None = None, expect: int | None = 0, timeout: float = 180) -> Done:
        environment = self._environment() | {"LOCO_HOST": f"http://{API_HOST}:{GATEWAY_PORT}", "LOCO_TOKEN": self.token}
        done = subprocess.run([BINARIES / "loco", *map(str, words)], cwd=cwd or self.folder, env=environment, capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=timeout)
        result = Done(list(map(str, words)), done.returncode, done.stdout, done.stderr)
        assert expect is None or result.status == expect, str(result)
        return result

    def audit(self) -> list[dict]:
        """What loco-api has asked of the API server so far."""
        asked = []
        for line in (self.cluster.own / "log/audit").read_bytes()[self.asked_before:].splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue   # the line that is being written
            if event["user"]["username"] == ACCOUNT:
                asked.append(event)
        return asked

    def remove(self) -> None:
        self.helm("uninstall", "loco", "--wait", "--timeout", "60s", check=False)
        self.cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=true", "--timeout=90s", check=False)
        self.cluster.kubectl("delete", "pv", "loco-chart-0", "loco-chart-1", "--ignore-not-found", "--timeout=60s", check=False)
        self.cluster.kubectl("delete", "gatewayclass", CLASS, "--ignore-not-found", check=False)
        subprocess.run(["rm", "-rf", self.folder, self.cluster.own / "volumes"], check=True)
