"""Steady load that never retries: every request that is not answered as it should be is counted, with its reason."""
import contextlib
import http.client
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter

from support import web


class Load:
    """Keep-alive POSTs to /echo from some connections, WebSocket echoes and short streams of server-sent events from others, until stopped.

        with Load(port, host, posts=4, sockets=2) as load: …
        assert load.failures == {}
    """

    def __init__(self, port: int, host: str, posts: int = 4, sockets: int = 0, streams: int = 0, pause: float = 0.002,
                 path: str = "/echo"):
        self.port, self.host, self.pause, self.path = port, host, pause, path
        self.requests = 0
        self.failures: Counter[str] = Counter()
        self.releases: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._post) for _ in range(posts)]
        self._threads += [threading.Thread(target=self._talk) for _ in range(sockets)]
        self._threads += [threading.Thread(target=self._listen) for _ in range(streams)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _count(self, failure: str | None = None) -> None:
        with self._lock:
            self.requests += 1
            if failure:
                self.failures[failure] += 1

    def _post(self) -> None:
        connection, number = None, 0
        while not self._stop.is_set():
            number += 1
            body = f"request {number} of {threading.get_ident()}".encode() * (1 + number % 40)
            try:
                if connection is None:
                    connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
                connection.request("POST", self.path, body, {"Host": self.host})
                answer = connection.getresponse()
                got = answer.read()
                if answer.status != 200:
                    self._count(f"status {answer.status}: {got[:120]!r}")
                elif got != body:
                    self._count("another body came back")
                else:
                    self._count()
                if answer.will_close:   # announced, so no failure
                    connection.close()
                    connection = None
            except (OSError, http.client.HTTPException) as error:
                self._count(f"{type(error).__name__}: {error}")
                if connection:
                    connection.close()
                connection = None
            self._stop.wait(self.pause)
        if connection:
            connection.close()

    def _talk(self) -> None:
        """A socket that its server closes between two messages after draining is no failure (contract.md); a refused one is."""
        socket, number = None, 0
        while not self._stop.is_set():
            number += 1
            try:
                if socket is None:
                    socket = web.WebSocket(self.port, self.host)
                socket.echo(f"message {number}")
                self._count()
            except (web.Closed, ConnectionResetError, BrokenPipeError):
                socket.close() if socket else self._count("a WebSocket was refused")
                socket = None
            except (OSError, AssertionError) as error:
                self._count(f"WebSocket: {type(error).__name__}: {error}")
                socket = None
            self._stop.wait(0.02)
        if socket:
            socket.close()

    def _listen(self) -> None:
        """A stream that is shorter than an instance is given to end is heard to its end."""
        while not self._stop.is_set():
            try:
                heard = len(list(web.server_sent_events(self.port, self.host, f"/sse?n={EVENTS}&every_ms=40")))
                self._count(None if heard == EVENTS else f"a stream ended after {heard} of {EVENTS} events")
            except (OSError, AssertionError, http.client.HTTPException) as error:
                self._count(f"a stream: {type(error).__name__}: {error}")


EVENTS = 25
HAMMER = """
wrk.method = "POST"
wrk.body = string.rep("a request's body, ", 20)
local wrong = 0
function response(status, headers, body)
  if status ~= 200 or body ~= wrk.body then wrong = wrong + 1; print("wrong " .. status) end
end
"""


class Hammer:
    """As many keep-alive POSTs to /echo as a few connections can make: wrk, which does not retry and counts what fails."""

    def __init__(self, port: int, host: str, connections: int, at_most_s: int):
        self.script = tempfile.NamedTemporaryFile("w", suffix=".lua")
        self.script.write(HAMMER)
        self.script.flush()
        self.words = ["wrk", "-t1", f"-c{connections}", f"-d{at_most_s}s", "--timeout", "15s", "-s", self.script.name, "-H", f"Host: {host}",
                      f"http://127.0.0.1:{port}/echo"]
        self.requests = 0
        self.failures: list[str] = []

    def __enter__(self) -> "Hammer":
        self.process = subprocess.Popen(self.words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return self

    def __exit__(self, *_) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGINT)   # it ends with its report
        said, _ = self.process.communicate(timeout=60)
        self.requests = int(re.search(r"(\d+) requests in", said)[1])
        self.failures = [line.strip() for line in said.splitlines() if line.startswith("wrong") or "Socket errors" in line or "Non-2xx" in line]
        self.script.close()


def during(load: Load, at_least: int, within: float = 30) -> None:
    """Waits until so many more requests were made."""
    goal, deadline = load.requests + at_least, time.monotonic() + within
    while load.requests < goal:
        assert time.monotonic() < deadline, f"only {load.requests} of {goal} requests; failures: {dict(load.failures)}"
        threading.Event().wait(0.01)
