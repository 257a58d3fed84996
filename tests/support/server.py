"""loco-api by itself, without an engine, a gateway or a registry: on free ports, with people of every role in its database."""
import contextlib
import functools
import hashlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import jsonschema

from support import coverage, web
from support.platform import BINARIES, Done, free_ports
from support.wait import until

BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
OWNER_TOKEN = "loco_owner-token-of-the-functional-tests"
DIGEST = "sha256:" + "5a" * 32
YEAR_NS = 365 * 86_400 * 10**9
FOUND_BY_SANITIZER = re.compile(r"runtime error:|ERROR: \w+Sanitizer|WARNING: ThreadSanitizer")


def new_id(prefix: str) -> str:
    """As src/base/id.hpp: 48 bits of milliseconds, 80 random ones."""
    value = int(time.time() * 1000) << 80 | random.getrandbits(80)
    return prefix + "".join(BASE32[value >> 5 * digit & 31] for digit in range(25, -1, -1))


@dataclass
class Principal:
    """Who asks: what the Authorization header says, and what Loco knows of it."""
    name: str
    authorization: str | None
    valid: bool = True
    role: str | None = None          # in the team main
    scopes: list[str] = field(default_factory=lambda: ["*"])
    only_team: str | None = None


class Server:
    """loco-api serve on a data folder of its own. Nothing else of Loco runs: the engine's socket does not exist."""

    def __init__(self, **config):
        self.folder = Path(tempfile.mkdtemp(prefix="loco-func-"))
        self.data = self.folder / "data"
        self.api, self.ops, gateway, registry = free_ports(4)
        self.config = {"data_dir": str(self.data), "instance": "functional", "listen": f"127.0.0.1:{self.api}",
                       "ops_listen": f"127.0.0.1:{self.ops}", "gateway_listen": f"127.0.0.1:{gateway}",
                       "registry_listen": f"127.0.0.1:{registry}", "engine_socket": str(self.folder / "no-engine.sock"),
                       "log_level": "debug", **config}
        self.config_file = self.folder / "loco-api.toml"
        self.config_file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in self.config.items()))
        self.log = self.folder / "loco-api.log"
        self.process: subprocess.Popen | None = None
        self.data.mkdir(mode=0o700)
        (self.data / "bootstrap.json").write_text(json.dumps(
            {"login": "olga", "token_sha256": hashlib.sha256(OWNER_TOKEN.encode()).hexdigest(), "team": "main"}))
        self.client = {key: value for key, value in os.environ.items()
                       if not key.startswith(("LOCO_", "XDG_")) and key not in ("NO_COLOR", "DOCKER_HOST")}
        self.client |= {"HOME": str(self.folder / "home"), "XDG_CONFIG_HOME": str(self.folder / "config"),
                        "XDG_STATE_HOME": str(self.folder / "state"), "TERM": "xterm-256color",
                        "DOCKER_HOST": f"unix://{self.config['engine_socket']}"}
        (self.folder / "home").mkdir()
        self.work = self.folder / "work"   # where the client runs: no loco.toml but those that a test puts there
        self.work.mkdir()
        self.sign_in(OWNER_TOKEN)

    # The process.

    def command(self, *words: str, **options) -> Done:
        """loco-api WORDS, to its end."""
        done = subprocess.run([BINARIES / "loco-api", *words], capture_output=True, text=True, timeout=30, **options)
        return Done(list(words), done.returncode, done.stdout, done.stderr)

    def start(self, under: tuple = ()) -> "Server":
        """Starts it and waits until it answers. `under`: words before its own, e.g. of a tracer."""
        assert self.process is None
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*under, BINARIES / "loco-api", "serve", "--config", self.config_file], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log,
                                            # The search for leaks does not work in a traced process.
                                            env=os.environ | ({"ASAN_OPTIONS": "detect_leaks=0"} if under else {}))
        until(self.answers, 20, "loco-api answers", every=0.01)
        return self

    def answers(self) -> bool:
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"loco-api ended with {self.process and self.process.returncode}:\n{self.log.read_text(errors='replace')[-2000:]}")
        return web.fetch(self.ops, "127.0.0.1", "/healthz").status == 200 and web.fetch(self.api, "127.0.0.1", "/api/v1/version").status == 200

    def stop(self, number: int = signal.SIGTERM, within: float = 20) -> int:
        """Ends it and gives its exit status."""
        process, self.process = self.process, None
        if process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        try:
            return process.wait(within)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"loco-api did not end within {within:g} s of signal {number}") from None

    def end(self) -> None:
        """Ends it as an operator would; it must end well, and a sanitizer must have found nothing."""
        if self.process is not None:
            status = self.stop()
            assert status == 0, f"loco-api ended with {status}"
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        assert not FOUND_BY_SANITIZER.search(text), text[-8000:]

    def restart(self) -> "Server":
        self.end()
        return self.start()

    def remove(self) -> None:
        with contextlib.suppress(AssertionError):
            self.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def show_log(self, lines: int = 30) -> None:
        """The end of its log, for a failed test to show."""
        if self.log.exists():
            print(f"--- the end of {self.log}\n" + "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]))

    # The database, behind the server's back.

    @property
    def database(self) -> Path:
        return self.data / "db/loco.db"

    def rows(self, sql: str, *values) -> list[tuple]:
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=10)) as database:
            return database.execute(sql, values).fetchall()

    def change(self, sql: str, *values) -> None:
        """While the server runs."""
        with contextlib.closing(sqlite3.connect(self.database, timeout=10)) as database:
            database.execute(sql, values)
            database.commit()

    @contextlib.contextmanager
    def offline(self):
        """Stops the server, gives its database to change, and starts the server again."""
        self.end()
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            database.execute("PRAGMA foreign_keys = ON")
            yield database
            database.commit()
        self.start()

    def content(self) -> dict[Path, bytes]:
        """Everything that the server has written, but for keys: its files and its log."""
        return {path: path.read_bytes() for path in [*self.data.rglob("*"), self.log] if path.is_file()}

    # The API.

    def call(self, method: str, path: str, body=None, token: str | None = OWNER_TOKEN, headers: dict | None = None,
             authorization: str | None = None, raw: bytes | None = None, timeout: float = 20) -> web.Answer:
        """One request below /api/v1. What it answers is checked against the API's own description."""
        words = dict(headers or {})
        if authorization or token:
            words["Authorization"] = authorization or f"Bearer {token}"
        if body is not None:
            raw, words["Content-Type"] = json.dumps(body).encode(), "application/json"
        answer = web.fetch(self.api, "127.0.0.1", f"/api/v1{path}", method, raw, words, timeout)
        coverage.note_request(method, path, answer.status)
        self.check(method, path, answer)
        return answer

    def check(self, method: str, path: str, answer: web.Answer) -> None:
        assert answer.headers.get("x-request-id"), f"{method} {path} → {answer.status} without X-Request-Id"
        kind = answer.headers.get("content-type", "")
        if answer.status >= 400:
            assert kind == "application/problem+json", f"{method} {path} → {answer.status} is {kind}: {answer.text[:500]}"
            self.validate(answer.json(), "Problem")
            problem = answer.json()
            assert problem["status"] == answer.status and problem["detail"] and problem["code"], problem
            return
        found = describe(self.openapi, method, path)
        schema = found and found["responses"].get(str(answer.status), {}).get("content", {}).get("application/json", {}).get("schema")
        if schema and kind == "application/json":
            self.validate(answer.json(), schema["$ref"].rpartition("/")[2])

    def validate(self, document, schema: str) -> None:
        resolver = jsonschema.RefResolver.from_schema(self.openapi)
        jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{schema}"}, resolver=resolver).validate(document)

    @functools.cached_property
    def openapi(self) -> dict:
        answer = web.fetch(self.api, "127.0.0.1", "/api/v1/openapi.json")
        coverage.note_request("GET", "/openapi.json", answer.status)
        return answer.json()

    def get(self, path: str, expect: int = 200, **options) -> dict:
        return self._expect("GET", path, expect, **options)

    def post(self, path: str, body=None, expect: int = 201, **options) -> dict:
        return self._expect("POST", path, expect, body={} if body is None else body, **options)

    def patch(self, path: str, body, expect: int = 200, **options) -> dict:
        return self._expect("PATCH", path, expect, body=body, **options)

    def delete(self, path: str, expect: int = 202, **options) -> dict:
        return self._expect("DELETE", path, expect, **options)

    def _expect(self, method: str, path: str, expect: int, **options) -> dict:
        answer = self.call(method, path, **options)
        assert answer.status == expect, f"{method} {path} → {answer.status}, not {expect}: {answer.text[:1000]}"
        return answer.json() if answer.body else {}

    # Apps.

    def app(self, name: str | None = None, team: str = "main", **options) -> str:
        """A new app's path in the API."""
        name = name or f"app-{random.getrandbits(40):x}"
        self.post(f"/teams/{team}/apps", {"name": name}, **options)
        return f"/teams/{team}/apps/{name}"

    def spec(self, path: str, more: str = "") -> dict:
        """What `loco` would send for the app at that path."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        (folder / "Dockerfile").write_text('FROM scratch\nUSER 1000\nEXPOSE 8080\nCMD ["/app"]\n')
        (folder / "loco.toml").write_text(f'version = 1\nname = "{path.rpartition("/")[2]}"\n{more}')
        return self.loco("validate", folder, "--json").json()["spec"]

    def deployment(self, path: str, more: str = "", **options) -> dict:
        """A deploy that is building."""
        return self.post(f"{path}/deployments", {"kind": "deploy", "spec": self.spec(path, more)}, **options)

    def make_live(self, path: str, releases: int = 2, more: str = "") -> None:
        """Gives the app releases of which the last one serves, as though it had been deployed before."""
        begun = [self.deployment(path, more) for _ in range(releases)]
        now = time.time_ns()
        with self.offline() as database:
            app = database.execute("SELECT app FROM deployments WHERE id = ?", (begun[0]["id"],)).fetchone()[0]
            for number, one in enumerate(begun, 1):
                release, digest = new_id("rel_"), f"sha256:{number:064x}"
                database.execute(
                    "INSERT INTO releases (id, app, number, repository, digest, image_id, spec_json, env_version, uid, gid, deployment,"
                    " actor, created_at, live_at, image_kept) SELECT ?, app, ?, repository, ?, ?, spec_json, 0, 1000, 1000, id, actor,"
                    " created_at, ?, 1 FROM deployments WHERE id = ?",
                    (release, number, digest, digest, now + number, one["id"]))
                database.execute("UPDATE deployments SET state = 'live', ended_at = ?, release = ?, digest = ?, instance_set = id WHERE id = ?",
                                 (now + number, release, digest, one["id"]))
                database.execute("UPDATE apps SET live_release = ?, live_set = ?, next_release = ? WHERE id = ?",
                                 (release, one["id"], number + 1, app))

    # The client.

    def loco(self, *words, expect: int | None = 0, stdin: str | None = None, env: dict | None = None, cwd: Path | None = None,
             timeout: float = 60) -> Done:
        """The command line, signed in as the owner. Fails when its exit status is another than expected (None: any)."""
        argv = [str(word) for word in words]
        ended = subprocess.run([BINARIES / "loco", *argv], cwd=cwd or self.work, env=self.client | (env or {}), timeout=timeout,
                               **({"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}), capture_output=True, text=True)
        coverage.note_command(argv, ended.returncode)
        coverage.note_error(argv, ended.returncode, ended.stdout)
        done = Done(argv, ended.returncode, ended.stdout, ended.stderr)
        assert expect is None or done.status == expect, f"expected exit status {expect}\n{done}"
        assert not FOUND_BY_SANITIZER.search(done.err), str(done)
        return done

    @property
    def client_config(self) -> Path:
        return self.folder / "config/loco/config.toml"

    def sign_in(self, token: str) -> None:
        self.client_config.parent.mkdir(parents=True, exist_ok=True)
        self.client_config.touch(0o600)
        self.client_config.write_text(f'host = "http://127.0.0.1:{self.api}"\nteam = "main"\ntoken = "{token}"\n')

    # People.

    def populate(self) -> dict[str, Principal]:
        """People of every role in the team main and one of the team other, with tokens of many kinds. The server must be stopped."""
        done = self.command("migrate", "--config", str(self.config_file))
        assert done.status == 0, str(done)
        now = time.time_ns()
        with contextlib.closing(sqlite3.connect(self.database)) as database:
            teams = {slug: new_id("team_") for slug in ("main", "other")}
            for number, (slug, team) in enumerate(teams.items()):
                database.execute("INSERT INTO teams VALUES (?, ?, ?, ?)", (team, slug, number, now))

            def user(login: str, **roles: str) -> str:
                made = new_id("usr_")
                database.execute("INSERT INTO users VALUES (?, 'local', ?, ?, '', ?)", (made, login, login, now))
                for slug, role in roles.items():
                    database.execute("INSERT INTO memberships VALUES (?, ?, ?)", (teams[slug], made, role))
                return made

            people: dict[str, Principal] = {}

            def token(name: str, who: str, scopes=("*",), only_team: str | None = None, expires_in: int | None = YEAR_NS, revoked: bool = False,
                      **known) -> None:
                text = f"loco_{name}-{random.getrandbits(128):032x}"
                database.execute("INSERT INTO tokens VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, ?)",
                                 (new_id("tok_"), who, name, hashlib.sha256(text.encode()).hexdigest(), json.dumps(list(scopes)),
                                  only_team and teams[only_team], now - YEAR_NS, None if expires_in is None else now + expires_in, int(revoked)))
                people[name] = Principal(name, f"Bearer {text}", scopes=list(scopes), only_team=only_team, **known)

            olga = user("olga", main="owner")
            for role in ("viewer", "developer", "admin"):
                token(role, user(role, main=role), role=role)
            token("owner", olga, expires_in=None, role="owner")
            token("other_teams_owner", user("otto", other="owner"))
            both = user("bo", main="owner", other="owner")
            token("limited_to_other_team", both, only_team="other", role="owner")
            token("limited_to_this_team", both, only_team="main", role="owner")
            token("nobodys_member", user("nina"))
            token("revoked", olga, revoked=True, valid=False, role="owner")
            token("expired", olga, expires_in=-10**9, valid=False, role="owner")
            token("no_scopes", olga, scopes=(), role="owner")
            for scope in SCOPES:
                token(f"only_{scope}", olga, scopes=(scope,), role="owner")
            token("viewer_with_all_scopes", user("vera", main="viewer"), scopes=("*", *SCOPES), role="viewer")
            people["nobody"] = Principal("nobody", None, valid=False)
            people["unknown_token"] = Principal("unknown_token", "Bearer loco_" + "0" * 40, valid=False)
            people["empty_token"] = Principal("empty_token", "Bearer ", valid=False)
            people["basic"] = Principal("basic", "Basic b2xnYTpzZXNhbWU=", valid=False)
            people["overlong_token"] = Principal("overlong_token", "Bearer " + "x" * 4000, valid=False)
            database.commit()
        return people


SCOPES = ("app:read", "logs:read", "app:create", "app:deploy", "app:operate", "env:write", "app:destroy", "app:move")


def describe(openapi: dict, method: str, path: str) -> dict | None:
    """The operation that the path is of."""
    words = f"/api/v1{path.partition('?')[0]}".split("/")
    for pattern, methods in openapi["paths"].items():
        parts = pattern.split("/")
        if method.lower() in methods and len(parts) == len(words) and all(a == b or a.startswith("{") for a, b in zip(parts, words)):
            return methods[method.lower()]
    return None


class Stream:
    """An answer that goes on, read line by line in a thread of its own, so that every wait for it has a bound."""

    def __init__(self, server: Server, path: str, headers: dict | None = None, token: str = OWNER_TOKEN):
        self.lines: list[str] = []
        self.ended = threading.Event()
        self.connection = http.client.HTTPConnection("127.0.0.1", server.api, timeout=60)
        self.connection.request("GET", f"/api/v1{path}", headers={"Authorization": f"Bearer {token}", **(headers or {})})
        self.answer = self.connection.getresponse()
        coverage.note_request("GET", path, self.answer.status)
        self.socket = self.connection.sock or self.answer.fp.raw._sock
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError, http.client.HTTPException, AttributeError):
            while line := self.answer.readline():
                self.lines.append(line.decode().rstrip("\r\n"))
        self.ended.set()

    def events(self) -> list[web.Event]:
        """The server-sent events that have come whole."""
        found, event = [], web.Event()
        for line in list(self.lines):
            name, _, value = line.partition(":")
            if not line:
                if event != web.Event():
                    found.append(event)
                event = web.Event()
            elif name in ("data", "id", "event"):
                setattr(event, name, value.removeprefix(" "))
        return found

    def documents(self) -> list[dict]:
        """The lines of NDJSON that have come."""
        return [json.loads(line) for line in list(self.lines) if line.strip()]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(2)
        self.connection.close()
        self.thread.join(10)
