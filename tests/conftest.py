"""What all Python tests share: the engine, a platform of the test's own, folders of apps."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

pytest.register_assert_rewrite("support.web", "support.load", "support.platform", "support.engine", "support.cluster",
                               "support.cluster_platform", "support.wait", "support.invariants", "support.faults")

from support import cluster as clusters  # noqa: E402
from support import coverage  # noqa: E402
from support import engine as engines  # noqa: E402
from support import probe  # noqa: E402
from support.cluster_platform import running_on_cluster  # noqa: E402
from support.platform import BINARIES, running  # noqa: E402
from support.postgres import Postgres  # noqa: E402
from support.wait import until  # noqa: E402

# Where the end-to-end tests' apps run: the same scenarios on one machine and on a cluster.
ON_CLUSTER = os.environ.get("LOCO_TEST_PLACE") == "cluster"


def pytest_configure(config):
    config.addinivalue_line("markers", "one_machine(reason): has no counterpart on a cluster")


def pytest_collection_modifyitems(config, items):
    """On a cluster those of one machine are left out, each with its reason shown (pytest -v lists them)."""
    if not ON_CLUSTER:
        return
    left_out = [item for item in items if item.get_closest_marker("one_machine")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)
    for item in left_out:
        print(f"    not on a cluster: {item.name}: {item.get_closest_marker('one_machine').args[0]}")


@pytest.fixture(scope="session", autouse=True)
def every_code_is_explained():
    """No error code was seen, by whatever test, that `loco explain` does not know."""
    yield
    if coverage.codes_seen:
        done = subprocess.run([BINARIES / "loco", "explain", "--json"], env={}, capture_output=True, text=True, check=True)
        assert coverage.wrong_codes(json.loads(done.stdout)["codes"], coverage.codes_seen) == []


@pytest.fixture(scope="session")
def engine():
    one = engines.bring_up()
    yield one
    engines.take_down(one)


@pytest.fixture(scope="session")
def cluster():
    try:
        one = clusters.bring_up()
    except clusters.NotHere as reason:
        pytest.skip(str(reason))
    yield one
    clusters.take_down(one)


@pytest.fixture(scope="session")
def postgres():
    one = Postgres()
    try:
        yield one.start()
    finally:
        one.remove()


@pytest.fixture(scope="module")
def loco(engine, request):
    """A platform that the tests of one file share, each with apps of its own names. One at a time on one engine."""
    if ON_CLUSTER:
        # Short, so that the tests are; where every request counts, also on a machine with more to do than it can, longer.
        drain = getattr(request.module, "DRAIN", "1s")
        yield from running_on_cluster(engine, request.getfixturevalue("cluster"), request.getfixturevalue("postgres"), drain=drain)
    else:
        yield from running(engine)


@pytest.fixture
def app(tmp_path, request, loco):
    """app("name"): a folder to deploy; what was deployed from it is destroyed after the test."""
    made = []

    def make(name: str) -> probe.Folder:
        if ON_CLUSTER:
            until(lambda: loco.run("status", "-a", name, expect=None).status == 4, 60, f"the {name} of an earlier test is gone")
        made.append(probe.Folder(tmp_path / name, name))
        return made[-1]

    yield make
    if getattr(request.node, "failed", False):
        for folder in made:
            print(f"--- events of {folder.name}\n{loco.run('events', '-a', folder.name, expect=None).out}")
            print(f"--- logs of {folder.name}\n{loco.run('logs', '-a', folder.name, '-n', '30', expect=None).out}")
        print(loco.logs())
    for folder in made:
        # A cluster takes 6 s to be rid of a namespace.
        loco.run("destroy", "-a", folder.name, "--yes", *(["--detach"] if ON_CLUSTER else []), expect=None)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        item.failed = True
