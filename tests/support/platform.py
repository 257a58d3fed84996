"""A whole Loco on free ports in folders of its own, and its command line as a person or a script calls it."""
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from support import coverage, web
from support.engine import Engine
from support.wait import until

REPO = Path(__file__).resolve().parent.parent.parent
BINARIES = Path(os.environ.get("LOCO_TEST_BIN", REPO / "build/dev/bin"))


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


@dataclass
class Done:
    words: list[str]
    status: int
    out: str
    err: str

    def json(self) -> dict:
        document = json.loads(self.out)
        assert isinstance(document, dict), "--json gives an object"
        return document

    def lines(self) -> list[dict]:
        return [json.loads(line) for line in self.out.splitlines() if line.strip()]

    def __str__(self) -> str:
        return f"loco {' '.join(self.words)} → {self.status}\nstdout: {self.out}\nstderr: {self.err}"


class Client:
    """The command line of somebody who uses a Loco, in folders of their own. What the Loco runs on, the subclasses know."""

    def __init__(self, engine: Engine):
        self.engine = engine   # that builds
        self.folder = Path(tempfile.mkdtemp(prefix="loco-test-"))
        self.data = self.folder / "data"
        self.api, self.ops, self.gateway, self.registry = free_ports(4)
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(("LOCO_", "XDG_"))}
        self.environment |= {"HOME": str(self.folder / "home"), "XDG_CONFIG_HOME": str(self.folder / "config"),
                             "XDG_STATE_HOME": str(self.folder / "state"), "XDG_DATA_HOME": str(self.folder / "share"),
                             "DOCKER_HOST": engine.host}
        (self.folder / "home").mkdir()
        self.binaries = BINARIES

    def instances(self, app: str, running_only: bool = False) -> list[str]:
        """The containers (or pods) of an app, by the names that the place they run in gives them."""
        raise NotImplementedError

    def memory_limits(self, app: str) -> set[int]:
        """In bytes, of all of them."""
        raise NotImplementedError

    # The command line.

    def start(self, *words: str, cwd: Path | None = None, **options) -> subprocess.Popen:
        return subprocess.Popen([self.binaries / "loco", *map(str, words)], cwd=cwd or self.folder, env=self.environment | options.pop("env", {}),
                                stdin=options.pop("stdin", subprocess.DEVNULL), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                start_new_session=True, **options)

    def finish(self, process: subprocess.Popen, words=(), timeout: float = 180, stdin: str | None = None) -> Done:
        try:
            out, err = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(f"loco {' '.join(map(str, words))} hung for {timeout:g} s\n{out}\n{err}") from None
        return Done([str(word) for word in words], process.returncode, out, err)

    def run(self, *words, expect: int | None = 0, stdin: str | None = None, timeout: float = 180, cwd: Path | None = None,
            env: dict | None = None) -> Done:
        """Runs it; fails when its exit status is another than expected (None: any)."""
        process = self.start(*words, cwd=cwd, env=env or {}, stdin=subprocess.PIPE if stdin is not None else subprocess.DEVNULL)
        done = self.finish(process, words, timeout, stdin)
        coverage.note_command(done.words, done.status)
        coverage.note_error(done.words, done.status, done.out)
        assert expect is None or done.status == expect, f"expected exit status {expect}\n{done}"
        return done

    # Apps.

    def fetch(self, app: str, path: str = "/", **options) -> web.Answer:
        return web.fetch(self.gateway, options.pop("host", f"{app}.localhost"), path, **options)

    def deploy(self, folder, *words, expect: int | None = 0, **options) -> Done:
        return self.run("deploy", folder.path, *words, expect=expect, **options)

    def status(self, app: str) -> dict:
        return self.run("status", "-a", app, "--json").json()

    def release(self, app: str) -> str:
        """The release that serves, by the app's own word through the gateway."""
        answer = self.fetch(app)
        assert answer.status == 200, f"{app} answers {answer.status}: {answer.text[:300]}"
        return answer.json()["release"]

    def releases(self, app: str) -> list[dict]:
        return self.run("releases", "-a", app, "--json").json()["items"]

    def events(self, app: str) -> list[dict]:
        return self.run("events", "-a", app, "--json").json()["items"]

    def settled(self, app: str, containers: int) -> None:
        """Waits until exactly so many containers of the app are left, all of them running."""
        until(lambda: len(self.instances(app)) == containers == len(self.instances(app, running_only=True)), 30,
              f"{app} has {containers} containers and no others")

    def token(self) -> str:
        text = (self.folder / "config/loco/config.toml").read_text()
        return tomllib.loads(text)["token"]

    def team(self) -> str:
        """The slug of the instance's first team."""
        return re.search(r'"(?:slug|team)": ?"([a-z0-9-]+)"', json.dumps(self.run("whoami", "--json").json()))[1]

    def path(self, app: str) -> str:
        """Of an app in the API."""
        return f"/teams/{self.team()}/apps/{app}"

    def call(self, method: str, path: str, body=None, headers: dict | None = None, token: str | None = None) -> web.Answer:
        """The API itself."""
        words = {"Authorization": f"Bearer {token or self.token()}", **(headers or {})}
        if body is not None:
            words["Content-Type"] = "application/json"
        answer = web.fetch(self.api, "127.0.0.1", f"/api/v1{path}", method, json.dumps(body).encode() if body is not None else None, words)
        coverage.note_request(method, path, answer.status)
        return answer


class Platform(Client):
    """One machine: `loco up` on free ports."""

    def __init__(self, engine: Engine):
        super().__init__(engine)
        self.engine_options = ["--docker-host", engine.host]

    def instances(self, app: str, running_only: bool = False) -> list[str]:
        return self.engine.of_app(app, running_only)

    def memory_limits(self, app: str) -> set[int]:
        return {self.engine.inspect(one)["HostConfig"]["Memory"] for one in self.instances(app)}

    def up(self, *more: str, expect: int | None = 0) -> Done:
        return self.run("up", "--detach", *self.up_options(), *more, expect=expect, timeout=90)

    def up_options(self) -> list:
        return ["--data", self.data, "--listen", f"127.0.0.1:{self.api}", "--ops-listen", f"127.0.0.1:{self.ops}", "--gateway-listen", f"0.0.0.0:{self.gateway}",
                "--registry-listen", f"127.0.0.1:{self.registry}", "--base-domain", "localhost", *self.engine_options]

    def configure(self, **keys: str) -> None:
        """As an operator changes loco-api.toml. The server that starts next reads it."""
        config = self.data / "loco-api.toml"
        text = config.read_text()
        for key, value in keys.items():
            text, changed = re.subn(rf"^{key} = .*$", f"{key} = '{value}'", text, flags=re.M)
            assert changed == 1, f"{key} is not in {text}"
        config.write_text(text)

    def down(self, *more: str, expect: int | None = 0) -> Done:
        return self.run("down", "--data", self.data, *more, expect=expect, timeout=90)

    def pid(self, name: str) -> int | None:
        try:
            pid = int((self.data / "run" / f"{name}.pid").read_text().split()[0])
            os.kill(pid, 0)
            return pid
        except (OSError, ValueError, IndexError):
            return None

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        pid = self.pid(name)
        assert pid, f"{name} does not run"
        os.kill(pid, number)
        return pid

    def processes(self) -> dict[str, int]:
        """Every process of this platform, found by the data folder in its arguments."""
        found = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().decode(errors="replace") if entry.name.isdigit() else ""
                if str(self.data) in words and int(entry.name) != os.getpid():
                    found[words.replace("\0", " ")] = int(entry.name)
        return found

    def logs(self, lines: int = 40) -> str:
        """The ends of the platform's own logs, for a failed test to show."""
        text = []
        for path in sorted((self.data / "log").glob("*.log")):
            text += [f"--- {path.name}"] + path.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join(text)

    def remove(self) -> None:
        """Takes everything down, whatever state it is in."""
        with contextlib.suppress(AssertionError, OSError, subprocess.SubprocessError):
            self.down("--purge", "--yes", expect=None)
        for _ in range(2):   # the supervisor first: what it kept running must not come back
            for _, pid in sorted(self.processes().items(), key=lambda one: "supervis" not in one[0] and " up" not in one[0]):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def running(engine: Engine):
    """Yields a platform that is up, and takes it down whatever happens."""
    platform = Platform(engine)
    try:
        platform.up()
        yield platform
    finally:
        platform.remove()
