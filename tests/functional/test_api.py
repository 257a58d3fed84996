"""The REST API where it needs all of Loco: a registry, a gateway and an engine. What needs none is in the files beside this."""
import base64
import json

import pytest

from support import web
from support.server import Stream
from support.wait import until


@pytest.fixture
def waiting(loco, app):
    """waiting("name"): a deployment that waits for its image; its path and what the API answered."""
    def make(name: str) -> tuple[str, dict]:
        folder = app(name)
        loco.call("POST", f"/teams/{loco.team()}/apps", {"name": name})
        spec = loco.run("validate", "--json", "-c", folder.path / "loco.toml").json()["spec"]
        answer = loco.call("POST", f"{loco.path(name)}/deployments", {"kind": "deploy", "spec": spec})
        assert answer.status == 201, answer.text
        return f"{loco.path(name)}/deployments/{answer.json()['id']}", answer.json()
    return make


def test_health_and_metrics_are_on_a_listener_of_their_own_and_it_is_ready(loco):
    for path in ("/healthz", "/readyz", "/metrics"):
        assert web.fetch(loco.ops, "x", path).status == 200
        assert web.fetch(loco.api, "x", path).status == 404
    assert "loco_http_requests_total" in web.fetch(loco.ops, "x", "/metrics").text


def test_an_app_that_is_destroyed_is_gone_and_its_name_is_free(loco):
    apps = f"/teams/{loco.team()}/apps"
    for _ in range(2):
        answer = loco.call("POST", apps, {"name": "fleeting"})
        assert answer.status == 201 and answer.json()["url"] == f"http://fleeting.localhost:{loco.gateway}", answer.text
        assert loco.call("DELETE", loco.path("fleeting")).status == 202
        until(lambda: loco.call("GET", loco.path("fleeting")).status == 404, 20, "it is gone")


def test_following_the_log_of_an_app_ends_when_it_is_destroyed(loco):
    """The server says the end; a client that comes back is told that there is no such app."""
    loco.call("POST", f"/teams/{loco.team()}/apps", {"name": "followed"})
    stream = Stream(loco, f"{loco.path('followed')}/logs?follow=true", token=loco.token())
    assert stream.answer.status == 200 and not stream.ended.is_set()
    assert loco.call("DELETE", loco.path("followed")).status == 202
    assert stream.ended.wait(20), "the stream has not ended"
    assert loco.call("GET", f"{loco.path('followed')}/logs?follow=true").status == 404


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
