"""Moving an app: what is exported, for whom, and what an import takes. Between two Locos: tests/kubernetes/test_move.py."""
import base64
import copy
import json

import pytest

VALUE = "s3cret-that-moves"


@pytest.fixture(scope="module")
def key(server):
    return server.get("/teams/main/move-key")["public_key"]


@pytest.fixture(scope="module")
def exported(server, key):
    path = server.app("traveller")
    server.patch(f"{path}/env", {"set": {"TOKEN": VALUE}, "stage": True})
    server.make_live(path, more='[http]\ndomains = ["traveller.example.com"]')
    answer = server.post(f"{path}/export", {"public_key": key}, 200)
    server.validate(answer, "AppExport")
    return answer["export"]


@pytest.fixture
def to(server):
    """An app of the same name in another team, where the export goes."""
    owner = {"token": None, "authorization": server.people["other_teams_owner"].authorization}
    if server.call("GET", "/teams/other/apps/traveller", **owner).status == 404:
        server.app("traveller", team="other", **owner)
    return lambda body, expect: server.post("/teams/other/apps/traveller/import", body, expect, **owner)


def test_values_leave_sealed_only_and_the_history_tells_of_it(server, exported):
    assert VALUE not in json.dumps(exported) and base64.b64encode(VALUE.encode()).decode().rstrip("=") not in json.dumps(exported)
    assert [one["number"] for one in exported["releases"]] == [1, 2]
    events = server.get("/teams/main/apps/traveller/events")["items"]
    assert any(event["kind"] == "app.exported" and "v1, v2" in event["message"] for event in events)


def test_a_key_that_is_none_exports_nothing(server):
    path = server.app()
    server.make_live(path)
    for wrong in ("", "?", "A" * 42, "A" * 43, "B" * 200):
        assert server.post(f"{path}/export", {"public_key": wrong}, 422)["detail"]
    server.post(f"{path}/export", {}, 422)
    assert not any(event["kind"] == "app.exported" for event in server.get(f"{path}/events")["items"])


def test_what_was_changed_on_its_way_is_refused(server, exported, to):
    def changed(change) -> dict:
        body = copy.deepcopy(exported)
        change(body)
        return body
    sealed = exported["sealed_env"]
    broken = [
        lambda body: body.update(sealed_env=sealed[:-4] + "AAAA"), lambda body: body.update(sealed_env=""),
        lambda body: body.update(name="other"), lambda body: body.update(releases=[]), lambda body: body.update(releases="all"),
        lambda body: body.update(releases=body["releases"] * 11), lambda body: body["releases"].reverse(),
        lambda body: body["releases"][1].update(uid=0), lambda body: body["releases"][1].update(digest="sha256:short"),
        lambda body: body["releases"][1].update(env_version=7), lambda body: body["releases"][1].update(live_at="yesterday"),
        lambda body: body["releases"][1]["spec"].update(name="other"), lambda body: body["releases"][1].pop("spec"),
        lambda body: body.update(scale={"web": 3}), lambda body: body.update(env_version=-1), lambda body: body.update(more=1),
        lambda body: body.pop("sealed_env"),
    ]
    for number, change in enumerate(broken):
        assert to(changed(change), 422)["detail"], number
    assert not server.rows("SELECT 1 FROM releases r JOIN apps a ON a.id = r.app JOIN teams t ON t.id = a.team WHERE t.slug = 'other' AND a.name = 'traveller'")


def test_it_is_taken_twice_and_not_over_something_of_its_own(server, exported, to):
    answer = to(exported, 200)
    server.validate(answer, "Imported")
    assert answer == {"app": "traveller", "release": "v2"}
    assert to(exported, 200) == answer
    rows = server.rows("SELECT r.number, r.image_kept FROM releases r JOIN apps a ON a.id = r.app JOIN teams t ON t.id = a.team"
                       " WHERE t.slug = 'other' AND a.name = 'traveller'")
    assert [tuple(row) for row in rows] == [(1, 1)]
    sealed = server.rows("SELECT * FROM env_versions WHERE app = (SELECT a.id FROM apps a JOIN teams t ON t.id = a.team"
                         " WHERE t.slug = 'other' AND a.name = 'traveller')")
    assert sealed and VALUE not in repr([tuple(row) for row in sealed])
    own = server.app("at-home")
    server.make_live(own)
    body = exported | {"name": "at-home", "releases": [one | {"spec": one["spec"] | {"name": "at-home"}} for one in exported["releases"]]}
    assert server.post(f"{own}/import", body, 409)["code"] == "app_in_use"


def test_the_command_says_what_is_missing(server):
    assert "--from" in server.loco("move", "x", expect=2).err
    assert "LOCO_FROM_TOKEN" in server.loco("move", "x", "--from", "http://127.0.0.1:1", expect=2).err
    away = server.loco("move", "x", "--from", "http://127.0.0.1:1", expect=8, env={"LOCO_FROM_TOKEN": "loco_secret-token"})
    assert "127.0.0.1:1" in away.err and "secret-token" not in away.err
