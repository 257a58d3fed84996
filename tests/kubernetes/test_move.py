"""`loco move`: an app of one machine comes to a cluster as it is, and back, without a new build."""
import pytest

from support import probe
from support.cluster_platform import running_on_cluster
from support.platform import running
from support.wait import until

SECRET = "s3cret-of-the-machine"
PROCESS = '[process.worker]\ncommand = ["/probe", "worker"]\n[env]\nLEVEL = "info"\n[secrets]\nrequired = ["TOKEN"]'


@pytest.fixture(scope="module")
def machine(engine):
    yield from running(engine)


@pytest.fixture(scope="module")
def there(engine, cluster, postgres):
    yield from running_on_cluster(engine, cluster, postgres)


def move(to, origin, *words, expect=0, token=None):
    return to.run("move", *words, "--from", f"http://127.0.0.1:{origin.api}", "--from-team", origin.team(), expect=expect,
                  env={"LOCO_FROM_TOKEN": token or origin.token()})


@pytest.fixture(scope="module")
def shop(machine, tmp_path_factory):
    """Three releases on the machine: v1, v2 with another value of a variable, v3 that is live; one more instance than loco.toml says."""
    folder = probe.Folder(tmp_path_factory.mktemp("move") / "shop", "shop")
    folder.toml(PROCESS, http='port = 8080\ndomains = ["shop.example.com"]')
    machine.run("create", "shop")
    machine.run("env", "set", "TOKEN=first", "-a", "shop", "--stage")
    machine.deploy(folder)
    machine.run("env", "set", f"TOKEN={SECRET}", "-a", "shop", "--stage")
    machine.deploy(folder.image("2"))
    machine.deploy(folder.image("3"))
    machine.run("scale", "--replicas", "2", "-a", "shop")
    return folder


def test_an_app_moves_to_a_cluster_with_all_that_belongs_to_it(machine, there, shop):
    done = move(there, machine, "shop")
    assert done.out.strip() == f"http://shop.localhost:{there.gateway}", str(done)
    assert "loco destroy shop --host" in done.err and "shop.example.com" not in done.out
    assert SECRET not in done.out + done.err
    live = there.fetch("shop").json()
    assert (live["version"], live["release"]) == ("3", "v3")
    assert there.fetch("shop", "/env/TOKEN").text == SECRET
    assert there.fetch("shop", "/env/LEVEL").text == "info"
    until(lambda: there.fetch("shop", host="shop.example.com").status == 200, 10, "its own host name leads to it")
    assert [one["release"] for one in there.releases("shop")] == ["v3", "v2", "v1"]
    assert len([one for one in there.instances("shop") if one.startswith("web")]) == 2
    # What is at the old place is as it was, and what was done is told at both.
    assert machine.fetch("shop").json()["release"] == "v3"
    assert any(event["kind"] == "app.exported" for event in machine.events("shop"))
    assert any(event["kind"] == "app.imported" and "v1, v2, v3" in event["message"] for event in there.events("shop"))


def test_what_has_moved_can_be_rolled_back_with_the_variables_of_then(there, shop):
    there.run("rollback", "v1", "-a", "shop")
    assert there.fetch("shop").json()["version"] == "1"
    assert there.fetch("shop", "/env/TOKEN").text == "first"
    there.run("rollback", "v3", "-a", "shop")
    assert there.fetch("shop", "/env/TOKEN").text == SECRET


def test_an_app_that_is_live_here_is_not_overwritten(machine, there, shop):
    refused = move(there, machine, "shop", expect=9)
    assert "already" in refused.err and "loco destroy shop" in refused.err, str(refused)
    assert there.fetch("shop").status == 200


def test_an_app_moves_back_under_nothing_but_its_name(machine, there, shop):
    machine.run("destroy", "shop", "--yes")
    done = move(machine, there, "shop")
    assert machine.fetch("shop").json()["version"] == "3", str(done)
    assert machine.fetch("shop", "/env/TOKEN").text == SECRET


def test_a_move_that_was_cut_off_is_taken_up_again(machine, there, tmp_path):
    folder = probe.Folder(tmp_path / "cut", "cut")
    machine.deploy(folder)
    machine.deploy(folder.image("2"))
    there.registry_process.terminate()
    there.registry_process.wait(20)
    broken = move(there, machine, "cut", expect=None)
    assert broken.status != 0 and "registry" in broken.err, str(broken)
    there.start_registry()
    move(there, machine, "cut")
    assert there.fetch("cut").json()["release"] == "v2"
    assert [one["release"] for one in there.releases("cut")] == ["v2", "v1"]


def test_what_the_new_place_cannot_do_is_said_before_anything_is_there(machine, there, tmp_path):
    folder = probe.Folder(tmp_path / "wide", "wide")
    folder.toml('[scale]\nmin = 1\nmax = 3\ncpu_target = 80')
    there.deploy(folder)
    refused = move(machine, there, "wide", expect=None)
    assert refused.status != 0 and "cpu_target" in refused.err, str(refused)
    assert machine.run("status", "-a", "wide", expect=None).out.count("v1") == 0


def test_wrong_words_and_tokens_are_told(machine, there):
    assert "--from" in there.run("move", "shop", expect=2).err
    assert "LOCO_FROM_TOKEN" in there.run("move", "shop", "--from", "http://127.0.0.1:1", expect=2).err
    refused = move(there, machine, "shop", expect=None, token="loco_nobody")
    assert refused.status == 3 and f"127.0.0.1:{machine.api}" in refused.err, str(refused)
    away = there.run("move", "shop", "--from", "http://127.0.0.1:1", expect=None, env={"LOCO_FROM_TOKEN": "x"})
    assert away.status != 0 and "127.0.0.1:1" in away.err, str(away)
    missing = move(there, machine, "nothing-here", expect=4)
    assert "nothing-here" in missing.err, str(missing)
