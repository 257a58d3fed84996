"""loco-api as a process: configuration, health, start, stop, and what a crash leaves."""
import json
import signal
import socket
import sqlite3
import threading
import time

import pytest

from support import web
from support.server import OWNER_TOKEN, Stream
from support.wait import until


def ops(server, path: str) -> web.Answer:
    return web.fetch(server.ops, "127.0.0.1", path)


def test_without_an_engine_it_serves_and_is_alive_but_not_ready_and_says_why(server):
    assert ops(server, "/healthz").text == "ok\n"
    ready = ops(server, "/readyz")
    assert ready.status == 503
    parts = ready.json()["parts"]
    assert ready.json()["ready"] is False and parts["store"] == "ok"
    assert "no-engine.sock" in parts["engine"], parts
    assert parts["gateway"] != "ok"


def test_it_is_alive_while_readyz_waits_for_an_engine_that_hangs(own_server):
    one = own_server()
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(one.config["engine_socket"])
        engine.listen(100)   # connections are taken and never answered
        one.start()
        with socket.create_connection(("127.0.0.1", one.ops), 10) as waiting:
            waiting.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
            for _ in range(5):
                began = time.monotonic()
                assert ops(one, "/healthz").text == "ok\n"
                assert time.monotonic() - began < 1
            waiting.setblocking(False)
            with pytest.raises(BlockingIOError):
                waiting.recv(1)
        one.stop(signal.SIGKILL)


def test_metrics_count_requests_in_prometheus_text_format(server):
    server.get("/version")
    answer = ops(server, "/metrics")
    assert answer.status == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in answer.text.splitlines() if "get_version" in line]
    assert lines, answer.text[:2000]
    assert "loco_apps" in answer.text


def test_health_is_served_by_the_own_listener_only_and_the_api_by_the_other(server):
    assert server.call("GET", "/../../healthz").status in (400, 404)
    assert web.fetch(server.api, "127.0.0.1", "/metrics").status == 404
    assert ops(server, "/api/v1/version").status == 404
    assert web.fetch(server.ops, "127.0.0.1", "/healthz", "POST", b"").status == 405


def test_version_is_the_same_everywhere(server):
    version = server.get("/version", token=None)
    assert version["name"] == "loco" and version["api"] == "v1"
    assert server.command("version").out == f"loco-api {version['version']}\n"
    assert server.loco("--version").out == f"loco {version['version']}\n"
    assert server.openapi["info"]["version"] == version["version"]


def test_a_second_server_on_the_same_data_is_refused_with_a_clear_message(server):
    second = server.command("serve", "--config", str(server.config_file))
    assert second.status == 9, str(second)
    assert "another loco-api uses" in second.err and str(server.data) in second.err, str(second)
    assert server.command("migrate", "--config", str(server.config_file)).status == 9
    server.get("/me")


def test_an_address_that_is_taken_is_named(own_server):
    one = own_server()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", one.api))
        taken.listen()
        done = one.command("serve", "--config", str(one.config_file))
    assert done.status == 8 and f"127.0.0.1:{one.api}" in done.err, str(done)


def test_sigterm_ends_it_within_seconds_also_while_streams_are_open(own_server):
    one = own_server().start()
    path = one.app()
    deployment = one.deployment(path)
    streams = [Stream(one, f"{path}/deployments/{deployment['id']}/events") for _ in range(5)]
    streams += [Stream(one, f"{path}/logs?follow=true") for _ in range(5)]
    until(lambda: streams[0].events(), 10, "the stream has begun")
    began = time.monotonic()
    assert one.stop(signal.SIGTERM, within=5) == 0
    assert time.monotonic() - began < 5
    for stream in streams:
        assert stream.ended.wait(5)
        stream.close()
    one.start()
    assert one.get(f"{path}/deployments/{deployment['id']}")["state"] == "building"


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_a_request_that_runs_when_sigterm_comes_is_finished(own_server):
    one = own_server().start()
    path = one.app()
    deployment = one.deployment(path)
    target = f"/api/v1{path}/deployments/{deployment['id']}/build-log"
    body = b"half a line"
    with socket.create_connection(("127.0.0.1", one.api), 10) as connection:
        connection.sendall(f"POST {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {OWNER_TOKEN}\r\nContent-Length: {len(body)}\r\n"
                           "Expect: 100-continue\r\n\r\n".encode())
        assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"  # now it runs
        connection.sendall(body[:4])
        one.process.send_signal(signal.SIGTERM)
        until(lambda: not accepts(one.api), 10, "it takes no more connections")
        connection.sendall(body[4:])
        head = connection.recv(4096)
    assert one.process.wait(10) == 0
    one.process = None
    assert head.startswith(b"HTTP/1.1 204"), head


def test_requests_that_come_while_it_starts_are_answered_or_refused_and_never_its_end(own_server):
    one = own_server()
    over = threading.Event()

    def hammer() -> None:
        while not over.is_set():
            try:
                web.fetch(one.api, "127.0.0.1", "/api/v1/version", timeout=5)
            except (OSError, web.http.client.HTTPException):
                pass

    clients = [threading.Thread(target=hammer) for _ in range(3)]
    for client in clients:
        client.start()
    try:
        for _ in range(15):
            one.start()
            one.stop(signal.SIGKILL)
    finally:
        over.set()
        for client in clients:
            client.join(10)


def test_what_was_acknowledged_is_there_after_kill_9(own_server):
    one = own_server().start()
    names = []
    for turn in range(8):
        name = f"kept-{turn}"
        one.post("/teams/main/apps", {"name": name})
        one.stop(signal.SIGKILL)
        names.append(name)
        one.start()
        assert [item["name"] for item in one.get("/teams/main/apps")["items"]] == names
    assert sqlite3.connect(one.database).execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_of_concurrent_writes_every_acknowledged_one_survives_a_kill_and_no_other_half(own_server):
    one = own_server().start()
    acknowledged: list[str] = []

    def write(worker: int) -> None:
        for turn in range(1000):
            try:
                if one.call("POST", "/teams/main/apps", {"name": f"w{worker}-{turn}"}).status == 201:
                    acknowledged.append(f"w{worker}-{turn}")
            except (OSError, web.http.client.HTTPException):
                return

    workers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    until(lambda: len(acknowledged) > 40, 30, "some writes are acknowledged")
    one.stop(signal.SIGKILL)
    for worker in workers:
        worker.join(30)
    one.start()
    there = {item["name"] for item in one.get("/teams/main/apps?limit=1000")["items"]}
    assert not set(acknowledged) - there, "an acknowledged write is lost"
    assert len(there - set(acknowledged)) <= len(workers), "more was written than was under way"
    for name in there:   # each with its host and its event, or not at all
        assert one.get(f"/teams/main/apps/{name}")["urls"], name
    events = one.rows("SELECT count(*) FROM events WHERE kind = 'app.created'")[0][0]
    assert events == len(there)


def test_the_first_owner_is_made_once_however_often_it_starts(own_server):
    one = own_server()
    file = one.data / "bootstrap.json"
    text = file.read_text()
    one.start()
    assert not file.exists(), "no key is left lying there"
    file.write_text(text)   # as if it had been killed before it could remove it
    one.restart()
    assert not file.exists()
    one.restart()
    assert one.rows("SELECT count(*) FROM users")[0][0] == one.rows("SELECT count(*) FROM tokens")[0][0] == 1
    me = one.get("/me")
    assert me["login"] == "olga" and me["teams"] == [{"slug": "main", "role": "owner", "first": True}] and me["scopes"] == ["*"]


def test_a_malformed_bootstrap_file_is_refused(own_server):
    one = own_server()
    (one.data / "bootstrap.json").write_text('{"login": "olga"}')
    done = one.command("serve", "--config", str(one.config_file))
    assert done.status == 2 and "bootstrap.json" in done.err, str(done)


def test_its_files_are_private_and_the_token_is_kept_hashed_only(server):
    server.get("/me")
    assert server.data.stat().st_mode & 0o777 == 0o700
    for path in (server.data / "keys").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    for path, content in server.content().items():
        assert OWNER_TOKEN.encode() not in content, path


@pytest.mark.parametrize("line, words", [
    ('lissten = "127.0.0.1:1"', ["lissten"]),
    ('listen = 8081', ["listen", "string"]),
    ('listen = "localhost:8081"', ["listen", "localhost:8081", "IPv4"]),
    ('ops_listen = "127.0.0.1:70000"', ["ops_listen", "70000"]),
    ('engine_is_ours = "yes"', ["engine_is_ours", "true or false"]),
    ('data_dir = "relative"', ["data_dir", "absolute"]),
    ('base_domain = ""', ["base_domain"]),
    ('log_level = "chatty"', ["log_level", "warning"]),
    ('listen = ', ["bad.toml:1:"]),
])
def test_check_config_names_what_is_wrong(server, tmp_path, line, words):
    (tmp_path / "bad.toml").write_text(line + "\n")
    for command in ("check-config", "serve", "migrate"):
        done = server.command(command, "--config", str(tmp_path / "bad.toml"))
        assert done.status == 2, str(done)
        for word in words:
            assert word in done.err, str(done)


def test_check_config_tells_all_mistakes_at_once_and_accepts_a_good_file(server, tmp_path):
    (tmp_path / "bad.toml").write_text('one = 1\ntwo = 2\nlisten = "x"\nlog_level = "x"\n')
    done = server.command("check-config", "--config", str(tmp_path / "bad.toml"))
    assert done.status == 2 and all(word in done.err for word in ("one", "two", "listen", "log_level")), str(done)
    assert server.command("check-config", "--config", str(server.config_file)).status == 0


def test_a_missing_configuration_and_wrong_usage_have_their_exit_statuses(server, tmp_path):
    missing = server.command("serve", "--config", str(tmp_path / "none.toml"))
    assert missing.status == 4 and "none.toml" in missing.err, str(missing)
    assert server.command("sreve").status == 2
    assert server.command().status == 2
    helped = server.command("--help")
    assert helped.status == 0
    for word in ("serve", "check-config", "migrate", "version"):
        assert word in helped.out


def test_migrate_makes_the_database_and_may_be_repeated(own_server):
    one = own_server()
    for _ in range(2):
        done = one.command("migrate", "--config", str(one.config_file))
        assert done.status == 0 and "up to date" in done.out, str(done)
    one.start()
    one.get("/me")


def test_a_database_of_a_newer_or_another_program_is_refused_and_left_as_it_is(own_server):
    one = own_server()
    assert one.command("migrate", "--config", str(one.config_file)).status == 0
    with sqlite3.connect(one.database) as database:
        database.execute("INSERT INTO schema_migrations VALUES (999, 'from the future', 'x', 0)")
    database.close()
    for command in ("migrate", "serve"):
        done = one.command(command, "--config", str(one.config_file))
        assert done.status == 6 and "newer" in done.err and "from the future" in done.err, str(done)
    other = own_server()
    (other.data / "db").mkdir(parents=True)
    with sqlite3.connect(other.database) as database:
        database.execute("CREATE TABLE recipes (name TEXT)")
    database.close()
    done = other.command("serve", "--config", str(other.config_file))
    assert done.status == 6 and "not one of Loco's" in done.err, str(done)
    assert other.rows("SELECT name FROM sqlite_schema") == [("recipes",)]


def test_while_another_program_holds_the_database_writes_are_503_and_reads_go_on(own_server):
    one = own_server().start()
    with sqlite3.connect(one.database, isolation_level=None) as holder:
        holder.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        answer = one.call("POST", "/teams/main/apps", {"name": "held"}, timeout=40)
        assert answer.status == 503 and answer.headers["retry-after"], answer.text
        assert time.monotonic() - began < 30
        assert one.get("/teams/main/apps")["items"] == []   # reads go on
        holder.execute("ROLLBACK")
    holder.close()
    one.post("/teams/main/apps", {"name": "held"})
    assert ops(one, "/healthz").status == 200


def test_log_lines_are_json_with_the_request_id_of_the_answer(server):
    path = server.app()
    answer = server.call("GET", path)
    lines = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    mine = [line for line in lines if line.get("request_id") == answer.headers["x-request-id"]]
    assert mine and any(str(line.get("status")) == "200" for line in mine), lines[-3:]


def test_without_the_key_of_the_sealed_values_it_does_not_start_and_with_a_new_one_all_but_them_is_there(own_server):
    one = own_server().start()
    path = one.app("locked")
    one.make_live(path, more='[env]\nLEVEL = "info"\n')
    one.restart()
    one.stop()
    (one.data / "keys/seal.key").unlink()
    with pytest.raises(RuntimeError, match="(?s)key of the apps' sealed values is gone.*new-key"):
        one.start()
    one.process = None
    assert one.command("new-key", "--config", one.config_file).status == 0
    assert one.command("new-key", "--config", one.config_file).status == 9
    one.start()
    assert one.call("GET", path).json()["name"] == "locked"
    assert one.call("GET", f"{path}/deployments").json()["items"]
    assert one.call("GET", f"{path}/releases").json()["items"]
    # Its release can't be used again, and says why; a deploy can, as it brings its [env] along.
    again = one.post(f"{path}/deployments", {"kind": "redeploy"})
    assert again["state"] == "checking"
    assert one.call("POST", f"{path}/deployments/{again['id']}/cancel").status in (200, 202, 204, 409)
    assert one.deployment(path, '[env]\nLEVEL = "info"\n')["state"] == "building"
    assert one.call("DELETE", path).status in (200, 202, 204)
