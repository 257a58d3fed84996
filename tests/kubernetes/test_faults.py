"""A whole loco-api and real deploys while the API server, its watches, the database or the network do not work: it converges, nothing is doubled."""
import os
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support import probe
from support.cluster_platform import ClusterPlatform
from support.kube_faults import KINDS, KubeFaults, is_stream
from support.load import Load, during
from support.postgres import Postgres
from support.wait import holds_for, until

APPS = 15   # at least as many as a first deploy makes calls
# How long the API server is away; a minute on request.
AWAY_S = float(os.environ.get("LOCO_TEST_API_AWAY", "20"))


class FaultyPlatform(ClusterPlatform):
    """Its loco-api reach the cluster through the proxy; the tests do not."""

    def __init__(self, *words):
        # Longer than it takes a gateway to hear of a pod that goes: one that lost the API server, too, asks for it again ever later.
        super().__init__(*words, drain="20s")
        self.faults = KubeFaults(self.cluster.own)

    def config(self, replica) -> dict:
        return super().config(replica) | {"kubeconfig": str(self.faults.kubeconfig(self.folder / "proxied.kubeconfig"))}


@pytest.fixture(scope="module")
def loco(engine, cluster):
    if cluster.own is None:
        pytest.skip("breaks the API server: needs a cluster of the tests' own")
    database = Postgres().start()
    platform = FaultyPlatform(engine, cluster, database)
    try:
        platform.up()
        yield platform
    finally:
        platform.faults.rule = lambda method, path: None
        platform.remove()
        platform.faults.shutdown()
        database.remove()


class OneCallFails:
    """The k-th call about an app's namespace fails `times` times, each app with a k and a kind of its own."""

    def __init__(self, plan: dict[str, tuple[int, str]], times: int = 2):
        self.plan, self.times = plan, times
        self.calls: dict[str, list[str]] = {name: [] for name in plan}
        self.failed: Counter[str] = Counter()

    def __call__(self, method: str, path: str) -> str | None:
        found = re.search(r"loco-(f\d\d)-", path)
        if found is None or found[1] not in self.plan or is_stream(path) or "/log" in path or method == "GET" and "/events" in path:
            return None
        name, calls, call = found[1], self.calls[found[1]], f"{method} {path.split('?')[0]}"
        at, kind = self.plan[name]
        if call not in calls:
            calls.append(call)
        if calls.index(call) == at and self.failed[name] < self.times:
            self.failed[name] += 1
            return kind
        return None


def objects(loco, name: str) -> Counter:
    """Of an app's namespace, by kind."""
    space = next(one for one in loco.namespaces() if one.startswith(f"loco-{name}-"))
    kinds = "deployments,services,httproutes,networkpolicies,pods,jobs"
    return Counter(line.split("/")[0].split(".")[0] for line in
                   loco.cluster.kubectl("get", kinds, "-n", space, "-o", "name").stdout.split())


def once(loco, name: str) -> None:
    """Everything of it is there, and nothing twice."""
    until(lambda: len(loco.pods(name)) == 1, 60, f"one pod of {name}")
    there = objects(loco, name)
    assert {kind: there[kind] for kind in ("deployment", "service", "httproute", "pod", "job")} == \
        {"deployment": 1, "service": 1, "httproute": 1, "pod": 1, "job": 0}, there



def events(loco, name: str) -> list[str]:
    return [event["kind"] for event in loco.events(name)]


def kill_program(cluster, name: str) -> list[str]:
    """Of the cluster's own; gives what starts it again."""
    pid = int((cluster.own / f"{name}.pid").read_text())
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
    os.kill(pid, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes(), 10, f"{name} is gone")
    return words


def start_program(cluster, name: str, words: list[str]) -> None:
    with (cluster.own / "log" / name).open("ab") as log:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (cluster.own / f"{name}.pid").write_text(f"{process.pid}\n")


def test_whichever_call_of_a_deploy_fails_it_ends_live_and_nothing_is_doubled(loco, tmp_path):
    names = [f"f{number:02}" for number in range(APPS)]
    folders = {name: probe.Folder(tmp_path / name, name).toml(timeout="90s") for name in names}
    loco.deploy(folders[names[0]], "--dry-run", expect=None)
    rule = loco.faults.rule = OneCallFails({name: (number, KINDS[number % len(KINDS)]) for number, name in enumerate(names)})
    with ThreadPoolExecutor(5) as pool:
        done = dict(zip(names, pool.map(lambda name: loco.deploy(folders[name], expect=None), names)))
        assert [str(one) for one in done.values() if one.status] == []
        most = max(len(calls) for calls in rule.calls.values())
        assert APPS >= most - 1, f"a deploy makes {most} calls: more apps are needed to fail each"
        for name in names:
            once(loco, name)
            assert loco.fetch(name).json()["version"] == "1"
            assert events(loco, name).count("deployment.live") == 1
        # And once more with what a change of the environment calls, other calls failing by other kinds.
        rule = loco.faults.rule = OneCallFails({name: (number % 6, KINDS[(number // 6 + number + 1) % len(KINDS)]) for number, name in enumerate(names)})
        changed = list(pool.map(lambda name: loco.run("env", "set", "-a", name, f"GREETING=of-{name}", expect=None), names))
        assert [str(one) for one in changed if one.status] == []
    assert sum(rule.failed.values()) >= APPS, rule.calls
    loco.faults.rule = lambda method, path: None
    for name in names:
        once(loco, name)
        assert loco.release(name) == "v2"
    for name in names[1:]:
        loco.run("destroy", "-a", name, "--yes")


def test_watches_that_are_cut_or_silent_lose_no_deploy(loco, tmp_path):
    folder = probe.Folder(tmp_path / "cut", "cut").toml(timeout="90s")
    stop = threading.Event()
    cuts = 0

    def keep_cutting():
        nonlocal cuts
        while not stop.wait(0.3):
            cuts += loco.faults.cut_streams()
    cutting = threading.Thread(target=keep_cutting)
    cutting.start()
    try:
        loco.deploy(folder)
        loco.run("scale", "-a", "cut", "--replicas", "2")
        loco.run("scale", "-a", "cut", "--replicas", "1")
    finally:
        stop.set()
        cutting.join()
    assert cuts > 10
    once(loco, "cut")
    # What is known grows old: no watch says anything for a while.
    loco.faults.rule = lambda method, path: "500" if "watch=true" in path else None
    loco.faults.cut_streams()
    process = loco.start("env", "set", "-a", "cut", "GREETING=late")
    until(lambda: "deployment.rolling" in events(loco, "cut")[-3:], 30, "the rollout has begun")
    holds_for(lambda: process.poll() is None, 5, "nothing can have told that it is ready")
    loco.faults.rule = lambda method, path: None
    done, loco.may_drain = loco.finish(process, ["env set"]), True
    assert done.status == 0, str(done)
    once(loco, "cut")
    assert loco.release("cut") == "v2"


def test_an_api_server_that_is_away_fails_no_request_and_a_deploy_begun_meanwhile_ends_well(loco, cluster, tmp_path):
    folder = probe.Folder(tmp_path / "away", "away").toml(timeout="300s")   # controllers come back by and by
    loco.deploy(folder)
    with Load(loco.gateway, "away.localhost", posts=3, sockets=1) as load:
        during(load, 100)
        words = kill_program(cluster, "apiserver")
        gone = time.monotonic()
        try:
            process = loco.start("deploy", folder.image("2").path)
            while time.monotonic() - gone < AWAY_S:
                during(load, 20)
            assert load.failures == {}, f"of {load.requests}: {dict(load.failures)}"
            assert loco.run("status", "-a", "away").status == 0, "Loco's own API answers"
        finally:
            start_program(cluster, "apiserver", words)
        done = loco.finish(process, ["deploy"], timeout=400)
        assert done.status == 0, str(done)
        during(load, 100)
    assert load.failures == {}, f"of {load.requests}: {dict(load.failures)}"
    once(loco, "away")
    assert loco.fetch("away").json()["version"] == "2"
    print(f"{load.requests} requests, none failed, while the API server was away for {AWAY_S:g} s")


def test_a_database_that_is_restarted_during_a_deploy_loses_nothing(loco, tmp_path):
    folder = probe.Folder(tmp_path / "kept", "kept").toml(timeout="90s")
    loco.deploy(folder)
    with Load(loco.gateway, "kept.localhost", posts=2) as load:
        for number, state in enumerate(("building", "checking", "rolling"), 2):
            process = loco.start("deploy", folder.image(str(number)).path)
            until(lambda: any(f"deployment.{state}" == kind for kind in events(loco, "kept")[-4:]), 60, f"{state} has begun", every=0.02)
            loco.postgres.stop()
            during(load, 50)
            loco.postgres.start()
            done, loco.may_drain = loco.finish(process, ["deploy"]), True
            assert done.status == 0, f"restarted while {state}: {done}"
            assert loco.release("kept") == f"v{number}"
    assert load.failures == {}, f"of {load.requests}: {dict(load.failures)}"
    once(loco, "kept")
    assert [kind for kind in events(loco, "kept")].count("deployment.live") == 4
