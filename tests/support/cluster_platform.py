"""A Loco whose apps run on the tests' cluster: several loco-api as processes of this machine, PostgreSQL and the registry beside them.

What the Helm chart puts together in a cluster stands here by hand, so that the tests can kill and stop each part by itself.
"""
import contextlib
import hashlib
import json
import shutil
import signal
import subprocess
import uuid
from pathlib import Path

from support import web
from support.cluster import GATEWAY_PORT, Cluster
from support.engine import Engine
from support.platform import Client, free_ports
from support.postgres import Postgres
from support.wait import until

OWNER_TOKEN = "loco_owner-token-of-the-cluster-tests-"
LABEL = "loco.dev/instance-of"
REGISTRY = """version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: "{storage}"}}
  delete: {{enabled: true}}
http: {{addr: "{listen}", relativeurls: true}}
auth:
  token: {{realm: "http://{api}/api/v1/registry/token", service: loco-registry, issuer: loco, rootcertbundle: "{certificate}"}}
"""


class Replica:
    """One loco-api of several on the same database."""

    def __init__(self, platform: "ClusterPlatform", number: int):
        self.platform, self.number = platform, number
        self.api, self.ops = free_ports(2)
        self.data = platform.data / f"replica-{number}"
        self.log = platform.folder / f"loco-api-{number}.log"
        self.process: subprocess.Popen | None = None

    def start(self) -> None:
        config = self.platform.config(self)
        file = self.platform.folder / f"loco-api-{self.number}.toml"
        file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in config.items()))
        environment = self.platform.environment | {"LOCO_STORE": self.platform.store}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([self.platform.binaries / "loco-api", "serve", "--config", file], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=environment)
        until(self.answers, 30, f"loco-api {self.number} answers")

    def answers(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"loco-api {self.number} ended with {self.process and self.process.returncode}:\n{self.log.read_text()[-3000:]}")
        with contextlib.suppress(OSError):
            return web.fetch(self.ops, "127.0.0.1", "/healthz").status == 200 and web.fetch(self.api, "127.0.0.1", "/api/v1/version").status == 200
        return False

    def stop(self, number: int = signal.SIGTERM) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(number)
        return process.wait(30)


class ClusterPlatform(Client):
    def __init__(self, engine: Engine, cluster: Cluster, postgres: Postgres, replicas: int = 1, drain: str = "1s"):
        super().__init__(engine)
        self.drain = drain
        self.cluster, self.postgres = cluster, postgres
        self.name = f"t{uuid.uuid4().hex[:8]}"
        self.system = f"loco-system-{self.name}"   # where the chart would put loco-api and the Gateway
        self.gateway = GATEWAY_PORT
        self.store = postgres.target(postgres.new_database())
        self.owner_token = OWNER_TOKEN + self.name
        self.registry_process: subprocess.Popen | None = None
        self.replicas = [Replica(self, number) for number in range(replicas)]
        self.api = self.replicas[0].api

    def config(self, replica: Replica) -> dict:
        return {"data_dir": str(replica.data), "instance": self.name, "listen": f"127.0.0.1:{replica.api}", "ops_listen": f"127.0.0.1:{replica.ops}",
                "base_domain": "localhost", "runtime": "kubernetes", "kubeconfig": str(self.cluster.kubeconfig), "gateway_name": "loco",
                "gateway_namespace": self.system, "registry_host": f"127.0.0.1:{self.registry}",
                "external_url": f"http://loco.localhost:{self.gateway}", "drain": self.drain, "log_level": "debug"}

    def up(self) -> None:
        self.make_gateway()
        first = self.replicas[0]
        first.data.mkdir(mode=0o700, parents=True)
        (first.data / "bootstrap.json").write_text(json.dumps(
            {"login": "olga", "token_sha256": hashlib.sha256(self.owner_token.encode()).hexdigest(), "team": "main"}))
        (first.data / "bootstrap.json").chmod(0o600)
        first.start()
        keys = self.platform_keys(first)
        for replica in self.replicas[1:]:
            replica.data.mkdir(mode=0o700, parents=True)
            for name in keys:
                (replica.data / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                shutil.copy2(first.data / name, replica.data / name)
            replica.start()
        self.start_registry()
        config = self.folder / "config/loco/config.toml"
        config.parent.mkdir(parents=True)
        config.write_text(f'host = "http://127.0.0.1:{self.api}"\ntoken = "{self.owner_token}"\n')
        config.chmod(0o600)
        self.run("apps")

    def platform_keys(self, replica: Replica) -> list[str]:
        found = [str(path.relative_to(replica.data)) for path in replica.data.rglob("*") if path.is_file()]
        return [name for name in found if name.endswith(".pem") or "key" in Path(name).name]

    def start_registry(self) -> None:
        certificate = next(self.replicas[0].data.rglob("token-cert.pem"))
        file = self.folder / "registry.yml"
        file.write_text(REGISTRY.format(storage=self.folder / "registry", listen=f"127.0.0.1:{self.registry}", api=f"127.0.0.1:{self.api}",
                                        certificate=certificate))
        with (self.folder / "registry.log").open("ab") as log:
            self.registry_process = subprocess.Popen(["docker-registry", "serve", file], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(lambda: web.fetch(self.registry, "127.0.0.1", "/v2/").status == 401, 20, "the registry answers")

    def make_gateway(self) -> None:
        self.cluster.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.system}},
            {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "loco-test"},
             "spec": {"controllerName": "traefik.io/gateway-controller"}})
        self.cluster.apply(
            {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "loco", "namespace": self.system},
             "spec": {"gatewayClassName": "loco-test", "listeners": [
                 {"name": "http", "protocol": "HTTP", "port": GATEWAY_PORT,
                  "allowedRoutes": {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"loco.dev/routes": "allowed"}}}}}]}})

    def namespaces(self) -> list[str]:
        found = self.cluster.json("get", "namespaces", "-l", f"{LABEL}={self.name}")
        return [one["metadata"]["name"] for one in found["items"]]

    def pods(self, app: str) -> list[dict]:
        return self.cluster.json("get", "pods", "-A", "-l", f"{LABEL}={self.name},loco.dev/app={app}")["items"]

    def instances(self, app: str, running_only: bool = False) -> list[str]:
        """Pods that are not about to end; of a release command, which stays for its log, none."""
        found = []
        for pod in self.pods(app):
            if pod["metadata"].get("deletionTimestamp") or pod["status"].get("phase") in ("Succeeded", "Failed"):
                continue
            ready = any(one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions", []))
            if ready or not running_only:
                found.append(pod["metadata"]["name"])
        return sorted(found)

    def memory_limits(self, app: str) -> set[int]:
        units = {"Mi": 20, "Gi": 30, "Ki": 10}
        texts = {one["resources"]["limits"]["memory"] for pod in self.pods(app)
                 if not pod["metadata"].get("deletionTimestamp") for one in pod["spec"]["containers"]}
        return {int(text[:-2]) << units[text[-2:]] if text[-2:] in units else int(text) for text in texts}

    def logs(self, lines: int = 60) -> str:
        text = []
        for path in [replica.log for replica in self.replicas] + [self.folder / "registry.log"]:
            if path.exists():
                said = [line for line in path.read_text(errors="replace").splitlines() if '"msg":"request"' not in line]
                text += [f"--- {path.name}"] + said[-lines:]
        for name in self.namespaces():
            text += [f"--- {name}", self.cluster.kubectl("get", "all,httproutes,events", "-n", name, check=False).stdout]
        return "\n".join(text)

    def remove(self) -> None:
        for replica in self.replicas:
            with contextlib.suppress(subprocess.TimeoutExpired, ProcessLookupError):
                replica.stop()
            if replica.process is not None:
                replica.process.kill()
        if self.registry_process is not None:
            self.registry_process.terminate()
            self.registry_process.wait(20)
        for name in [*self.namespaces(), self.system]:
            self.cluster.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def running_on_cluster(engine: Engine, cluster: Cluster, postgres: Postgres, replicas: int = 1, drain: str = "1s"):
    platform = ClusterPlatform(engine, cluster, postgres, replicas, drain)
    try:
        platform.up()
        yield platform
    finally:
        platform.remove()
