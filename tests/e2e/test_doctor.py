"""`loco doctor` on a real platform whose parts are killed or stopped, one after the other: each is named, with what mends it."""
import os
import signal
from pathlib import Path

import pytest

from support.platform import Platform
from support.wait import until

pytestmark = pytest.mark.one_machine("kills the parts of `loco up`")

# What is the testing machine's own: how full its disks are, and whether its resolver knows *.localhost.
ITS_OWN = {"client disk", "client engine's disk", "client names", "server disk", "server engine's disk"}


@pytest.fixture(scope="module")
def platform(engine):
    one = Platform(engine)
    try:
        one.up()
        yield one
    finally:
        one.remove()


def failures(platform: Platform, **environment: str) -> dict[str, str]:
    """What failed, and what is said to mend it."""
    done = platform.run("doctor", "--data", platform.data, "--json", expect=None, env=environment, timeout=180)
    checks = [one for one in done.json()["checks"] if one["state"] == "failed"]
    assert (done.status != 0) == bool(checks) and all(one["next_steps"] for one in checks), str(done)
    found = {f"{one['where']} {one['name']}": one["message"] + "\n" + "\n".join(one["next_steps"]) for one in checks}
    return {name: text for name, text in found.items() if name not in ITS_OWN}


def gone(platform: Platform, name: str) -> None:
    pid = platform.kill(name)
    until(lambda: not Path(f"/proc/{pid}/stat").exists() or ") Z " in Path(f"/proc/{pid}/stat").read_text(), 10, f"{name} is gone")


def test_nothing_fails_where_all_is_well(platform):
    assert failures(platform) == {}
    text = platform.run("doctor", "--data", platform.data, expect=None).out
    assert "runs as process" in text and "takes the server's tokens" in text and "knows Loco's host" in text


def test_each_part_that_was_killed_is_named_and_loco_up_mends_it(platform):
    def named(*names: str) -> dict[str, str]:
        """What the server has found holds for a second."""
        def look() -> dict[str, str] | None:
            found = failures(platform)
            return found if set(names) <= set(found) else None

        return until(look, 20, f"it names {names}")

    gone(platform, "supervisor")   # it would start them again
    assert set(failures(platform)) == {"machine supervisor"}
    gone(platform, "registry")
    assert set(named("machine registry", "server registry", "client registry")) == {"machine supervisor", "machine registry", "server registry", "client registry"}
    gone(platform, "haproxy")
    named("machine gateway", "server gateway", "client gateway", "machine readiness")
    gone(platform, "loco-api")
    found = named("server address", "machine loco-api", "machine readiness")
    assert "client registry" not in found, found
    # Each says the one command that mends it, and it does.
    assert all(f"loco up --detach --data {platform.data}" in text for text in found.values()), found
    platform.up()
    assert failures(platform) == {}


def test_a_registry_that_hangs_is_named_by_the_client_and_by_the_server(platform):
    expected = {"server registry", "client registry"}
    pid = platform.kill("registry", signal.SIGSTOP)
    try:
        until(lambda: expected <= set(failures(platform)), 90, "it is named")   # what the server has found holds for a second
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: failures(platform) == {}, 60)


def test_an_engine_that_is_down_is_named_by_the_client_and_by_the_server(platform):
    found = failures(platform, DOCKER_HOST=f"unix://{platform.folder}/none.sock")
    assert set(found) == {"client engine"} and "Docker" in found["client engine"], found
    if platform.engine.own is None:
        return   # only a daemon of the tests' own may be stopped
    pid = int((platform.engine.own / "docker.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: {"client engine", "server engine", "machine readiness"} <= set(failures(platform)), 180)
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: failures(platform) == {}, 60)
