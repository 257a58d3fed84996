"""The REST API as a client of it sees it: every operation, and what it says when something is wrong."""
import base64
import json
import socket

import pytest

from support import web
from support.wait import until

SPEC = {"version": 1}


def problem(answer: web.Answer, status: int, code: str | None = None) -> dict:
    assert answer.status == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    document = answer.json()
    assert {"type", "title", "status", "detail", "code", "request_id"} <= set(document), document
    assert document["status"] == status and document["request_id"] == answer.headers["x-request-id"]
    assert code is None or document["code"] == code, document
    return document


def begin(loco, name: str) -> tuple[str, dict]:
    """A deployment that waits for its image; its path and what the API answered."""
    loco.call("POST", f"/teams/{loco.team()}/apps", {"name": name})
    spec = loco.run("validate", "--json", "-c", loco.specs[name]).json()["spec"]
    answer = loco.call("POST", f"{loco.path(name)}/deployments", {"kind": "deploy", "spec": spec})
    assert answer.status == 201, answer.text
    return f"{loco.path(name)}/deployments/{answer.json()['id']}", answer.json()


@pytest.fixture
def waiting(loco, app):
    def make(name: str) -> tuple[str, dict]:
        folder = app(name)
        loco.specs = getattr(loco, "specs", {}) | {name: folder.path / "loco.toml"}
        return begin(loco, name)
    return make


def test_version_and_description_are_open_and_everything_else_is_not(loco):
    assert web.fetch(loco.api, "x", "/api/v1/version").json()["api"] == "v1"
    document = web.fetch(loco.api, "x", "/api/v1/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, methods in document["paths"].items():
        for method in methods:
            if method not in ("get", "post", "patch", "put", "delete") or path.rsplit("/", 1)[-1] in ("version", "openapi.json", "token"):
                continue
            concrete = path.replace("{team}", "x").replace("{app}", "x").replace("{id}", "x")
            problem(web.fetch(loco.api, "x", concrete, method.upper(), b"{}" if method != "get" else None), 401)


def test_me_names_the_owner_and_the_first_team(loco):
    me = loco.call("GET", "/me").json()
    assert me["login"] and me["teams"][0]["role"] == "owner" and me["teams"][0]["first"]


def test_health_and_metrics_are_on_a_listener_of_their_own(loco):
    for path in ("/healthz", "/readyz", "/metrics"):
        assert web.fetch(loco.ops, "x", path).status == 200
        assert web.fetch(loco.api, "x", path).status == 404
    assert "loco_http_requests_total" in web.fetch(loco.ops, "x", "/metrics").text


def test_apps_are_created_listed_in_pages_shown_and_destroyed(loco):
    apps = f"/teams/{loco.team()}/apps"
    for name in ("page-a", "page-b", "page-c"):
        answer = loco.call("POST", apps, {"name": name})
        assert answer.status == 201 and answer.json()["url"] == f"http://{name}.localhost:{loco.gateway}"
    problem(loco.call("POST", apps, {"name": "page-a"}), 409, "app_exists")
    seen, cursor = [], ""
    while cursor is not None:
        page = loco.call("GET", f"{apps}?limit=2{cursor and f'&cursor={cursor}'}").json()
        assert len(page["items"]) <= 2
        seen += [one["name"] for one in page["items"]]
        cursor = page["next_cursor"]
    assert seen == sorted(seen) and {"page-a", "page-b", "page-c"} <= set(seen) and len(seen) == len(set(seen))
    assert loco.call("GET", loco.path("page-a")).json()["instances"] == []
    for name in ("page-a", "page-b", "page-c"):
        assert loco.call("DELETE", loco.path(name)).status == 202
        until(lambda: loco.call("GET", loco.path(name)).status == 404, 20)


@pytest.mark.parametrize("name", ["loco", "api", "www", "registry", "Upper", "-x", "x" * 64, "", "a.b", "a b", "é", "../x", "a\u0000b"])
def test_names_that_are_reserved_or_no_dns_labels_are_refused(loco, name):
    answer = loco.call("POST", f"/teams/{loco.team()}/apps", {"name": name})
    assert answer.status in (400, 409, 422), answer.text
    problem(answer, answer.status)


def test_wrong_requests_name_every_wrong_field(loco):
    apps = f"/teams/{loco.team()}/apps"
    assert "nome" in problem(loco.call("POST", apps, {"nome": "x"}), 400)["detail"]
    problem(loco.call("POST", apps, ["x"]), 400, "invalid_json")
    headers = {"Authorization": f"Bearer {loco.token()}", "Content-Type": "application/json"}
    problem(web.fetch(loco.api, "x", f"/api/v1{apps}", "POST", b"{", headers), 400, "invalid_json")
    problem(web.fetch(loco.api, "x", f"/api/v1{apps}", "POST", b"[" * 100_000, headers), 400)
    problem(loco.call("GET", f"{apps}?limit=0"), 400)
    problem(loco.call("GET", f"{apps}?limit=many"), 400)
    problem(loco.call("GET", "/nowhere"), 404)
    assert loco.call("PUT", apps, {}).status == 405
    problem(web.fetch(loco.api, "x", f"/api/v1{apps}", "POST", b"x" * (64 << 20), headers), 413)


def test_another_teams_path_is_404_whether_it_exists_or_not(loco):
    problem(loco.call("GET", "/teams/not-mine/apps"), 404)
    problem(loco.call("GET", "/teams/not-mine/apps/x"), 404)


def test_a_deployment_takes_a_build_log_one_push_token_and_a_failure(loco, waiting):
    path, start = waiting("manual")
    assert start["state"] == "building" and start["repository"] and start["tag"] and start["registry"]
    headers = {"Authorization": f"Bearer {loco.token()}", "Content-Type": "text/plain"}
    assert web.fetch(loco.api, "x", f"/api/v1{path}/build-log", "POST", b"step one\nstep two\n", headers).status == 204
    token = loco.call("POST", f"{path}/push-token", {})
    assert token.status == 201 and token.json()["repository"] == start["repository"]
    problem(loco.call("POST", f"{path}/push-token", {}), 409)
    answer = loco.call("POST", f"{path}/result", {"failure": {"code": "build_failed", "message": "the build failed", "evidence": "boom"}})
    assert answer.status == 200 and answer.json()["state"] == "failed"
    assert loco.call("GET", path).json()["diagnosis"]["evidence"] == "boom"
    lines = [json.loads(line) for line in loco.call("GET", f"{loco.path('manual')}/logs?build={path.rsplit('/', 1)[1]}").text.splitlines()]
    assert [line["text"] for line in lines] == ["step one", "step two"]


def test_a_push_token_opens_one_repository_for_five_minutes_and_nothing_else(loco, waiting):
    path, start = waiting("narrow")
    token = loco.call("POST", f"{path}/push-token", {}).json()["token"]
    payload = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==="))
    assert payload["exp"] - payload["iat"] <= 300
    assert [(one["name"], sorted(one["actions"])) for one in payload["access"]] == [(start["repository"], ["pull", "push"])]

    def upload(repository: str, credentials: str | None) -> int:
        headers = {"Authorization": f"Bearer {credentials}"} if credentials else {}
        return web.fetch(loco.registry, "127.0.0.1", f"/v2/{repository}/blobs/uploads/", "POST", b"", headers).status

    assert upload(start["repository"], token) == 202
    assert upload("another/repository", token) == 401
    assert upload(start["repository"], None) == 401
    assert upload(start["repository"], token[:-4] + "AAAA") == 401
    assert web.fetch(loco.registry, "127.0.0.1", "/v2/_catalog", headers={"Authorization": f"Bearer {token}"}).status == 401
    loco.call("POST", f"{path}/cancel", {})


def test_a_digest_that_was_never_pushed_is_no_release(loco, waiting):
    path, _ = waiting("phantom")
    answer = loco.call("POST", f"{path}/result", {"digest": "sha256:" + "0" * 64})
    until(lambda: loco.call("GET", path).json()["state"] == "failed" or answer.status >= 400, 20)
    loco.call("POST", f"{path}/cancel", {})
    assert loco.call("GET", f"{loco.path('phantom')}/releases").json()["items"] == []


def test_a_waiting_deployment_is_cancelled(loco, waiting):
    path, _ = waiting("dropped")
    assert loco.call("POST", f"{path}/cancel", {}).status == 202
    until(lambda: loco.call("GET", path).json()["state"] == "cancelled", 10)
    problem(loco.call("POST", f"{path}/result", {"digest": "sha256:" + "0" * 64}), 409)


def test_variables_are_written_and_only_their_names_are_read(loco):
    loco.call("POST", f"/teams/{loco.team()}/apps", {"name": "secretive"})
    answer = loco.call("PATCH", f"{loco.path('secretive')}/env", {"set": {"A": "hidden-value", "B": "two"}})
    assert answer.status == 200 and answer.json()["version"] == 1
    answer = loco.call("GET", f"{loco.path('secretive')}/env")
    assert [one["name"] for one in answer.json()["items"]] == ["A", "B"] and "hidden-value" not in answer.text
    problem(loco.call("PATCH", f"{loco.path('secretive')}/env", {"set": {"not a name": "x"}}), 400)
    assert loco.call("PATCH", f"{loco.path('secretive')}/env", {"unset": ["A"]}).json()["version"] == 2
    loco.call("DELETE", loco.path("secretive"))


def test_an_idempotency_key_is_bound_to_its_request(loco):
    apps, headers = f"/teams/{loco.team()}/apps", {"Idempotency-Key": "key-of-a-test"}
    first = loco.call("POST", apps, {"name": "keyed"}, headers)
    again = loco.call("POST", apps, {"name": "keyed"}, headers)
    assert (first.status, first.body) == (again.status, again.body) and first.status == 201
    problem(loco.call("POST", apps, {"name": "keyed-else"}, headers), 409, "idempotency_conflict")
    loco.call("DELETE", loco.path("keyed"))


def test_a_live_app_tells_its_events_releases_logs_and_metrics(loco, deployed):
    deployed("talkative")
    path = loco.path("talkative")
    assert loco.call("GET", f"{path}/releases").json()["items"][0]["live"]
    assert any("live" in event["kind"] for event in loco.call("GET", f"{path}/events").json()["items"])
    until(lambda: "listening" in loco.call("GET", f"{path}/logs?n=10").text, 10)
    loco.fetch("talkative")
    until(lambda: loco.call("GET", f"{path}/metrics").json()["http"]["http"]["requests"] >= 1, 10)
    newest = loco.call("GET", f"{path}/deployments").json()["items"][0]
    events = list(web.server_sent_events(loco.api, "x", f"/api/v1{path}/deployments/{newest['id']}/events",
                                         {"Authorization": f"Bearer {loco.token()}"}))
    assert events[-1].event == "end" and json.loads(events[-1].data)["state"] == "live"


def test_slow_clients_hold_no_one_up(loco):
    slow = []
    try:
        for _ in range(200):
            one = socket.create_connection(("127.0.0.1", loco.api), 5)
            one.sendall(b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            slow.append(one)
        for _ in range(20):
            assert web.fetch(loco.api, "x", "/api/v1/version", timeout=2).status == 200
        # Each is hung up on within the bound for a request's head.
        until(lambda: slow[0].recv(4096) is not None, 60, "the first slow client is answered or hung up on")
    finally:
        for one in slow:
            one.close()


def test_headers_and_targets_have_bounds(loco):
    assert web.fetch(loco.api, "x", "/api/v1/version", headers={"X-Long": "x" * 200_000}).status in (400, 431)
    assert web.fetch(loco.api, "x", "/api/v1/version?" + "x" * 200_000).status in (400, 414, 431)
