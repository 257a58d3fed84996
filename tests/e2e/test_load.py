"""Zero failed requests, counted by clients that never retry."""
import contextlib
import os

from support.load import Hammer, Load, during

# So many deployments in the test run; more on request.
ROUNDS = int(os.environ.get("LOCO_TEST_DEPLOYS", "20" if os.environ.get("LOCO_TEST_PLACE") == "cluster" else "30"))
DRAIN = "3s"   # of pods


def test_no_request_fails_through_deploys_rollbacks_restarts_and_scaling(loco, app):
    folder = app("busy").toml('[env]\nDRAIN_MS = "200"', deploy="", resources='cpu = "100m"\nmemory = "64Mi"')
    loco.deploy(folder)
    # Millions of requests only where so many deployments are asked for: it takes a processor.
    hammer = Hammer(loco.gateway, "busy.localhost", connections=3, at_most_s=ROUNDS * 30) if ROUNDS > 100 else None
    with hammer or contextlib.nullcontext(), Load(loco.gateway, "busy.localhost", posts=4, sockets=2, streams=2) as load:
        during(load, 100)
        for number in range(ROUNDS):
            kind = number % 5
            if kind in (0, 1):
                loco.deploy(folder.image(f"load-{number}"))
            elif kind == 2:
                loco.run("rollback", "-a", "busy")
            elif kind == 3:
                loco.run("scale", "--replicas", str(1 + number % 3), "-a", "busy")
            else:
                loco.run("restart", "-a", "busy")
            during(load, 50)
            assert load.failures == {}, f"after {number + 1} deployments, of {load.requests} requests: {dict(load.failures)}"
            if number % 50 == 49:
                print(f"{number + 1} deployments, {load.requests} requests", flush=True)
    assert hammer is None or hammer.failures == [], f"of {hammer.requests}: {hammer.failures}"
    assert load.failures == {}, f"of {load.requests}: {dict(load.failures)}"
    print(f"{load.requests + (hammer.requests if hammer else 0)} requests over {ROUNDS} deployments, none failed")


def test_slow_answers_are_finished_while_releases_change(loco, app):
    folder = app("slow-busy")
    loco.deploy(folder)
    with Load(loco.gateway, "slow-busy.localhost", posts=0, sockets=3) as sockets, \
            Load(loco.gateway, "slow-busy.localhost", posts=4, path="/echo", pause=0.05) as load:
        for number in range(4):
            loco.deploy(folder.image(f"slow-{number}"))
        during(load, 20)
    assert load.failures == {} and sockets.failures == {}, f"{dict(load.failures)} {dict(sockets.failures)}"
