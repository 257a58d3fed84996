"""What the goals' modules share: a Loco of our own, its processes' CPU and memory, timed programs, load, peers."""
import contextlib
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent
BINARIES = Path(os.environ.get("LOCO_TEST_BIN", REPO / "build/release/bin"))
os.environ.setdefault("LOCO_TEST_BIN", str(BINARIES))
sys.path.insert(0, str(REPO / "tests"))

from support import engine as engines, web  # noqa: E402
from support.platform import Platform, free_ports  # noqa: E402
from support.wait import until  # noqa: E402

POLL_S = 0.002


class Bench:
    def __init__(self, repeats: int):
        self.repeats = repeats
        self.folder = Path(tempfile.mkdtemp(prefix="loco-bench-"))
        self.undo = contextlib.ExitStack()
        self.undo.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self._engine = self._platform = None

    def close(self) -> None:
        self.undo.close()

    @property
    def engine(self) -> engines.Engine:
        if self._engine is None:
            self._engine = engines.bring_up()
            self.undo.callback(engines.take_down, self._engine)
        return self._engine

    @property
    def platform(self) -> Platform:
        """One Loco for all goals that need one; it goes at the end with all that it made."""
        if self._platform is None:
            self._platform = Platform(self.engine)
            self.undo.callback(self._platform.remove)
            self._platform.up()
        return self._platform

    def start(self, argv: list, **options) -> subprocess.Popen:
        """A peer that runs until the end of the bench."""
        process = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, **options)

        def stop():
            process.kill()
            process.wait()
        self.undo.callback(stop)
        return process


def seconds(work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def spawn_ms(argv: list[str], environment: dict) -> tuple[float, float]:
    """From the start of a program to its end, and the CPU that it used; its output goes nowhere."""
    nowhere = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0), (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
    began = time.perf_counter()
    pid = os.posix_spawn(argv[0], argv, environment, file_actions=nowhere)
    _, status, usage = os.wait4(pid, 0)
    took = time.perf_counter() - began
    assert os.waitstatus_to_exitcode(status) == 0, f"{argv} ended with {os.waitstatus_to_exitcode(status)}"
    return 1e3 * took, 1e3 * (usage.ru_utime + usage.ru_stime)


def first_200(port: int, host: str, path: str = "/", within: float = 60, address: str = "127.0.0.1") -> float:
    """Asks until it is answered with 200; the moment, on time.perf_counter()'s clock."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    deadline = time.perf_counter() + within
    while time.perf_counter() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=2) as connection:
            connection.sendall(request)
            if connection.recv(4096).startswith(b"HTTP/1.1 200"):
                return time.perf_counter()
        time.sleep(POLL_S)
    raise AssertionError(f"{host} did not answer 200 within {within:g} s")


def cpu_ns(pid: int) -> int:
    """What its threads have used."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir())


def pss_kib(pid: int) -> int:
    return int(re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)[1])


def family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid] + [one for child in children for one in family(int(child))]


def tree_pss_mib(pid: int) -> float:
    return sum(pss_kib(one) for one in family(pid)) / 1024


def key_values(line: str) -> dict[str, float]:
    return {key: float(value) for key, value in re.findall(r"(\w+)=([\d.]+)", line)}


class OverSocket(http.client.HTTPConnection):
    """HTTP to the engine's Unix socket, for what its command line can't do: a push with a given token."""

    def __init__(self, host: str):
        super().__init__("localhost", timeout=60)
        self.path = host.removeprefix("unix://")

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


def wrk(url: str, script: Path, seconds_long: float, connections: int, threads: int = 1, environment: dict | None = None) -> dict:
    """Bounded load to this machine; requests, requests a second, and how many were answered with an error."""
    done = subprocess.run(["wrk", "-t", str(threads), "-c", str(connections), "-d", f"{seconds_long:g}s", "-s", str(script), url],
                          env=os.environ | (environment or {}), capture_output=True, text=True, timeout=60 + seconds_long)
    assert done.returncode == 0, done.stderr
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    errors = re.search(r"Socket errors: (.*)", done.stdout)
    assert not bad and not errors, f"{url}: {bad[0] if bad else errors[0]}"
    return {"requests": int(re.search(r"(\d+) requests in", done.stdout)[1]),
            "per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)[1])}


def answer_json(answer, *statuses: int) -> dict:
    assert answer.status in (statuses or (200, 201, 202)), f"{answer.status}: {answer.text[:300]}"
    return json.loads(answer.body)


__all__ = ["BINARIES", "REPO", "Bench", "OverSocket", "Platform", "answer_json", "cpu_ns", "family", "first_200", "free_ports", "key_values",
           "pss_kib", "seconds", "spawn_ms", "tree_pss_mib", "until", "web", "wrk"]
