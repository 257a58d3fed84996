"""A wall clock that is set by an hour, forward and back, while a deploy is under way and while apps serve."""
import pytest

from support.faults import ShiftedClock, bare_platform
from support.load import Load, during
from support.wait import until

pytestmark = pytest.mark.one_machine("sets the clock of the loco-api of one machine")

HOUR = 3600


@pytest.fixture(scope="module")
def clock(tmp_path_factory):
    return ShiftedClock(tmp_path_factory.mktemp("clock") / "programs")


@pytest.fixture(scope="module")
def loco(clock):
    with bare_platform(binaries=clock.binaries) as platform:
        yield platform


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])
def test_a_clock_set_by_an_hour_neither_ends_a_deploy_nor_holds_it_up(loco, app, ledger, clock, jump):
    """Only loco-api's: the registry, which reads the machine's, would take none of its tokens, so nothing is pushed meanwhile."""
    folder = app("timely" if jump > 0 else "untimely").toml('[env]\nSTART_DELAY_MS = "1500"')
    loco.deploy(folder)
    ledger.note(folder.name)
    deployments = f"{loco.path(folder.name)}/deployments"
    try:
        with Load(loco.gateway, f"{folder.name}.localhost", posts=2) as load:
            process = loco.start("env", "set", "A=1", "-a", folder.name)
            until(lambda: any(one["state"] == "rolling" for one in loco.call("GET", deployments).json()["items"]), 20)
            clock.set(jump)
            done = loco.finish(process, ["env", "set"])
            assert done.status == 0, done
            assert loco.fetch(folder.name, "/env/A").text == "1"
            ledger.note(folder.name)
            during(load, 20)
        assert load.failures == {}, dict(load.failures)
        # Checks, restarts and logs go on by the clock that stays.
        loco.engine.docker("kill", loco.engine.of_app(folder.name)[0])
        ledger.hold("with a clock that was set", within=30)
        loco.fetch(folder.name, "/log?text=after-the-jump")
        until(lambda: "after-the-jump" in loco.run("logs", "-a", folder.name).out, 15)
    finally:
        clock.set(0)
    ledger.hold("with the clock set right again", within=30)
    loco.deploy(folder.image("2"))
    ledger.note(folder.name)


def test_killed_and_started_with_another_clock_it_goes_on_from_its_rows(loco, app, ledger, clock):
    folder = app("elsewhen")
    loco.deploy(folder)
    ledger.note("elsewhen")
    for jump in (HOUR, -HOUR, 0):
        process = loco.start("env", "set", f"JUMP={jump}", "-a", "elsewhen")
        old = loco.kill("loco-api")
        clock.set(jump)
        until(lambda: (loco.pid("loco-api") or old) != old, 30)
        loco.finish(process, ["env", "set"])
        ledger.hold(f"after a start with the clock {jump} s off")
        ledger.note("elsewhen")
