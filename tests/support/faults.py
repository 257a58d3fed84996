"""Faults of one machine: parts that stand still, disks that are full, system calls that fail, a clock that jumps."""
import contextlib
import os
import random
import shutil
import signal
import struct
import subprocess
from pathlib import Path

from support import netns, web
from support.engine import Engine
from support.platform import BINARIES, REPO, Platform
from support.wait import until

# How often each fault is tried that comes at a random moment; more on request.
ROUNDS = int(os.environ.get("LOCO_TEST_FAULTS", "2"))
SEED = int(os.environ.get("LOCO_TEST_SEED", random.randrange(1 << 32)))
PARTS = ("loco-api", "haproxy", "registry", "dockerd")


@contextlib.contextmanager
def bare_platform(prepare=None, binaries: Path | None = None):
    """Loco on a bare machine: a network namespace of its own, an engine of its own. Every part of it is the tests' to stop and
    kill. `prepare` is called with it before it is up."""
    with netns.own(f"loco-fault-{os.getpid()}"):
        platform = Platform(Engine("", None))
        del platform.environment["DOCKER_HOST"]
        platform.engine_options = []
        platform.binaries = binaries or platform.binaries
        try:
            if prepare:
                prepare(platform)
            platform.up()
            platform.engine.host = f"unix://{next(platform.data.rglob('docker.sock'))}"
            yield platform
        finally:
            platform.remove()


@contextlib.contextmanager
def standing_still(loco: Platform, part: str):
    """The part takes no step: SIGSTOP, and SIGCONT at the end. HAProxy is a master and its worker, dockerd has a containerd."""
    pids = family(loco.pid(part)) if part != "dockerd" else [loco.pid(part)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield pids
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def family(pid: int) -> list[int]:
    """A process and its children."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += family(int(child))
    return found


def killed(loco: Platform, part: str) -> None:
    """kill -9, and waits until the supervisor has started another."""
    old = loco.kill(part)
    until(lambda: (loco.pid(part) or old) != old, 60, f"another {part}")


def is_ready(loco: Platform) -> bool:
    return web.fetch(loco.ops, "127.0.0.1", "/readyz", timeout=5).status == 200


@contextlib.contextmanager
def failing_calls(pid: int, call: str, error: str, when: str):
    """System calls of the process fail as strace's `inject` says: when=3 the third of each thread, when=3+7 every seventh from there."""
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}", "-p", str(pid)],
                              stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: all("TracerPid:\t0\n" not in (task / "status").read_text() for task in Path(f"/proc/{pid}/task").iterdir()), 10, "the process is traced")
        assert tracer.poll() is None, tracer.stderr.read()
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=20)


@contextlib.contextmanager
def few_descriptors(pid: int, more: int):
    """The process may open so many files more than it has open now."""
    soft, hard = subprocess.run(["prlimit", "--pid", str(pid), "--nofile", "--noheadings", "--raw", "-o", "SOFT,HARD"], check=True, capture_output=True,
                                text=True).stdout.split()
    highest = max(int(one.name) for one in Path(f"/proc/{pid}/fd").iterdir())
    subprocess.run(["prlimit", "--pid", str(pid), f"--nofile={highest + 1 + more}:{hard}"], check=True)
    try:
        yield
    finally:
        subprocess.run(["prlimit", "--pid", str(pid), f"--nofile={soft}:{hard}"], check=True)


def threads_of(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def mount(folder: Path, megabytes: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={int(megabytes * 1024)}k,mode=755", "tmpfs", folder], check=True)


def unmount(folder: Path) -> None:
    subprocess.run(["umount", "-l", folder], check=False, capture_output=True)


@contextlib.contextmanager
def full(folder: Path):
    """Not a byte can be written there."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while file.write(b"\0" * size):
                    pass
    try:
        yield
    finally:
        filler.unlink()


class ShiftedClock:
    """loco-api with a wall clock that the test sets: a folder of programs in which it runs with clock_shim.c before it."""

    def __init__(self, folder: Path):
        folder.mkdir()
        shim, self.offset = folder / "clock_shim.so", folder / "offset"
        subprocess.run(["clang-19", "-shared", "-fPIC", "-O1", "-o", shim, REPO / "tests/support/clock_shim.c"], check=True)
        self.offset.write_bytes(struct.pack("q", 0))
        shutil.copy(BINARIES / "loco", folder / "loco")
        # The supervisor passes no LD_PRELOAD on, so the program does it itself.
        (folder / "loco-api").write_text("#!/usr/bin/python3\nimport os, sys\n"
                                         f"os.environ.update(LD_PRELOAD={str(shim)!r}, CLOCK_SHIM={str(self.offset)!r})\n"
                                         f"os.execv({str(BINARIES / 'loco-api')!r}, ['loco-api', *sys.argv[1:]])\n")
        (folder / "loco-api").chmod(0o755)
        self.binaries = folder

    def set(self, seconds: float) -> None:
        """So far from the machine's, from now on."""
        with self.offset.open("r+b") as file:
            file.write(struct.pack("q", int(seconds * 1e9)))
