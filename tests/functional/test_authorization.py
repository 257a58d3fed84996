"""Every operation of the API × everybody who may ask: what is not allowed is refused and does nothing, what is allowed is done.

The policy stands here a second time, on purpose: a change of the table in src/identity/authorization.cpp has to be made twice,
and an operation that nobody has thought about fails.
"""
import base64
import hashlib
import json
import secrets
import sqlite3
import time
from dataclasses import dataclass

import pytest

from support import web
from support.server import SCOPES, Principal, Server, Stream, new_id
from support.wait import until

ROLES = ["viewer", "developer", "admin", "owner"]

# operation: the scope a token needs, the least role in the team. None: anybody, also without a token.
POLICY = {
    "get_version": None,
    "get_openapi": None,
    "get_registry_token": None,    # answers by the rules of the distribution token protocol, tested below
    "get_me": ("self", "viewer"),
    "get_doctor": ("self", "viewer"),
    "get_machine": ("self", "viewer"),
    "list_apps": ("app:read", "viewer"),
    "get_app": ("app:read", "viewer"),
    "list_deployments": ("app:read", "viewer"),
    "get_deployment": ("app:read", "viewer"),
    "stream_deployment_events": ("app:read", "viewer"),
    "list_releases": ("app:read", "viewer"),
    "list_events": ("app:read", "viewer"),
    "get_metrics": ("app:read", "viewer"),
    "get_env": ("app:read", "viewer"),
    "get_manifests": ("app:read", "viewer"),
    "plan_deployment": ("app:read", "viewer"),
    "list_domains": ("app:read", "viewer"),
    "get_logs": ("logs:read", "viewer"),
    "create_app": ("app:create", "developer"),
    "create_deployment": ("app:deploy", "developer"),
    "create_push_token": ("app:deploy", "developer"),
    "append_build_log": ("app:deploy", "developer"),
    "report_result": ("app:deploy", "developer"),
    "cancel_deployment": ("app:deploy", "developer"),
    "patch_env": ("env:write", "developer"),
    "destroy_app": ("app:destroy", "admin"),
    "get_move_key": ("app:move", "admin"),
    "export_app": ("app:move", "admin"),
    "import_app": ("app:move", "admin"),
}
PRINCIPALS = ["viewer", "developer", "admin", "owner", "other_teams_owner", "limited_to_other_team", "limited_to_this_team", "nobodys_member",
              "revoked", "expired", "no_scopes", "viewer_with_all_scopes", "nobody", "unknown_token", "empty_token", "basic", "overlong_token",
              *(f"only_{scope}" for scope in SCOPES)]


def expected(operation: str, who: Principal, success: int) -> int:
    rule = POLICY[operation]
    if rule is None:
        return success
    if not who.valid:
        return 401
    scope, least = rule
    if scope == "self":
        return success
    if who.role is None or who.only_team == "other":
        return 404    # as though there were no such team
    if ROLES.index(who.role) < ROLES.index(least) or not {"*", scope} & set(who.scopes):
        return 403
    return success


@dataclass
class Operation:
    name: str
    method: str
    path: str
    success: int


def operations(server: Server) -> dict[str, Operation]:
    found = {}
    for path, methods in server.openapi["paths"].items():
        for method, one in methods.items():
            success = next(int(status) for status in one["responses"] if status != "default")
            found[one["operationId"]] = Operation(one["operationId"], method.upper(), path.removeprefix("/api/v1"), success)
    return found


def body_of(server: Server, operation: str, app: str) -> tuple[object, bytes | None]:
    """JSON or raw bytes with which the operation succeeds."""
    if operation == "create_app":
        return {"name": f"{app.rpartition('/')[2]}-too"}, None
    if operation == "create_deployment":
        return {"kind": "deploy", "spec": SPEC | {"name": app.rpartition("/")[2]}}, None
    if operation == "plan_deployment":
        return {"spec": SPEC | {"name": app.rpartition("/")[2]}}, None
    if operation == "report_result":
        return {"failure": {"message": "it did not compile"}}, None
    if operation == "patch_env":
        return {"set": {"NAME": "value"}, "stage": True}, None
    if operation == "export_app":
        return {"public_key": server.get("/teams/main/move-key")["public_key"]}, None
    if operation == "import_app":
        return exported(server, app.rpartition("/")[2]), None
    if operation == "append_build_log":
        return None, b"a line\n"
    return (None, None) if operation.startswith(("get_", "list_", "stream_")) or operation == "destroy_app" else ({}, None)


SPEC: dict = {}
EXPORTED: dict = {}


def exported(server: Server, name: str) -> dict:
    """What another Loco would have exported of an app of that name."""
    if not EXPORTED:
        donor = server.app("donor")
        server.make_live(donor, releases=1)
        EXPORTED.update(server.post(f"{donor}/export", {"public_key": server.get("/teams/main/move-key")["public_key"]}, 200)["export"])
    [release] = EXPORTED["releases"]
    return EXPORTED | {"name": name, "releases": [release | {"spec": release["spec"] | {"name": name}}]}


def state_of(server: Server, app: str) -> str:
    """Everything in the database that the operations could change of the app, or of the team's list of apps."""
    name = app.rpartition("/")[2]
    tables = [("apps", "id"), ("deployments", "app"), ("env_versions", "app"), ("releases", "app"), ("instances", "app"), ("events", "app"),
              ("hosts", "app")]
    found = [server.rows("SELECT name FROM apps WHERE name LIKE ?", name + "%")]
    for table, column in tables:
        found.append(server.rows(f"SELECT * FROM {table} WHERE {column} = (SELECT id FROM apps WHERE name = ?) ORDER BY 1, 2", name))
    return hashlib.sha256(repr(found).encode()).hexdigest()


def concrete(operation: Operation, app: str, deployment: str, team: str = "main") -> str:
    path = operation.path + ("?service=loco-registry" if operation.name == "get_registry_token" else "")
    return path.replace("{team}", team).replace("{app}", app.rpartition("/")[2]).replace("{id}", deployment)


def ask(server: Server, operation: Operation, who: Principal, path: str, app: str) -> web.Answer:
    body, raw = body_of(server, operation.name, app)
    return server.call(operation.method, path, body, token=None, authorization=who.authorization, raw=raw)


def test_the_description_names_the_policy_and_no_operation_without_one(server):
    described = {}
    for methods in server.openapi["paths"].values():
        for one in methods.values():
            described[one["operationId"]] = (one["x-loco-scope"], one["x-loco-least-role"]) if "security" in one else None
    assert described == POLICY
    instead = {one["operationId"]: one["x-loco-or-scope"] for methods in server.openapi["paths"].values() for one in methods.values()
               if "x-loco-or-scope" in one}
    # To restart and scale, and to cancel that; tested below.
    assert instead == {"create_deployment": "app:operate", "cancel_deployment": "app:operate"}
    assert {rule[0] for rule in POLICY.values() if rule} | set(instead.values()) == {"self", *SCOPES}


@pytest.mark.parametrize("operation", POLICY)
def test_who_may(server, operation):
    """One operation × everybody; each with an app of its own, so that what one may do changes nothing for the next."""
    one = operations(server)[operation]
    if not SPEC:
        SPEC.update(server.spec("/x"))
    if operation == "import_app":
        exported(server, "x")   # restarts the server, which renews leases
    wrong = []
    for name in PRINCIPALS:
        who = server.people[name]
        app = server.app(f"{operation.replace('_', '-')[:20]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}")
        deployment = server.post(f"{app}/deployments", {"kind": "deploy", "spec": SPEC | {"name": app.rpartition("/")[2]}})["id"]
        if operation == "stream_deployment_events":   # so that the stream ends by itself
            server.post(f"{app}/deployments/{deployment}/cancel", expect=202)
        status = expected(operation, who, one.success)
        if operation == "get_registry_token":   # wants Basic credentials whose password is a token
            status = 401
        unborn = operation in ("get_manifests", "export_app") and status == one.success   # nothing of the app is live yet
        if unborn:
            status = 404
        before = state_of(server, app)
        answer = ask(server, one, who, concrete(one, app, deployment), app)
        if answer.status != status:
            wrong.append(f"{name}: {answer.status} instead of {status}: {answer.text[:200]}")
        if unborn != (b"nothing_live" in answer.body):
            wrong.append(f"{name}: {answer.text[:200]}")
        if answer.status in (401, 403, 404) and state_of(server, app) != before:
            wrong.append(f"{name}: was refused with {answer.status}, and something was changed")
        if answer.status == 401 and "www-authenticate" not in answer.headers:
            wrong.append(f"{name}: 401 without WWW-Authenticate")
        if who.authorization and len(who.authorization) > 12 and who.authorization.partition(" ")[2] in answer.text:
            wrong.append(f"{name}: the answer repeats the token")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("operation", [name for name, rule in POLICY.items() if rule and rule[0] != "self"])
def test_what_is_another_teams_looks_like_nothing_at_all(server, operation):
    """The same answer for a team's app that is there and for one that never was: nobody learns which."""
    one = operations(server)[operation]
    if not SPEC:
        SPEC.update(server.spec("/x"))
    app = server.app()
    deployment = server.post(f"{app}/deployments", {"kind": "deploy", "spec": SPEC | {"name": app.rpartition("/")[2]}})["id"]
    stranger = server.people["other_teams_owner"]

    def told(path: str) -> dict:
        answer = ask(server, one, stranger, path, app)
        document = answer.json()
        document.pop("request_id")
        return {"status": answer.status, "headers": sorted(set(answer.headers) - {"date"}), **document}

    there = told(concrete(one, app, deployment))
    not_there = told(concrete(one, "/x/never-made", "dep_" + "0" * 26))
    no_team = told(concrete(one, "/x/never-made", "dep_" + "0" * 26, team="nix0"))
    assert there == not_there
    assert json.dumps(no_team).replace("nix0", "main") == json.dumps(there)


def test_a_deployment_is_found_under_its_own_app_only(server):
    one, two = server.app(), server.app()
    deployment = server.deployment(one)["id"]
    for path in (f"{two}/deployments/{deployment}", f"{two}/deployments/{deployment}/events", f"{two}/deployments/dep_nonsense",
                 f"{two}/deployments/{'x' * 300}"):
        assert server.call("GET", path).status == 404, path
    for action in ("cancel", "push-token", "result", "build-log"):
        assert server.call("POST", f"{two}/deployments/{deployment}/{action}", {}).status == 404, action
    assert server.get(f"{one}/deployments/{deployment}")["state"] == "building"
    assert server.call("GET", f"{two}/logs?build={deployment}").text == ""


def test_apps_of_two_teams_may_have_one_name_and_stay_apart(server):
    stranger = server.people["other_teams_owner"].authorization
    server.app("twin")
    server.post("/teams/other/apps", {"name": "twin"}, token=None, authorization=stranger)
    mine, theirs = server.get("/teams/main/apps/twin"), server.get("/teams/other/apps/twin", token=None, authorization=stranger)
    assert mine["id"] != theirs["id"] and mine["url"] != theirs["url"]
    assert theirs["url"].startswith("http://twin-other.localhost:")
    assert server.call("DELETE", "/teams/other/apps/twin").status == 404
    theirs = server.get("/teams/other/apps?limit=1000", token=None, authorization=stranger)
    assert "twin" in [item["name"] for item in theirs["items"]]


def test_me_tells_of_the_teams_that_the_token_reaches(server):
    def teams(name: str) -> dict:
        me = server.get("/me", token=None, authorization=server.people[name].authorization)
        return {team["slug"]: team["role"] for team in me["teams"]}

    assert teams("viewer") == {"main": "viewer"}
    assert teams("limited_to_other_team") == {"other": "owner"}
    assert teams("limited_to_this_team") == {"main": "owner"}
    assert teams("nobodys_member") == {}
    assert server.get("/me", token=None, authorization=server.people["only_logs:read"].authorization)["scopes"] == ["logs:read"]


def test_a_token_for_operating_may_restart_and_scale_and_nothing_else(server):
    operator = server.people["only_app:operate"].authorization
    app = server.app()
    server.make_live(app)

    def begin(**body) -> int:
        return server.call("POST", f"{app}/deployments", body, token=None, authorization=operator).status

    assert begin(kind="deploy", spec=SPEC) == 403
    assert begin(kind="redeploy") == 403
    assert begin(kind="rollback") == 403
    started = server.call("POST", f"{app}/deployments", {"kind": "scale", "replicas": 2}, token=None, authorization=operator)
    assert started.status == 201, started.text
    # And one for deploying may not.
    deployer = server.people["only_app:deploy"].authorization
    for body in ({"kind": "restart"}, {"kind": "scale", "replicas": 3}):
        assert server.call("POST", f"{app}/deployments", body, token=None, authorization=deployer).status == 403


def test_a_token_revoked_or_expired_while_the_server_runs_is_refused_at_once(own_server):
    one = own_server()
    people = one.populate()
    one.start()
    for name, change in (("developer", "revoked = 1"), ("admin", f"expires_at = {time.time_ns()}")):
        who = people[name].authorization
        assert one.call("GET", "/me", token=None, authorization=who).status == 200
        with sqlite3.connect(one.database) as database:
            database.execute(f"UPDATE tokens SET {change} WHERE name = ?", (name,))
        database.close()
        assert one.call("GET", "/me", token=None, authorization=who).status == 401, f"{name}'s token is taken"
    # Leaving the team takes effect at once: membership is read with each request.
    viewer = people["viewer"].authorization
    assert one.call("GET", "/teams/main/apps", token=None, authorization=viewer).status == 200
    with sqlite3.connect(one.database) as database:
        database.execute("DELETE FROM memberships WHERE user = (SELECT id FROM users WHERE login = 'viewer')")
    database.close()
    assert one.call("GET", "/teams/main/apps", token=None, authorization=viewer).status == 404


def registry_token(server: Server, user: str, password: str, scope: str) -> web.Answer:
    basic = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    return server.call("GET", f"/registry/token?service=loco-registry&scope={scope}", token=None, authorization=basic)


def test_the_registrys_token_holds_no_more_than_its_asker_may(server):
    app = server.app()
    repository = server.deployment(app)["repository"]

    def access(name: str, scope: str) -> list:
        text = server.people[name].authorization.removeprefix("Bearer ")
        answer = registry_token(server, "any", text, scope)
        assert answer.status == 200, answer.text
        payload = answer.json()["token"].split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=="))["access"]

    def actions(name: str, scope: str) -> list[str]:
        return sorted(action for one in access(name, scope) if one["name"] == repository for action in one["actions"])

    assert actions("owner", f"repository:{repository}:pull,push") == ["pull"]
    assert actions("viewer", f"repository:{repository}:pull") == ["pull"]
    assert actions("other_teams_owner", f"repository:{repository}:pull,push") == []
    assert actions("limited_to_other_team", f"repository:{repository}:pull") == []
    assert actions("only_logs:read", f"repository:{repository}:pull") == []
    for name in ("revoked", "expired"):
        text = server.people[name].authorization.removeprefix("Bearer ")
        assert registry_token(server, "any", text, f"repository:{repository}:pull").status == 401
    assert registry_token(server, "olga", "wrong", f"repository:{repository}:pull").status == 401


def test_a_stream_ends_soon_after_its_token_was_revoked(server):
    app = server.app()
    deployment = server.deployment(app)["id"]
    token = f"loco_stream-{secrets.token_hex(16)}"
    server.change("INSERT INTO tokens SELECT ?, user, ?, ?, scopes_json, team, created_at, NULL, NULL, 0 FROM tokens WHERE name = 'developer'",
                  new_id("tok_"), "stream", hashlib.sha256(token.encode()).hexdigest())
    streams = [Stream(server, f"{app}/logs?follow=true", token=token), Stream(server, f"{app}/deployments/{deployment}/events", token=token)]
    others = [Stream(server, f"{app}/logs?follow=true"), Stream(server, f"{app}/deployments/{deployment}/events")]
    until(lambda: streams[1].events(), 10, "the stream has begun")
    server.change("UPDATE tokens SET revoked = 1 WHERE name = 'stream'")
    until(lambda: all(stream.ended.is_set() for stream in streams), 40, "both streams have ended")
    assert not any(stream.ended.is_set() for stream in others), "only those of that token"
    for stream in [*streams, *others]:
        stream.close()


def test_who_may_scale_and_restart_may_cancel_that_and_no_deploy(server):
    app = server.app()
    server.make_live(app)
    operator = server.people["only_app:operate"].authorization
    deploy = server.deployment(app)["id"]
    refused = server.call("POST", f"{app}/deployments/{deploy}/cancel", {}, token=None, authorization=operator)
    assert refused.status == 403 and refused.json()["code"] == "forbidden"
    restart = server.post(f"{app}/deployments", {"kind": "restart"}, token=None, authorization=operator)["id"]
    server.post(f"{app}/deployments/{restart}/cancel", expect=202, token=None, authorization=operator)
    assert server.call("POST", f"{app}/deployments/{restart}/cancel", {}, token=None,
                       authorization=server.people["only_app:deploy"].authorization).status == 403
