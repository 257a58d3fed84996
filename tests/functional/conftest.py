"""One platform for all functional tests: the last of them asks which operations and commands none has exercised."""
import pytest

from support.platform import running


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
