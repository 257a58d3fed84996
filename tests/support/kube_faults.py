"""Between a loco-api and the API server: what a test says happens to each call. The test's own credentials are used towards the server."""
import http.client
import http.server
import json
import re
import socket
import ssl
import struct
import threading
from pathlib import Path

REASONS = {409: "Conflict", 429: "TooManyRequests", 500: "InternalError"}
KINDS = ("409", "429", "500", "cut before", "cut after", "delay")


class KubeFaults(http.server.ThreadingHTTPServer):
    """rule(method, path) → one of KINDS, or None; called one at a time. `streams`: watches and followed logs, which rule() is asked of too."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, own: Path):
        server = re.search(r"https://([\d.]+):(\d+)", (own / "admin.kubeconfig").read_text())
        self.upstream = server[1], int(server[2])
        self.context = ssl.create_default_context(cafile=own / "pki/ca.crt")
        self.context.load_cert_chain(own / "pki/admin.crt", own / "pki/admin.key")
        self.rule = lambda method, path: None
        self.lock = threading.Lock()
        self.streams: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def kubeconfig(self, file: Path) -> Path:
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": "t", "clusters": [{"name": "t", "cluster": {"server": self.url}}],
                                    "users": [{"name": "t", "user": {}}], "contexts": [{"name": "t", "context": {"cluster": "t", "user": "t"}}]}))
        return file

    def ask(self, method: str, path: str) -> str | None:
        with self.lock:
            return self.rule(method, path)

    def cut_streams(self) -> int:
        with self.lock:
            open_now, self.streams = self.streams, set()
        for one in open_now:
            cut(one)
        return len(open_now)

    def handle_error(self, *_):
        pass   # a client that went away


def cut(one: socket.socket) -> None:
    """With a reset, as a lost connection is noticed."""
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


def is_stream(path: str) -> bool:
    return "watch=true" in path or "follow=true" in path


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: KubeFaults

    def pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.ask(self.command, self.path)
        if fault in ("409", "429", "500"):
            self.refuse(int(fault))
        elif fault == "cut before":
            self.close_connection = True
            cut(self.connection)
        else:
            if fault == "delay":
                threading.Event().wait(1.5)
            self.forward(body, fault)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

    def refuse(self, status: int) -> None:
        told = json.dumps({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "injected", "reason": REASONS[status], "code": status}).encode()
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def forward(self, body: bytes, fault: str | None) -> None:
        upstream = http.client.HTTPSConnection(*self.server.upstream, context=self.server.context, timeout=700)
        try:
            kept = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection", "accept-encoding", "authorization")}
            upstream.request(self.command, self.path, body or None, kept)
            answer = upstream.getresponse()
            if is_stream(self.path) and answer.status == 200:
                self.stream(answer)
                return
            data = answer.read()
        except (OSError, http.client.HTTPException):   # the server is away
            self.close_connection = True
            cut(self.connection)
            return
        finally:
            upstream.close()
        if fault == "cut after":
            self.close_connection = True
            cut(self.connection)
            return
        self.send_response(answer.status)
        for name in ("Content-Type", "Retry-After"):
            if answer.getheader(name):
                self.send_header(name, answer.getheader(name))
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, answer: http.client.HTTPResponse) -> None:
        with self.server.lock:
            self.server.streams.add(self.connection)
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", answer.getheader("Content-Type") or "application/json")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.flush()
        try:
            while piece := answer.read1(65536):
                self.wfile.write(piece)
        except (OSError, http.client.HTTPException):
            cut(self.connection)
        finally:
            with self.server.lock:
                self.server.streams.discard(self.connection)

    def log_message(self, *_):
        pass
