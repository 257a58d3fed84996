"""loco-api killed again and again while apps are changed in every way, several at once; nothing that was acknowledged is lost, nothing is left."""
import os
import random
import statistics
import threading
import time

import pytest

from support import web
from support.faults import SEED, is_ready
from support.invariants import told
from support.load import Load, during
from support.wait import until

pytestmark = pytest.mark.one_machine("the parts that `loco up` runs; a cluster's are in tests/kubernetes/test_faults.py")

# In the test run; more on request.
KILLS = int(os.environ.get("LOCO_TEST_KILLS", "40"))
# So many, then all commands end and it is asked whether anything is lost or left.
A_ROUND = 20 if KILLS <= 100 else 50


class Worker:
    """Somebody who changes an app of theirs, a command after the other, until told to pause."""

    def __init__(self, loco, ledger, folder, seed: int):
        self.loco, self.ledger, self.folder, self.chance = loco, ledger, folder, random.Random(seed)
        self.number, self.done, self.failed = 0, 0, 0
        self.problem: BaseException | None = None

    def work_until(self, pause: threading.Event) -> None:
        try:
            while not pause.is_set():
                self.number += 1
                self.step()
        except BaseException as problem:   # for the test to raise
            self.problem = problem

    def command(self, *words) -> bool:
        done = self.loco.run(*words, expect=None)
        told(done)
        self.done += done.status == 0
        self.failed += done.status != 0
        return done.status == 0

    def note(self) -> None:
        """What the app has now; the one that is asked may be killed meanwhile."""
        until(lambda: self.ledger.note(self.folder.name) or True, 30, every=0.1)

    def step(self) -> None:
        raise NotImplementedError

    def settle(self) -> None:
        """Nothing runs any more: what was acknowledged is there."""


class Ships(Worker):
    """Deploys, rolls back, restarts, scales."""

    def step(self) -> None:
        kind = self.chance.randrange(6)
        if kind <= 2:
            self.folder.image(f"kill-{self.number}")
            worked = self.command("deploy", self.folder.path)
        elif kind == 3:
            worked = self.command("rollback", "-a", self.folder.name)
        elif kind == 4:
            worked = self.command("restart", "-a", self.folder.name)
        else:
            worked = self.command("scale", "--replicas", str(self.chance.randint(1, 2)), "-a", self.folder.name)
        if worked:
            self.note()

    def settle(self) -> None:
        self.loco.run("scale", "--replicas", "1", "-a", self.folder.name)
        self.note()


class Sets(Worker):
    """Sets variables. After a command that failed a variable has its old value or the new one."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.may_be: dict[str, set[str]] = {}

    def step(self) -> None:
        name, value = f"K{self.number % 30}", str(self.number)
        if self.command("env", "set", f"{name}={value}", "-a", self.folder.name):
            self.may_be[name] = {value}
        else:
            self.may_be.setdefault(name, {""}).add(value)

    def settle(self) -> None:
        # A set whose answer was lost may have been kept and not deployed.
        self.loco.run("redeploy", "-a", self.folder.name)
        for name, values in self.may_be.items():
            found = self.loco.fetch(self.folder.name, f"/env/{name}")
            assert (found.text if found.status == 200 else "") in values, f"{name} is {found.text}, and was set to {values}"
        self.note()


class Comes(Worker):
    """Makes an app, deploys it, destroys it."""

    def step(self) -> None:
        self.command("deploy", self.folder.path)
        self.command("destroy", "-a", self.folder.name, "--yes")

    def settle(self) -> None:
        done = self.loco.run("destroy", "-a", self.folder.name, "--yes", expect=None)
        assert done.status in (0, 4), done


def test_loco_api_killed_again_and_again_amid_changes_of_all_kinds_loses_nothing(loco, app, ledger, chance):
    workers = [kind(loco, ledger, app(name), SEED + at) for at, (kind, name) in enumerate(((Ships, "ships"), (Sets, "sets"), (Comes, "comes")))]
    bystander = app("serves")
    for folder in (bystander, *(one.folder for one in workers[:2])):
        loco.deploy(folder)
        ledger.note(folder.name)
    away, killed = [], 0
    with Load(loco.gateway, "serves.localhost", posts=1, pause=0.02) as load:
        while killed < KILLS:
            pause = threading.Event()
            threads = [threading.Thread(target=one.work_until, args=(pause,)) for one in workers]
            for thread in threads:
                thread.start()
            try:
                for _ in range(min(A_ROUND, KILLS - killed)):
                    pause.wait(chance.uniform(0.02, 0.6))
                    away.append(kill_and_wait(loco))
                    killed += 1
            finally:
                pause.set()
                for thread in threads:
                    thread.join(200)
            for worker in workers:
                if worker.problem:
                    raise worker.problem
            until(lambda: is_ready(loco), 30)
            for worker in workers:
                worker.settle()
            ledger.hold(f"after {killed} kills")
            assert load.failures == {}, dict(load.failures)
            print(f"{killed} kills: {sum(one.done for one in workers)} commands were acknowledged, {sum(one.failed for one in workers)} were not; "
                  f"{load.requests} requests, none failed; the API was away {statistics.median(away) * 1000:.0f} ms in the middle, "
                  f"{max(away) * 1000:.0f} ms at most", flush=True)
        during(load, 20)
    assert load.failures == {}, dict(load.failures)


def kill_and_wait(loco) -> float:
    """Seconds from the kill until the API answers again."""
    loco.kill("loco-api")
    began = time.monotonic()
    until(lambda: web.fetch(loco.api, "127.0.0.1", "/api/v1/version", timeout=5).status == 200, 30, "loco-api answers again", every=0.005)
    return time.monotonic() - began
