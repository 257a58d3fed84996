"""A value of its own through every input that may hold a secret, and then none of them anywhere that anybody reads."""
import base64
import contextlib
import json
import os
import re
import secrets
import threading
import zlib
from pathlib import Path

import pytest

from support.wait import until

pytestmark = pytest.mark.one_machine("searches the data folder and the processes; of a cluster, tests/kubernetes does")


class Canaries:
    """One of a kind each, found again also where it was encoded."""

    def __init__(self):
        self.of: dict[str, str] = {}

    def new(self, where: str) -> str:
        self.of[where] = f"canary-{secrets.token_hex(12)}"
        return self.of[where]

    def seen_in(self, text: bytes) -> list[str]:
        return [where for where, value in self.of.items() if any(form in text for form in forms(value))]


def forms(value: str) -> list[bytes]:
    plain = value.encode()
    # Of base64 what does not depend on where in a text it stood.
    encoded = [base64.b64encode(b"\0" * shift + plain)[4 if shift else 0:-4].rstrip(b"=") for shift in range(3)]
    return [plain, plain.hex().encode(), *[one for one in encoded if len(one) > 16]]


class ProcessLists:
    """What `ps` shows, again and again, until stopped; of the processes that a test has not started itself."""

    def __init__(self):
        self.seen: set[bytes] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stop.is_set():
            for entry in os.listdir("/proc"):
                if entry.isdigit():
                    with contextlib.suppress(OSError):
                        self.seen.add(Path(f"/proc/{entry}/cmdline").read_bytes())
            self._stop.wait(0.002)

    def __enter__(self) -> "ProcessLists":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join(10)


def unpacked(data: bytes) -> bytes:
    """As it is, and what is in it if it is compressed: layers of images, rotated logs."""
    if data[:2] == b"\x1f\x8b":
        with contextlib.suppress(zlib.error):
            return data + zlib.decompressobj(31).decompress(data, 64 << 20)
    return data


def test_no_secret_is_in_what_is_kept_logged_shown_or_listed(loco, app, tmp_path):
    canaries = Canaries()
    folder = app("aviary")
    (tmp_path / "value").write_text(canaries.new("a file given to env set"))
    (tmp_path / "more.env").write_text(f"IMPORTED={canaries.new('env import')}\nQUOTED='{canaries.new('env import, quoted')}'\n")
    (tmp_path / "bad.env").write_text(f"GOOD={canaries.new('env import, refused')}\nnot a line with {canaries.new('env import, malformed')}\n")
    (folder.path / "secret.txt").write_text(canaries.new("a build secret"))
    (folder.path / ".env").write_text(f"LEFT_OUT={canaries.new('a .env in the folder')}\n")
    # [env] is no secret: it is read in the loco.toml, which is therefore kept out of the image here.
    (folder.path / ".dockerignore").write_text("loco.toml\n")
    folder.image("1", dockerfile="FROM scratch\nCOPY probe /probe\nENV VERSION=1\n"
                                 'RUN --mount=type=secret,id=key ["/probe", "has", "/run/secrets/key"]\nCOPY . /all\nUSER 10001\nCMD ["/probe"]\n')
    folder.toml(f'[env]\nIN_FILE = "{canaries.new("[env] of loco.toml")}"', head='[build]\nsecrets = { key = "secret.txt" }',
                deploy='release_command = ["/probe", "release"]')
    shown = []
    with ProcessLists() as processes:
        def run(*words, **options):
            shown.append(loco.run(*words, **options))
            return shown[-1]

        run("create", "aviary")
        run("-v", "env", "set", "FROM_STDIN", "-a", "aviary", stdin=canaries.new("env set from stdin") + "\n")
        run("-v", "env", "set", "STAGED", "--stage", "-a", "aviary", stdin=canaries.new("env set, staged") + "\n")
        run("-v", "deploy", folder.path)
        run("-v", "env", "set", f"FROM_FILE=@{tmp_path}/value", "-a", "aviary")
        run("-v", "env", "import", tmp_path / "more.env", "-a", "aviary")
        run("-v", "env", "import", tmp_path / "bad.env", "-a", "aviary", expect=2)
        run("-v", "env", "set", "BAD NAME", "-a", "aviary", stdin=canaries.new("env set, refused for its name") + "\n", expect=2)
        run("-v", "env", "set", "TOO_LONG", "-a", "aviary", stdin=canaries.new("env set, refused for its size") + "x" * 70000, expect=None)
        # One that fails while it starts, with a diagnosis; and one that fails to build.
        folder.image("2").toml(f'[env]\nHEALTH = "503"\nIN_FILE = "{canaries.new("[env] of a failed deploy")}"', timeout="3s")
        run("-v", "deploy", folder.path, expect=7)
        folder.image("3", dockerfile='FROM scratch\nCOPY probe /probe\nRUN --mount=type=secret,id=key ["/nothing"]\n')
        folder.toml(f'[env]\nIN_FILE = "{canaries.new("[env] of a failed build")}"', head='[build]\nsecrets = { key = "secret.txt" }')
        run("-v", "deploy", folder.path, expect=5)
        run("-v", "rollback", "v1", "-a", "aviary")
        run("-v", "restart", "-a", "aviary")
        # Tokens that were given and tokens that are none.
        run("-v", "whoami", env={"LOCO_TOKEN": canaries.new("a token that is none")}, expect=3)
        loco.call("GET", f"/me?token={canaries.new('a token in a query')}")
        loco.call("GET", "/me", headers={"Authorization": f"Basic {base64.b64encode(canaries.new('a password').encode()).decode()}"})
        loco.fetch("aviary", "/", headers={"Authorization": f"Bearer {canaries.new('a header of a request to the app')}", "Cookie": canaries.new("a cookie")})
        spec = json.loads(loco.run("deploy", folder.path, "--dry-run", "--json", expect=None).out or "{}")
        answer = loco.call("POST", f"{loco.path('aviary')}/deployments", {"kind": "deploy", "spec": spec.get("spec", spec)})
        if answer.status in (201, 202):
            token = loco.call("POST", f"{loco.path('aviary')}/deployments/{answer.json()['id']}/push-token").json()
            canaries.of["a token for the registry"] = token["token"].rpartition(".")[2]
            loco.call("POST", f"{loco.path('aviary')}/deployments/{answer.json()['id']}/cancel")
        canaries.of["the client's own token"] = loco.token()
        # What the app has been given, it has: these are the values, and they work.
        assert loco.fetch("aviary", "/env/FROM_STDIN").text == canaries.of["env set from stdin"]
        assert loco.fetch("aviary", "/env/IN_FILE").text == canaries.of["[env] of loco.toml"]
        for words in (["status"], ["events"], ["releases"], ["env", "list"], ["logs", "-n", "1000"], ["logs", "--build"], ["domains", "list"]):
            run(*words, "-a", "aviary")
            run(*words, "-a", "aviary", "--json")
    assert "a token for the registry" in canaries.of, answer.text
    for done in shown:
        said = done.out + done.err
        assert not canaries.seen_in(said.encode()), f"{canaries.seen_in(said.encode())} in what it says: {done}"
    listed = [(where, words) for words in processes.seen for where in canaries.seen_in(words)]
    assert not listed, listed
    # The API, by itself.
    base = loco.path("aviary")
    deployments = [one["id"] for one in loco.call("GET", f"{base}/deployments").json()["items"]]
    paths = [base, *[f"{base}/{one}" for one in ("deployments", "releases", "events", "env", "domains", "metrics", "logs", "logs?limit=1000")],
             *[f"{base}/deployments/{one}" for one in deployments], *[f"{base}/logs?build={one}" for one in deployments], "/me"]
    for path in paths:
        body = loco.call("GET", path).body
        assert not canaries.seen_in(body), (path, canaries.seen_in(body), body)
    # What is kept: the database and its journal, logs of apps and of the parts, files of the gateway, images in the registry.
    # Not an engine's own data: an engine keeps a container's environment in plain text (ARCHITECTURE.md, Limits).
    searched = 0
    for path in loco.data.rglob("*"):
        if path.is_file() and not path.is_symlink() and "docker" not in path.relative_to(loco.data).parts[:1]:
            searched += 1
            assert not canaries.seen_in(unpacked(path.read_bytes())), (path, canaries.seen_in(unpacked(path.read_bytes())))
    assert searched > 20
    # The client's files: only what signs it in.
    for path in loco.folder.rglob("*"):
        if path.is_file() and loco.data not in path.parents and "config" not in path.relative_to(loco.folder).parts[:1]:
            assert not canaries.seen_in(path.read_bytes()), (path, canaries.seen_in(path.read_bytes()))
    assert (loco.folder / "state/loco/loco.log").stat().st_size > 0, "there is a debug log, and it was searched"
    # The image: its configuration, its history, its files; and the containers' labels, names and arguments.
    for container in loco.engine.of_app("aviary"):
        about = loco.engine.inspect(container)
        about["Config"].pop("Env")
        assert not canaries.seen_in(json.dumps(about).encode()), canaries.seen_in(json.dumps(about).encode())
        image = loco.engine.docker("image", "inspect", about["Image"]) + loco.engine.docker("history", "--no-trunc", about["Image"])
        assert not canaries.seen_in(image.encode()), canaries.seen_in(image.encode())
        assert not {one for one in loco.engine.files(container) if re.search(r"secret\.txt|all/\.env", one)}


def test_a_secret_that_an_app_itself_writes_is_in_its_log_and_nowhere_else(loco, app):
    canaries = Canaries()
    loco.deploy(app("teller"))
    loco.fetch("teller", f"/log?text={canaries.new('written by the app')}")
    until(lambda: canaries.of["written by the app"] in loco.run("logs", "-a", "teller").out, 10)
    for path in loco.data.rglob("*"):
        parts = path.relative_to(loco.data).parts
        if path.is_file() and parts[0] not in ("docker", "app-logs"):
            assert not canaries.seen_in(path.read_bytes()), path
    assert not canaries.seen_in(loco.run("events", "-a", "teller", "--json").out.encode())
