"""Steady load that never retries: every request that is not answered as it should be is counted, with its reason."""
import http.client
import threading
import time
from collections import Counter

from support import web


class Load:
    """Keep-alive POSTs to /echo from some connections, and WebSocket echoes from others, until stopped.

        with Load(port, host, posts=4, sockets=2) as load: …
        assert load.failures == {}
    """

    def __init__(self, port: int, host: str, posts: int = 4, sockets: int = 0, pause: float = 0.002, path: str = "/echo"):
        self.port, self.host, self.pause, self.path = port, host, pause, path
        self.requests = 0
        self.failures: Counter[str] = Counter()
        self.releases: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._post) for _ in range(posts)]
        self._threads += [threading.Thread(target=self._talk) for _ in range(sockets)]

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


def during(load: Load, at_least: int, within: float = 30) -> None:
    """Waits until so many more requests were made."""
    goal, deadline = load.requests + at_least, time.monotonic() + within
    while load.requests < goal:
        assert time.monotonic() < deadline, f"only {load.requests} of {goal} requests; failures: {dict(load.failures)}"
        threading.Event().wait(0.01)
