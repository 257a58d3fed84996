"""What comes through the gateway: paths, WebSockets, events, bodies, headers, and the pages that Loco itself answers with."""
import json
import re
import threading
import time

import pytest

from support import web
from support.wait import until


def test_the_longest_path_prefix_wins_and_is_stripped_where_asked(loco, app):
    folder = app("paths").toml('[[ports]]\nname = "admin"\nport = 9090\npath = "/admin"\nstrip_path = true\n[env]\nEXTRA_PORT = "9090"')
    loco.deploy(folder)
    until(lambda: loco.fetch("paths", "/admin/x").json()["version"] == "extra", 10)
    assert loco.fetch("paths", "/admin/x").json()["path"] == "/x"
    assert loco.fetch("paths", "/admin").json()["path"] == "/"
    for path in ("/", "/administrator", "/x/admin"):
        answer = loco.fetch("paths", path).json()
        assert (answer["version"], answer["path"]) == ("1", path)


def test_an_app_under_a_prefix_answers_there_only(loco, app):
    loco.deploy(app("prefixed").toml(http='port = 8080\npath = "/api"'))
    assert loco.fetch("prefixed", "/api/v2").json()["path"] == "/api/v2"
    assert loco.fetch("prefixed", "/apiary").status == 404
    assert loco.fetch("prefixed", "/").status == 404


def test_websockets_pass_and_outlive_what_happens_to_other_apps(loco, app):
    loco.deploy(app("talk"))
    socket = web.WebSocket(loco.gateway, "talk.localhost")
    socket.echo("hello")
    socket.echo("x" * 100_000)
    loco.deploy(app("neighbour"))
    loco.run("scale", "--replicas", "2", "-a", "neighbour")
    socket.echo("still here")
    socket.close()


def test_server_sent_events_arrive_one_by_one(loco, app):
    loco.deploy(app("ticker"))
    at = [(event.data, time.monotonic()) for event in web.server_sent_events(loco.gateway, "ticker.localhost", "/sse?n=4&every_ms=300")]
    assert [data for data, _ in at] == [f"event {number}" for number in range(1, 5)]
    assert all(later - earlier > 0.15 for (_, earlier), (_, later) in zip(at, at[1:])), "they came in one heap"


def test_large_and_chunked_bodies_pass_both_ways(loco, app):
    loco.deploy(app("porter"))
    body = bytes(range(256)) * (32 << 10)
    assert loco.fetch("porter", "/echo", method="POST", body=body, timeout=60).body == body
    chunks = [bytes([number]) * 70_000 for number in range(50)]
    assert loco.fetch("porter", "/echo", method="POST", body=iter(chunks), timeout=60).body == b"".join(chunks)
    assert len(loco.fetch("porter", "/big?bytes=30000000", timeout=60).body) == 30_000_000


def test_the_app_learns_who_asked_and_how(loco, app):
    loco.deploy(app("seen"))
    text = loco.fetch("seen", "/headers", headers={"X-Forwarded-For": "6.6.6.6", "X-Forwarded-Proto": "https"}).text.lower()
    assert "x-forwarded-for: 127.0.0.1" in text and "6.6.6.6" not in text
    assert "x-forwarded-proto: http\r\n" in text and "x-forwarded-host: seen.localhost" in text


def test_host_names_match_whatever_their_case_port_or_final_dot(loco, app):
    loco.deploy(app("named"))
    for host in ("NAMED.localhost", f"named.localhost:{loco.gateway}", "named.localhost."):
        assert loco.fetch("named", host=host).status == 200, host
    assert loco.fetch("named", host="xnamed.localhost").status == 404


@pytest.mark.one_machine("a cluster's gateway has its own pages")
def test_an_unknown_host_and_a_stopped_app_get_pages_of_loco(loco, app):
    answer = loco.fetch("nobody")
    assert answer.status == 404 and answer.json()["code"] == "unknown_host"
    page = loco.fetch("nobody", headers={"Accept": "text/html"})
    assert page.status == 404 and page.headers["content-type"].startswith("text/html") and "<html" in page.text
    loco.deploy(app("paused"))
    loco.run("scale", "--replicas", "0", "-a", "paused")
    until(lambda: loco.fetch("paused").status == 503, 20)
    assert "<html" in loco.fetch("paused", headers={"Accept": "text/html"}).text


@pytest.mark.one_machine("the chart makes that route: tests/kubernetes/test_chart.py")
def test_the_api_answers_under_its_own_name_behind_the_gateway(loco):
    answer = web.fetch(loco.gateway, "loco.localhost", "/api/v1/version")
    assert answer.status == 200 and answer.json()
    assert answer.headers.get("x-request-id")


def test_a_slow_answer_of_the_old_release_is_finished_during_a_redeploy(loco, app):
    folder = app("patient")
    loco.deploy(folder)
    answers: list[web.Answer] = []
    asking = threading.Thread(target=lambda: answers.append(loco.fetch("patient", "/slow?ms=3000", timeout=30)))
    asking.start()
    loco.deploy(folder.image("2"))
    asking.join(30)
    assert [answer.status for answer in answers] == [200]
    assert loco.release("patient") == "v2"


@pytest.mark.one_machine("requests pass a gateway that Loco does not read the counters of")
def test_status_counts_the_requests_of_an_app(loco, app):
    loco.deploy(app("counted"))
    for _ in range(20):
        loco.fetch("counted")

    def requests() -> int:
        found = re.findall(r'"requests(?:_total)?": ?(\d+)', json.dumps(loco.status("counted")))
        return max(map(int, found))
    until(lambda: requests() >= 20, 15, "20 requests in loco status --json")
