"""Which programs a platform starts, from its first moment to its last: traced, not believed. And names, values, commands, paths,
headers and files that a shell would take for something else."""
import http.client
import json
import os
import re
import socket
import subprocess
from pathlib import Path

import pytest

from support import web
from support.platform import Done, Platform
from support.probe import Folder
from support.wait import until

pytestmark = pytest.mark.one_machine("traces what `loco up` starts; a cluster's server starts nothing")

# All that Loco may start, by file name. The docker command starts its plugin that builds, and looks through its plugins.
PROGRAMS = {"loco", "loco-api", "haproxy", "docker-registry", "iptables", "iptables-restore", "docker", "docker-buildx", "docker-compose", "docker-app"}
SHELLS = {"sh", "bash", "dash", "ash", "zsh", "busybox", "env", "python3", "perl", "xargs"}

MARK = "/tmp/loco-was-executed"
HOSTILE = [f"$(touch {MARK})", f"`touch {MARK}`", f"; touch {MARK} #", f"| touch {MARK}", f"&& touch {MARK}", f"'; touch {MARK} ; '", f'"; touch {MARK} ; "',
           f"\ntouch {MARK}\n", "${HOME}", "$HOME", "%s%n%x", "{{7*7}}", "a b  c", "\t", "\\", "\\\\n", "'", '"', "*", "~", "!!", "#", "\u00e9\u4f60\u597d\U0001f600",
           "\u202etxt.exe", "\x1b[31m", "-rf", "--help", "x" * 20000, "=", "a=b", "\r\nX-Injected: yes", "../../../etc/passwd", "\x7f\x01"]


@pytest.fixture(autouse=True)
def nothing_was_executed():
    yield
    assert not os.path.exists(MARK)


class Traced(Platform):
    """Each command line runs under strace, and with it all that it starts and leaves running."""

    def __init__(self, engine, traces: Path):
        super().__init__(engine)
        self.traces, self.number = traces, 0

    def run(self, *words, expect: int | None = 0, timeout: float = 180, **_) -> Done:
        self.number += 1
        out, err = self.traces / f"{self.number}.out", self.traces / f"{self.number}.err"
        # -D: the program, not its tracer, is the child. To files: a pipe would be held by the tracer of what goes on running.
        with out.open("w") as stdout, err.open("w") as stderr:
            status = subprocess.run(["strace", "-D", "-f", "-qq", "-s", "300", "-e", "trace=execve,execveat", "-o", self.traces / f"{self.number}.trace",
                                     self.binaries / "loco", *map(str, words)], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                                    stdout=stdout, stderr=stderr, timeout=timeout, start_new_session=True).returncode
        done = Done([str(word) for word in words], status, out.read_text(), err.read_text())
        assert expect is None or status == expect, str(done)
        return done

    def started(self) -> dict[str, set[str]]:
        """Each program that was started, with the commands under which it was."""
        found: dict[str, set[str]] = {}
        for trace in self.traces.glob("*.trace"):
            for line in trace.read_text(errors="replace").splitlines():
                if program := re.search(r'execve(?:at)?\([^"]*"([^"]+)"', line):
                    if " = -1 " not in line:   # else it was looked for in one more folder of PATH
                        found.setdefault(Path(program[1]).name, set()).add(trace.name)
        return found


def test_no_shell_is_started_from_up_to_down(engine, tmp_path):
    (tmp_path / "traces").mkdir()
    platform = Traced(engine, tmp_path / "traces")
    folder = Folder(tmp_path / "plain", "plain")
    try:
        platform.up()
        platform.deploy(folder.toml('[process.side]\ncommand = ["/probe", "work"]', deploy='release_command = ["/probe", "release"]'))
        platform.deploy(folder.image("2"))
        platform.run("rollback", "-a", "plain")
        platform.run("env", "set", "A=b", "-a", "plain")
        platform.run("scale", "--replicas", "2", "-a", "plain")
        platform.run("logs", "-a", "plain")
        platform.run("status", "-a", "plain")
        old = platform.kill("loco-api")
        until(lambda: (platform.pid("loco-api") or old) != old and web.fetch(platform.api, "127.0.0.1", "/api/v1/version").status == 200, 30)
        platform.deploy(folder.image("3", dockerfile="FROM scratch\nCOPY nothing /\n"), expect=5)
        platform.run("destroy", "-a", "plain", "--yes")
        platform.down("--purge", "--yes")
        started = platform.started()
        assert {"loco", "loco-api", "haproxy", "docker-registry", "docker", "iptables"} <= set(started), f"the trace is not whole: {started}"
        assert not SHELLS & set(started), {name: started[name] for name in SHELLS & set(started)}
        assert set(started) <= PROGRAMS, {name: where for name, where in started.items() if name not in PROGRAMS}
    finally:
        platform.remove()


def test_hostile_values_of_variables_arrive_exactly_or_are_refused(loco, app, tmp_path):
    loco.deploy(app("values"))
    for index, value in enumerate(HOSTILE):
        (tmp_path / "value").write_bytes(value.encode())
        done = loco.run("env", "set", f"V{index}=@{tmp_path}/value", "--stage", "-a", "values", expect=None)
        assert done.status in (0, 2), done
        assert done.status == 0 or done.err.strip(), done
    (tmp_path / "value").write_bytes(b"a\0b")
    assert loco.run("env", "set", f"NUL=@{tmp_path}/value", "--stage", "-a", "values", expect=None).status == 2
    (tmp_path / "value").write_bytes(b"\xff\xfe")
    assert loco.run("env", "set", f"BYTES=@{tmp_path}/value", "--stage", "-a", "values", expect=None).status in (0, 2)
    loco.run("redeploy", "-a", "values")
    arrived = 0
    for index, value in enumerate(HOSTILE):
        answer = loco.fetch("values", f"/env/V{index}")
        if answer.status == 200:
            arrived += 1
            assert answer.body.decode() == value.removesuffix("\n"), (index, value[:100], answer.body[:100])
    assert arrived >= len(HOSTILE) - 3, f"{arrived} of {len(HOSTILE)}"


def test_hostile_names_are_refused_with_words_everywhere(loco, app):
    loco.deploy(app("names"))
    for text in [one for one in HOSTILE if "\0" not in one] + [""]:
        for words, fine in ((["create", "--", text], (2, 9)), (["status", "-a", text], (2, 4)), (["env", "set", f"{text}=1", "--stage", "-a", "names"], (2,)),
                            (["env", "unset", "-a", "names", "--", text], (2, 4, 0)), (["rollback", "-a", "names", "--", text], (2, 4)),
                            (["logs", "-a", "names", "--process", text], (0, 2, 4)), (["logs", "-a", "names", "--grep", text], (0, 2)),
                            (["logs", "-a", "names", "--since", text], (2,)), (["destroy", "--yes", "-a", text], (2, 4)),
                            (["scale", "-a", "names", "--memory", text], (2,)), (["deploy", "--image", text], (2, 4, 5, 6, 8))):
            done = loco.run(*words, expect=None)
            # What looks like an option, or a whole name, is what it is.
            assert done.status in fine or text in ("--help", "a=b", "=") or not text, done
            assert done.status != 1, done
            assert done.status == 0 or done.err.strip(), done
            assert "\x1b[31m" not in done.err and "\u202e" not in done.err, f"shown as it is: {done.err!r}"
    assert loco.release("names") == "v1"


def test_hostile_words_of_a_command_reach_the_program_as_they_are(loco, app):
    folder = app("commands")
    words = [one for one in HOSTILE if len(one) < 1000 and "\0" not in one and "\n" not in one and "\x7f" not in one]
    folder.toml(deploy=f"command = {json.dumps(['/probe', 'serve', *words], ensure_ascii=False)}")
    loco.deploy(folder)
    assert loco.fetch("commands", "/args").body.decode() == "\n".join(["/probe", "serve", *words]) + "\n"


def test_files_with_hostile_names_are_packed_as_they_are(loco, app):
    folder = app("files")
    names = {one.replace("/", "_")[:200] for one in HOSTILE if one not in ("", ".", "..")} | {"two\nlines", "-", "a" * 250, "trailing ", " leading", ".hidden", "\udcff\udcfe"}
    (folder.path / "odd").mkdir()
    for name in names:
        (folder.path / "odd" / name).write_text("x")
    folder.image("1", dockerfile='FROM scratch\nCOPY probe /probe\nCOPY odd /odd\nUSER 10001\nENV VERSION=1\nCMD ["/probe"]\n')
    done = loco.deploy(folder, expect=None)
    assert done.status in (0, 2, 5), done
    if done.status:
        assert done.err.strip(), done
        return
    found = {one.removeprefix("odd/") for one in loco.engine.files(loco.engine.of_app("files")[0]) if one.startswith("odd/")}
    assert found - {""} == {os.fsencode(name).decode(errors="surrogateescape") for name in names}


PLACES = ({"http": "port = 8080\npath = {}"}, {"http": "port = 8080\ndomains = [{}]"}, {"health": "path = {}"}, {"more": '[process.{}]\ncommand = ["/probe", "work"]'},
          {"more": "[env]\n{} = \"1\""}, {"more": "{} = 1"}, {"head": "[build]\ndockerfile = {}"}, {"head": "[build]\ntarget = {}"}, {"deploy": "user = {}"},
          {"deploy": "release_command = [{}]"})


@pytest.mark.parametrize("place", PLACES, ids=[" ".join(one.values()).replace("\n", " ") for one in PLACES])
def test_hostile_text_in_a_loco_toml_is_refused_with_words_or_kept(loco, app, place):
    folder = app("tomls")
    (key, line), = place.items()
    # Each string in one of the places, so that all of them are in all.
    for text in HOSTILE[PLACES.index(place)::len(PLACES)] + HOSTILE[:4]:
        folder.toml(**{key: line.replace("{}", json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f"))})
        done = loco.run("validate", folder.path, expect=None)
        assert done.status in (0, 2), done
        assert done.status == 0 or done.err.strip(), done
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", done.err), repr(done.err)


def test_hostile_requests_reach_an_app_as_they_are_or_not_at_all(loco, app):
    loco.deploy(app("headers"))
    for text in HOSTILE:
        if "\n" in text or "\r" in text:
            continue
        connection = http.client.HTTPConnection("127.0.0.1", loco.gateway, timeout=10)
        try:
            connection.putrequest("GET", "/headers", skip_host=True)
            connection.putheader("Host", "headers.localhost")
            connection.putheader("X-Hostile", text.encode())
            connection.endheaders()
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        assert answer.status in (200, 400, 431), (text[:50], answer.status)
        if answer.status == 200:
            assert b"x-hostile: " + text.strip(" \t").encode() in body.lower() or text.strip(" \t").lower().encode() in body.lower(), (text, body)
    # Heads that two readers could take for two things.
    for raw in (b"GET /headers HTTP/1.1\r\nHost: headers.localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                b"GET /headers HTTP/1.1\r\nHost: headers.localhost\r\nHost: loco.localhost\r\n\r\n", b"GET /headers HTTP/1.1\r\nHost: headers.localhost\0.evil\r\n\r\n",
                b"GET http://loco.localhost/ HTTP/1.1\r\nHost: headers.localhost\r\n\r\n", b"\x16\x03\x01\x02\x00" + os.urandom(300), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                b"GET /../../etc/passwd HTTP/1.1\r\nHost: headers.localhost\r\nConnection: close\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", loco.gateway), timeout=12) as connection:
            connection.sendall(raw)
            connection.settimeout(12)
            answer = b""
            try:
                while piece := connection.recv(65536):
                    answer += piece
                    if b"\r\n\r\n" in answer:
                        break
            except (TimeoutError, ConnectionResetError):
                pass
        assert b"HTTP/1.1 5" not in answer, (raw, answer[:300])
        assert b"root:" not in answer
    assert loco.fetch("headers").status == 200
