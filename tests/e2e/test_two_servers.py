"""Two loco-api on one PostgreSQL, one engine and one gateway: each serves the API, one leads, and the other takes over."""
import hashlib
import json
import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from support import web
from support.platform import BINARIES, Platform, free_ports
from support.postgres import Postgres
from support.server import Stream
from support.wait import until


class Api:
    """One loco-api of several, started by the test itself. Keys, registry and gateway are those of the platform; the folders that must be one's
    own are mounted over the platform's, for its process only."""

    OWN = ("db", "app-logs", "run")

    def __init__(self, platform: Platform, store: str, number: int):
        self.platform = platform
        self.api, self.ops = free_ports(2)
        self.folder = platform.folder / f"api{number}"
        for own in self.OWN:
            (self.folder / own).mkdir(parents=True, mode=0o700)
        text = (platform.data / "loco-api.toml").read_text()
        for key, value in {"listen": f"127.0.0.1:{self.api}", "ops_listen": f"127.0.0.1:{self.ops}", "store": store}.items():
            text = re.sub(rf"(?m)^{key} = .*\n", "", text) + f"{key} = {json.dumps(value)}\n"
        self.config = self.folder / "loco-api.toml"
        self.config.write_text(text)
        self.log = self.folder / "log.txt"
        self.process = None

    def start(self) -> "Api":
        mounts = "".join(f"mount --bind {self.folder / own} {self.platform.data / own} && " for own in self.OWN)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(["unshare", "--mount", "sh", "-c", f"{mounts}exec {BINARIES}/loco-api serve --config {self.config}"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until(self.answers, 20, "loco-api answers")
        return self

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        return web.fetch(self.ops, "127.0.0.1", "/healthz").status == 200 and web.fetch(self.api, "127.0.0.1", "/api/v1/version").status == 200

    def leads(self) -> bool:
        return "loco_leader 1" in web.fetch(self.ops, "127.0.0.1", "/metrics").text.splitlines()

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(30)
            self.process = None

    def run(self, *words, **options):
        return self.platform.run(*words, env=self.environment(), **options)

    def environment(self) -> dict:
        return {"LOCO_HOST": f"http://127.0.0.1:{self.api}", "LOCO_TOKEN": self.platform.token()}

    def call(self, method: str, path: str, body=None, headers: dict | None = None) -> web.Answer:
        words = {"Authorization": f"Bearer {self.platform.token()}", "Content-Type": "application/json", **(headers or {})}
        return web.fetch(self.api, "127.0.0.1", f"/api/v1{path}", method, None if body is None else json.dumps(body).encode(), words)


class Two:
    def __init__(self, platform: Platform, servers: list[Api]):
        self.platform, self.servers, self.engine = platform, servers, platform.engine

    def leader(self) -> Api:
        return until(lambda: next((one for one in self.servers if one.process and one.leads()), None), 15, "one of the servers leads")

    def other(self) -> Api:
        leader = self.leader()
        return next(one for one in self.servers if one is not leader)


pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="gives each server folders of its own by mounts: needs root")


@pytest.fixture(scope="module")
def two(engine):
    platform, postgres = Platform(engine), Postgres()
    servers = []
    try:
        platform.up()
        token = platform.token()
        # The platform's own server gives way to the two: its supervisor must not start it again.
        supervisor = next(pid for words, pid in platform.processes().items() if " up " in words or "supervise" in words)
        os.kill(supervisor, signal.SIGSTOP)
        platform.kill("loco-api")
        postgres.start()
        store = postgres.store(postgres.new_database())
        servers = [Api(platform, store, number) for number in range(2)]
        (platform.data / "bootstrap.json").write_text(json.dumps(
            {"login": "olga", "token_sha256": hashlib.sha256(token.encode()).hexdigest(), "team": "main"}))
        for one in servers:
            one.start()
        yield Two(platform, servers)
        os.kill(supervisor, signal.SIGCONT)
    finally:
        for one in servers:
            one.stop(signal.SIGKILL)
        for pid in (pid for words, pid in platform.processes().items() if " up" in words):
            os.kill(pid, signal.SIGCONT)
        platform.remove()
        postgres.remove()


@pytest.fixture
def folder(two, tmp_path, request):
    from support import probe
    made = []

    def make(name: str) -> probe.Folder:
        made.append(probe.Folder(tmp_path / name, name))
        return made[-1]

    yield make
    if getattr(request.node, "failed", False):
        for one in two.servers:
            print(f"--- {one.log}\n" + "\n".join(one.log.read_text(errors="replace").splitlines()[-40:]))
    for one in made:
        two.leader().run("destroy", "-a", one.name, "--yes", expect=None)


def deploy(server: Api, folder, **options) -> float:
    began = time.monotonic()
    server.run("deploy", folder.path, **options)
    return time.monotonic() - began


def test_one_of_two_servers_leads_and_a_deploy_asked_of_the_other_goes_as_fast(two, folder):
    app = folder("either")
    leader, other = two.leader(), two.other()
    assert [one.leads() for one in (leader, other)] == [True, False]
    deploy(leader, app)
    by_leader = min(deploy(leader, app.image(f"a{n}")) for n in range(2))
    by_other = min(deploy(other, app.image(f"b{n}")) for n in range(2))
    assert two.platform.fetch("either").json()["version"] == "b1"
    assert by_other < by_leader + 1.5, (by_leader, by_other)
    # Also what appends no event before the work is done: each hears of the other's wish at once.
    began = time.monotonic()
    other.run("scale", "-a", "either", "--replicas", "2")
    other.run("restart", "-a", "either")
    assert time.monotonic() - began < 15
    two.platform.settled("either", 2)


def test_a_name_a_key_and_an_apps_lock_hold_across_both_servers(two, folder):
    one, other = two.servers
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(server.call, "POST", "/teams/main/apps", {"name": "only-once"}) for server in (one, other) * 4]
        assert sorted(each.result().status for each in asked) == [201] + [409] * 7
        key = {"Idempotency-Key": "the-same"}
        asked = [pool.submit(server.call, "POST", "/teams/main/apps", {"name": "keyed"}, key) for server in (one, other) * 4]
        answers = [each.result() for each in asked]
    made = {each.json()["id"] for each in answers if each.status == 201}
    assert len(made) == 1 and all(each.status == 201 or each.json()["code"] == "idempotency_conflict" for each in answers), answers
    assert [server.call("POST", "/teams/main/apps", {"name": "keyed"}, key).status for server in (one, other)] == [201, 201]
    for name in ("only-once", "keyed"):
        two.leader().run("destroy", "-a", name, "--yes")


def test_the_leader_killed_in_the_middle_of_a_rollout_is_followed_by_the_other_which_finishes_it(two, folder):
    app = folder("moved")
    leader, other = two.leader(), two.other()
    deploy(leader, app)
    path = "/teams/main/apps/moved"
    process = two.platform.start("deploy", app.image("2").path, env=other.environment())
    until(lambda: any(each["state"] in ("releasing", "rolling", "checking") for each in other.call("GET", f"{path}/deployments").json()["items"]),
          60, "the rollout has begun", every=0.01)
    deployment = other.call("GET", f"{path}/deployments").json()["items"][0]["id"]
    follow = f"{path}/deployments/{deployment}/events"
    stream = Stream(other, follow, token=two.platform.token())
    leader.stop(signal.SIGKILL)
    killed = time.monotonic()
    done = two.platform.finish(process, ["deploy"])
    assert done.status == 0, str(done)
    assert time.monotonic() - killed < 12, "taken over within seconds"
    assert other.leads()
    assert two.platform.fetch("moved").json()["version"] == "2"
    two.platform.settled("moved", 1)
    releases = other.call("GET", f"{path}/releases").json()["items"]
    assert [each["release"] for each in releases] == ["v2", "v1"], "nothing is doubled"
    events = other.call("GET", f"{path}/events?limit=200").json()["items"]
    assert [each["kind"] for each in events].count("deployment.live") == 2, events
    told = [str(each["seq"]) for each in events if each.get("deployment") == deployment]
    assert stream.ended.wait(10)
    assert [event.id for event in stream.events() if event.event != "end"] == told, "each event once, in order"
    leader.start()
    # Who comes back does not lead, and says the same.
    assert [other.leads(), leader.leads()] == [True, False]
    assert leader.call("GET", f"{path}/events?limit=200").json()["items"] == events
    resumed = Stream(leader, follow, {"Last-Event-ID": told[1]}, token=two.platform.token())
    assert resumed.ended.wait(10)
    assert [event.id for event in resumed.events() if event.event != "end"] == told[2:], "resumed on another server"
