"""loco-api on PostgreSQL: the same API; what is there after a restart of either; two servers on one database."""
import os
import shutil

import pytest

from support.postgres import Postgres
from support.server import Stream
from support.wait import until


@pytest.fixture(scope="module")
def postgres():
    one = Postgres()
    try:
        yield one.start()
    finally:
        one.remove()


def kinds(server, app: str) -> list[str]:
    return [event["kind"] for event in server.get(f"{app}/events")["items"]]


def test_apps_deployments_and_events_are_there_after_a_restart_of_the_server_and_of_postgresql(postgres, own_server):
    database = postgres.new_database()
    server = own_server(store=postgres.store(database)).start()
    app = server.app("shop")
    deployment = f"{app}/deployments/{server.deployment(app)['id']}"
    before = kinds(server, app)
    assert "deployment.building" in before, before
    server.stop()
    server.start()
    assert kinds(server, app) == before
    assert server.get(deployment)["state"] == "building"
    postgres.stop()
    assert server.call("GET", app).status == 503
    postgres.start()
    until(lambda: server.call("GET", app).status == 200, 10, "the database is reached again")
    server.post(f"{deployment}/cancel", expect=202)
    assert kinds(server, app) == [*before, "deployment.cancelled"]
    assert not (server.data / "db" / "loco.db").exists()


def test_two_servers_on_one_database_see_each_others_apps_and_events_at_once(postgres, own_server):
    store = postgres.store(postgres.new_database())
    one = own_server(store=store).start()
    two = own_server(store=store)
    (two.data / "keys").mkdir(mode=0o700)
    shutil.copy(one.data / "keys" / "seal.key", two.data / "keys" / "seal.key")
    two.start()
    app = one.app("shop")
    deployment = f"{app}/deployments/{one.deployment(app)['id']}"
    assert two.get(deployment)["state"] == "building"
    stream = Stream(two, f"{deployment}/events")
    until(lambda: stream.events(), 10, "what was before")
    one.post(f"{deployment}/cancel", expect=202)
    assert stream.ended.wait(5), "the stream of the other server did not hear of it"
    assert [event.event for event in stream.events()][-2:] == ["deployment.cancelled", "end"]
    stream.close()
    assert kinds(one, app) == kinds(two, app)


def test_a_name_is_given_once_however_many_servers_are_asked(postgres, own_server):
    store = postgres.store(postgres.new_database())
    servers = [own_server(store=store) for _ in range(2)]
    servers[0].start()
    (servers[1].data / "keys").mkdir(mode=0o700)
    shutil.copy(servers[0].data / "keys" / "seal.key", servers[1].data / "keys" / "seal.key")
    servers[1].start()
    answers = sorted(server.call("POST", "/teams/main/apps", {"name": "once"}).status for server in servers)
    assert answers == [201, 409], answers


def test_a_password_in_the_configuration_is_refused_and_no_error_or_log_shows_one(postgres, own_server):
    database = postgres.new_database()
    server = own_server(store=postgres.target(database))
    for command in ("check-config", "serve", "migrate"):
        refused = server.command(command, "--config", str(server.config_file))
        assert refused.status == 2 and "password" in refused.err, str(refused)
        assert Postgres.PASSWORD not in refused.out + refused.err
    wrong = own_server(store=postgres.store(database))
    wrong.command("migrate", "--config", str(wrong.config_file))
    file = postgres.folder / f"{database}.target"
    file.write_text(file.read_text().replace(Postgres.PASSWORD, "another-word"))
    refused = wrong.command("serve", "--config", str(wrong.config_file))
    assert refused.status == 8 and "password authentication failed" in refused.err, str(refused)
    assert "another-word" not in refused.err


def test_the_environment_names_the_store_too_with_its_password(postgres, own_server):
    database = postgres.new_database()
    server = own_server()
    done = server.command("migrate", "--config", str(server.config_file), env=os.environ | {"LOCO_STORE": postgres.target(database)})
    assert done.status == 0, str(done)
    assert postgres.sql(database, "SELECT count(*) FROM schema_migrations") != [["0"]]


def test_beside_a_running_server_a_command_makes_the_first_owner_and_gives_them_another_token_when_asked_again(postgres, own_server):
    server = own_server(store=postgres.store(postgres.new_database()), external_url="https://loco.example.org")
    (server.data / "bootstrap.json").unlink()
    server.start()
    assert server.call("GET", "/me").status == 401
    made = server.command("new-owner", "--config", server.config_file, "--login", "ada")
    assert made.status == 0 and "https://loco.example.org" in made.err, str(made)
    tokens = [made.out.strip()]
    assert tokens[0] not in made.err + server.log.read_text()

    def ask(token: str) -> int:
        return server.call("GET", "/me", token=token).status
    assert ask(tokens[0]) == 200
    tokens.append(server.command("new-owner", "--config", server.config_file, "--login", "ada").out.strip())
    assert [ask(token) for token in tokens] == [401, 200]
    refused = server.command("new-owner", "--config", server.config_file, "--login", "Ada L")
    assert refused.status == 2 and "Ada L" in refused.err, str(refused)


def test_with_sqlite_no_owner_is_made_beside_a_running_server(own_server):
    server = own_server().start()
    refused = server.command("new-owner", "--config", server.config_file, "--login", "ada")
    assert refused.status == 9 and refused.out == "", str(refused)


def test_a_key_that_another_server_runs_is_not_taken_over_before_no_request_can_run_any_more(postgres, own_server):
    database = postgres.new_database()
    one = own_server(store=postgres.store(database)).start()
    two = own_server(store=postgres.store(database))
    (two.data / "keys").mkdir(mode=0o700)
    shutil.copy(one.data / "keys" / "seal.key", two.data / "keys" / "seal.key")
    key = {"Idempotency-Key": "once"}
    one.post("/teams/main/apps", {"name": "first"}, headers=key)
    postgres.sql(database, f"UPDATE idempotency_keys SET status = 0, body = '{(one.data / 'db/server.id').read_text()}'")
    two.start()   # later than the key: that says nothing of the other server
    ask = lambda server: server.call("POST", "/teams/main/apps", {"name": "first"}, headers=key)  # noqa: E731
    assert [ask(server).json()["code"] for server in (one, two)] == ["idempotency_conflict"] * 2
    one.restart()
    answer = ask(one)   # it knows that it did not end: the request is run, and finds the app there
    assert answer.status == 409 and answer.json()["code"] != "idempotency_conflict", answer.text
    postgres.sql(database, "UPDATE idempotency_keys SET status = 0, body = 'gone', created_at = created_at - 121 * 10^9::bigint")
    answer = ask(two)
    assert answer.status == 409 and answer.json()["code"] != "idempotency_conflict", answer.text
