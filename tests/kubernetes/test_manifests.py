"""What apps become (unit/cluster/golden): admitted by a real API server under `restricted`, valid by its schemas, and running."""
import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from support import probe, schemas, web
from support.cluster import GATEWAY_PORT, kubeconform
from support.wait import until

GOLDEN = Path(__file__).resolve().parent.parent / "unit/cluster/golden"
MANIFESTS = sorted(GOLDEN.glob("*.yaml"))
IMAGE = "loco.test/probe:1"


def documents(file: Path) -> list[str]:
    return [one for one in file.read_text().split("---\n") if one.strip()]


def as_json(cluster, *files: Path) -> list[dict]:
    """kubectl prints one document behind the other."""
    named = [word for file in files for word in ("-f", file)]
    text, found, decoder = cluster.kubectl("create", "--dry-run=client", "-o", "json", *named).stdout, [], json.JSONDecoder()
    while text := text.lstrip():
        one, end = decoder.raw_decode(text)
        found += one["items"] if one["kind"] == "List" else [one]
        text = text[end:]
    return found


@pytest.fixture(scope="module")
def places(cluster):
    """The namespace and the ServiceAccount of each app is there; by its file."""
    text = "---\n".join(one for file in MANIFESTS for one in documents(file)[:2])
    cluster.kubectl("apply", "--server-side", "--warnings-as-errors", "-f", "-", stdin=text)
    yield {file: documents(file)[0].split("name: ", 1)[1].split()[0] for file in MANIFESTS}
    cluster.kubectl("delete", "namespace", "-l", "loco.dev/app-id=app_01jd0000000000000000000001", "--wait=false")


def test_the_api_server_admits_each_app_without_a_warning(cluster, places):
    files = [word for file in places for word in ("-f", file)]
    done = cluster.kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "--warnings-as-errors", *files,
                           check=False)
    assert done.returncode == 0 and "Warning" not in done.stderr, done.stderr
    assert done.stdout.count("deployment.apps/") >= len(places)


def test_a_pod_of_each_process_is_admitted_under_the_restricted_profile(cluster, places):
    """Of a Deployment the profile only warns; it refuses pods."""
    pods = []
    for item in as_json(cluster, *places):
        if item["kind"] in ("Deployment", "Job"):
            metadata, template = item["metadata"], item["spec"]["template"]
            pods.append({"apiVersion": "v1", "kind": "Pod", "spec": template["spec"],
                         "metadata": {"name": metadata["name"], "namespace": metadata["namespace"], "labels": template["metadata"]["labels"]}})
    assert len(pods) > len(places)

    def create(*these: dict) -> subprocess.CompletedProcess:
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(these)})
        return cluster.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=document, check=False)
    done = create(*pods)
    assert done.returncode == 0, done.stderr
    pods[0]["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    assert "violates PodSecurity" in create(pods[0]).stderr   # it would have told


def test_each_app_is_valid_by_the_schemas_of_the_api_server(cluster, tmp_path):
    location = schemas.write(json.loads(cluster.kubectl("get", "--raw", "/openapi/v2").stdout), tmp_path)
    done = kubeconform(location, *MANIFESTS)
    said = json.loads(done.stdout)
    assert done.returncode == 0, said["resources"]
    assert said["summary"]["valid"] >= 8 * len(MANIFESTS) and said["summary"]["skipped"] == 0
    # It would have told.
    broken = tmp_path / "broken.yaml"
    for right, wrong in (("  strategy:\n", "  replicaz: 3\n  strategy:\n"), ("maxUnavailable: 0", "maxUnavailable: [0]"),
                         ("          httpGet:\n", "          httpGet:\n            paht: /\n")):
        text = (GOLDEN / "03_health.yaml").read_text()
        assert right in text
        broken.write_text(text.replace(right, wrong))
        assert kubeconform(location, broken).returncode == 1, wrong


@pytest.fixture(scope="module")
def image(cluster, tmp_path_factory):
    """The probe in an image of one layer, where the node finds it."""
    if not cluster.own:
        pytest.skip("an image can be put on the nodes of a cluster of our own only")
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(probe.program(), "probe")
    config = {"architecture": subprocess.check_output(["dpkg", "--print-architecture"], text=True).strip(), "os": "linux",
              "config": {"Cmd": ["/probe"], "Env": ["VERSION=1"]},
              "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer.getvalue()).hexdigest()]}}
    files = {"layer.tar": layer.getvalue(), "config.json": json.dumps(config).encode(),
             "manifest.json": json.dumps([{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]).encode()}
    archive = tmp_path_factory.mktemp("image") / "probe.tar"
    with tarfile.open(archive, "w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    cluster.load(archive)
    return IMAGE


@pytest.fixture(scope="module")
def gateway(cluster):
    if not cluster.own:
        pytest.skip("the Gateway of these tests is there on a cluster of our own only")
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "loco-system"}},
                  {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "loco-test"},
                   "spec": {"controllerName": "traefik.io/gateway-controller"}},
                  {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "loco", "namespace": "loco-system"},
                   "spec": {"gatewayClassName": "loco-test", "listeners": [
                       {"name": "http", "protocol": "HTTP", "port": GATEWAY_PORT, "allowedRoutes": {
                           "namespaces": {"from": "Selector", "selector": {"matchLabels": {"loco.dev/routes": "allowed"}}}}}]}})
    yield GATEWAY_PORT
    # Until it is gone: the next file's would be made in a namespace that ends.
    cluster.kubectl("delete", "namespace", "loco-system", "--timeout=60s", timeout=90)


@pytest.fixture
def run(cluster, places, image):
    """run("10"): that app, applied for real with an image that is there; gives its namespace."""
    made = []

    def apply(number: str) -> str:
        file = next(GOLDEN.glob(f"{number}_*.yaml"))
        made.append(places[file])
        text = file.read_text()
        start = text.index("registry.example.com/")
        cluster.kubectl("apply", "--server-side", "--warnings-as-errors", "-f", "-", stdin=text.replace(text[start:].split("\n", 1)[0], image))
        return made[-1]

    yield apply
    for one in made:
        cluster.remove_namespace(one)


def serves(gateway: int, host: str, path: str = "/") -> web.Answer:
    until(lambda: web.fetch(gateway, host, path).status == 200, 60, f"{host}{path} answers at the Gateway")
    return web.fetch(gateway, host, path)


def rolled_out(cluster, where: str, *processes: str) -> None:
    for process in processes:
        cluster.kubectl("rollout", "status", f"deployment/{process}", "-n", where, "--timeout=90s")


def test_a_service_gets_ready_and_answers_at_the_gateway_with_its_environment(cluster, gateway, run):
    where = run("01")
    rolled_out(cluster, where, "web")
    said = serves(gateway, "hello.apps.example.com").json()
    assert said["process"] == "web" and said["instance"].startswith("web-")
    assert web.fetch(gateway, "hello.apps.example.com", "/env/LOCO_APP").text == "hello"
    assert web.fetch(gateway, "hello.apps.example.com", "/uid").text.strip().startswith("1000")


def test_a_port_below_1024_can_be_bound_without_a_right(cluster, gateway, run):
    rolled_out(cluster, run("15"), "web")
    serves(gateway, "nginx.apps.example.com")


def test_a_read_only_app_writes_to_tmp_and_nowhere_else(cluster, gateway, run):
    rolled_out(cluster, run("06"), "web")
    serves(gateway, "sealed.apps.example.com")
    assert web.fetch(gateway, "sealed.apps.example.com", "/write?path=/tmp/a").text == "written"
    assert web.fetch(gateway, "sealed.apps.example.com", "/write?path=/a").text == "Read-only file system"


def test_a_worker_and_several_processes_run(cluster, gateway, run):
    rolled_out(cluster, run("02"), "worker")
    where = run("10")
    rolled_out(cluster, where, "web", "mailer", "cron")
    pods = cluster.json("get", "pods", "-n", where, "-l", "loco.dev/process=mailer")["items"]
    assert len(pods) == 2
    until(lambda: "tick" in cluster.kubectl("logs", "-n", where, pods[0]["metadata"]["name"]).stdout, 20, "the process logs")


def test_an_autoscaler_and_a_disruption_budget_find_their_pods(cluster, run):
    where = run("21")
    until(lambda: cluster.json("get", "deployment", "web", "-n", where)["status"].get("readyReplicas") == 2, 90,
          "the autoscaler has raised the replicas to its minimum")
    until(lambda: cluster.json("get", "pdb", "web", "-n", where)["status"].get("currentHealthy") == 2, 30, "the budget counts both")
    assert cluster.json("get", "pdb", "web", "-n", where)["status"]["disruptionsAllowed"] == 1


def test_a_release_command_runs_once(cluster, run):
    where = run("23")
    until(lambda: cluster.json("get", "jobs", "-n", where)["items"][0]["status"].get("succeeded") == 1, 60, "the command has run")
    pods = cluster.json("get", "pods", "-n", where, "-l", "loco.dev/process=release")["items"]
    assert len(pods) == 1
    assert "release command ran" in cluster.kubectl("logs", "-n", where, pods[0]["metadata"]["name"]).stdout


def test_what_the_api_server_gives_back_is_what_was_applied(cluster, run):
    """Quantities and the like are written as the server writes them: what is there can be compared with what is wanted."""
    where = run("30")
    wanted = as_json(cluster, next(GOLDEN.glob("30_*.yaml")))

    def differs(want, have, path: str) -> list[str]:
        if isinstance(want, dict):
            return [one for key, value in want.items() for one in differs(value, (have or {}).get(key), f"{path}.{key}")]
        if isinstance(want, list):
            if len(want) != len(have or []):
                return [path]
            return [one for i, value in enumerate(want) for one in differs(value, have[i], f"{path}[{i}]")]
        return [] if want == have or path.endswith(".image") else [f"{path}: {want!r}, {have!r}"]
    for item in wanted:
        name = item["metadata"]["name"]
        have = cluster.json("get", item["kind"], name, *([] if item["kind"] == "Namespace" else ["-n", where]))
        assert differs(item, have, item["kind"]) == []
