"""HTTP, server-sent events and WebSocket clients that never retry: what they see is what one client would have seen."""
import base64
import hashlib
import http.client
import json
import os
import socket
import struct
from dataclasses import dataclass

from support import coverage


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self):
        return json.loads(self.body)


def fetch(port: int, host: str, path: str = "/", method: str = "GET", body=None, headers: dict | None = None,
          timeout: float = 20, address: str = "127.0.0.1") -> Answer:
    """One request on a connection of its own; body may be an iterable, which is sent in chunks."""
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers={"Host": host, **(headers or {})},
                           encode_chunked=body is not None and not isinstance(body, (bytes, str)))
        answer = connection.getresponse()
        found = Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        coverage.note_answer(found.headers.get("content-type", ""), found.body)
        return found
    finally:
        connection.close()


@dataclass
class Event:
    data: str = ""
    id: str = ""
    event: str = ""


def server_sent_events(port: int, host: str, path: str, headers: dict | None = None, timeout: float = 20):
    """Yields events as they come, until the server ends the stream."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Host": host, "Accept": "text/event-stream", **(headers or {})})
        answer = connection.getresponse()
        assert answer.status == 200, f"{answer.status}: {answer.read()[:500]!r}"
        event = Event()
        while line := answer.readline():
            field, _, value = line.decode().rstrip("\r\n").partition(":")
            value = value.removeprefix(" ")
            if not line.strip():
                if event != Event():
                    yield event
                event = Event()
            elif field == "data":
                event.data += ("\n" if event.data else "") + value
            elif field in ("id", "event"):
                setattr(event, field, value)
    finally:
        connection.close()


class Closed(Exception):
    """The peer closed the WebSocket, with this code; None: without saying so."""

    def __init__(self, code: int | None):
        super().__init__(f"closed with {code}")
        self.code = code


class WebSocket:
    """A client of RFC 6455, for whole text messages."""

    def __init__(self, port: int, host: str, path: str = "/ws", timeout: float = 20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.read_ahead = b""
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._take(1)
        status = head.split(b"\r\n")[0].decode()
        assert " 101 " in f"{status} ", f"no upgrade: {status}"
        expected = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest())
        assert expected in head, "the server's Sec-WebSocket-Accept is wrong"

    def _take(self, count: int) -> bytes:
        while len(self.read_ahead) < count:
            more = self.socket.recv(65536)
            if not more:
                raise Closed(None)
            self.read_ahead += more
        taken, self.read_ahead = self.read_ahead[:count], self.read_ahead[count:]
        return taken

    def _send(self, op: int, payload: bytes) -> None:
        mask = os.urandom(4)
        length = bytes([0x80 | len(payload)]) if len(payload) < 126 else bytes([0xff]) + struct.pack(">Q", len(payload))
        self.socket.sendall(bytes([0x80 | op]) + length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    def send(self, text: str) -> None:
        self._send(1, text.encode())

    def receive(self) -> str:
        while True:
            first, second = self._take(2)
            length = second & 0x7f
            if length >= 126:
                length = int.from_bytes(self._take(2 if length == 126 else 8), "big")
            payload = self._take(length)
            op = first & 0x0f
            if op == 8:
                raise Closed(int.from_bytes(payload[:2], "big") if payload else None)
            if op == 9:
                self._send(10, payload)
            elif op in (0, 1):
                return payload.decode()

    def echo(self, text: str) -> None:
        self.send(text)
        got = self.receive()
        assert got == text, f"sent {text!r}, got {got!r}"

    def close(self) -> None:
        self.socket.close()
