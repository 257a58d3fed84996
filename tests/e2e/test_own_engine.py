"""Where no container engine answers, `loco up` runs one of its own: the bare machine, in a network namespace of its own."""
import os
import subprocess

import pytest

from support import netns
from support.engine import Engine
from support.platform import Platform
from support.probe import Folder
from support.wait import until

pytestmark = pytest.mark.one_machine("the container engine of `loco up`")


@pytest.fixture(scope="module")
def bare():
    """A platform with an engine of its own."""
    with netns.own(f"loco-test-{os.getpid()}"):
        platform = Platform(Engine("", None))
        del platform.environment["DOCKER_HOST"]
        platform.engine_options = []
        try:
            platform.up()
            platform.engine.host = f"unix://{next(platform.data.rglob('docker.sock'))}"
            yield platform
        finally:
            platform.remove()


def test_a_bare_machine_gets_an_engine_and_an_app_that_answers(bare, tmp_path):
    folder = Folder(tmp_path / "bare", "bare")
    bare.deploy(folder)
    assert bare.release("bare") == "v1"
    bare.deploy(folder.image("2"))
    assert bare.release("bare") == "v2"


def test_the_daemon_killed_is_back_with_the_apps(bare, tmp_path):
    folder = Folder(tmp_path / "reborn", "reborn")
    bare.deploy(folder)
    old = bare.kill("dockerd")
    until(lambda: (bare.pid("dockerd") or old) != old, 60, "the daemon is back")
    until(lambda: bare.release("reborn") == "v1", 60)
    bare.settled("reborn", 1)
    until(lambda: bare.deploy(folder.image("2"), expect=None).status == 0, 60)
    assert bare.release("reborn") == "v2"


def test_down_and_up_again_bring_the_apps_back(bare, tmp_path):
    bare.deploy(Folder(tmp_path / "again", "again"))
    bare.down()
    assert bare.processes() == {}
    bare.up()
    until(lambda: bare.release("again") == "v1", 60)


def test_purge_leaves_no_process_no_file_and_no_rule_of_its_own(bare):
    foreign = [["INPUT", "-p", "tcp", "--dport", "9", "-m", "comment", "--comment", "not of DOCKER", "-j", "DROP"],
               ["DOCKER-USER", "-s", "192.0.2.1/32", "-j", "DROP"]]
    for rule in foreign:
        subprocess.run(["iptables", "-I", *rule], check=True)
    bare.down("--purge", "--yes")
    assert bare.processes() == {}
    assert not bare.data.exists()
    rules = subprocess.run(["iptables-save"], capture_output=True, text=True).stdout
    assert "loco" not in rules.lower(), rules
    for rule in foreign:
        subprocess.run(["iptables", "-C", *rule], check=True)
    dockers = [line for line in rules.splitlines() if "docker" in line.lower() and "comment" not in line]
    # The chain in which a person has a rule, with all of it.
    assert sorted(dockers) == sorted([":DOCKER-USER - [0:0]", "-A FORWARD -j DOCKER-USER", "-A DOCKER-USER -s 192.0.2.1/32 -j DROP",
                                      "-A DOCKER-USER -j RETURN"]), rules
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True).stdout.splitlines()
    assert len(links) == 1, links
    assert not [line for line in open("/proc/mounts") if str(bare.data) in line]
