"""Hostile values in every place that the API's description names: each is answered, none is an error of the server's, and it goes on."""
import itertools
import json
import random
import re
import subprocess
import urllib.parse
from pathlib import Path

import pytest

from support.platform import BINARIES
from support.server import Server
from support.wait import until

STRINGS = ["", " ", "\0", "a\0b", "../../etc/passwd", "%2e%2e%2f", "'; DROP TABLE apps; --", '" OR 1=1 --', "$(id)", "`id`", "| id", "${jndi:ldap://x}",
           "<script>alert(1)</script>", "\r\nX-Injected: yes", "\x1b[2J", "é" * 50, "\u202e", "\ud7ff\U0010ffff", "-", "--help", "-1", "NaN", "true", "[]",
           "x" * 5000, "9" * 400, "v" + "9" * 30, "dep_" + "0" * 26, "app_" + "z" * 26, "{team}", "main/apps/x", "#", "?", "&a=b", "\ufeff", "a" * 63 + ".b"]
VALUES = [None, True, 0, -1, 2**31, 2**63, -2**63 - 1, 1e308, 0.1, [], {}, [[]], {"a": {}}, [None], ["x"] * 2000, {str(n): n for n in range(500)}, *STRINGS]
CALM = {"team": "main", "app": "hostile", "id": "dep_" + "0" * 26}


@pytest.fixture(scope="module")
def target(server):
    """An app, its deployment and the operations of the description as (method, path, its operation)."""
    app = server.app("hostile")
    CALM["id"] = server.deployment(app)["id"]
    return [(method.upper(), path.removeprefix("/api/v1"), one) for path, methods in server.openapi["paths"].items() for method, one in methods.items()]


def fill(path: str, **values: str) -> str:
    for name, value in (CALM | values).items():
        path = path.replace("{" + name + "}", urllib.parse.quote(value, safe=""))
    return path


def ask(server: Server, method: str, path: str, **options) -> None:
    options.setdefault("timeout", 10)
    answer = server.call(method, path, **options)   # which checks the form of the answer
    assert answer.status < 500, f"{method} {path[:200]} {str(options)[:300]} → {answer.status}: {answer.text[:500]}"
    assert "x-injected" not in answer.headers



def test_in_every_part_of_every_path(server, target):
    for method, path, operation in target:
        for name in [name for name in CALM if "{" + name + "}" in path]:
            for value in STRINGS:
                if (value == CALM[name]) or (operation["operationId"] == "destroy_app" and name == "team" and value == "main"):
                    continue
                ask(server, method, fill(path, **{name: value}), body={} if method in ("POST", "PATCH") else None)
    assert server.get("/teams/main/apps/hostile")["state"] == "empty"


def test_in_every_parameter_of_every_query(server, target):
    for method, path, operation in target:
        for parameter in [one["name"] for one in operation["parameters"] if one["in"] == "query"]:
            if path.endswith("{id}/events"):
                continue   # streams while the deployment is building
            for value in STRINGS:
                if parameter == "follow":
                    continue   # true or not, and true goes on for ever
                ask(server, method, f"{fill(path)}?{parameter}={urllib.parse.quote(value, safe='')}")


def test_in_every_header_that_is_read(server, target):
    for method, path, operation in target:
        if method == "DELETE" or path.endswith("{id}/events"):
            continue
        for value in ["", " ", "x" * 3000, "é", "Bearer", "Bearer  ", "Bearer \x01", "Basic ====", "Basic " + "A" * 3000, "Digest x", "\t"]:
            ask(server, method, fill(path), headers={"Authorization": value.encode("latin-1", "replace").decode("latin-1")}, token=None,
                body={} if method in ("POST", "PATCH") else None)
        if method == "POST":
            for name, value in itertools.product(("Idempotency-Key", "Content-Type", "Accept", "X-Request-Id", "X-Forwarded-For", "Range"), ("", "x" * 3000, "é")):
                ask(server, method, fill(path, id="dep_" + "1" * 26), headers={name: value}, body={})


def test_in_every_field_of_every_body(server, target):
    schemas = server.openapi["components"]["schemas"]
    for method, path, operation in target:
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if not content:
            continue
        schema = schemas[content["schema"]["$ref"].rpartition("/")[2]]
        names = list(schema["properties"])
        kinds = schema["properties"].get("kind", {}).get("enum", [None])
        for name, value, kind in itertools.product(names, VALUES, kinds):
            if operation["operationId"] == "report_result" and name == "failure" and isinstance(value, dict):
                continue
            ask(server, method, fill(path), body=({"kind": kind} if kind else {}) | {name: value})
    assert server.get("/teams/main/apps/hostile")["state"] == "empty"


def test_in_every_field_of_a_specification(server, target):
    """One value after another of a good specification is replaced, at every depth."""
    good = server.spec("/hostile", '[deploy]\nrelease_command = ["/x"]\n[process.mailer]\ncommand = ["/y"]\n[[ports]]\nname = "admin"\nport = 9090\n'
                                   'path = "/admin"\n[env]\nA = "b"\n[secrets]\nrequired = ["KEY"]\n')

    def places(value, path=()):
        yield path
        if isinstance(value, dict):
            for key in value:
                yield from places(value[key], (*path, key))
        elif isinstance(value, list):
            for index in range(len(value)):
                yield from places(value[index], (*path, index))

    def replaced(path, value):
        copy = json.loads(json.dumps(good))
        if not path:
            return value
        inner = copy
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        return copy

    chooser = random.Random(20)
    every = list(places(good))
    assert len(every) > 30
    for path in every:
        for value in chooser.sample(VALUES, 12):
            ask(server, "POST", "/teams/main/apps/hostile/deployments", body={"kind": "deploy", "spec": replaced(path, value)})


def test_noise_instead_of_bodies(server, target):
    chooser = random.Random(21)
    good = json.dumps({"kind": "deploy", "spec": server.spec("/hostile"), "name": "x", "set": {"A": "b"}, "digest": "sha256:" + "0" * 64}).encode()
    for method, path, operation in target:
        if method not in ("POST", "PATCH") or path.endswith(("/cancel", "/push-token")):
            continue
        for _ in range(25):
            raw = bytearray(good)
            for _ in range(chooser.randint(1, 8)):
                raw[chooser.randrange(len(raw))] = chooser.randrange(256)
            ask(server, method, fill(path), raw=bytes(raw[:chooser.randint(0, len(raw))]))


def test_after_all_of_it_the_server_is_as_it_was(server, target):
    server.get("/me")
    assert "unexpected" not in server.log.read_text(errors="replace")
    assert server.rows("PRAGMA integrity_check") == [("ok",)]


def started(trace: Path) -> set[str]:
    """The programs that were started, but for the traced one."""
    found = set(re.findall(r'execve\("([^"]+)"', trace.read_text()))
    assert found, "nothing was traced"
    return {one for one in found if Path(one).name not in ("loco", "loco-api")}


def test_nothing_is_started_for_a_request(own_server, tmp_path):
    one = own_server().start(under=("strace", "-D", "-f", "-qq", "-e", "trace=execve", "-o", tmp_path / "trace"))
    app = one.app()
    for value in STRINGS[:12]:
        one.call("POST", "/teams/main/apps", {"name": value})
        one.call("PATCH", f"{app}/env", {"set": {"A": value.replace("\0", "")}})
        one.call("GET", f"/teams/main/apps/{urllib.parse.quote(value, safe='')}/logs")
    deployment = one.deployment(app)["id"]
    one.call("POST", f"{app}/deployments/{deployment}/build-log", raw=b"$(touch /tmp/x); `id`\n")
    one.post(f"{app}/deployments/{deployment}/result", {"digest": "sha256:" + "0" * 64}, expect=200)
    one.delete(app)
    one.end()
    until(lambda: (tmp_path / "trace").exists() and "loco-api" in (tmp_path / "trace").read_text(), 5)
    assert started(tmp_path / "trace") == set()


def test_the_client_starts_nothing_but_an_engines_tools_and_no_shell_ever(server, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM scratch\nUSER 1\nCMD [\"/$(id)\"]\n")
    name = server.app().rpartition("/")[2]
    for number, words in enumerate((["init", tmp_path, "--force"], ["validate", tmp_path], ["deploy", tmp_path, "--dry-run"], ["deploy", tmp_path],
                                    ["status", "-a", "$(id)"], ["env", "set", "A=$(id)`id`", "-a", name], ["logs", "--grep", "$(id)", "-a", name],
                                    ["create", "; id"], ["open", "-a", name], ["destroy", "$(id)", "--yes"])):
        trace = tmp_path / f"trace-{number}"
        subprocess.run(["strace", "-f", "-qq", "-e", "trace=execve", "-o", trace, BINARIES / "loco", *words], env=server.client, cwd=server.work,
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        shells = {one for one in started(trace) if Path(one).name in ("sh", "bash", "dash", "ash", "busybox", "env")}
        assert shells == set(), words
