"""What comes from outside has bounds, and what is wrong with it is said: bodies, headers, paths, JSON, lists, names, keys."""
import json
import random
import socket
import threading

import pytest

from support import web
from support.server import OWNER_TOKEN, describe

APPS = "/teams/main/apps"


def refused(server, answer: web.Answer, status: int, code: str | None = None) -> dict:
    assert answer.status == status, f"{answer.status}: {answer.text[:500]}"
    document = answer.json()
    assert document["request_id"] == answer.headers["x-request-id"]
    assert {"type", "title", "status", "detail", "code", "hint", "next_steps", "request_id"} <= set(document), document
    assert code is None or document["code"] == code, document
    return document


def speak(server, text: bytes, within: float = 15) -> bytes:
    """What comes back for bytes on a fresh connection, until the server closes it or says nothing more."""
    with socket.create_connection(("127.0.0.1", server.api), within) as connection:
        connection.sendall(text)
        got = b""
        while True:
            try:
                part = connection.recv(65536)
            except (socket.timeout, ConnectionResetError):
                return got
            if not part:
                return got
            got += part


def test_a_body_beyond_the_bound_is_413_and_one_below_is_read(server):
    refused(server, server.call("POST", APPS, raw=b"x" * (5 << 20)), 413)
    refused(server, server.call("POST", APPS, raw=b" " * (4 << 20)), 422, "invalid_json")
    # Also when its length is not said beforehand.
    chunks = (b" " * 65536 for _ in range(80))
    try:
        answer = web.fetch(server.api, "127.0.0.1", f"/api/v1{APPS}", "POST", chunks, {"Authorization": f"Bearer {OWNER_TOKEN}"})
        refused(server, answer, 413)
    except (BrokenPipeError, ConnectionResetError):
        pass   # the server may hang up while we still send
    server.get("/version")


def test_headers_and_request_lines_beyond_the_bound_are_431(server):
    refused(server, server.call("GET", "/version", headers={"X-Long": "x" * 20_000}), 431)
    refused(server, server.call("GET", "/version?q=" + "x" * 20_000), 431)
    refused(server, server.call("GET", "/version", headers={f"X-{n}": "y" for n in range(4000)}), 431)
    assert server.call("GET", "/version", headers={"X-Long": "x" * 8_000}).status == 200


@pytest.mark.parametrize("request_bytes, status", [
    (b"nonsense\r\n\r\n", 400),
    (b"GET /api/v1/version HTTP/1.1\r\n\r\n", 400),                                                     # no Host
    (b"GET /api/v1/version HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"POST /api/v1/version HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", 400),
    (b"POST /api/v1/version HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    (b"GET /api/v1/teams/%00/apps HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /api/v1/teams/a%2fb/apps HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /api/v1/../v1/version HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"GET /api/v1/version?a=%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    (b"BREW /api/v1/version HTTP/1.1\r\nHost: a\r\n\r\n", 501),
])
def test_what_is_no_request_or_could_be_read_in_two_ways_is_refused_with_a_request_id(server, request_bytes, status):
    head, _, body = speak(server, request_bytes).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), head
    assert b"x-request-id:" in head.lower() and b"application/problem+json" in head
    server.validate(json.loads(body), "Problem")


@pytest.mark.parametrize("raw, code", [
    (b"{", "invalid_json"), (b"[1]", "invalid_json"), (b'"name"', "invalid_json"), (b"null", "invalid_json"),
    (b'{"name": "a"} {"name": "b"}', "invalid_json"), (b'{"name": "\xff\xfe"}', "invalid_json"), (b"{'name': 'a'}", "invalid_json"),
    (b"[" * 100_000, "invalid_json"), (b'{"name": ' + b"[" * 5000 + b"]" * 5000 + b"}", "invalid_json"), (b'{"name": NaN}', "invalid_json"),
    (b"", "invalid_body"), (b"{}", "invalid_body"), (b'{"name": 7}', "invalid_body"), (b'{"name": null}', "invalid_body"),
    (b'{"name": "' + b"x" * 70 + b'"}', "invalid_body"), (b'{"nome": "x"}', "invalid_body"), (b'{"name": "good", "more": 1}', "invalid_body"),
])
def test_a_body_that_is_no_json_object_of_the_right_fields_is_422_and_says_what_is_wrong(server, raw, code):
    refused(server, server.call("POST", APPS, raw=raw), 422, code)


def test_every_wrong_field_is_named_at_once(server):
    path = server.app()
    answer = server.call("POST", f"{path}/deployments", {"kind": "scale", "replicas": "many", "cpu_millis": -1, "reset": "yes", "colour": "red"})
    detail = refused(server, answer, 422, "invalid_body")["detail"]
    for word in ("replicas", "cpu_millis", "reset", "colour"):
        assert word in detail, detail
    answer = server.call("PATCH", f"{path}/env", {"set": {"A": 1}, "unset": "B", "stage": 1, "more": {}})
    detail = refused(server, answer, 422, "invalid_body")["detail"]
    for word in ("set", "unset", "stage", "more"):
        assert word in detail, detail


@pytest.mark.parametrize("name", ["loco", "api", "www", "registry", "Upper", "-x", "x-", "9lives", "x" * 41, "", "a.b", "a b", "é", "../x", "a\0b",
                                  "xn--a", "a_b", "'; drop table apps; --", "<script>", "%00", "${HOME}", "$(id)"])
def test_names_that_are_reserved_or_no_labels_are_refused(server, name):
    refused(server, server.call("POST", APPS, {"name": name}), 422)
    assert name not in [item["name"] for item in server.get(f"{APPS}?limit=1000")["items"]]


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=many", "limit=1001", "limit=99999999999999999999", "limit=1e3", "limit= 1"])
def test_a_limit_out_of_bounds_is_422(server, query):
    refused(server, server.call("GET", f"{APPS}?{query.replace(' ', '%20')}"), 422, "invalid_limit")


def test_cursors_that_no_list_gave_are_422(server):
    path = server.app()
    for noun in ("deployments", "releases", "events"):
        for cursor in ("nonsense", "-1", "1x", "dep_", "9" * 40):
            refused(server, server.call("GET", f"{path}/{noun}?cursor={cursor}"), 422, "invalid_cursor")


@pytest.mark.parametrize("query", ["n=-1", "n=x", "after=-1", "after=x", "release=vx", "release=v-1", "since=yesterday", "since=2026-13-01T00:00:00Z", "previous=true&follow=true"])
def test_wrong_queries_of_logs_are_422(server, query):
    refused(server, server.call("GET", f"{server.app()}/logs?{query}"), 422)


def test_unknown_paths_are_404_and_other_methods_405_with_allow(server):
    refused(server, server.call("GET", "/nowhere"), 404, "no_such_path")
    refused(server, server.call("GET", "/"), 404)
    refused(server, server.call("GET", "/teams//apps"), 404)
    refused(server, server.call("GET", f"{APPS}/x/y/z"), 404)
    answer = server.call("PUT", APPS, {})
    refused(server, answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, POST"
    # Every path × every method that it does not have.
    for path, methods in server.openapi["paths"].items():
        concrete = path.removeprefix("/api/v1").replace("{team}", "main").replace("{app}", "x").replace("{id}", "x")
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - {one.upper() for one in methods}:
            answer = server.call(method, concrete, {} if method != "GET" else None)
            assert answer.status == 405 and set(answer.headers["allow"].split(", ")) == {one.upper() for one in methods}, f"{method} {path}"


def test_head_is_get_without_the_body(server):
    path = server.app()
    for one in ("/version", path):
        answer = server.call("HEAD", one)
        assert answer.status == 200 and answer.body == b"" and int(answer.headers["content-length"]) > 10


def test_a_key_of_idempotency_has_bounds_and_is_bound_to_its_request(server):
    key = f"key-{random.getrandbits(64):x}"
    first = server.call("POST", APPS, {"name": f"once-{key[-8:]}"}, headers={"Idempotency-Key": key})
    again = server.call("POST", APPS, {"name": f"once-{key[-8:]}"}, headers={"Idempotency-Key": key})
    assert first.status == again.status == 201 and first.body == again.body
    assert again.headers["idempotency-replayed"] == "true" and "idempotency-replayed" not in first.headers
    other = server.call("POST", APPS, {"name": "another"}, headers={"Idempotency-Key": key})
    refused(server, other, 409, "idempotency_conflict")
    refused(server, server.call("POST", APPS, {"name": "x"}, headers={"Idempotency-Key": "k" * 129}), 422, "invalid_idempotency_key")
    refused(server, server.call("POST", APPS, {"name": "x"}, headers={"Idempotency-Key": ""}), 422, "invalid_idempotency_key")
    # A refusal is an answer like others: it is kept. Without the key it is another request.
    refused(server, server.call("POST", APPS, {"name": f"once-{key[-8:]}"}), 409, "app_exists")


def test_a_key_of_idempotency_is_its_users_own(server):
    key = f"shared-{random.getrandbits(64):x}"
    mine = server.call("POST", APPS, {"name": f"mine-{key[-8:]}"}, headers={"Idempotency-Key": key})
    theirs = server.call("POST", "/teams/other/apps", {"name": f"mine-{key[-8:]}"}, headers={"Idempotency-Key": key}, token=None,
                         authorization=server.people["other_teams_owner"].authorization)
    assert mine.status == theirs.status == 201 and mine.json()["id"] != theirs.json()["id"]


def test_of_many_equal_requests_at_once_with_one_key_exactly_one_is_done(server):
    key = f"race-{random.getrandbits(64):x}"
    path = server.app()
    body = {"kind": "deploy", "spec": server.spec(path)}
    answers: list[web.Answer] = []
    threads = [threading.Thread(target=lambda: answers.append(
        server.call("POST", f"{path}/deployments", body, headers={"Idempotency-Key": key}))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == 8
    assert {answer.status for answer in answers} <= {201, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status == 201}) == 1
    assert len(server.get(f"{path}/deployments")["items"]) == 1


def test_a_retry_after_a_crash_in_the_middle_is_done_once(own_server):
    """The key was taken and the server died: the record says so, and the next server runs the request."""
    one = own_server().start()
    one.post(APPS, {"name": "first"}, headers={"Idempotency-Key": "again"})
    one.change("UPDATE idempotency_keys SET status = 0, body = ?", (one.data / "db/server.id").read_text())
    refused(one, one.call("POST", APPS, {"name": "first"}, headers={"Idempotency-Key": "again"}), 409, "idempotency_conflict")
    with one.offline() as database:
        database.execute("DELETE FROM hosts")
        database.execute("DELETE FROM apps")
    one.post(APPS, {"name": "first"}, headers={"Idempotency-Key": "again"})
    assert [item["name"] for item in one.get(APPS)["items"]] == ["first"]


def test_slow_clients_hold_no_one_up_and_are_given_up(server):
    slow = []
    try:
        for _ in range(300):
            one = socket.create_connection(("127.0.0.1", server.api), 5)
            one.sendall(b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            slow.append(one)
        for _ in range(20):
            assert web.fetch(server.api, "127.0.0.1", "/api/v1/version", timeout=2).status == 200
        slow[0].settimeout(20)
        last = slow[0].recv(4096)
        assert last == b"" or b" 408 " in last, last
    finally:
        for one in slow:
            one.close()


def test_every_operation_of_the_description_is_served_and_every_answer_is_described(server):
    assert server.openapi["openapi"].startswith("3.1")
    names = [one["operationId"] for methods in server.openapi["paths"].values() for one in methods.values()]
    assert len(names) == len(set(names)) and len(names) >= 20
    references = json.dumps(server.openapi)
    for name in {part.split('"')[0] for part in references.split("#/components/schemas/")[1:]}:
        assert name in server.openapi["components"]["schemas"], name
    assert describe(server.openapi, "GET", f"{APPS}/x/logs")["operationId"] == "get_logs"
