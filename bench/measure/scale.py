"""GP10: thousands of apps on a cluster: a change until it is applied, the server's memory, its writes and its CPU when nothing happens, its start."""
import json
import os
import random
import re
import statistics
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from measure.bench import BINARIES, Bench, cpu_ns, until
from measure.figures import Row, Section
from measure.scale_bed import Kube, ScaleBed, digest_of, manifest

APPS = int(os.environ.get("LOCO_BENCH_APPS", "5000"))
PER_TEAM = 1000
AT_ONCE = 100
CHANGES = 300
QUIET_S = 60
FLOOR_RUNS = 10
FLOOR_APPS = 50
TOML = """version = 1
[http]
port = 8080
[health]
path = "/healthz"
[resources]
cpu = "10m"
memory = "16Mi"
[env]
LOG_LEVEL = "info"
"""


def say(text: str) -> None:
    print(f"    {time.strftime('%H:%M:%S')} {text}", flush=True)


class Applied:
    """When each app's Deployment was seen to ask for so many replicas of such an image: by a watch of the bench's own."""

    def __init__(self, kube: Kube):
        self.seen: dict[str, dict[tuple, float]] = {}   # app → (replicas, digest) → when
        self.condition = threading.Condition()
        self.live: set[str] = set()
        threading.Thread(target=lambda: kube.watch("/apis/apps/v1/deployments?labelSelector=loco.dev/instance-of%3Dscale", self.see, lambda: False),
                         daemon=True).start()

    def see(self, kind: str, deployment: dict) -> None:
        at = time.perf_counter()
        app, spec = deployment["metadata"]["labels"]["loco.dev/app"], deployment["spec"]
        image = spec["template"]["spec"]["containers"][0]["image"].rsplit("@", 1)[-1]
        with self.condition:
            self.seen.setdefault(app, {}).setdefault((spec["replicas"], image), at)
            self.condition.notify_all()

    def wait(self, app: str, what: tuple, within: float = 60) -> float:
        with self.condition:
            done = self.condition.wait_for(lambda: what in self.seen.get(app, {}), within)
        assert done, f"{app} was not seen with {what}: {self.seen.get(app)}"
        return self.seen[app][what]


def path_of(number: int) -> str:
    team = number // PER_TEAM
    return f"/teams/main{team or ''}/apps"


def name_of(number: int) -> str:
    return f"app-{number}"


def spec_of(bed: ScaleBed, number: int) -> dict:
    return bed.spec | {"name": name_of(number)}


def begin(bed: ScaleBed, number: int, image: int) -> None:
    path = f"{path_of(number)}/{name_of(number)}/deployments"
    deployment = bed.call("POST", path, {"kind": "deploy", "spec": spec_of(bed, number)})
    bed.call("POST", f"{path}/{deployment['id']}/result", {"digest": digest_of(manifest(image))})


def create(bed: ScaleBed) -> float:
    """All apps, through the API, until each is live; how long it took."""
    folder = bed.folder / "shop"
    folder.mkdir()
    (folder / "loco.toml").write_text(TOML)
    (folder / "Dockerfile").write_text("FROM scratch\n")
    done = subprocess.run([BINARIES / "loco", "validate", "--json", "-c", folder / "loco.toml"], capture_output=True, text=True, check=True)
    bed.spec = json.loads(done.stdout)["spec"]
    began = time.perf_counter()

    def one(number: int) -> None:
        # As deploys come: no thousand waits for the others until its time is over.
        until(lambda: bed.live > number - AT_ONCE, 600, "others are live", every=0.2)
        bed.call("POST", path_of(number), {"name": name_of(number)})
        begin(bed, number, 0)

    bed.live, shown = 0, 0
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(one, number) for number in range(APPS)]
        while bed.live < APPS:
            assert not (failed := bed.sql("SELECT diagnosis_json FROM deployments WHERE state = 'failed' LIMIT 1")), failed
            bed.live = live(bed)
            if bed.live >= shown + 250:
                shown = bed.live
                say(f"{bed.live} of {APPS} are live after {time.perf_counter() - began:.0f} s; loco-api {status_kib(bed.process.pid, 'VmRSS') / 1024:.0f} MiB")
            time.sleep(0.5)
        for one in asked:
            one.result()
    return time.perf_counter() - began


def live(bed: ScaleBed) -> int:
    return int(bed.sql("SELECT count(*) FROM deployments WHERE state = 'live'")[0][0])


def change(bed: ScaleBed, applied: Applied, number: int, replicas: int, image: int) -> float:
    """ms from the request's beginning until somebody else sees what it ordered."""
    began = time.perf_counter()
    if image:
        begin(bed, number, image)
    else:
        bed.call("POST", f"{path_of(number)}/{name_of(number)}/deployments", {"kind": "scale", "replicas": replicas})
    return 1e3 * (applied.wait(name_of(number), (replicas, digest_of(manifest(image)))) - began)


def percentile(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def status_kib(pid: int, name: str) -> int:
    return int(re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[1])


def statistics_of(bed: ScaleBed) -> dict[str, int]:
    commits = bed.sql(f"SELECT xact_commit FROM pg_stat_database WHERE datname = '{bed.database}'")[0][0]
    written = bed.sql("SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables")   # without PostgreSQL's own
    return {"commits": int(commits)} | {name: int(count) for name, count in written}


def quiet_minute(bed: ScaleBed) -> dict:
    time.sleep(3)   # PostgreSQL's counters come late
    pid = bed.process.pid
    audit, rows, cpu, passes = len(bed.audit()), statistics_of(bed), cpu_ns(pid), bed.passes()
    time.sleep(QUIET_S)
    cpu, passes = cpu_ns(pid) - cpu, bed.passes() - passes
    time.sleep(2)
    rows = {name: value - rows[name] for name, value in statistics_of(bed).items() if value != rows[name]}
    commits = rows.pop("commits", 0)
    say(f"rows written: {rows}")
    asked = bed.audit()[audit:]
    writes = [entry for entry in asked if entry["verb"] not in ("get", "list", "watch")]
    for entry in writes[:5]:
        say(f"a write: {entry['verb']} {entry['requestURI']}")
    return {"cpu": 100 * cpu / 1e9 / QUIET_S, "passes": passes, "asked": len(asked), "writes": len(writes), "commits": commits,
            "rows": sum(rows.values())}


def start_up(bed: ScaleBed) -> dict:
    bed.stop_api()
    began = bed.start_api()
    until(bed.is_ready, 300, "loco-api is ready", every=0.01)
    ready = time.perf_counter() - began
    at = bed.wait_quiet(APPS, 900)
    return {"ready": ready, "all": at - began, "passes": bed.passes(), "cpu": cpu_ns(bed.process.pid) / 1e9,
            "rss": status_kib(bed.process.pid, "VmRSS") / 1024, "peak": status_kib(bed.process.pid, "VmHWM") / 1024}


def floor(bed: ScaleBed) -> tuple[list[float], list[float]]:
    """kubectl apply of one app's manifests with one thing changed, and of FLOOR_APPS apps' in one call: ms an app."""
    text = bed.call("GET", f"{path_of(0)}/{name_of(0)}/manifests")["manifests"]
    space = re.search(r"namespace: (\S+)", text)[1]

    def apply(apps: int, replicas: int) -> float:
        whole = "\n---\n".join(text.replace(space, f"floor-{number}").replace("replicas: 1", f"replicas: {replicas}") for number in range(apps))
        began = time.perf_counter()
        bed.cluster.kubectl("apply", "-f", "-", stdin=whole, timeout=600)
        return 1e3 * (time.perf_counter() - began)

    apply(FLOOR_APPS, 1)
    one = [apply(1, 2 + number % 2) for number in range(FLOOR_RUNS)]
    many = [apply(FLOOR_APPS, 1 + number) / FLOOR_APPS for number in range(3)]
    return one, many


def measure(bench: Bench) -> Section:
    bed = ScaleBed(-(-APPS // PER_TEAM), images=2 + CHANGES)
    bench.undo.callback(bed.close)
    say(f"a bare cluster is up; idle loco-api: {status_kib(bed.process.pid, 'VmRSS') / 1024:.1f} MiB")
    empty = Row("loco-api, RSS, no app", "MiB", [round(status_kib(bed.process.pid, "VmRSS") / 1024, 1)])
    took = create(bed)
    rate = Row(f"first deploys until live, {APPS:,} apps, {AT_ONCE} at once", "/s", [round(APPS / took, 1)])
    say(f"{APPS} apps are live after {took:.0f} s; {status_kib(bed.process.pid, 'VmRSS') / 1024:.0f} MiB")
    bed.wait_quiet(APPS, 900)
    rows = {name: Row(f"{name}, {APPS:,} apps", unit) for name, unit in
            (("start until ready", "s"), ("start until every app had its first pass", "s"), ("passes of that start", "passes"), ("CPU of that start", "s"),
             ("loco-api, RSS after a start", "MiB"), ("loco-api, RSS at its peak", "MiB"))}
    for _ in range(3):
        started = start_up(bed)
        say(f"start: {started}")
        for row, key in zip(rows.values(), ("ready", "all", "passes", "cpu", "rss", "peak")):
            row.add(started[key])
    quiet = quiet_minute(bed)
    say(f"quiet: {quiet}")
    applied = Applied(Kube(bed.where))
    applied.wait(name_of(APPS - 1), (1, digest_of(manifest(0))))
    each = min(CHANGES, APPS // 3)
    chosen = random.Random(7).sample(range(APPS), 3 * each)
    scaled = [change(bed, applied, number, 2, 0) for number in chosen[:each]]
    say(f"scale: p50 {statistics.median(scaled):.1f} p99 {percentile(scaled, 0.99):.1f} ms")
    deployed = [change(bed, applied, number, 1, 1 + index) for index, number in enumerate(chosen[each:2 * each])]
    say(f"deploy: p50 {statistics.median(deployed):.1f} p99 {percentile(deployed, 0.99):.1f} ms")
    with ThreadPoolExecutor(8) as pool:
        crowd = list(pool.map(lambda number: change(bed, applied, number, 3, 0), chosen[2 * each:]))
    say(f"8 at once: p50 {statistics.median(crowd):.1f} p99 {percentile(crowd, 0.99):.1f} ms")
    after = Row(f"loco-api, RSS after {len(scaled) + len(deployed) + len(crowd)} changes", "MiB", [round(status_kib(bed.process.pid, "VmRSS") / 1024, 1)])
    one, many = floor(bed)
    say(f"floor: {one} {many}")

    def both(what: str, values: list[float]) -> list[Row]:
        return [Row(f"{what}, p{part:g}", "ms", [round(percentile(values, part / 100), 2)]) for part in (50, 99)]
    changes = [*both("scale, one after the other", scaled), *both("deploy of another image, one after the other", deployed), *both("scale, 8 at once", crowd)]
    for row in (changes[1], changes[3]):
        row.at_most(200)
    minute = [Row(what, unit, [round(quiet[key], 2)]) for what, unit, key in
              (("a quiet minute: requests that write, to the API server", "requests", "writes"), ("a quiet minute: rows written in PostgreSQL", "rows", "rows"),
               ("a quiet minute: all requests to the API server", "requests", "asked"), ("a quiet minute: transactions of PostgreSQL, all that read", "commits", "commits"),
               ("a quiet minute: passes", "passes", "passes"), ("a quiet minute: CPU of loco-api", "% of a core", "cpu"))]
    for row in minute[:2]:
        row.at_most(0)
    return Section("GP10", f"{APPS:,} apps on a cluster", [
        *changes, Row(f"floor: `kubectl apply` of one app's manifests ({FLOOR_RUNS} runs)", "ms", [round(value, 1) for value in one]),
        Row(f"floor: `kubectl apply` of {FLOOR_APPS} apps' manifests in one call, an app", "ms", [round(value, 1) for value in many]),
        empty, *rows.values(), after, *minute, rate],
        [f"From the request to Loco's API until a watch of the bench's own sees the Deployment that was asked for. {len(scaled)} changes of each kind, of apps chosen at random. "
         "A real API server, etcd (without fsync), controllers and scheduler; kwok says of its nodes and pods that they are ready, the bench of the routes that they are taken; "
         "PostgreSQL with fsync. All of them share the machine's cores with loco-api.",
         "Each app has one process with one pod, a host and an [env]: 12 objects that Loco keeps and the pod, by 12 watches. Of a start three, of a quiet minute one; percentiles are of one run."])
