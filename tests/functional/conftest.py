"""A loco-api by itself (server) and a whole platform (loco), each shared by the tests of the run."""
import os
import shutil
import tempfile

import pytest

from support import coverage
from support.platform import running
from support.server import Server


def pytest_configure(config):
    if coverage.VARIABLE not in os.environ:
        config.loco_coverage = os.environ[coverage.VARIABLE] = tempfile.mkdtemp(prefix="loco-coverage-")


def pytest_unconfigure(config):
    if hasattr(config, "loco_coverage"):
        shutil.rmtree(config.loco_coverage, ignore_errors=True)


@pytest.fixture(scope="session")
def loco(engine):
    yield from running(engine)


@pytest.fixture
def deployed(loco, app):
    """deployed("name"): an app that is live, by the command line."""
    def make(name: str):
        folder = app(name)
        loco.deploy(folder)
        return folder
    return make


@pytest.fixture(scope="session")
def server():
    """A server without engine, gateway and registry. Shared: every test uses apps of its own, and leaves it running."""
    one = Server()
    try:
        one.people = one.populate()
        one.start()
        yield one
        one.end()
    finally:
        one.remove()


@pytest.fixture
def own_server(request):
    """own_server(**config): such a server of this test's own, not started yet."""
    made = []

    def make(**config) -> Server:
        made.append(Server(**config))
        return made[-1]

    yield make
    failed = getattr(request.node, "failed", False)
    try:
        for one in made:
            if failed:
                one.show_log()
            else:
                one.end()
    finally:
        for one in made:
            one.remove()


@pytest.fixture(autouse=True)
def _show_the_log_of_the_shared_server(request):
    yield
    if getattr(request.node, "failed", False) and "server" in request.fixturenames:
        request.getfixturevalue("server").show_log()
