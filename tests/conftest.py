"""What all Python tests share: the engine, a platform of the test's own, folders of apps."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

pytest.register_assert_rewrite("support.web", "support.load", "support.platform", "support.engine", "support.cluster",
                               "support.wait")

from support import cluster as clusters  # noqa: E402
from support import engine as engines  # noqa: E402
from support import probe  # noqa: E402
from support.platform import running  # noqa: E402

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


@pytest.fixture(scope="module")
def loco(engine):
    """A platform that the tests of one file share, each with apps of its own names. One at a time on one engine."""
    yield from running(engine)


@pytest.fixture
def app(tmp_path, request, loco):
    """app("name"): a folder to deploy; what was deployed from it is destroyed after the test."""
    made = []

    def make(name: str) -> probe.Folder:
        made.append(probe.Folder(tmp_path / name, name))
        return made[-1]

    yield make
    if getattr(request.node, "failed", False):
        for folder in made:
            print(f"--- events of {folder.name}\n{loco.run('events', '-a', folder.name, expect=None).out}")
            print(f"--- logs of {folder.name}\n{loco.run('logs', '-a', folder.name, '-n', '30', expect=None).out}")
        print(loco.logs())
    for folder in made:
        loco.run("destroy", "-a", folder.name, "--yes", expect=None)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        item.failed = True
