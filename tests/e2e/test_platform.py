"""The platform itself: started, stopped, killed in parts, and removed without a trace."""
import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import time

import pytest

from support.platform import Platform, running
from support import web
from support.load import Load, during
from support.platform import BINARIES
from support.wait import until

pytestmark = pytest.mark.one_machine("the parts that `loco up` runs")


def test_up_again_is_quick_and_changes_nothing(loco, app):
    loco.deploy(app("steady"))
    before = {name: loco.pid(name) for name in ("supervisor", "loco-api", "haproxy", "registry")}
    began = time.monotonic()
    loco.up()
    assert time.monotonic() - began < 5
    assert {name: loco.pid(name) for name in before} == before and all(before.values())
    assert loco.release("steady") == "v1"


def test_a_client_that_has_lost_its_token_gets_another_in_its_place(loco):
    def owners() -> list:
        with contextlib.closing(sqlite3.connect(loco.data / "db/loco.db")) as database:
            return database.execute("SELECT id, sha256 FROM tokens ORDER BY id").fetchall()

    before, former = owners(), loco.token()
    assert len(before) == 1 and not (loco.data / "bootstrap.json").exists()
    for _ in range(2):
        (loco.folder / "config/loco/config.toml").unlink()
        loco.up()
        assert loco.token() != former
        assert loco.call("GET", "/me", token=former).status == 401 and loco.call("GET", "/me").status == 200
        former = loco.token()
        assert not (loco.data / "bootstrap.json").exists()
    after = owners()
    assert [one[0] for one in after] == [one[0] for one in before] and after != before


def test_every_part_but_the_gateway_listens_on_loopback_only(loco):
    listening = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True, check=True).stdout.split("\n")
    for port in (loco.api, loco.registry):
        held = [line.split()[3] for line in listening if line and line.split()[3].endswith(f":{port}")]
        assert held and all(address.startswith(("127.", "[::1]")) for address in held), held


def test_the_client_files_are_private(loco):
    config = loco.folder / "config/loco/config.toml"
    assert config.stat().st_mode & 0o777 == 0o600
    for path in loco.data.rglob("*key*"):
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0, path


def test_while_loco_api_is_killed_and_comes_back_no_request_fails(loco, app):
    folder = app("untouched")
    loco.deploy(folder)
    with Load(loco.gateway, "untouched.localhost", posts=3, sockets=1) as load:
        for _ in range(3):
            old = loco.kill("loco-api")
            during(load, 100)
            until(lambda: (loco.pid("loco-api") or old) != old and web.fetch(loco.api, "127.0.0.1", "/api/v1/version").status == 200, 15,
                  "loco-api is back")
        loco.deploy(folder.image("2"))
        during(load, 50)
    assert load.failures == {}, dict(load.failures)
    assert loco.release("untouched") == "v2"


def test_haproxy_killed_is_back_within_a_second_with_all_routes(loco, app):
    for name in ("route-a", "route-b"):
        loco.deploy(app(name))
    loco.run("scale", "--replicas", "2", "-a", "route-b")
    loco.kill("haproxy")
    began = time.monotonic()
    until(lambda: loco.fetch("route-a", timeout=1).status == 200 and loco.fetch("route-b", timeout=1).status == 200, 10, every=0.02)
    assert time.monotonic() - began < 1.5
    assert len({until(lambda: loco.fetch("route-b")).json()["instance"] for _ in range(20)}) == 2
    loco.deploy(app("route-c"))
    assert loco.release("route-c") == "v1"


def test_a_killed_registry_comes_back_and_deploys_go_on(loco, app):
    folder = app("stored")
    loco.deploy(folder)
    old = loco.kill("registry")
    until(lambda: (loco.pid("registry") or old) != old, 15)
    until(lambda: loco.deploy(folder.image("2"), expect=None).status == 0, 30)
    assert loco.release("stored") == "v2"


def test_a_second_platform_on_the_same_data_is_refused(loco):
    environment = loco.environment
    config = next(iter(loco.data.rglob("loco-api*.toml")), None)
    words = [BINARIES / "loco-api", "serve"] + (["--config", config] if config else ["--data", loco.data])
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode != 0 and str(loco.data) in done.stderr + done.stdout, done


def test_down_and_up_again_bring_everything_back(loco, app):
    folder = app("lasting")
    loco.deploy(folder)
    loco.run("env", "set", "KEPT=yes", "-a", "lasting")
    loco.run("scale", "--replicas", "2", "-a", "lasting")
    loco.down()
    assert loco.processes() == {}
    assert loco.engine.of_app("lasting", running_only=True) == []
    loco.up()
    until(lambda: loco.release("lasting") == "v2", 30)
    assert loco.fetch("lasting", "/env/KEPT").text == "yes"
    loco.settled("lasting", 2)
    loco.deploy(folder.image("2"))
    assert loco.release("lasting") == "v3"


def test_containers_removed_by_hand_or_stopped_with_their_daemon_are_started_again(loco, app):
    loco.deploy(app("rooted"))
    loco.engine.docker("rm", "-f", loco.engine.of_app("rooted")[0])
    until(lambda: loco.release("rooted") == "v1", 30)
    loco.settled("rooted", 1)


def test_a_killed_daemon_comes_back_with_the_apps(loco, app):
    if not loco.engine.own:
        pytest.skip("the engine at DOCKER_HOST or on the usual socket is not the tests' to kill")
    folder = app("reborn")
    loco.deploy(folder)
    pid = int((loco.engine.own / "dockerd.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    subprocess.run([os.path.join(os.path.dirname(__file__), "../testbed/dockerd"), "up", loco.engine.own], check=True, timeout=90,
                   capture_output=True)
    until(lambda: loco.release("reborn") == "v1", 60)
    loco.settled("reborn", 1)
    loco.deploy(folder.image("2"))
    assert loco.release("reborn") == "v2"


def test_an_app_reaches_the_gateway_of_the_host_and_nothing_else_of_it(loco, app):
    loco.deploy(app("inmate"))
    container = loco.engine.inspect(loco.engine.of_app("inmate")[0])
    gateway = next(iter(container["NetworkSettings"]["Networks"].values()))["Gateway"]
    server = subprocess.Popen(["/usr/bin/python3", "-c", "import socket; s = socket.create_server(('0.0.0.0', 0)); print(s.getsockname()[1], flush=True); s.accept()"],
                              stdout=subprocess.PIPE, text=True)
    try:
        port = int(server.stdout.readline())
        reach = {number: loco.fetch("inmate", f"/connect?host={gateway}&port={number}").text for number in (loco.gateway, loco.api, loco.registry, port)}
        assert reach[loco.gateway] == "connected"
        assert "connected" not in (reach[loco.api], reach[loco.registry], reach[port]), reach
        assert loco.fetch("inmate", "/connect?host=169.254.169.254&port=80").text != "connected"
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def test_apps_of_other_teams_cannot_be_reached(loco, app):
    folder = app("inside")
    loco.deploy(folder)
    here = next(iter(loco.engine.inspect(loco.engine.of_app("inside")[0])["NetworkSettings"]["Networks"].values()))["IPAddress"]
    # A network of another team is another bridge: a container on any other bridge stands for one.
    loco.engine.docker("build", "-q", "-t", "loco-test-elsewhere:1", str(folder.path))
    network = loco.engine.docker("network", "create", "loco-test-elsewhere")
    try:
        outside = loco.engine.docker("run", "-d", "--network", "loco-test-elsewhere", "loco-test-elsewhere:1")
        try:
            there = loco.engine.inspect(outside)["NetworkSettings"]["Networks"]["loco-test-elsewhere"]["IPAddress"]
            assert loco.fetch("inside", f"/connect?host={there}&port=8080").text != "connected"
            assert web.fetch(8080, "outside", f"/connect?host={here}&port=8080", address=there).text != "connected"
        finally:
            loco.engine.docker("rm", "-f", outside)
    finally:
        loco.engine.docker("network", "rm", network)
        loco.engine.docker("rmi", "-f", "loco-test-elsewhere:1")


def test_as_a_service_it_tells_when_it_is_ready_adopts_what_runs_and_ends_everything_when_asked(engine, tmp_path):
    """What deploy/systemd/loco.service relies on."""
    platform = Platform(engine)
    parts = ("loco-api", "haproxy", "registry")
    try:
        with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
            manager.bind(str(tmp_path / "notify"))
            manager.settimeout(60)

            def start() -> subprocess.Popen:
                process = platform.start("up", *platform.up_options(), env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
                assert manager.recv(100) == b"READY=1"
                return process

            first = start()
            assert platform.run("whoami").status == 0
            pids = {part: platform.pid(part) for part in parts}
            assert all(pids.values())
            for pid in pids.values():
                with open(f"/proc/{pid}/environ", "rb") as environment:
                    assert b"NOTIFY_SOCKET" not in environment.read()
            first.kill()
            platform.finish(first)
            second = start()
            assert {part: platform.pid(part) for part in parts} == pids
            second.terminate()
            done = platform.finish(second, timeout=60)
            assert done.status == 0, str(done)
            assert platform.processes() == {}
    finally:
        platform.remove()


def test_where_no_systemd_runs_up_says_how_to_come_back_after_a_reboot(engine):
    if os.path.isdir("/run/systemd/system"):
        pytest.skip("systemd runs here: it is what brings Loco back")
    platform = Platform(engine)
    try:
        said = platform.up().err
        assert "reboot" in said and f"up --detach --data {platform.data}" in said, said
        assert "reboot" not in platform.up().err, "once"
    finally:
        platform.remove()


def test_down_purge_leaves_nothing_of_loco_and_everything_of_others(engine, tmp_path):
    from support.probe import Folder
    folder = Folder(tmp_path / "swept", "swept")
    engine.docker("build", "-q", "-t", "loco-test-foreign:1", str(folder.path))
    foreign = engine.docker("run", "-d", "--name", "loco-test-foreign", "--label", "app=theirs", "loco-test-foreign:1")
    network = engine.docker("network", "create", "loco-test-foreign")
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True).stdout
    try:
        before = engine.everything()
        for platform in running(engine):
            platform.deploy(folder)
            platform.deploy(folder.image("2"))
            platform.run("scale", "--replicas", "2", "-a", "swept")
            assert engine.inspect(foreign)["State"]["Running"]
            platform.down("--purge", "--yes")
            assert platform.processes() == {}
            assert not platform.data.exists() or not any(platform.data.iterdir())
            after = engine.everything()
            assert after == before, {kind: after[kind] ^ before[kind] for kind in before}
            left = set(subprocess.run(["iptables-save"], capture_output=True, text=True).stdout.splitlines()) - set(rules.splitlines())
            assert not [line for line in left if "loco" in line.lower()], left
        assert engine.inspect(foreign)["State"]["Running"]
    finally:
        engine.docker("rm", "-f", "loco-test-foreign", check=False)
        engine.docker("network", "rm", network, check=False)
        engine.docker("rmi", "-f", "loco-test-foreign:1", check=False)
