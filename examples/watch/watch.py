"""watch: is it up? One image, three ways to run it: `web` serves a page, `worker` checks all day, `check` is the release command.

TARGETS names what to watch: "shop=https://shop.example/healthz api=https://api.example/". Python's standard library is all it needs.
"""
import contextlib
import html
import json
import os
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TIMEOUT_S = 5
MAX_TARGETS = 50


class BadConfiguration(Exception):
    pass


@dataclass
class Result:
    name: str
    url: str
    up: bool
    detail: str
    ms: int


def targets() -> dict[str, str]:
    found: dict[str, str] = {}
    for word in os.environ.get("TARGETS", "").split():
        name, equals, url = word.partition("=")
        parts = urlsplit(url)
        if not equals or not name or parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadConfiguration(f"TARGETS: {word!r} is not NAME=http://HOST/…")
        if name in found:
            raise BadConfiguration(f"TARGETS: {name!r} is there twice")
        found[name] = url
    if not found:
        raise BadConfiguration("TARGETS is empty: set it in loco.toml under [env], as NAME=URL words")
    if len(found) > MAX_TARGETS:
        raise BadConfiguration(f"TARGETS has {len(found)} entries; {MAX_TARGETS} is the most")
    return found


def interval_s() -> float:
    text = os.environ.get("INTERVAL_SECONDS", "30")
    try:
        value = float(text)
    except ValueError:
        raise BadConfiguration(f"INTERVAL_SECONDS: {text!r} is not a number") from None
    if not 1 <= value <= 86400:
        raise BadConfiguration(f"INTERVAL_SECONDS: {text} is not between 1 and 86400")
    return value


def look(name: str, url: str) -> Result:
    began = time.monotonic()
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
            up, detail = True, str(answer.status)
    except urllib.error.HTTPError as error:
        up, detail = False, str(error.code)
    except (urllib.error.URLError, OSError, ValueError) as error:
        up, detail = False, str(getattr(error, "reason", error))
    return Result(name, url, up, detail, round((time.monotonic() - began) * 1000))


def look_at_all() -> list[Result]:
    results: list[Result] = []
    threads = [threading.Thread(target=lambda n=name, u=url: results.append(look(n, u)), daemon=True) for name, url in targets().items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * TIMEOUT_S)
    return sorted(results, key=lambda result: result.name)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        if self.path == "/healthz":
            self.answer("text/plain", "ok\n")
        elif self.path == "/api/status":
            self.answer("application/json", json.dumps({"items": [asdict(result) for result in look_at_all()]}) + "\n")
        elif self.path == "/":
            rows = "".join(f"<tr><td>{'🟢' if r.up else '🔴'}<td>{html.escape(r.name)}<td>{html.escape(r.detail)}<td>{r.ms} ms"
                           for r in look_at_all())
            self.answer("text/html; charset=utf-8", "<!doctype html><html lang=en><meta charset=utf-8><title>watch</title>"
                        "<style>body{font:18px system-ui;max-width:40em;margin:10vh auto}td{padding:.2em 1em .2em 0}</style>"
                        f"<h1>What is up</h1><table>{rows}</table>\n")
        else:
            self.answer("text/plain", "not found\n", 404)

    def answer(self, kind: str, text: str, status: int = 200) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, form: str, *words: object) -> None:
        if self.path != "/healthz":
            print(form % words, flush=True)


class Server(ThreadingHTTPServer):
    """Ended by SIGTERM, it answers the requests that it has before it is gone."""
    daemon_threads = False
    block_on_close = True

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address, Handler)
        self.connections: set[socket.socket] = set()

    def process_request(self, request: socket.socket, client_address) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def drain(self) -> None:
        # A connection that waits for its next request reads its end instead; an answer under way is still written.
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        self.server_close()


def web() -> None:
    port = int(os.environ.get("PORT", "8000"))
    targets()
    server = Server(("0.0.0.0", port))
    stop_on_signal(lambda: threading.Thread(target=server.shutdown).start())
    print(f"listening on port {port}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.drain()
    print("stopped", flush=True)


def worker() -> None:
    stopped = threading.Event()
    stop_on_signal(stopped.set)
    pause = interval_s()
    before: dict[str, bool] = {}
    print(f"checking {len(targets())} targets every {pause:g} s", flush=True)
    while not stopped.is_set():
        for result in look_at_all():
            if before.get(result.name) != result.up:
                print(f"{result.name} is {'up' if result.up else 'DOWN'}: {result.detail} after {result.ms} ms", flush=True)
            before[result.name] = result.up
        stopped.wait(pause)
    print("stopped", flush=True)


def check() -> None:
    names = ", ".join(targets())
    print(f"configuration is good: {names}, every {interval_s():g} s", flush=True)


def stop_on_signal(stop) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop())


def main() -> int:
    commands = {"web": web, "worker": worker, "check": check}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        print("usage: watch.py web|worker|check", file=sys.stderr)
        return 2
    try:
        commands[sys.argv[1]]()
    except BadConfiguration as error:
        print(f"watch: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
