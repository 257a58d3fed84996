"""A backup brings every app back: on a machine where nothing is left of the first Loco, and beside it while it serves."""
import json
import subprocess

import pytest

from support.platform import BINARIES, Platform, free_ports
from support.probe import Folder
from support.wait import until

pytestmark = pytest.mark.one_machine("loco-api's backup of one machine; a cluster's database and registry are backed up by their own means")


def api(*words: str, expect: int = 0) -> str:
    done = subprocess.run([BINARIES / "loco-api", *map(str, words)], capture_output=True, text=True, timeout=120)
    assert done.returncode == expect, f"loco-api {words} → {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr



@pytest.fixture
def first(engine):
    platform = Platform(engine)
    try:
        platform.up()
        yield platform
    finally:
        platform.remove()


@pytest.fixture
def served(first, tmp_path):
    """A platform with two apps: one of two releases with a variable, a domain and a scale; and a worker."""
    folder = Folder(tmp_path / "shop", "shop").toml(http='port = 8080\ndomains = ["shop.example.test"]')
    first.deploy(folder)
    first.run("env", "set", "SECRET", "-a", "shop", stdin="kept-for-later\n")
    first.deploy(folder.image("2"))
    first.run("scale", "--replicas", "2", "-a", "shop")
    first.settled("shop", 2)
    first.plain = Folder(tmp_path / "plain", "plain")
    first.deploy(first.plain)
    assert first.release("shop") == "v3" and first.fetch("shop", "/env/SECRET").text == "kept-for-later"
    return first


def assert_back(platform: Platform) -> None:
    until(lambda: platform.release("shop") == "v3", 60, "the app is back")
    platform.settled("shop", 2)
    assert platform.fetch("shop", "/env/SECRET").text == "kept-for-later"
    assert platform.fetch("shop", host="shop.example.test").json()["release"] == "v3"
    until(lambda: platform.release("plain") == "v1", 60)
    assert [one["release"] for one in platform.releases("shop")] == ["v3", "v2", "v1"]
    assert "app.restored" in [event["kind"] for event in platform.events("shop")]


def test_every_app_is_back_on_a_machine_that_has_nothing_of_it(served, tmp_path):
    file, key, config = tmp_path / "loco.tar", tmp_path / "seal.key", served.data / "loco-api.toml"
    assert "2 apps with 4 releases and 3 images" in api("backup", file, "--config", config)
    key.write_bytes((served.data / "keys/seal.key").read_bytes())
    key.chmod(0o600)
    told = api("restore", file, "--config", config, "--force", expect=9)
    assert "loco down" in told, told
    served.down("--purge", "--yes")
    assert not served.data.exists() and served.engine.of_app("shop") == []
    # Another folder, as on another machine; its registry is empty, and the engine has none of the images.
    served.data = served.folder / "elsewhere"
    told = api("restore", file, "--config", served.data / "loco-api.toml", "--seal-key", key)
    assert f"loco up --detach --data {served.data}" in told, told
    token = served.token()
    served.up()
    assert served.token() == token, "who had a token has it still"
    assert_back(served)
    # All that the first could is there: an older release's image, and new deploys.
    served.run("rollback", "v1", "-a", "shop")
    assert served.fetch("shop").json()["release"] == "v4"
    served.run("env", "set", "MORE", "-a", "shop", stdin="x\n")
    served.deploy(served.plain.image("9"))
    assert served.release("plain") == "v2"
    # And it can be backed up itself.
    assert "2 apps" in api("backup", tmp_path / "second.tar", "--config", served.data / "loco-api.toml")


def test_who_has_no_token_any_more_gets_in_by_loco_up(served, tmp_path):
    api("backup", tmp_path / "loco.tar", "--config", served.data / "loco-api.toml")
    (tmp_path / "seal.key").write_bytes((served.data / "keys/seal.key").read_bytes())
    (tmp_path / "seal.key").chmod(0o600)
    served.down("--purge", "--yes")
    api("restore", tmp_path / "loco.tar", "--config", served.data / "loco-api.toml", "--seal-key", tmp_path / "seal.key")
    (served.folder / "config/loco/config.toml").unlink()
    served.up()
    assert json.loads(served.run("whoami", "--json").out)["login"]
    assert_back(served)


def test_a_copy_beside_the_original_touches_nothing_of_it(served, tmp_path):
    api("backup", tmp_path / "loco.tar", "--config", served.data / "loco-api.toml")
    containers = sorted(served.engine.of_app("shop", True))
    copy = Platform(served.engine)
    try:
        told = api("restore", tmp_path / "loco.tar", "--config", copy.data / "loco-api.toml", "--seal-key", served.data / "keys/seal.key")
        assert "a name and networks of its own" in told.replace("\n", " "), told
        copy.api, copy.ops, copy.gateway, copy.registry = free_ports(4)
        copy.up()
        until(lambda: copy.release("shop") == "v3", 60)
        assert copy.fetch("shop", "/env/SECRET").text == "kept-for-later"
        # The original's containers still are its own, and still serve.
        assert set(containers) <= set(served.engine.of_app("shop", True)) and len(set(served.engine.of_app("shop", True)) - set(containers)) == 2
        assert served.release("shop") == "v3"
        copy.down("--purge", "--yes")
        assert sorted(served.engine.of_app("shop", True)) == containers and served.release("shop") == "v3"
    finally:
        copy.remove()


def test_a_supervisor_or_server_killed_in_between_changes_nothing(served, tmp_path):
    """Down by `kill -9` of all of it, as a machine that lost its power: backed up from what is on the disk."""
    for name in ("supervisor", "loco-api", "registry", "haproxy"):
        pid = served.kill(name)
        until(lambda: served.pid(name) != pid, 10)
    assert "3 images" in api("backup", tmp_path / "loco.tar", "--config", served.data / "loco-api.toml")
    (tmp_path / "seal.key").write_bytes((served.data / "keys/seal.key").read_bytes())
    (tmp_path / "seal.key").chmod(0o600)
    served.down("--purge", "--yes")
    api("restore", tmp_path / "loco.tar", "--config", served.data / "loco-api.toml", "--seal-key", tmp_path / "seal.key")
    served.up()
    assert_back(served)
