"""Clients that are slow, that are many, and that go away: others are served, and no thread is theirs."""
import os
import time

import pytest

from support.faults import threads_of
from support.load import Load, during
from support.slow import Followers, Slow
from support.wait import until

pytestmark = pytest.mark.one_machine("the gateway and the API of one machine")

# Connections that are slow, and followers of a log; by command 10,000 and 1,000.
SLOW = int(os.environ.get("LOCO_TEST_SLOW", "1000"))
FOLLOWERS = int(os.environ.get("LOCO_TEST_FOLLOWERS", "300"))


def p99(loco, app: str, count: int = 300) -> float:
    """In milliseconds, of requests on connections of their own."""
    took = []
    for _ in range(count):
        began = time.monotonic()
        assert loco.fetch(app).status == 200
        took.append((time.monotonic() - began) * 1000)
    return sorted(took)[int(count * 0.99)]


@pytest.mark.parametrize("read", [False, True], ids=["send", "read"])
def test_others_are_served_beside_connections_that_are_slow(loco, app, ledger, read):
    """The tail of the others' answers is printed, and is no condition: what else the machine does is in it."""
    name = "slowly-read" if read else "slowly-sent"
    loco.deploy(app(name))
    loco.deploy(app(f"{name}-other"))
    ledger.note(name)
    alone = p99(loco, f"{name}-other")
    # Each that reads holds an answer in the app, which has a thread for it.
    with Slow(loco.gateway, f"{name}.localhost", SLOW // 10 if read else SLOW, read=read) as slow:
        beside = p99(loco, f"{name}-other")
        with Load(loco.gateway, f"{name}-other.localhost", posts=2) as load:
            during(load, 200)
        assert load.failures == {}, dict(load.failures)
        print(f"{slow.open} connections that {'read' if read else 'send'} slowly, {slow.ended} ended: others' p99 {alone:.1f} → {beside:.1f} ms")
        loco.run("restart", "-a", f"{name}-other")
    ledger.hold()


def test_the_api_answers_beside_connections_that_send_slowly(loco, app, ledger):
    folder = app("slow-api")
    loco.deploy(folder)
    count = min(SLOW, 3000)   # it takes 4,096
    with Slow(loco.api, "127.0.0.1", count) as slow:
        assert loco.call("GET", "/me").status == 200
        loco.deploy(folder.image("2"))
        print(f"{slow.open} slow connections to the API, {slow.ended} ended")
    ledger.note("slow-api")


def test_more_connections_than_the_api_takes_are_turned_away_and_it_goes_on(loco, app, ledger):
    loco.deploy(app("crowd"))
    ledger.note("crowd")
    with Load(loco.gateway, "crowd.localhost", posts=2) as load:
        try:
            with Slow(loco.api, "127.0.0.1", 4300, every=5.0):
                during(load, 50)
        except AssertionError:   # they never are all open
            pass
        until(lambda: loco.call("GET", "/me").status == 200, 30)
    assert load.failures == {}, dict(load.failures)


def test_followers_cost_no_thread_each_and_get_every_line_once_across_restarts(loco, app, ledger):
    loco.deploy(app("watched"))
    ledger.note("watched")
    before = threads_of(loco.pid("loco-api"))
    with Followers(loco.api, f"{loco.path('watched')}/logs", loco.token(), FOLLOWERS) as followers:
        until(lambda: followers.connected == FOLLOWERS, 60, "all follow")
        sent = 0

        def say(count: int) -> None:
            nonlocal sent
            for _ in range(count):
                assert loco.fetch("watched", f"/log?text=said-{sent}-end").status == 200
                sent += 1

        def all_heard() -> None:
            until(lambda: all(f"said-{sent - 1}-end" in lines[-40:] for lines in followers.lines), 60, f"all have line {sent - 1}")

        say(20)
        all_heard()
        assert threads_of(loco.pid("loco-api")) <= before + 4, f"{before} threads without followers, {threads_of(loco.pid('loco-api'))} with {FOLLOWERS}"
        for part in ("loco-api", "dockerd", "loco-api"):
            old = loco.kill(part)
            say(20)
            until(lambda: (loco.pid(part) or old) != old, 60)
            say(20)
            all_heard()
        wanted = [f"said-{number}-end" for number in range(sent)]
        for index, lines in enumerate(followers.lines):
            got = [line for line in lines if line.startswith("said-")]
            assert got == wanted, f"follower {index}: {len(got)} of {len(wanted)} lines, lost {sorted(set(wanted) - set(got))[:5]}, doubled {len(got) - len(set(got))}"
    # They went without a word: what was theirs is free again.
    until(lambda: len(os.listdir(f"/proc/{loco.pid('loco-api')}/fd")) < 200, 40, "their connections are closed")
