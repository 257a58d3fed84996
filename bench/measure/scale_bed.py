"""What thousands of apps need to be live on a cluster without a pod that runs: a bare cluster (tests/testbed/cluster up-bare), PostgreSQL, a
registry that has one image under every name, somebody who says of each route that it is taken, and one loco-api.
"""
import asyncio
import contextlib
import hashlib
import http.client
import http.server
import json
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from measure.bench import BINARIES, REPO, free_ports, until, web
from support.cluster import TESTBED, Cluster
from support.postgres import Postgres

TOKEN = "loco_owner-token-of-the-scale-bench-1"
CONFIG = json.dumps({"os": "linux", "architecture": "amd64", "config": {"User": "1000", "Cmd": ["/app"]}, "rootfs": {"type": "layers", "diff_ids": []}}).encode()


def digest_of(blob: bytes) -> str:
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def manifest(number: int) -> bytes:
    """The number-th image: another digest, the same content."""
    kind = "application/vnd.oci.image."
    return json.dumps({"schemaVersion": 2, "mediaType": kind + "manifest.v1+json", "annotations": {"number": str(number)}, "layers": [],
                       "config": {"mediaType": kind + "config.v1+json", "digest": digest_of(CONFIG), "size": len(CONFIG)}}).encode()


class Registry(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, images: int):
        blobs = {digest_of(blob): blob for blob in [CONFIG, *map(manifest, range(images))]}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self):
                blob = blobs.get(self.path.rsplit("/", 1)[-1], b"")
                kind = "application/vnd.oci.image.manifest.v1+json" if "/manifests/" in self.path else "application/octet-stream"
                self.send_response(202 if self.command == "DELETE" else 200 if blob else 404)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(0 if self.command == "DELETE" else len(blob)))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(blob)

            do_GET = do_HEAD = do_DELETE = answer

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Kube:
    """The API server, as the bench asks it."""

    def __init__(self, folder: Path, user: str = "admin"):
        text = (folder / "admin.kubeconfig").read_text()
        self.host, port = re.search(r"https://([\d.]+):(\d+)", text).groups()
        self.port = int(port)
        self.context = ssl.create_default_context(cafile=folder / "pki/ca.crt")
        self.context.load_cert_chain(folder / f"pki/{user}.crt", folder / f"pki/{user}.key")
        self.local = threading.local()

    def connection(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self.host, self.port, context=self.context, timeout=400)

    def call(self, method: str, path: str, body=None, kind: str = "application/json") -> dict:
        if not hasattr(self.local, "connection"):
            self.local.connection = self.connection()
        text = None if body is None else json.dumps(body)
        try:
            self.local.connection.request(method, path, text, {"Content-Type": kind})
            answer = self.local.connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException):
            del self.local.connection
            raise
        assert answer.status < 300, f"{method} {path}: {answer.status} {data[:300]!r}"
        return json.loads(data)

    def watch(self, path: str, on_event, stopped) -> None:
        """Of every object there is and of every change, until stopped() is seen; on the caller's thread."""
        separator = "&" if "?" in path else "?"
        version = ""
        while not stopped():
            if not version:
                listed = self.call("GET", path)
                version = listed["metadata"]["resourceVersion"]
                for item in listed["items"]:
                    on_event("ADDED", item)
            connection = self.connection()
            connection.request("GET", f"{path}{separator}watch=true&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion={version}")
            answer = connection.getresponse()
            if answer.status != 200:
                version = ""
            while not stopped() and version and (line := answer.readline()):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    version = ""
                    break
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    on_event(event["type"], event["object"])
            connection.close()


class RouteTaker:
    """As a Gateway's implementation does, without one: says of every HTTPRoute that it is accepted."""

    def __init__(self, kube: Kube):
        self.kube, self.stopping = kube, False
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        while not self.stopping:
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AssertionError):
                self.kube.watch("/apis/gateway.networking.k8s.io/v1/httproutes", self.see, lambda: self.stopping)

    def see(self, kind: str, route: dict) -> None:
        generation = route["metadata"]["generation"]
        told = [condition["observedGeneration"] for parent in route.get("status", {}).get("parents", []) for condition in parent["conditions"]]
        if kind == "DELETED" or told and set(told) == {generation}:
            return
        conditions = [{"type": name, "status": "True", "reason": name, "message": "", "observedGeneration": generation,
                       "lastTransitionTime": "2026-01-01T00:00:00Z"} for name in ("Accepted", "ResolvedRefs")]
        parents = [{"parentRef": parent, "controllerName": "loco.test/nobody", "conditions": conditions} for parent in route["spec"]["parentRefs"]]
        path = "/apis/gateway.networking.k8s.io/v1/namespaces/{namespace}/httproutes/{name}/status".format(**route["metadata"])
        with contextlib.suppress(AssertionError):   # it has gone
            self.kube.call("PATCH", path, {"status": {"parents": parents}}, "application/merge-patch+json")


class Kubelet:
    """Of all nodes, as far as logs go: each pod has written one line, and whoever follows waits for the next."""

    def __init__(self, folder: Path):
        self.loop = asyncio.new_event_loop()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(folder / "pki/kubelet.crt", folder / "pki/kubelet.key")
        threading.Thread(target=self.run, daemon=True).start()

    def run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(asyncio.start_server(self.answer, "127.0.0.1", 10250, ssl=self.context, backlog=1024))
        self.loop.run_forever()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            line = b"2026-01-01T00:00:00.000000000Z here\n"
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(line), line))
            await writer.drain()
            await reader.read()   # until it goes
        writer.close()


class ScaleBed:
    def __init__(self, teams: int, images: int):
        self.undo = contextlib.ExitStack()
        try:
            self.bring_up(teams, images)
        except BaseException:
            self.undo.close()
            raise

    def bring_up(self, teams: int, images: int) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="loco-scale-"))
        self.undo.callback(shutil.rmtree, self.folder, ignore_errors=True)
        where = self.folder / "cluster"
        self.undo.callback(subprocess.run, [TESTBED / "cluster", "down", where], capture_output=True)
        with (self.folder / "cluster.log").open("w") as log:
            done = subprocess.run([TESTBED / "cluster", "up-bare", where], stdout=log, stderr=log, timeout=300)
        assert done.returncode == 0, (self.folder / "cluster.log").read_text()
        self.where, self.cluster, self.kube = where, Cluster(where / "admin.kubeconfig", where), Kube(where)
        for kind, words in (("Namespace", {"metadata": {"name": "loco-system"}}),):
            self.cluster.apply({"apiVersion": "v1", "kind": kind, **words})
        self.routes, self.kubelet = RouteTaker(Kube(where)), Kubelet(where)
        self.postgres = Postgres()
        self.undo.callback(self.postgres.remove)
        self.postgres.start(durable=True)
        self.database = self.postgres.new_database()
        self.registry = Registry(images)
        self.undo.callback(self.registry.shutdown)
        self.api, self.ops = free_ports(2)
        self.data = self.folder / "data"
        self.data.mkdir(mode=0o700)
        (self.data / "bootstrap.json").write_text(json.dumps(
            {"login": "olga", "token_sha256": hashlib.sha256(TOKEN.encode()).hexdigest(), "team": "main"}))
        config = {"data_dir": str(self.data), "instance": "scale", "listen": f"127.0.0.1:{self.api}", "ops_listen": f"127.0.0.1:{self.ops}",
                  "base_domain": "localhost", "runtime": "kubernetes", "kubeconfig": str(where / "loco.kubeconfig"), "gateway_name": "loco",
                  "gateway_namespace": "loco-system", "registry_host": f"127.0.0.1:{self.registry.server_address[1]}",
                  "external_url": "http://loco.localhost:18000", "drain": "1s", "log_level": "info", "store": self.postgres.store(self.database)}
        self.config = self.folder / "loco-api.toml"
        self.config.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in config.items()))
        self.process: subprocess.Popen | None = None
        self.undo.callback(self.stop_api)
        self.start_api()
        until(self.is_ready, 60, "loco-api is ready")
        # A team has at most 1,000 apps, and the API makes no teams yet.
        for number in range(1, teams):
            self.sql(f"INSERT INTO teams SELECT id || '{number}', slug || '{number}', number + {number}, created_at FROM teams WHERE slug = 'main'; "
                     f"INSERT INTO memberships SELECT team || '{number}', \"user\", role FROM memberships WHERE team = (SELECT id FROM teams WHERE slug = 'main')")

    def close(self) -> None:
        self.routes.stopping = True
        self.undo.close()

    def start_api(self) -> float:
        with (self.folder / "loco-api.log").open("ab") as log:
            self.process = subprocess.Popen([BINARIES / "loco-api", "serve", "--config", self.config], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return time.perf_counter()

    def stop_api(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            process.wait(60)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, (self.folder / "loco-api.log").read_text()[-3000:]
        with contextlib.suppress(OSError):
            return web.fetch(self.ops, "127.0.0.1", "/readyz").status == 200
        return False

    def sql(self, statement: str) -> list[list[str]]:
        return self.postgres.sql(self.database, statement)

    def call(self, method: str, path: str, body=None) -> dict:
        """On a connection of the calling thread's, kept."""
        kept = self.__dict__.setdefault("connections", threading.local())
        text = None if body is None else json.dumps(body)
        for attempt in (1, 2):
            if not hasattr(kept, "api"):
                kept.api = http.client.HTTPConnection("127.0.0.1", self.api, timeout=60)
            try:
                kept.api.request(method, f"/api/v1{path}", text, {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"})
                answer = kept.api.getresponse()
                data = answer.read()
                break
            except (OSError, http.client.HTTPException):   # it was restarted, or closed what was long idle
                kept.api.close()
                del kept.api
                if attempt == 2:
                    raise
        assert answer.status < 300, f"{method} {path}: {answer.status} {data[:300]!r}"
        return json.loads(data)

    def metrics(self) -> dict[str, float]:
        text = web.fetch(self.ops, "127.0.0.1", "/metrics").text
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line and not line.startswith("#")}

    def passes(self) -> float:
        return sum(value for name, value in self.metrics().items() if name.startswith("loco_reconcile_passes_total"))

    def wait_quiet(self, least: float, within: float) -> float:
        """Until `least` passes were made and none more since 3 s; gives the moment of the last one."""
        last, at = self.passes(), time.perf_counter()
        end = at + within
        while time.perf_counter() < end:
            time.sleep(0.1)
            if (now := self.passes()) != last:
                last, at = now, time.perf_counter()
            elif last >= least and time.perf_counter() - at > 3:
                return at
        raise AssertionError(f"not quiet within {within:g} s: {last:g} passes")

    def audit(self) -> list[dict]:
        """What loco-api asked of the API server."""
        return [entry for line in (self.where / "log/audit").read_text().splitlines()
                if (entry := json.loads(line)).get("user", {}).get("username") == "loco"]


__all__ = ["REPO", "Kube", "ScaleBed", "digest_of", "manifest"]
