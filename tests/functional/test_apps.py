"""Apps and lists: made, found, paged, removed."""
import json
import re

import pytest

from support.wait import until

APPS = "/teams/main/apps"


def pages(server, path: str, limit: int, key: str, **options) -> list:
    """All items' keys, page by page; no page is larger than asked for, none but the last is empty."""
    found, cursor, turns = [], None, 0
    while True:
        page = server.get(f"{path}?limit={limit}" + (f"&cursor={cursor}" if cursor else ""), **options)
        assert len(page["items"]) <= limit
        found += [item[key] for item in page["items"]]
        cursor = page["next_cursor"]
        turns += 1
        assert turns < 100
        if cursor is None:
            return found
        assert page["items"], "an empty page that says there is more"


def test_an_app_is_created_found_and_told_of(server):
    created = server.post(APPS, {"name": "shop"})
    assert re.fullmatch(r"app_[0-9a-hjkmnp-tv-z]{26}", created["id"])
    assert created["url"].startswith("http://shop.localhost:") and created["urls"] == [created["url"]]
    assert created["state"] == "empty" and created["release"] is None and created["created_at"].endswith("Z")
    detail = server.get(f"{APPS}/shop")
    assert {key: detail[key] for key in created} == created
    assert detail["instances"] == [] and detail["deployment"] is None and detail["env_version"] == 0
    events = server.get(f"{APPS}/shop/events")["items"]
    assert [event["kind"] for event in events] == ["app.created"] and events[0]["actor"] == "olga"


def test_a_name_that_is_taken_is_409_and_says_what_to_do(server):
    server.post(APPS, {"name": "taken"})
    answer = server.call("POST", APPS, {"name": "taken"})
    assert answer.status == 409 and answer.json()["code"] == "app_exists" and answer.json()["hint"]


def test_what_is_not_there_is_404_with_a_hint(server):
    for path in (f"{APPS}/nothing", f"{APPS}/nothing/env", f"{APPS}/nothing/deployments", f"{APPS}/%27%20or%201=1", f"{APPS}/{'x' * 2000}"):
        problem = server.get(path, 404)
        assert problem["code"] == "no_such_app" and "loco apps" in problem["hint"] and len(problem["detail"]) < 200


def test_lists_are_paged_without_loss_or_repetition(own_server):
    one = own_server().start()
    names = sorted(f"page-{number:02}" for number in range(23))
    for name in reversed(names):
        one.post(APPS, {"name": name})
    for limit in (1, 2, 5, 22, 23, 24, 1000):
        assert pages(one, APPS, limit, "name") == names
    path = f"{APPS}/page-00"
    spec = one.spec(path)
    begun = [one.post(f"{path}/deployments", {"kind": "deploy", "spec": spec})["id"] for _ in range(12)]
    for limit in (1, 5, 12, 500):
        assert pages(one, f"{path}/deployments", limit, "id") == begun[::-1]
    seqs = pages(one, f"{path}/events", 1000, "seq")
    assert len(seqs) == 13 and seqs == sorted(seqs)
    for limit in (1, 4, 13):   # newest page first, oldest first within it
        found = pages(one, f"{path}/events", limit, "seq")
        assert sorted(found) == seqs and found[:limit] == seqs[-limit:]


def test_a_page_goes_on_where_it_was_though_items_come_and_go(server):
    for name in ("flow-a", "flow-b", "flow-d"):
        server.post(APPS, {"name": name})
    first = server.get(f"{APPS}?limit=1&cursor=flow-")
    assert [item["name"] for item in first["items"]] == ["flow-a"]
    server.post(APPS, {"name": "flow-c"})
    server.delete(f"{APPS}/flow-a")
    second = server.get(f"{APPS}?limit=3&cursor={first['next_cursor']}")
    assert [item["name"] for item in second["items"]] == ["flow-b", "flow-c", "flow-d"]


def test_an_app_that_is_being_removed_takes_nothing_more(server):
    path = server.app("leaving")
    deployment = server.deployment(path)["id"]
    assert server.delete(path)["state"] == "destroying"
    assert server.delete(path)["state"] == "destroying", "asking again changes nothing"
    assert server.get(f"{path}/deployments/{deployment}")["state"] == "cancelled"
    for body in ({"kind": "deploy", "spec": server.spec(path)}, {"kind": "redeploy"}, {"kind": "restart"}):
        assert server.call("POST", f"{path}/deployments", body).status == 404
    assert server.call("PATCH", f"{path}/env", {"set": {"A": "b"}}).status == 404
    assert server.call("POST", APPS, {"name": "leaving"}).json()["code"] == "name_being_freed"
    kinds = [event["kind"] for event in server.get(f"{path}/events")["items"]]
    assert kinds[-1] == "app.destroying" and "deployment.cancelled" in kinds


def test_hosts_are_unique_among_teams(server):
    """`a-other` of the first team and `a` of the team other both want a-other.localhost: the second gets another."""
    theirs = server.people["other_teams_owner"].authorization
    first = server.post(APPS, {"name": "a-other"})
    second = server.post("/teams/other/apps", {"name": "a"}, token=None, authorization=theirs)
    assert first["url"] != second["url"] and second["url"].startswith("http://a-other-")


def test_the_longest_names_have_hosts_that_are_labels(server):
    theirs = server.people["other_teams_owner"].authorization
    for team, options in (("main", {}), ("other", {"token": None, "authorization": theirs})):
        url = server.post(f"/teams/{team}/apps", {"name": "n" * 40}, **options)["url"]
        assert len(url.removeprefix("http://").split(".")[0]) <= 63


@pytest.mark.parametrize("kind", ["redeploy", "restart", "rollback", "scale"])
def test_what_needs_something_live_says_that_nothing_is(server, kind):
    path = server.app()
    problem = server.post(f"{path}/deployments", {"kind": kind} | ({"replicas": 2} if kind == "scale" else {}), expect=404)
    assert problem["code"] == "nothing_live" and "loco deploy" in problem["hint"]


def test_metrics_are_null_where_nothing_tells_them(server):
    assert server.get(f"{server.app()}/metrics") == {"http": None, "instances": None}


def test_text_of_users_is_kept_as_it_is_and_harmless(server):
    path = server.app()
    spec = server.spec(path)
    spec["deploy"]["command"] = ["/app", "<b>ü</b> \u2028 '; drop table apps; --"]
    spec["env"] = {"GREETING": "<b>ü</b> \x1b[31m \u2028"}
    begun = server.post(f"{path}/deployments", {"kind": "deploy", "spec": spec})
    stored = json.loads(server.rows("SELECT spec_json FROM deployments WHERE id = ?", begun["id"])[0][0])
    assert stored["deploy"]["command"] == spec["deploy"]["command"]
    assert "<b>" not in json.dumps(stored["env"]), "values are sealed"
    server.post(f"{path}/deployments/{begun['id']}/result", {"failure": {"message": "\x1b]0;title\x07 é \u202e"}}, expect=200)
    assert server.get(f"{path}/deployments/{begun['id']}")["diagnosis"]["message"] == "\x1b]0;title\x07 é \u202e"
    out = server.loco("status", "-a", path.rpartition("/")[2])
    assert "\x1b" not in out.out and "\x07" not in out.out
    until(lambda: server.get(path)["last_deployment"]["state"] == "failed", 5)
