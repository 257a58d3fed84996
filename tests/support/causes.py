"""Why an app does not run: how each cause is produced with the tests' app, on one machine and on a cluster."""
import platform
import shutil
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support import probe

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
ARCH = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
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


# What the machine that tests calls its own.
NAMED = {"linux/ARCH": f"linux/{ARCH}", "this is ARCH": f"this is {ARCH}"} | ({"LOADER": LOADER} if LOADER else {})


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


@contextmanager
def produced(names, produce, at_a_time: int = 6):
    """name → what produce(name) gives. Several at a time: most of it is waiting."""
    probe.program()
    with ThreadPoolExecutor(max_workers=at_a_time) as pool:
        work = {name: pool.submit(produce, name) for name in names}
        yield lambda name: work[name].result(timeout=300)
