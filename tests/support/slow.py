"""Many connections from one thread: clients that send or read a byte at a time, and followers of logs."""
import json
import resource
import selectors
import socket
import threading
import time


def allow_files(count: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


class Slow:
    """So many connections that send one byte of a request every `every` seconds (read=False), or ask for a big answer and read a
    byte of it at a time (read=True). Those that the server ends are made anew: there are always so many."""

    def __init__(self, port: int, host: str, count: int, read: bool = False, every: float = 1.0, path: str = "/big?bytes=4194304"):
        allow_files(count + 1000)
        self.port, self.read, self.every = port, read, every
        self.head = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n".encode() + (b"\r\n" if read else b"X-Slow: " + b"x" * 200)
        self.count, self.open, self.ended = count, 0, 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Slow":
        self._thread.start()
        deadline = time.monotonic() + 60
        while self.open < self.count * 0.95:
            assert time.monotonic() < deadline, f"{self.open} of {self.count} connections"
            self._stop.wait(0.05)
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        connections: list[tuple[socket.socket, int] | None] = [None] * self.count
        while not self._stop.is_set():
            began = time.monotonic()
            for index, one in enumerate(connections):
                if self._stop.is_set():
                    break
                try:
                    if one is None:
                        new = socket.socket()
                        if self.read:
                            new.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                        new.settimeout(5)
                        new.connect(("127.0.0.1", self.port))
                        sent = len(self.head) if self.read else 1
                        new.sendall(self.head[:sent])
                        new.setblocking(False)
                        connections[index] = (new, sent)
                        self.open += 1
                    elif self.read:
                        if one[0].recv(1) == b"":
                            raise ConnectionResetError
                    else:
                        one[0].send(self.head[one[1] % len(self.head):][:1])
                        connections[index] = (one[0], one[1] + 1)
                except BlockingIOError:
                    pass
                except OSError:
                    if one:
                        one[0].close()
                        self.open -= 1
                        self.ended += 1
                    connections[index] = None
            self._stop.wait(max(0.0, self.every - (time.monotonic() - began)))
        for one in connections:
            if one:
                one[0].close()


class Followers:
    """So many followers of an app's log over the API. Each line of each is noted by its text; when the connection ends it is made
    again, going on after the last seq, as the command line does."""

    def __init__(self, port: int, path: str, token: str, count: int):
        allow_files(count + 1000)
        self.port, self.path, self.token = port, path, token
        self.lines: list[list[str]] = [[] for _ in range(count)]
        self.seqs = [0] * count
        self.connected = 0
        self._rest = [b""] * count
        self._selector = selectors.DefaultSelector()
        self._stop = threading.Event()
        self._waiting = list(range(count))
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Followers":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join(60)

    def _connect(self, index: int) -> bool:
        new = socket.socket()
        new.settimeout(5)
        try:
            new.connect(("127.0.0.1", self.port))
            after = f"&after={self.seqs[index]}" if self.seqs[index] else ""
            new.sendall(f"GET /api/v1{self.path}?follow=true{after} HTTP/1.0\r\nHost: 127.0.0.1\r\nAccept: application/x-ndjson\r\n"
                        f"Authorization: Bearer {self.token}\r\n\r\n".encode())
        except OSError:
            new.close()
            return False
        new.setblocking(False)
        self._rest[index] = b""
        self._selector.register(new, selectors.EVENT_READ, index)
        self.connected += 1
        return True

    def _run(self) -> None:
        while not self._stop.is_set():
            self._waiting = [index for index in self._waiting if not self._connect(index)]
            for key, _ in self._selector.select(0.05):
                self._read(key.fileobj, key.data)
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        self._selector.close()

    def _read(self, connection: socket.socket, index: int) -> None:
        try:
            piece = connection.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            piece = b""
        if not piece:
            self._selector.unregister(connection)
            connection.close()
            self.connected -= 1
            self._waiting.append(index)
            return
        *whole, self._rest[index] = (self._rest[index] + piece).split(b"\n")
        for line in whole:
            if line.startswith(b"{"):
                document = json.loads(line)
                if "seq" in document:
                    self.seqs[index] = max(self.seqs[index], document["seq"])
                    self.lines[index].append(document["text"])
