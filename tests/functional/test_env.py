"""Variables: set, listed by name, and never told again by anything."""
import base64
import random
import urllib.parse

import pytest


def canary() -> str:
    return f"canary-{random.getrandbits(96):x}"


def names(server, app: str) -> list[str]:
    return [item["name"] for item in server.get(f"{app}/env")["items"]]


def test_names_and_versions_are_told_and_values_never(server):
    app = server.app()
    assert server.get(f"{app}/env") == {"version": 0, "live_version": None, "items": []}
    changed = server.patch(f"{app}/env", {"set": {"B": "two", "A": "one"}})
    assert changed == {"version": 1, "deployment": None}
    assert names(server, app) == ["A", "B"]
    assert server.patch(f"{app}/env", {"set": {"C": "3"}, "unset": ["A", "NEVER_SET"]})["version"] == 2
    assert names(server, app) == ["B", "C"]
    assert server.patch(f"{app}/env", {"unset": ["NEVER_SET"]})["version"] == 2, "nothing changed, no version"
    answer = server.call("GET", f"{app}/env")
    assert "two" not in answer.text
    message = server.get(f"{app}/events")["items"][-1]["message"]
    assert "sets C" in message and "unsets" in message


@pytest.mark.parametrize("name", ["", "1A", "A-B", "A B", "A=B", "é", "PORT", "LOCO_APP", "A\0B", "A" * 300])
def test_names_that_can_be_no_variable_are_refused(server, name):
    app = server.app()
    assert server.call("PATCH", f"{app}/env", {"set": {name: "x"}}).status == 422
    assert server.call("PATCH", f"{app}/env", {"unset": [name]}).status == 422
    assert server.get(f"{app}/env")["version"] == 0


@pytest.mark.parametrize("body", [
    {}, {"set": {}}, {"set": []}, {"set": {"A": 1}}, {"set": {"A": None}}, {"unset": "A"}, {"unset": [1]}, {"set": {"A": "1"}, "unset": ["A"]},
    {"set": {"A": "x" * (64 * 1024 + 1)}}, {"set": {"A": "a\0b"}}, {"set": {f"N{n}": "x" for n in range(2000)}}, {"set": {"A": "1"}, "stage": "no"},
])
def test_changes_beyond_the_bounds_are_refused_whole(server, body):
    app = server.app()
    assert server.call("PATCH", f"{app}/env", body).status == 422
    assert server.get(f"{app}/env")["version"] == 0


def test_a_refusal_does_not_repeat_the_value(server):
    app, secret = server.app(), canary()
    for body in ({"set": {"GOOD": secret, "1BAD": secret}}, {"set": {"A": secret}, "unset": ["A"]}, {"set": {"A": secret}, "more": secret},
                 {"set": {"A": secret + "\0"}}, {"set": secret}):
        answer = server.call("PATCH", f"{app}/env", body)
        assert answer.status == 422 and secret not in answer.text, answer.text
    assert secret not in server.call("PATCH", f"{app}/env", raw=f'{{"set": {{"A": "{secret}"'.encode()).text
    assert secret.encode() not in server.log.read_bytes()


def test_canaries_are_found_nowhere_in_database_journal_logs_or_answers(own_server):
    one = own_server().start()   # log_level debug
    app = one.app("keeper")
    canaries = [canary() for _ in range(50)]
    for number in range(0, 50, 5):
        one.patch(f"{app}/env", {"set": {f"SECRET_{n}": canaries[n] for n in range(number, number + 5)}})
    one.loco("env", "set", "FROM_STDIN", "-a", "keeper", stdin=canaries[0] + "\n")
    one.loco("env", "set", f"FROM_ARGUMENT={canaries[1]}", "-a", "keeper")
    one.call("PATCH", f"{app}/env", {"set": {"KEYED": canaries[2]}}, headers={"Idempotency-Key": "one"})
    in_spec = [canary() for _ in range(5)]
    one.deployment(app, "[env]\n" + "".join(f'OPEN_{n} = "{value}"\n' for n, value in enumerate(in_spec)))
    told = [one.call("GET", path).text for path in (app, f"{app}/env", f"{app}/events", f"{app}/deployments", f"{app}/releases", f"{app}/logs",
                                                   "/teams/main/apps", "/me")]
    told += [one.loco(*words, "-a", "keeper").out for words in (["env", "list"], ["status"], ["events"], ["status", "--json"])]
    written = one.content()
    written |= {path: path.read_bytes() for path in (one.folder / "state").rglob("*") if path.is_file()}
    assert any(path.name.endswith("-wal") for path in written) and any(path.name == "loco.log" for path in written)
    one.stop()
    written |= {path.with_suffix(".after"): content for path, content in one.content().items()}
    for secret in canaries + in_spec:
        for form in (secret, base64.b64encode(secret.encode()).decode().rstrip("="), secret.encode().hex(), urllib.parse.quote(secret)):
            for path, content in written.items():
                assert form.encode() not in content, path
            for text in told:
                assert form not in text


def test_the_same_value_is_sealed_differently_each_time(server):
    app, other = server.app(), server.app()
    secret = canary()
    server.patch(f"{app}/env", {"set": {"A": secret, "B": secret}})
    server.patch(f"{other}/env", {"set": {"A": secret}})
    sealed = [row[0] for row in server.rows("SELECT value FROM env_versions, json_each(sealed_json) WHERE app IN (SELECT id FROM apps WHERE name IN (?, ?))",
                                            app.rpartition("/")[2], other.rpartition("/")[2])]
    assert len(sealed) == len(set(sealed)) == 3


def test_an_apps_variables_go_with_it_from_what_the_api_tells(server):
    app = server.app()
    server.patch(f"{app}/env", {"set": {"A": "1"}})
    before = server.get(f"{app}/env")
    server.restart()
    assert server.get(f"{app}/env") == before, "a restart changes nothing"
