"""Why an app does not run, for real: each cause is produced, and what its user reads is compared with a text that a person has read and found
helpful (golden/causes/NAME.txt). LOCO_ACCEPT=1 rewrites those: read the difference before you keep it."""
import os
import re
import shutil
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support import probe
from support.wait import until

GOLDEN = Path(__file__).resolve().parent / "golden/causes"
PROGRAM = "FROM scratch\nCOPY probe program /\nUSER 10001\nCMD [\"{command}\"]\n"


def executable(path: Path) -> None:
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def script(text: bytes):
    def write(path: Path) -> None:
        path.write_bytes(text)
        executable(path)
    return write


def not_executable(path: Path) -> None:
    path.write_text("#!/probe\n")
    path.chmod(0o644)


def dynamic(path: Path) -> None:
    shutil.copy("/usr/bin/true", path)
    executable(path)


def of_another_processor(path: Path) -> None:
    program = bytearray(probe.program().read_bytes())
    program[18:20] = (243).to_bytes(2, "little")   # e_machine: RISC-V
    path.write_bytes(program)
    executable(path)


@dataclass
class Cause:
    """How it is produced: variables of the probe app, and what else loco.toml says."""
    env: dict = field(default_factory=dict)
    toml: dict = field(default_factory=dict)
    program: object = None   # makes a file /program, which is what the image runs
    command: str = "/program"
    dockerfile: str = ""
    writable: bool = True


def trouble(what: str, **toml) -> Cause:
    return Cause(env={"TROUBLE": what}, toml=toml)


def unwell(timeout: str = "8s", **more) -> Cause:
    env = more.pop("env")
    return Cause(env=env, toml={"timeout": timeout, **more})


RELEASE = 'release_command = ["/probe", "release"]'
LOADER = next((path for path in ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1") if Path(path).exists()), "")

CAUSES = {
    "command-not-found": Cause(program=script(b"#!/probe\n"), command="/bin/server"),
    "command-not-in-path": Cause(program=script(b"#!/probe\n"), command="serve"),
    "command-not-executable": Cause(program=not_executable),
    "command-is-a-folder": Cause(program=script(b"#!/probe\n"), command="/"),
    "script-line-ends": Cause(program=script(b"#!/bin/sh\r\nexec /probe\r\n")),
    "script-no-interpreter": Cause(program=script(b"exec /probe\n")),
    "interpreter-missing": Cause(program=script(b"#!/bin/bash\nexec /probe\n")),
    "loader-missing": Cause(program=dynamic),
    "library-missing": Cause(program=dynamic, dockerfile=f"FROM scratch\nCOPY program loader /\nCOPY loader {LOADER}\nUSER 10001\nCMD [\"/program\"]\n"),
    "wrong-architecture": Cause(program=of_another_processor),
    "exits-with-42": trouble("exit:42"),
    "exits-with-0": trouble("exit:0"),
    "killed-by-a-signal": trouble("signal:11"),
    "oom-killed-at-start": trouble("memory"),
    "process-limit": trouble("processes", resources='cpu = "50m"\nmemory = "256Mi"'),
    "file-limit": trouble("files", resources='cpu = "50m"\nmemory = "512Mi"'),
    "privilege-needed": trouble("chown:/probe"),
    "read-only-file-system": trouble("write:/data", resources='cpu = "50m"\nmemory = "48Mi"\nwritable = false'),
    "tmp-full": trouble("fill:/tmp", resources='cpu = "50m"\nmemory = "64Mi"\nwritable = false'),
    "host-not-found": trouble("resolve:database"),
    "connection-refused": trouble("connect:127.0.0.1:5432"),
    "variable-missing": trouble("need:DATABASE_URL"),
    "wrong-port": unwell(env={"LISTEN_PORT": "3000"}),
    "loopback-only": unwell(env={"LISTEN": "127.0.0.1"}),
    "wrong-port-of-loopback": unwell(env={"LISTEN": "127.0.0.1", "LISTEN_PORT": "5000"}),
    "udp-only": unwell(env={"LISTEN": "udp"}),
    "unix-socket-only": unwell(env={"LISTEN": "/tmp/app.sock"}, resources='cpu = "50m"\nmemory = "48Mi"\nwritable = false'),
    "not-listening": unwell(env={"LISTEN": "nothing"}),
    "health-unauthorized": unwell(env={"HEALTH": "401"}),
    "health-not-found": unwell(env={"HEALTH": "404"}),
    "health-error": unwell(env={"HEALTH": "500"}),
    "health-status": unwell(env={"HEALTH": "405"}),
    "health-redirects": unwell(env={"HEALTH": "redirect"}),
    "health-timeout": unwell(env={"HEALTH": "hang"}, health='path = "/healthz"\ntimeout = "1s"'),
    "speaks-tls": unwell(env={"SPEAKS": "tls"}),
    "not-http": unwell(env={"SPEAKS": "garbage"}),
    "closes-connections": unwell(env={"SPEAKS": "nothing"}),
    "not-http2": unwell(env={}, http='port = 8080\nprotocol = "h2c"'),
    "release-command-failed": trouble("exit:9", deploy=RELEASE),
    "release-command-not-found": Cause(toml={"deploy": 'release_command = ["/migrate"]'}),
    "release-command-timeout": Cause(env={"RELEASE_MS": "60000"}, toml={"deploy": RELEASE, "timeout": "3s"}),
    "release-command-oom-killed": trouble("memory", deploy=RELEASE),
}


def readable(text: str) -> str:
    """What differs from run to run is replaced."""
    text = re.sub(r"\b10\.\d+\.\d+\.\d+\b", "ADDRESS", text)
    text = re.sub(r"\b(loco|app|ins|dep|rel)_[0-9a-z]{20,}", r"\1_ID", text)
    text = re.sub(r"  \| listening on \d+ version \d+\n", "", text)   # it may come later
    # Whether a machine has a way to the servers of names.
    text = text.replace("Temporary failure in name resolution", "Name or service not known")
    text = re.sub(r"\btini \(\d+\)", "tini (N)", text)
    text = re.sub(r"riscv64; this is \w+", "riscv64; this is ARCH", text)
    text = re.sub(r"linux/(amd64|arm64)", "linux/ARCH", text)
    return text.replace(LOADER, "LOADER") if LOADER else text


def compare(name: str, text: str) -> None:
    path = GOLDEN / f"{name}.txt"
    text = readable(text)
    if os.environ.get("LOCO_ACCEPT") == "1":
        path.write_text(text)
    assert path.exists(), f"no golden text of {name}; it is now:\n{text}"
    assert text == path.read_text(), f"what is told of {name} has changed; LOCO_ACCEPT=1 accepts it:\n{text}"


def folder_of(where: Path, name: str, cause: Cause) -> probe.Folder:
    folder = probe.Folder(where / name, name)
    if cause.program:
        cause.program(folder.path / "program")
        dockerfile = cause.dockerfile or PROGRAM.format(command=cause.command)
        if "loader" in dockerfile:
            shutil.copy(LOADER, folder.path / "loader")
        folder.image("1", dockerfile=dockerfile)
    env = "".join(f'{key} = "{value}"\n' for key, value in cause.env.items())
    return folder.toml(f"[env]\n{env}", **cause.toml)


def diagnosis_of(loco, app: str) -> str:
    """As `loco status` has it, with the evidence."""
    told = loco.status(app)["last_deployment"]["diagnosis"]
    text = f"{told['code']} ({told['phase']}, exit status {told['exit_status']})\n{told['message']}\n"
    text += "".join(f"  | {line}\n" for line in told["evidence"].splitlines())
    return text + "".join(f"  → {step}\n" for step in told["next_steps"])


@pytest.fixture(scope="module")
def told(loco, tmp_path_factory):
    """name → what is read of that cause, once it was produced. Several at a time: most of it is waiting."""
    where = tmp_path_factory.mktemp("causes")
    probe.program()
    results, lock = {}, threading.Lock()

    def produce(name: str):
        done = loco.deploy(folder_of(where, name, CAUSES[name]), expect=None)
        with lock:
            results[name] = (done, diagnosis_of(loco, name))

    wanted = os.environ.get("LOCO_CAUSES", "").split() or list(CAUSES)
    with ThreadPoolExecutor(max_workers=6) as pool:
        work = {name: pool.submit(produce, name) for name in wanted}
        yield lambda name: (work[name].result(timeout=300), results[name])[1]


@pytest.mark.one_machine("tells of sockets and files, which a cluster's pods do not show")
@pytest.mark.parametrize("name", CAUSES)
def test_each_cause_is_told_with_what_to_do(loco, told, name):
    done, text = told(name)
    assert done.status == 7, str(done)
    compare(name, text)
    message = text.splitlines()[1]
    assert message in done.err, str(done)
    assert [line for line in text.splitlines() if line.startswith("  → ")], text
    assert len(loco.instances(name)) == 0 or until(lambda: loco.instances(name) == [], 30, "nothing of it is left")


def events(loco, app: str, code: str) -> list[dict]:
    return [event for event in loco.events(app) if (event["data"] or {}).get("code") == code]


def status_text(loco, app: str) -> str:
    return loco.run("status", "-a", app).out


def test_what_is_killed_for_memory_while_it_serves_is_in_events_and_status(loco, app):
    loco.deploy(app("greedy"))
    loco.fetch("greedy", "/memory?mb=200")
    told = until(lambda: events(loco, "greedy", "oom_killed"), 15, "it is told")
    compare("live-oom-killed", told[0]["message"] + "\n")
    text = until(lambda: (text := status_text(loco, "greedy")) and "killed for memory" in text and text, 10, "status says so")
    assert "oom_killed" in text and "loco scale --memory 96Mi" in text, text


def test_a_crash_and_a_crash_loop_are_told_as_such(loco, app):
    loco.deploy(app("stumbler").toml('[env]\nCRASH_AFTER_MS = "1500"\nCRASH_EXIT = "3"'))
    until(lambda: events(loco, "stumbler", "crashed"), 15, "a crash is told")
    loop = until(lambda: events(loco, "stumbler", "crash_loop"), 40, "a loop is told")
    crashes = [event["message"] for event in loco.events("stumbler") if event["kind"] == "instance.crashed"]
    compare("live-crash", min(crashes, key=len) + "\n")
    assert "time in a row" in loop[0]["message"]
    text = status_text(loco, "stumbler")
    assert "exited with 3" in text and "loco logs --previous" in text, text


def test_one_that_hangs_while_it_serves_is_told_and_replaced(loco, app):
    loco.deploy(app("frozen").toml(health='path = "/healthz"\ntimeout = "1s"').image("2"))
    # Checks do not count in the grace after a start (5 s here).
    assert loco.fetch("frozen", "/hang").status == 200
    told = until(lambda: events(loco, "frozen", "hangs"), 30, "it is told")
    compare("live-hangs", told[0]["message"] + "\n")
    until(lambda: loco.fetch("frozen", timeout=2).status == 200, 30, "another serves")


def test_one_that_ignores_sigterm_is_told_once(loco, app):
    folder = app("stubborn").toml('[env]\nIGNORE_TERM = "1"', deploy="")
    (folder.path / "loco.toml").write_text((folder.path / "loco.toml").read_text().replace('stop_timeout = "5s"', 'stop_timeout = "2s"'))
    loco.deploy(folder)
    loco.run("restart", "-a", "stubborn")
    told = until(lambda: events(loco, "stubborn", "ignored_sigterm"), 20, "it is told")
    loco.settled("stubborn", 1)
    assert len(events(loco, "stubborn", "ignored_sigterm")) == 1
    compare("live-ignored-sigterm", told[0]["message"] + "\n")


def test_a_healthy_app_is_never_accused(loco, app):
    loco.deploy(app("innocent"))
    loco.fetch("innocent", "/err?text=connection-refused-Permission-denied")
    loco.run("restart", "-a", "innocent")
    loco.settled("innocent", 1)
    accused = [event for event in loco.events("innocent") if (event["data"] or {}).get("code")]
    assert accused == []
    instance = loco.status("innocent")["instances"][0]
    assert instance["last_problem"] == "" and instance["problem_code"] is None and instance["next_steps"] == []
