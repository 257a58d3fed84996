"""Each folder of the platform on a small disk of its own, filled to the last byte."""
import os
import re
import signal
from pathlib import Path

import pytest

from support.faults import ROUNDS, bare_platform, full, is_ready, mount, unmount
from support.invariants import told
from support.load import Load, during
from support.wait import until

pytestmark = pytest.mark.one_machine("the folders that `loco up` keeps on one machine")

# In MiB.
DISKS = {"db": 24, "app-logs": 24, "gateway": 24, "registry": 96, "run": 4, "log": 8}


@pytest.fixture(scope="module")
def loco():
    mounted = []

    def prepare(platform):
        for name, megabytes in DISKS.items():
            mount(platform.data / name, megabytes)
            mounted.append(platform.data / name)

    try:
        with bare_platform(prepare) as platform:
            # Else nothing would be deployed on disks that are so small: tests/e2e/test_disk_room.py has that.
            platform.configure(disk_low="8Mi", disk_full="0")
            old = platform.kill("loco-api", signal.SIGTERM)
            until(lambda: platform.pid("loco-api") not in (None, old) and is_ready(platform), 20, "loco-api has read it")
            yield platform
            platform.down("--yes", expect=None)
            for one in mounted:
                unmount(one)
    finally:
        for one in mounted:
            unmount(one)


def deployed(loco, app, ledger, name: str):
    folder = app(name)
    loco.deploy(folder)
    ledger.note(name)
    return folder


def test_with_no_room_for_the_database_changes_are_refused_and_apps_serve_on(loco, app, ledger):
    folder = deployed(loco, app, ledger, "full-db")
    with Load(loco.gateway, "full-db.localhost", posts=2) as load:
        with full(loco.data / "db"):
            for words in (["env", "set", "A=1", "-a", "full-db"], ["deploy", folder.image("2").path], ["restart", "-a", "full-db"], ["create", "another"]):
                done = loco.run(*words, expect=None, timeout=90)
                assert done.status == 8 and ("full" in done.err or "space" in done.err), done
            # What only reads goes on.
            assert loco.releases("full-db")[0]["release"] == "v1"
            during(load, 50)
        until(lambda: loco.run("env", "set", "A=1", "-a", "full-db", expect=None).status == 0, 30)
        during(load, 20)
    assert load.failures == {}, dict(load.failures)
    assert loco.fetch("full-db", "/env/A").text == "1"
    ledger.note("full-db")


def test_with_no_room_for_logs_lines_wait_in_the_engine_and_none_is_lost_or_doubled(loco, app, ledger):
    folder = deployed(loco, app, ledger, "full-logs")
    with Load(loco.gateway, "full-logs.localhost", posts=2) as load:
        with full(loco.data / "app-logs"):
            for number in range(200):
                loco.fetch("full-logs", f"/log?text=line-{number}-{'x' * 200}")
            # A deploy needs no log store, but for its own output.
            told(loco.deploy(folder.image("2"), expect=None))
            during(load, 20)
        ledger.note("full-logs")

        def lines():
            return [int(one) for one in re.findall(r"line-(\d+)-", loco.run("logs", "-a", "full-logs", "-n", "5000", "--release", "v1").out)]

        until(lambda: len(lines()) >= 200, 30, "what was written is kept")
        assert lines() == list(range(200))
    assert load.failures == {}, dict(load.failures)


def test_with_no_room_for_the_gateways_files_a_deploy_waits_or_is_put_back(loco, app, ledger):
    folder = deployed(loco, app, ledger, "full-gate")
    with Load(loco.gateway, "full-gate.localhost", posts=2) as load:
        with full(loco.data / "gateway"):
            done = loco.deploy(folder.image("2").toml(timeout="4s"), expect=None)
            assert done.status in (7, 8), done
            assert "gateway" in done.err or "space" in done.err, done
            during(load, 20)
            process = loco.start("deploy", folder.image("3").toml().path)
            until(lambda: any(one["state"] == "rolling" for one in loco.call("GET", f"{loco.path('full-gate')}/deployments").json()["items"]), 30)
        done = loco.finish(process, ["deploy"])
        assert done.status == 0, done
        during(load, 20)
    assert load.failures == {}, dict(load.failures)
    ledger.note("full-gate")
    assert loco.fetch("full-gate").json()["version"] == "3"


def test_with_no_room_in_the_registry_a_push_waits_or_says_so_and_the_next_one_works(loco, app, ledger):
    folder = deployed(loco, app, ledger, "full-reg")
    (folder.path / "probe").write_bytes((folder.path / "probe").read_bytes() + os.urandom(1 << 20))
    refused = (loco.data / "log/registry.log").read_text().count("no space left")
    with full(loco.data / "registry"):
        process = loco.start("deploy", folder.image("2").path)
        until(lambda: (loco.data / "log/registry.log").read_text().count("no space left") > refused, 30, "the registry had no room")
        # What needs no new image needs no room.
        loco.run("env", "set", "A=1", "-a", "full-reg")
        assert loco.fetch("full-reg", "/env/A").text == "1"
        if ROUNDS > 2:   # the engine tries for most of a minute
            done = loco.finish(process, ["deploy"])
            assert done.status == 8 and f"127.0.0.1:{loco.registry}" in done.err, done
    if ROUNDS <= 2:
        done = loco.finish(process, ["deploy"])
        told(done)
    until(lambda: loco.deploy(folder, expect=None).status == 0, 30)
    ledger.note("full-reg")
    assert loco.fetch("full-reg").json()["version"] == "2"


@pytest.mark.parametrize("part", ["loco-api", "haproxy", "registry"])
def test_with_no_room_for_its_process_id_a_part_that_died_is_started_once_and_watched(loco, app, ledger, part):
    name = f"full-run-{part}"
    folder = deployed(loco, app, ledger, name)
    with full(loco.data / "run"):
        old = loco.kill(part)
        until(lambda: is_ready(loco) and loco.fetch(name).status == 200, 60, f"{part} serves again")
    until(lambda: (loco.pid(part) or old) != old, 30, "its process id is noted once there is room")
    assert {"loco-api": "loco-api", "haproxy": "haproxy", "registry": "docker-registry"}[part] in Path(f"/proc/{loco.pid(part)}/cmdline").read_text()
    # And it is watched: killed again, it comes back.
    second = loco.kill(part, signal.SIGKILL)
    until(lambda: (loco.pid(part) or second) != second and is_ready(loco), 30)
    loco.deploy(folder.image("2"))
    ledger.note(name)


def test_with_no_room_for_the_logs_of_parts_all_go_on(loco, app, ledger):
    folder = deployed(loco, app, ledger, "full-log")
    with full(loco.data / "log"):
        loco.deploy(folder.image("2"))
        for part in ("loco-api", "haproxy"):
            old = loco.kill(part)
            until(lambda: (loco.pid(part) or old) != old and is_ready(loco), 30, f"{part} is back")
        loco.deploy(folder.image("3"))
    ledger.note("full-log")
