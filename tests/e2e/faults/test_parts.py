"""Parts that stand still or die, at moments that chance chooses, while apps serve and deploys are under way."""
import time

import pytest

from support import web
from support.faults import PARTS, ROUNDS, is_ready, killed, standing_still
from support.invariants import told
from support.load import Load, during
from support.wait import until

pytestmark = pytest.mark.one_machine("the parts that `loco up` runs; a cluster's are in tests/kubernetes/test_faults.py")

STILL_S = 2.5


def after(seconds: float, process=None) -> None:
    began = time.monotonic()
    until(lambda: time.monotonic() - began >= seconds or (process and process.poll() is not None), seconds + 10, every=0.01)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_stands_still_holds_a_deploy_up_and_loses_nothing(loco, app, ledger, part):
    folder = app(f"still-{part}")
    loco.deploy(folder)
    ledger.note(folder.name)
    with Load(loco.gateway, f"{folder.name}.localhost", posts=2) as load:
        during(load, 20)
        # HAProxy is what serves: its requests wait with it. All others are no part of an answer.
        with standing_still(loco, part):
            process = loco.start("deploy", folder.image("2").path)
            if part != "haproxy":
                during(load, 50)
            after(STILL_S)
        done = loco.finish(process, ["deploy"])
        assert done.status == 0, f"{part} stood still for {STILL_S} s, and the deploy did not wait\n{done}"
        during(load, 20)
    assert load.failures == {}, dict(load.failures)
    assert loco.fetch(folder.name).json()["version"] == "2"
    ledger.note(folder.name)


@pytest.mark.parametrize("part", ["loco-api", "haproxy", "dockerd"] if ROUNDS > 2 else ["loco-api"])
def test_while_a_part_stands_still_a_command_says_which_and_what_to_do(loco, app, ledger, part):
    folder = app(f"told-{part}")
    loco.deploy(folder)
    ledger.note(folder.name)
    with standing_still(loco, part):
        if part == "loco-api":
            done = loco.run("status", "-a", folder.name, expect=8, timeout=90)
            assert str(loco.api) in done.err, done
        else:
            until(lambda: web.fetch(loco.ops, "127.0.0.1", "/readyz", timeout=15).status == 503, 40, f"readiness says that {part} is away")
            ready = web.fetch(loco.ops, "127.0.0.1", "/readyz", timeout=15).text
            assert {"haproxy": "gateway", "dockerd": "engine"}[part] in ready, ready
    until(lambda: is_ready(loco), 30)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_killed_at_random_moments_of_deploys_loses_and_orphans_nothing(loco, app, ledger, chance, part):
    folder, bystander = app(f"killed-{part}"), app(f"by-{part}")
    for one in (folder, bystander):
        loco.deploy(one)
        ledger.note(one.name)
    with Load(loco.gateway, f"{bystander.name}.localhost", posts=2) as load:
        for number in range(ROUNDS):
            process = loco.start("deploy", folder.image(f"{part}-{number}").path)
            pause = chance.uniform(0.05, 2.5)
            after(pause, process)
            killed(loco, part)
            done = loco.finish(process, ["deploy"])
            told(done)
            ledger.hold(f"({part} killed after {pause:.2f} s, round {number})")
            ledger.note(folder.name)
        during(load, 20)
    # Only HAProxy holds the connections of requests.
    if part != "haproxy":
        assert load.failures == {}, dict(load.failures)
    until(lambda: is_ready(loco), 30)
    loco.deploy(folder.image("last"))
    assert loco.fetch(folder.name).json()["version"] == "last"
    ledger.note(folder.name)


def test_every_part_killed_at_once_comes_back(loco, app, ledger):
    folder = app("all-killed")
    loco.deploy(folder)
    ledger.note(folder.name)
    before = {part: loco.kill(part) for part in PARTS}
    until(lambda: all((loco.pid(part) or old) != old for part, old in before.items()), 60, "every part is another")
    ledger.hold("after all parts were killed")
    until(lambda: is_ready(loco), 30)
    loco.deploy(folder.image("2"))
    ledger.note(folder.name)


def test_with_its_supervisor_killed_a_part_that_dies_comes_back_with_the_next_up(loco, app, ledger):
    folder = app("unwatched")
    loco.deploy(folder)
    ledger.note(folder.name)
    loco.kill("supervisor")
    old = loco.kill("loco-api")
    with Load(loco.gateway, "unwatched.localhost", posts=2) as load:
        during(load, 50)
        assert loco.run("status", "-a", "unwatched", expect=8).err
        loco.up()
        during(load, 50)
    assert load.failures == {}, dict(load.failures)
    assert loco.pid("loco-api") != old
    ledger.hold()
