"""A deployment through the API: building, its log, its result, who holds the app, cancelling, and its events as they come."""
import base64
import json
import random
import re
import threading
import time

import pytest

from support.server import DIGEST, OWNER_TOKEN, Stream
from support.wait import holds_for, until


@pytest.fixture
def building(server):
    """An app and a deployment of it that is building: the paths of both."""
    app = server.app()
    return app, f"{app}/deployments/{server.deployment(app)['id']}"


def test_a_deploy_begins_with_what_a_client_needs_to_build_and_push(server):
    app = server.app()
    begun = server.deployment(app)
    assert begun["kind"] == "deploy" and begun["state"] == "building" and begun["actor"] == "olga"
    assert re.fullmatch(r"dep_[0-9a-z]{26}", begun["id"]) and begun["release"] is None and begun["live"] is None
    assert begun["repository"].startswith("loco/") and app.rpartition("/")[2] not in begun["repository"]
    assert re.fullmatch(r"[0-9a-z]{16}", begun["tag"]) and begun["platform"].startswith("linux/")
    assert begun["registry"] == server.config["registry_listen"]
    other = server.deployment(app)
    assert other["repository"] == begun["repository"] and other["tag"] != begun["tag"], "one repository per app, a tag per deploy"
    assert server.get(f"{app}/deployments/{begun['id']}")["id"] == begun["id"]


def test_a_specification_is_checked_again_by_the_server(server):
    app = server.app()
    good = server.spec(app)
    for change in ({"name": "another"}, {"name": "loco"}, {"type": "plane"}, {"processes": 7}, {"unknown": 1}, {"deploy": {"timeout": "soon"}}):
        answer = server.call("POST", f"{app}/deployments", {"kind": "deploy", "spec": good | change})
        assert answer.status == 422, f"{change}: {answer.text[:300]}"
    for spec in (None, [], "x", {}):
        assert server.call("POST", f"{app}/deployments", {"kind": "deploy", "spec": spec}).status == 422
    for kind in (None, "", "env", "destroy", 7):
        assert server.call("POST", f"{app}/deployments", {"kind": kind}).status == 422
    assert server.get(f"{app}/deployments")["items"] == []


def test_a_push_token_is_given_once_for_one_repository_and_five_minutes(server, building):
    app, path = building
    token = server.post(f"{path}/push-token")
    payload = json.loads(base64.urlsafe_b64decode(token["token"].split(".")[1] + "=="))
    assert payload["exp"] - payload["iat"] <= 300 and token["expires_at"].endswith("Z")
    assert [(one["name"], sorted(one["actions"])) for one in payload["access"]] == [(token["repository"], ["pull", "push"])]
    assert server.post(f"{path}/push-token")["repository"] == token["repository"], "the answer may have been lost: asked again at once"
    deployment = path.rpartition("/")[2]
    server.change("UPDATE deployments SET phases_json = json_set(phases_json, '$.pushing', json_extract(phases_json, '$.pushing') - 30000000000)"
                  " WHERE id = ?", deployment)
    again = server.post(f"{path}/push-token", expect=409)
    assert again["code"] == "token_given"
    for file, content in server.content().items():
        assert token["token"].encode() not in content, file
    server.post(f"{path}/cancel", expect=202)
    assert server.post(f"{path}/push-token", expect=409)["code"] == "deployment_ended"


def test_a_build_log_is_kept_as_it_came_and_read_as_ndjson(server, building):
    app, path = building
    sent = ["step 1/2", "", "  indented ü", "tab\there", "x" * 5000]
    answer = server.call("POST", f"{path}/build-log", raw="\n".join(sent).encode() + b"\n")
    assert answer.status == 204 and answer.body == b""
    assert server.call("POST", f"{path}/build-log", raw=b"\xff\xfe broken\n").status == 204
    assert server.call("POST", f"{path}/build-log", raw=b"").status == 204
    build = path.rpartition("/")[2]

    def lines(query: str = "") -> list[dict]:
        read = server.call("GET", f"{app}/logs?build={build}{query}")
        assert read.headers["content-type"] == "application/x-ndjson"
        return [json.loads(line) for line in read.text.splitlines()]

    until(lambda: len(lines()) == 6, 10, "all lines are there")
    assert [line["text"] for line in lines()] == [*sent, "\ufffd\ufffd broken"]
    assert {line["stream"] for line in lines()} == {"build"}
    seqs = [line["seq"] for line in lines()]
    assert seqs == sorted(set(seqs))
    assert [line["text"] for line in lines("&n=2")] == [sent[-1], "\ufffd\ufffd broken"]
    assert [line["seq"] for line in lines(f"&after={seqs[2]}")] == seqs[3:]
    assert lines("&n=0") == []
    assert server.call("GET", f"{app}/logs").text == "", "a build's lines are no instance's"


def test_a_request_of_millions_of_empty_lines_is_cut_and_says_so(server, building):
    app, path = building
    began = time.monotonic()
    assert server.call("POST", f"{path}/build-log", raw=b"\n" * 4_000_000).status == 204
    assert time.monotonic() - began < 5
    read = server.call("GET", f"{app}/logs?build={path.rpartition('/')[2]}&n=10000")
    lines = [json.loads(line)["text"] for line in read.text.splitlines()]
    assert lines[-1] == "[the rest of this request was not kept: it has more than 20,000 lines]" and set(lines[:-1]) == {""}


def test_a_result_whose_answer_was_lost_may_be_reported_again(server):
    app = server.app()
    server.make_live(app)
    live = server.get(f"{app}/releases")["items"][0]
    build = server.deployment(app)
    first = server.post(f"{app}/deployments/{build['id']}/result", {"image_id": live["image_id"]}, expect=200)
    assert server.post(f"{app}/deployments/{build['id']}/result", {"image_id": live["image_id"]}, expect=200) == first


def test_a_followed_log_gives_each_line_once_over_broken_connections(server, building):
    app, path = building
    build = path.rpartition("/")[2]
    total = 120

    def write() -> None:
        for number in range(total):
            server.call("POST", f"{path}/build-log", raw=f"line {number}\n".encode())

    writer = threading.Thread(target=write)
    writer.start()
    got: list[dict] = []
    turn = 0
    while len(got) < total:
        turn += 1
        assert turn < 60
        after = f"&after={got[-1]['seq']}" if got else "&n=1000"
        stream = Stream(server, f"{app}/logs?build={build}&follow=true{after}")
        want = min(total - len(got), random.randint(1, 30))
        until(lambda: len(stream.documents()) >= want, 20, f"{want} more lines")
        got += stream.documents()
        stream.close()
    writer.join(20)
    assert [line["text"] for line in got] == [f"line {number}" for number in range(total)]


def test_a_line_reaches_a_follower_at_once(server, building):
    app, path = building
    stream = Stream(server, f"{app}/logs?build={path.rpartition('/')[2]}&follow=true")
    server.call("POST", f"{path}/build-log", raw=b"now\n")
    began = time.monotonic()
    until(lambda: stream.documents(), 5, "the line is there", every=0.005)
    assert time.monotonic() - began < 1
    stream.close()


def test_a_failed_build_is_told_with_its_evidence(server, building):
    app, path = building
    failure = {"code": "build_failed", "message": "RUN make failed", "evidence": "Dockerfile:3: RUN make\nmake: *** no rule"}
    ended = server.post(f"{path}/result", {"failure": failure}, expect=200)
    assert ended["state"] == "failed" and ended["ended_at"]
    diagnosis = server.get(path)["diagnosis"]
    assert {key: diagnosis[key] for key in failure} == failure and diagnosis["phase"] == "building" and diagnosis["exit_status"] == 5
    again = server.post(f"{path}/result", {"failure": failure}, expect=409)
    assert again["code"] == "deployment_ended"
    assert server.post(f"{path}/cancel", expect=409)["code"] == "deployment_ended"
    assert server.call("POST", f"{path}/build-log", raw=b"late\n").status == 409
    assert server.get(app)["deployment"] is None and server.get(app)["last_deployment"]["id"] == ended["id"]
    assert [event["kind"] for event in server.get(f"{app}/events")["items"]][-1] == "deployment.failed"
    assert server.get(f"{app}/releases")["items"] == []


@pytest.mark.parametrize("code, exit_status, phase", [("engine_unavailable", 8, "building"), ("push_forbidden", 3, "pushing"), ("context_too_large", 2, "building"),
                                                       ("one_of_a_newer_client", 5, "building"), ("", 5, "building")])
def test_a_failure_before_there_is_an_image_is_of_the_kind_that_its_code_says(server, code, exit_status, phase):
    app = server.app()
    path = f"{app}/deployments/{server.deployment(app)['id']}"
    steps = ["try it again", "or do something else"]
    server.post(f"{path}/result", {"failure": {"code": code, "message": "it failed", "next_steps": steps}}, expect=200)
    diagnosis = server.get(path)["diagnosis"]
    assert (diagnosis["exit_status"], diagnosis["phase"], diagnosis["next_steps"]) == (exit_status, phase, steps)
    told = server.loco("status", "-a", app.rpartition("/")[2]).out
    assert "it failed" in told and "→ try it again" in told and ("loco explain" in told) == (code in ("engine_unavailable", "push_forbidden", "context_too_large"))


@pytest.mark.parametrize("steps", ["x", {}, [1], ["x"] * 21])
def test_next_steps_of_a_failure_are_a_bounded_list_of_words(server, steps):
    app = server.app()
    path = f"{app}/deployments/{server.deployment(app)['id']}"
    refused = server.post(f"{path}/result", {"failure": {"message": "m", "next_steps": steps}}, expect=422)
    assert refused["code"] == "invalid_body" and "next_steps" in refused["detail"]


def test_a_failure_that_is_too_long_is_cut_between_characters(server):
    app = server.app()
    path = f"{app}/deployments/{server.deployment(app)['id']}"
    failure = {"code": "c" + "é" * 40, "message": "m" + "€" * 1000, "evidence": "e" + "😀" * 5000}
    server.post(f"{path}/result", {"failure": failure}, expect=200)
    diagnosis = server.get(path)["diagnosis"]
    assert diagnosis["code"] == "c" + "é" * 31 and diagnosis["message"] == "m" + "€" * 666
    assert diagnosis["evidence"] == "e" + "😀" * 4095


def test_a_diagnosis_that_is_no_text_is_still_told_as_json(server):
    app = server.app()
    path = f"{app}/deployments/{server.deployment(app)['id']}"
    server.post(f"{path}/result", {"failure": {"code": "odd", "message": "<odd>"}}, expect=200)
    with server.offline() as database:
        database.execute("UPDATE deployments SET diagnosis_json = CAST(replace(diagnosis_json, '<odd>', CAST(x'C3' AS TEXT)) AS TEXT)")
    assert server.get(path)["diagnosis"]["message"] == "\ufffd"


@pytest.mark.parametrize("body", [
    {}, {"digest": "sha256:short"}, {"digest": "md5:" + "a" * 67}, {"digest": 7}, {"failure": {}}, {"failure": "x"}, {"failure": {"message": 1}},
    {"image_id": "x" * 200}, {"digest": DIGEST, "more": 1}, {"digest": "sha256:" + "Z" * 64},
])
def test_a_malformed_result_is_422_and_changes_nothing(server, building, body):
    _, path = building
    assert server.call("POST", f"{path}/result", body).status == 422
    assert server.get(path)["state"] == "building"


def test_an_image_that_no_release_has_must_be_pushed_first(server, building):
    _, path = building
    assert server.post(f"{path}/result", {"image_id": "sha256:" + "1" * 64}, expect=404)["code"] == "unknown_image"
    assert server.get(path)["state"] == "building"


def test_the_reported_digest_takes_the_apps_lock_and_a_second_is_told_who_holds_it(server):
    app = server.app()
    first, second = (f"{app}/deployments/{server.deployment(app)['id']}" for _ in range(2))
    taken = server.post(f"{first}/result", {"digest": DIGEST}, expect=200)
    assert taken["state"] == "checking" and taken["digest"] == DIGEST
    assert server.post(f"{first}/result", {"digest": DIGEST}, expect=200)["id"] == taken["id"], "reporting it again changes nothing"
    assert server.get(app)["deployment"]["id"] == taken["id"]
    refused = server.post(f"{second}/result", {"digest": DIGEST}, expect=409)
    assert refused["code"] == "deploy_in_progress" and "olga" in refused["detail"] and refused["next_steps"]
    assert server.get(second)["state"] == "failed" and server.get(second)["diagnosis"]["exit_status"] == 9
    # A third may build beside it, and cancelling the holder is taken note of, though without an engine it goes on checking.
    server.deployment(app)
    assert server.post(f"{first}/cancel", expect=202)["cancel_requested"]
    until(lambda: server.get(first)["state"] == "cancelled", 20, "it is cancelled without engine, registry and gateway")
    assert server.get(app)["deployment"] is None, "and has let go of the app"


def test_a_building_deployment_is_cancelled_at_once(server, building):
    app, path = building
    assert server.post(f"{path}/cancel", expect=202)["state"] == "cancelled"
    assert server.post(f"{path}/cancel", expect=409)["code"] == "deployment_ended"
    assert server.post(f"{path}/result", {"digest": DIGEST}, expect=409)["code"] == "deployment_ended"
    event = server.get(f"{app}/events")["items"][-1]
    assert event["kind"] == "deployment.cancelled" and "olga" in event["message"] and event["deployment"] == path.rpartition("/")[2]


def test_a_build_whose_client_went_away_fails_when_its_lease_is_over(own_server):
    one = own_server().start()
    app = one.app()
    path = f"{app}/deployments/{one.deployment(app)['id']}"
    one.change("UPDATE deployments SET lease_until = ?", time.time_ns() + 3 * 10**9)
    one.deployment(app)   # another's, so that the app is looked at
    until(lambda: one.get(path)["state"] == "failed", 30, "the lease is over")
    diagnosis = one.get(path)["diagnosis"]
    assert "client" in diagnosis["message"] and diagnosis["phase"] == "building"
    assert one.call("POST", f"{path}/build-log", raw=b"here again\n").status == 409


def test_a_client_that_says_something_keeps_its_lease(own_server):
    one = own_server().start()
    app = one.app()
    path = f"{app}/deployments/{one.deployment(app)['id']}"
    one.change("UPDATE deployments SET lease_until = ?", time.time_ns() + 4 * 10**9)
    one.deployment(app)
    assert one.call("POST", f"{path}/build-log", raw=b"").status == 204
    assert one.rows("SELECT lease_until FROM deployments WHERE id = ?", path.rpartition("/")[2])[0][0] > time.time_ns() + 30 * 10**9
    holds_for(lambda: one.get(path)["state"] == "building", 5, "the build goes on past the old end of its lease", every=0.5)


def test_a_build_goes_on_though_the_server_was_away_for_longer_than_its_lease(own_server):
    one = own_server().start()
    app = one.app()
    path = f"{app}/deployments/{one.deployment(app)['id']}"
    with one.offline() as database:
        database.execute("UPDATE deployments SET lease_until = ?", (time.time_ns() - 600 * 10**9,))
    holds_for(lambda: one.get(path)["state"] == "building", 2, "the client has time to come back", every=0.2)
    assert one.call("POST", f"{path}/build-log", raw=b"here again\n").status == 204


def test_required_secrets_stop_a_deploy_before_it_builds(server):
    app = server.app()
    spec = server.spec(app, '[secrets]\nrequired = ["KEY", "OTHER"]\n')
    refused = server.post(f"{app}/deployments", {"kind": "deploy", "spec": spec}, expect=422)
    assert refused["code"] == "secret_unset" and "KEY" in refused["detail"] and len(refused["next_steps"]) == 2
    server.patch(f"{app}/env", {"set": {"KEY": "1", "OTHER": "2"}})
    server.post(f"{app}/deployments", {"kind": "deploy", "spec": spec})


def test_domains_belong_to_the_first_who_names_them(server):
    one, two = server.app(), server.app()
    more = '[http]\nport = 8080\ndomains = ["shop.example.com"]\n'
    server.deployment(one, more)
    assert "http://shop.example.com" in " ".join(server.get(one)["urls"])
    assert server.post(f"{two}/deployments", {"kind": "deploy", "spec": server.spec(two, more)}, expect=409)["code"] == "host_taken"


@pytest.fixture(scope="module")
def live(server):
    """An app with the releases v1 and v2, of which v2 serves (as the database says: there is no engine here)."""
    app = server.app("veteran")
    server.make_live(app)
    return app


def cancel(server, app: str, deployment: str) -> None:
    server.post(f"{app}/deployments/{deployment}/cancel", expect=202)
    until(lambda: server.get(app)["deployment"] is None, 30, "the app is free again")


def test_releases_are_listed_newest_first(server, live):
    releases = server.get(f"{live}/releases")["items"]
    assert [one["release"] for one in releases] == ["v2", "v1"] and [one["live"] for one in releases] == [True, False]
    first = server.get(f"{live}/releases?limit=1")
    assert first["next_cursor"] == "2" and server.get(f"{live}/releases?cursor=2")["items"][0]["release"] == "v1"


def test_what_changes_a_live_app_holds_it_until_it_has_ended(server, live):
    for body, state in (({"kind": "redeploy"}, "checking"), ({"kind": "restart"}, "rolling"), ({"kind": "rollback"}, "checking"),
                        ({"kind": "rollback", "release": "v1"}, "checking"), ({"kind": "scale", "replicas": 3}, "rolling")):
        begun = server.post(f"{live}/deployments", body)
        assert begun["kind"] == body["kind"] and begun["state"] == state
        held = server.post(f"{live}/deployments", {"kind": "restart"}, expect=409)
        assert held["code"] == "deploy_in_progress" and body["kind"] in held["detail"]
        cancel(server, live, begun["id"])
    assert server.get(live)["release"] == "v2" and server.get(live)["scale"] == {}, "what was cancelled has left nothing"


def test_a_rollback_needs_a_release_that_was_live_and_is_not(server, live):
    for release, status, code in (("v2", 422, "is_live"), ("v9", 404, "no_such_release"), ("v0", 422, "invalid_release"), ("x", 422, "invalid_release"),
                                  ("v1x", 422, "invalid_release"), ("v99999999999", 422, "invalid_release")):
        problem = server.post(f"{live}/deployments", {"kind": "rollback", "release": release}, expect=status)
        assert code is None or problem["code"] == code, problem


def test_a_scale_that_is_so_already_does_nothing_and_nonsense_is_refused(server, live):
    assert server.post(f"{live}/deployments", {"kind": "scale", "reset": True}, expect=200) == {"unchanged": True}
    for body in ({"replicas": 51}, {"replicas": -1}, {"cpu_millis": 1}, {"memory_bytes": 100}, {"memory_bytes": 1 << 60}):
        assert server.call("POST", f"{live}/deployments", {"kind": "scale"} | body).status == 422, body
    assert server.post(f"{live}/deployments", {"kind": "scale", "process": "nobody", "replicas": 1}, expect=404)["code"] == "no_such_process"


def test_an_image_that_is_live_already_is_live_at_once(server, live):
    path = f"{live}/deployments/{server.deployment(live)['id']}"
    digest = server.get(f"{live}/releases")["items"][0]["digest"]
    ended = server.post(f"{path}/result", {"image_id": digest}, expect=200)   # make_live gives both the same
    assert ended["state"] == "live" and ended["release"] == "v2"
    assert len(server.get(f"{live}/releases")["items"]) == 2


# Events as they come.

def seqs(stream: Stream) -> list[int]:
    return [int(event.id) for event in stream.events() if event.id]


def test_a_stream_of_events_begins_with_what_was_and_ends_with_the_deployment(server, building):
    app, path = building
    stream = Stream(server, f"{path}/events")
    assert stream.answer.getheader("Content-Type") == "text/event-stream"
    until(lambda: stream.events(), 10, "what was before")
    assert not stream.ended.is_set()
    server.post(f"{path}/cancel", expect=202)
    assert stream.ended.wait(10)
    kinds = [event.event for event in stream.events()]
    assert kinds == ["deployment.building", "deployment.cancelled", "end"], kinds
    assert json.loads(stream.events()[-1].data)["state"] == "cancelled" and stream.events()[-1].id == ""
    server.validate(json.loads(stream.events()[0].data), "Event")
    # Afterwards it is the same again, and after the last one only the end.
    again = Stream(server, f"{path}/events")
    assert again.ended.wait(10) and again.lines == stream.lines
    rest = Stream(server, f"{path}/events", {"Last-Event-ID": str(seqs(stream)[-1])})
    assert rest.ended.wait(10) and [event.event for event in rest.events()] == ["end"]
    by_query = Stream(server, f"{path}/events?after={seqs(stream)[0]}")
    assert by_query.ended.wait(10) and seqs(by_query) == seqs(stream)[1:]


@pytest.mark.parametrize("last", ["x", "-1", "1x", "9" * 30])
def test_a_last_event_id_that_none_had_is_422(server, building, last):
    assert server.call("GET", f"{building[1]}/events", headers={"Last-Event-ID": last}).status == 422


def test_no_event_is_lost_or_doubled_over_many_broken_connections_and_a_restart(own_server):
    one = own_server().start()
    app = one.app("streamed")
    one.app("noise")
    begun = one.deployment(app)
    path = f"{app}/deployments/{begun['id']}"
    with one.offline() as database:   # a long history, other apps' events between
        app_id, team = database.execute("SELECT id, team FROM apps WHERE name = 'streamed'").fetchone()
        other = database.execute("SELECT id FROM apps WHERE name = 'noise'").fetchone()[0]
        database.execute("UPDATE deployments SET lease_until = ?", (time.time_ns() + 600 * 10**9,))
        for number in range(730):
            mine = number % 3 != 0
            database.execute("INSERT INTO events (team, app, deployment, actor, kind, message, data, at) VALUES (?, ?, ?, 'x', 'test.step', ?, '', ?)",
                             (team, app_id if mine else other, begun["id"] if mine else None, f"step {number} ü", time.time_ns()))
    expected = [row[0] for row in one.rows("SELECT seq FROM events WHERE deployment = ? ORDER BY seq", begun["id"])]
    assert len(expected) > 450
    got: list[int] = []
    chooser = random.Random(7)
    while len(got) < len(expected):
        stream = Stream(one, f"{path}/events", {"Last-Event-ID": str(got[-1])} if got else {})
        want = min(len(expected) - len(got), chooser.randint(1, 160))
        until(lambda: len(seqs(stream)) >= want, 20, f"{want} more events")
        if chooser.random() < 0.2:
            one.stop()
            assert stream.ended.wait(10)
            one.start()
        stream.close()
        # A client knows of an event when all of it has come.
        got += seqs(stream)
    assert got == expected
    stream = Stream(one, f"{path}/events", {"Last-Event-ID": str(got[-1])})
    one.post(f"{path}/cancel", expect=202)
    assert stream.ended.wait(10)
    assert [event.event for event in stream.events()] == ["deployment.cancelled", "end"]


def test_many_followers_of_one_deployment_all_see_all_of_it(server, building):
    app, path = building
    streams = [Stream(server, f"{path}/events") for _ in range(40)]
    until(lambda: all(stream.events() for stream in streams), 10, "all have begun")
    server.post(f"{path}/cancel", expect=202)
    for stream in streams:
        assert stream.ended.wait(10) and [event.event for event in stream.events()][-2:] == ["deployment.cancelled", "end"]
    assert server.get("/me", token=OWNER_TOKEN)["login"] == "olga"


@pytest.mark.parametrize("body", [{}, {"process": "web"}, {"reset": True, "replicas": 2}, {"reset": False}])
def test_a_scale_that_says_nothing_or_two_things_is_refused(server, live, body):
    refused = server.call("POST", f"{live}/deployments", {"kind": "scale", **body})
    assert refused.status == 422 and refused.json()["code"] == "invalid_body", refused.text
    assert server.get(live)["deployment"] is None and server.get(live)["scale"] == {}
