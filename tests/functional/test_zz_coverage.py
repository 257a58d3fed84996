"""Runs last: nothing of the API or the command line is left untried by the functional tests."""
import re

import pytest

from support import web
from test_commands import commands


@pytest.fixture(autouse=True)
def whole_run(request):
    if len({item.fspath.basename for item in request.session.items}) < 3:
        pytest.skip("only a part of the functional tests was chosen to run")


def test_every_operation_of_the_api_was_called(loco):
    described = {methods[method]["operationId"] for methods in web.fetch(loco.api, "x", "/api/v1/openapi.json").json()["paths"].values()
                 for method in methods if isinstance(methods[method], dict) and "operationId" in methods[method]}
    called = set(re.findall(r'loco_http_requests_total\{[^}]*operation="([a-z_]+)"[^}]*status="2', web.fetch(loco.ops, "x", "/metrics").text))
    assert described - called == set(), "not one of these was answered with success"


def test_every_command_was_run(loco):
    # A command that was only asked for its help was not run.
    run = {" ".join(word for word in words if not word.startswith("-")) for words in loco.commands if "--help" not in words}
    # `down` ends the platform of all these tests: the end-to-end tests run it.
    missing = [name for name in commands(loco) if name != "down" and not any(f"{line} ".startswith(f"{name} ") for line in run)]
    assert missing == []
