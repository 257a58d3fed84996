"""Runs last: no operation of the API and no command is left that no functional test has exercised with success, and no error code was seen
that is not explained."""
from pathlib import Path

import pytest

from support import coverage
from test_client import commands

HERE = Path(__file__).resolve().parent
ALIASES = {"account": "whoami", "variables": "env"}
# What only a whole platform on an engine can show, and the end-to-end test that does.
BY_E2E = {"up": "test_platform.py::test_up_again_is_quick_and_changes_nothing",
          "move": "../kubernetes/test_move.py::test_an_app_moves_to_a_cluster_with_all_that_belongs_to_it"}


@pytest.fixture
def whole_run(request):
    """The gate means something only when every functional test was asked to run."""
    chosen = {item.path.name for item in request.session.items}
    if chosen < {path.name for path in HERE.glob("test_*.py")} or request.config.getoption("keyword") or request.config.getoption("markexpr"):
        pytest.skip("only a part of the functional tests was chosen to run")


def test_every_operation_of_the_api_was_called(server, whole_run):
    described = {one["operationId"] for methods in server.openapi["paths"].values() for one in methods.values()}
    assert described - coverage.operations_exercised(server.openapi) == set(), "no test has had a success of these"


def test_every_command_was_run(server, whole_run):
    listed = set(commands(server))
    assert set(BY_E2E) <= listed, "an exemption for a command that is not there"
    for name in listed & set(BY_E2E):
        file, test = BY_E2E[name].split("::")
        assert f"def {test}(" in (HERE.parent / "e2e" / file).read_text(), f"the test that shall cover {name} is not there"
    missing = listed - set(BY_E2E) - coverage.commands_exercised(sorted(listed), ALIASES)
    assert missing == set(), "no test has had a success of these"


def test_every_code_that_was_seen_is_explained(server):
    explained = server.loco("explain", "--json").json()["codes"]
    assert coverage.wrong_codes(explained) == []


def test_what_is_wrong_with_a_code():
    explained = [{"code": "app_exists", "kind": "conflict", "exit_status": 9}, {"code": "usage", "kind": "invalid", "exit_status": 2}]
    right = {"app_exists conflict", "app_exists 9", "usage 2", "usage Bad"}
    assert coverage.wrong_codes(explained, right) == []
    assert len(coverage.wrong_codes(explained, {"new_one conflict"})) == len(coverage.wrong_codes(explained, {"usage conflict"})) == 1
    assert len(coverage.wrong_codes(explained, right | {"usage 9"})) == 1


def test_what_counts_as_exercised(tmp_path, monkeypatch):
    monkeypatch.setenv(coverage.VARIABLE, str(tmp_path))
    openapi = {"paths": {"/api/v1/teams/{team}/apps": {"get": {"operationId": "list"}, "post": {"operationId": "create"}},
                         "/api/v1/teams/{team}/apps/{app}": {"get": {"operationId": "get"}}}}
    coverage.note_request("GET", "/teams/main/apps?limit=2", 200)
    coverage.note_request("POST", "/teams/main/apps", 409)   # a refusal is no use of it
    coverage.note_request("GET", "/teams/main/apps/x/deployments", 200)
    assert coverage.operations_exercised(openapi) == {"list"}
    names = ["apps", "env list", "env set", "whoami", "status"]
    coverage.note_command(["--json", "--team", "apps", "env", "set", "A=1"], 0)
    coverage.note_command(["account"], 0)
    coverage.note_command(["status", "--help"], 0)
    coverage.note_command(["apps"], 3)
    assert coverage.commands_exercised(names, ALIASES) == {"env set", "whoami"}
