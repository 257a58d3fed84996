"""A disk that fills, for real: everything of a Loco on one small file system in memory, with a container engine of its own."""
import contextlib
import os
import subprocess

import pytest

from support import netns, web
from support.engine import Engine
from support.load import Load
from support.platform import Platform
from support.probe import Folder
from support.wait import until

pytestmark = [pytest.mark.one_machine("the disk of one machine"),
              pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system of its own: needs root")]

MI = 1 << 20
SIZE, LOW, FULL = 700, 300, 120   # MiB


class Disk:
    """The file system that the platform's data folder is."""

    def __init__(self, folder):
        self.folder, self.filler = folder, folder / "filler"

    def free(self) -> int:
        space = os.statvfs(self.folder)
        return space.f_bavail * space.f_frsize // MI

    def leave(self, mebibytes: int) -> None:
        """Fills it, but for so much."""
        size = self.filler.stat().st_size if self.filler.exists() else 0
        size += (self.free() - mebibytes) * MI
        with self.filler.open("ab") as file:
            file.truncate(max(size, 0))
            os.posix_fallocate(file.fileno(), 0, max(size, 1))

    def fill(self) -> None:
        """To the last byte."""
        file = os.open(self.filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            for size in (MI, 4096, 1):
                with contextlib.suppress(OSError):
                    while os.write(file, b"x" * size):
                        pass
        finally:
            os.close(file)

    def empty(self) -> None:
        self.filler.unlink(missing_ok=True)


@pytest.fixture(scope="module")
def small():
    """A platform all of whose data, and its engine's, is on a disk of 700 MiB."""
    with netns.own(f"loco-disk-{os.getpid()}"):
        platform = Platform(Engine("", None))
        del platform.environment["DOCKER_HOST"]
        platform.engine_options = []
        platform.data.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}m,mode=0755", "loco-test", platform.data], check=True)
        try:
            platform.up()
            platform.down()
            platform.configure(disk_low=f"{LOW}Mi", disk_full=f"{FULL}Mi")
            platform.up()
            platform.engine.host = f"unix://{next(platform.data.rglob('docker.sock'))}"
            platform.disk = Disk(platform.data)
            yield platform
        finally:
            platform.remove()
            subprocess.run(["umount", "-l", platform.data], check=False)
            platform.remove()


@pytest.fixture
def room(small):
    yield small.disk
    small.disk.empty()
    until(lambda: state(small) == "ok", 30, "there is room again")


def state(loco) -> str:
    return loco.call("GET", "/machine").json()["disk_state"]


def metric(loco, name: str) -> float:
    text = web.fetch(loco.ops, "127.0.0.1", "/metrics").text
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(name + " ")))


def kinds(loco, app: str) -> list[str]:
    return [one["kind"] for one in loco.events(app)]


def test_a_disk_that_gets_low_is_told_in_status_events_and_metrics_and_deploys_go_on(small, room, tmp_path):
    folder = Folder(tmp_path / "warned", "warned")
    small.deploy(folder)
    assert state(small) == "ok" and "warnings" in small.status("warned") and small.status("warned")["warnings"] == []
    room.leave(200)
    until(lambda: state(small) == "low", 30)
    until(lambda: "machine.disk_low" in kinds(small, "warned"), 30)
    text = small.run("status", "-a", "warned").out
    assert f"the disk of {small.data}" in text and "is nearly full: " in text and "Loco removes what it need not keep" in text, text
    warning, = small.status("warned")["warnings"]
    assert warning["code"] == "disk_low" and warning["next_steps"]
    assert metric(small, "loco_disk_state") == 1 and metric(small, "loco_disk_free_bytes") < LOW * MI
    small.deploy(folder.image("2"))
    assert small.release("warned") == "v2"
    room.empty()
    until(lambda: "machine.disk_ok" in kinds(small, "warned"), 30)
    assert "nearly full" not in small.run("status", "-a", "warned").out


def test_a_full_disk_refuses_new_deploys_clearly_and_all_that_serves_serves_on(small, room, tmp_path):
    folder = Folder(tmp_path / "steady", "steady")
    small.deploy(folder)
    small.deploy(folder.image("2"))
    with Load(small.gateway, "steady.localhost") as load:
        room.leave(60)
        until(lambda: state(small) == "full", 30)
        done = small.deploy(folder.image("3"), expect=6)
        words = " ".join(done.err.split())
        assert "is full: " in words and "what runs goes on, new deploys wait for room" in words, words
        assert "disk_full" in small.deploy(folder, "--json", expect=6).out
        small.deploy(folder, "--dry-run", expect=6)
        until(lambda: "machine.disk_full" in kinds(small, "steady"), 30)
        # What needs no new image may be what makes room.
        small.run("rollback", "-a", "steady")
        small.run("restart", "-a", "steady")
        small.run("scale", "--replicas", "2", "-a", "steady")
        small.run("env", "set", "KEY=value", "-a", "steady")
        # By itself, as soon as there is room.
        room.empty()
        until(lambda: state(small) == "ok", 30)
        small.deploy(folder)
    assert load.failures == {}, load.failures
    assert small.fetch("steady").json()["version"] == "3"


def test_a_disk_that_fills_while_it_is_built_refuses_the_push(small, room, tmp_path):
    folder = Folder(tmp_path / "slow", "slow")
    small.deploy(folder)
    spec = small.run("deploy", folder.path, "--dry-run", "--json").json()["spec"]
    started = small.call("POST", small.path("slow") + "/deployments", {"kind": "deploy", "spec": spec})
    assert started.status == 201, started.text
    room.leave(60)
    until(lambda: state(small) == "full", 30)
    refused = small.call("POST", small.path("slow") + f"/deployments/{started.json()['id']}/push-token")
    assert refused.status == 422 and refused.json()["code"] == "disk_full", refused.text
    room.empty()
    until(lambda: state(small) == "ok", 30)
    assert small.call("POST", small.path("slow") + f"/deployments/{started.json()['id']}/push-token").status == 201


def test_a_disk_full_to_the_last_byte_loses_nothing_and_heals(small, room, tmp_path):
    folder = Folder(tmp_path / "brim", "brim")
    small.deploy(folder)
    before = small.releases("brim")
    with Load(small.gateway, "brim.localhost") as load:
        room.fill()
        answers = []
        for number in range(200):   # SQLite's files have some room of their own
            answers.append(small.call("PATCH", small.path("brim") + "/env", {"set": {f"K{number}": "x" * 20_000}, "stage": True}))
            if answers[-1].status == 503:
                break
        assert answers[-1].status == 503 and answers[-1].json()["code"] == "database_full", answers[-1].text
        assert {one.status for one in answers[:-1]} <= {200}
        kept = {one["name"] for one in small.call("GET", small.path("brim") + "/env").json()["items"]}
        assert kept == {f"K{number}" for number in range(len(answers) - 1)}, "what was acknowledged, and no more"
        small.run("deploy", folder.path, expect=None)
        room.empty()
        until(lambda: state(small) == "ok", 30)
        until(lambda: small.call("PATCH", small.path("brim") + "/env", {"set": {"AFTER": "x"}, "stage": True}).status == 200, 30)
        until(lambda: small.deploy(folder.image("2"), expect=None).status == 0, 60)
    assert load.failures == {}, load.failures
    assert small.releases("brim")[-1] == before[-1] | {"live": False}
