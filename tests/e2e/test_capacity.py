"""What the machine has no room for is refused before anything is built or started, in words that help; what serves serves on."""
import re
import signal

import pytest

from support import web
from support.platform import running
from support.probe import DOCKERFILE
from support.wait import until

pytestmark = pytest.mark.one_machine("memory, CPU and disk of one machine; a cluster's nodes are asked in test_unhappy of the cluster")

MI = 1 << 20
ROOM = 256   # MiB for apps
HUNDRED = 'cpu = "50m"\nmemory = "100Mi"'


def answers(loco) -> bool:
    return web.fetch(loco.api, "127.0.0.1", "/api/v1/version").status == 200


def configure(loco, **keys: str) -> None:
    """As an operator changes loco-api.toml."""
    loco.configure(**keys)
    old = loco.kill("loco-api", signal.SIGTERM)
    until(lambda: loco.pid("loco-api") not in (None, old), 20)
    until(lambda: answers(loco), 20, "loco-api answers")
    until(lambda: machine(loco)["memory"], 20, "the engine has told how large the machine is")


def machine(loco) -> dict:
    answer = loco.call("GET", "/machine")
    assert answer.status == 200, answer.text
    return answer.json()


def leave(loco, mebibytes: int) -> None:
    """Makes the machine so small that apps may have so much memory."""
    total = machine(loco)["memory"]["total_bytes"]
    configure(loco, memory_reserve=f"{total // MI - mebibytes}Mi")


@pytest.fixture(scope="module")
def loco(engine):
    for platform in running(engine):
        until(lambda: machine(platform)["memory"], 20)
        leave(platform, ROOM)
        yield platform


def refused(loco, *words, code: str, **options) -> str:
    """Refused with that code; gives the words."""
    done = loco.run(*words, expect=6, **options)
    assert code in loco.run(*words, "--json", expect=6, **options).out, code
    return " ".join(done.err.split())


def test_what_does_not_fit_beside_what_serves_is_refused_by_every_command_and_what_serves_serves_on(loco, app):
    first = app("first").toml(resources=HUNDRED)
    second = app("second").toml(resources=HUNDRED)
    loco.deploy(first)
    loco.deploy(first.image("2"))
    loco.settled("first", 1)
    loco.deploy(second)
    before = len(loco.engine.docker("images", "-aq").split())

    words = refused(loco, "deploy", first.image("3").path, code="not_enough_memory")
    assert ("not enough memory on this machine: the deploy of first needs 100 MiB more while old and new run beside each other, and of 256 MiB for apps "
            "56 MiB is free; held by first 100 MiB, second 100 MiB") in words, words
    assert 'strategy = "recreate"' in words and "loco scale -a second" in words, words
    assert "pushed" not in words and len(loco.engine.docker("images", "-aq").split()) == before, "nothing was built"
    refused(loco, "deploy", first.path, "--dry-run", code="not_enough_memory")
    assert "the rollback of first" in refused(loco, "rollback", "-a", "first", code="not_enough_memory")
    assert "the redeploy of first" in refused(loco, "redeploy", "-a", "first", code="not_enough_memory")
    assert "the restart of first" in refused(loco, "restart", "-a", "first", code="not_enough_memory")
    assert "needs 200 MiB more, and" in refused(loco, "scale", "--replicas", "3", "-a", "first", code="not_enough_memory")
    assert "change of variables of first" in refused(loco, "env", "set", "KEY=value", "-a", "first", code="not_enough_memory")
    assert loco.release("first") == "v2" and loco.release("second") == "v1"
    assert len(loco.call("GET", loco.path("first") + "/deployments").json()["items"]) == 2, "nothing was begun"
    assert loco.run("env", "list", "-a", "first", "--json").json()["items"] == []

    held = machine(loco)
    assert {key: held["memory"][key] // MI for key in ("for_apps_bytes", "held_bytes", "free_bytes")} == {
        "for_apps_bytes": 256, "held_bytes": 200, "free_bytes": 56}
    assert [(one["app"], one["memory_bytes"]) for one in held["apps"]] == [("first", 100 * MI), ("second", 100 * MI)]

    # One after the other, it fits; and so it does when another makes room.
    loco.deploy(first.toml(resources=HUNDRED, deploy='strategy = "recreate"'))
    assert loco.release("first") == "v3"
    loco.run("scale", "--replicas", "0", "-a", "second")
    loco.deploy(first.image("4").toml(resources=HUNDRED))
    assert loco.release("first") == "v4"
    words = refused(loco, "scale", "--replicas", "2", "-a", "second", code="not_enough_memory")
    assert "the scale of second needs 200 MiB, and" in words, words


def test_what_is_live_comes_back_on_a_machine_that_has_become_too_small_for_it(loco, app):
    loco.deploy(app("lasting").toml(resources=HUNDRED))
    loco.deploy(app("also").toml(resources=HUNDRED))
    leave(loco, 120)
    loco.down()
    loco.up()
    until(lambda: loco.release("lasting") == "v1" and loco.release("also") == "v1", 60)
    assert machine(loco)["memory"]["free_bytes"] // MI == 120 - 200
    assert "nothing is free" in refused(loco, "restart", "-a", "lasting", code="not_enough_memory")
    container, = loco.instances("lasting")
    loco.engine.docker("kill", container)
    until(lambda: loco.instances("lasting", running_only=True) not in ([], [container]), 30, "a crash is no deployment")
    until(lambda: loco.release("lasting") == "v1", 30)
    loco.run("scale", "--replicas", "0", "-a", "also")   # less is never refused
    leave(loco, ROOM)
    loco.run("restart", "-a", "lasting")


def test_one_instance_that_the_machine_can_never_hold_is_told_as_such(loco, app):
    words = refused(loco, "deploy", app("giant").toml(resources='memory = "900Gi"').path, code="does_not_fit")
    assert "this machine can never hold one instance of web: it asks for 0.25 CPU and 900 GiB" in words, words
    words = refused(loco, "deploy", app("wide").toml(resources='cpu = "100"\ncpu_max = "100"\nmemory = "32Mi"').path, code="does_not_fit")
    assert "it asks for 100 CPU and 32 MiB" in words, words
    words = refused(loco, "deploy", app("busy").toml("[scale]\nmin = 50\nmax = 50", resources='cpu = "1"\nmemory = "8Mi"').path, code="not_enough_")
    assert "not enough" in words


def test_more_cpu_at_most_than_the_machine_has_is_as_much_as_it_has(loco, app):
    loco.deploy(app("bursty").toml(resources='cpu = "50m"\ncpu_max = "100"\nmemory = "32Mi"'))
    assert loco.release("bursty") == "v1"


def test_a_container_that_has_written_more_than_it_may_is_told_and_started_anew(loco, app):
    folder = app("hoarder")
    (folder.path / "own").mkdir()
    (folder.path / "own/file").write_text("small")
    dockerfile = DOCKERFILE.format(user="10001", version="1").replace("USER", "COPY --chown=10001:10001 own /data\nUSER")
    loco.deploy(folder.image("1", dockerfile=dockerfile))
    container, = loco.instances("hoarder")
    assert loco.fetch("hoarder", "/write?path=/data/file&mb=12").text.strip() == "written"
    configure(loco, writable_max="8Mi")   # a server that starts looks at once
    until(lambda: "instance.disk_exceeded" in [one["kind"] for one in loco.events("hoarder")], 30)
    told = [one["message"] for one in loco.events("hoarder") if one["kind"] == "instance.disk_exceeded"][0]
    assert re.fullmatch(r"web\.0 has written 1[0-9] MiB into its container, more than 8 MiB: it is stopped, and started anew without it", told), told
    until(lambda: loco.instances("hoarder", running_only=True) not in ([], [container]), 30, "another container runs")
    until(lambda: loco.release("hoarder") == "v1", 30)
    configure(loco, writable_max="4Gi")
