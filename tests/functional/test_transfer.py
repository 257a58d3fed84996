"""`loco-api migrate --from … --to …`: an instance's rows go from SQLite to PostgreSQL and back, whole or not at all."""
import contextlib
import json
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from support.platform import BINARIES
from support.postgres import Postgres
from support.wait import until

TABLES = ("users", "teams", "memberships", "tokens", "apps", "env_versions", "deployments", "releases", "instances", "hosts", "idempotency_keys", "events")


@pytest.fixture(scope="module")
def postgres():
    one = Postgres()
    try:
        yield one.start()
    finally:
        one.remove()


@pytest.fixture
def filled(own_server):
    """A stopped server on SQLite with an app that has releases, sealed values, hosts, and many events."""
    server = own_server()
    server.people = server.populate()
    server.start()
    app = server.app("shop")
    server.patch(f"{app}/env", {"set": {"SECRET": "sealed-9f1c"}, "stage": True})
    server.make_live(app)
    server.deployment(app, more='[env]\nPLAIN = "zero\\u0001 and ü"\n')
    server.stop()
    with contextlib.closing(sqlite3.connect(server.database)) as database:
        database.execute("INSERT INTO events (team, actor, kind, message, data, at) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)"
                         " SELECT (SELECT min(id) FROM teams), 'loco', 'made.up', 'number ' || i, '', i FROM n")
        database.commit()
    return server


def move(server, source: str, target: str, expect: int = 0):
    done = server.command("migrate", "--from", source, "--to", target)
    assert done.status == expect, str(done)
    return done


def plain(rows: list[tuple]) -> list[str]:
    """In one order, and JSON (which the tests' own rows have with spaces) in one form."""
    def value(each):
        return json.dumps(json.loads(each), sort_keys=True) if isinstance(each, str) and each[:1] in ("{", "[") else each
    return sorted(repr([value(each) for each in row]) for row in rows)


def counts(database) -> dict[str, int]:
    return {table: database(f"SELECT count(*) FROM {table}") for table in TABLES}


def test_an_instance_moves_to_postgresql_and_back_and_goes_on_there(postgres, filled, own_server, tmp_path):
    name = postgres.new_database()
    target = postgres.store(name)
    assert "moved; every row was compared" in move(filled, f"sqlite:{filled.data}", target).out
    sqlite = counts(lambda sql: filled.rows(sql)[0][0])
    assert counts(lambda sql: int(postgres.sql(name, sql)[0][0])) == sqlite and sqlite["events"] > 30_000 and sqlite["releases"] == 2, sqlite
    assert "there already" in move(filled, f"sqlite:{filled.data}", target).out
    # Back into a folder of its own: the same rows.
    back = tmp_path / "back"
    move(filled, target, f"sqlite:{back}")
    with contextlib.closing(sqlite3.connect(back / "db/loco.db")) as database:
        for table in TABLES:
            assert plain(database.execute(f"SELECT * FROM {table}").fetchall()) == plain(filled.rows(f"SELECT * FROM {table}")), table
    # A server on it has the same app, opens what was sealed, and counts its events on.
    server = own_server(store=target)
    shutil.rmtree(server.data)
    server.data.mkdir(mode=0o700)
    shutil.copytree(filled.data / "keys", server.data / "keys")
    server.start()
    app = "/teams/main/apps/shop"
    assert server.get(app)["name"] == "shop" and [each["release"] for each in server.get(f"{app}/releases")["items"]] == ["v2", "v1"]
    last = int(postgres.sql(name, "SELECT max(seq) FROM events")[0][0])
    server.patch(f"{app}/env", {"set": {"MORE": "x"}, "stage": True})
    assert int(postgres.sql(name, "SELECT max(seq) FROM events")[0][0]) == last + 1
    assert server.get(f"{app}/deployments")["items"][0]["state"] == "building"   # its spec could be opened
    # While it serves nothing is moved from or to its database.
    until(lambda: "this server leads" in server.log.read_text(), 10)
    for words in ((target, f"sqlite:{tmp_path / 'else'}"), (f"sqlite:{filled.data}", target)):
        assert "a loco-api uses" in move(server, *words, expect=9).err
    filled.start()
    assert "another loco-api uses" in move(filled, f"sqlite:{filled.data}", postgres.store(postgres.new_database()), expect=9).err


def test_a_move_that_is_killed_leaves_nothing_and_is_begun_anew(postgres, filled):
    name = postgres.new_database()
    target = postgres.store(name)
    killed = 0
    for after in (0.3, 0.6, 1.0, 1.5):
        process = subprocess.Popen([BINARIES / "loco-api", "migrate", "--from", f"sqlite:{filled.data}", "--to", target],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + after
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0, deadline - time.monotonic()))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
            until(lambda: postgres.sql("postgres", f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'") == [["0"]], 10, "its sessions end")
            there = postgres.sql(name, "SELECT count(*) FROM information_schema.tables WHERE table_name = 'users'") == [["1"]]
            assert not there or postgres.sql(name, "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM events)") == [["0", "0"]]
    assert killed > 0
    move(filled, f"sqlite:{filled.data}", target)
    assert postgres.sql(name, "SELECT count(*) FROM events") == [[str(filled.rows("SELECT count(*) FROM events")[0][0])]]


def test_a_target_with_rows_of_its_own_and_an_empty_source_are_refused(postgres, filled, own_server, tmp_path):
    name = postgres.new_database()
    target = postgres.store(name)
    move(filled, f"sqlite:{filled.data}", target)
    postgres.sql(name, "UPDATE apps SET name = 'other'")
    assert "apps" in move(filled, f"sqlite:{filled.data}", target, expect=6).err
    assert postgres.sql(name, "SELECT name FROM apps WHERE name = 'other'") == [["other"]]
    assert "no database" in move(filled, f"sqlite:{tmp_path / 'nowhere'}", target, expect=4).err
    assert not (tmp_path / "nowhere").exists()
    assert "no rows" in move(filled, postgres.store(postgres.new_database()), f"sqlite:{tmp_path / 'new'}", expect=6).err
    for words in (["--from", target], ["--to", target], ["--from", "sqlite", "--to", target], ["--from", "mysql:x", "--to", target],
                  ["--from", postgres.target(name), "--to", f"sqlite:{tmp_path / 'new'}"]):
        refused = filled.command("migrate", *words)
        assert refused.status == 2 and Postgres.PASSWORD not in refused.out + refused.err, str(refused)
