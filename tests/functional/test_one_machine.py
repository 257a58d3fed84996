"""`loco up` and `loco down` as far as they come without a container engine that runs anything."""
import http.server
import os
import shutil
import socket
import socketserver
import subprocess
import threading
from pathlib import Path

import pytest

from support.engine import Engine
from support.platform import BINARIES, Platform
from support.wait import until

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user: needs root")


@pytest.fixture
def machine():
    platform = Platform(Engine("", None))
    try:
        yield platform
    finally:
        platform.remove()


def by_nobody(machine, *words: str, **environment: str) -> subprocess.CompletedProcess:
    """As a user other than root, who owns nothing here."""
    machine.folder.chmod(0o755)
    return subprocess.run([BINARIES / "loco", *words], env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **environment}, cwd="/",
                          user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, timeout=60)


def test_a_purge_without_a_terminal_is_a_usage_error_that_names_the_flag(machine):
    machine.data.mkdir()
    (machine.data / "run").mkdir()
    (machine.data / "run/up.lock").touch()   # what an `up` that failed leaves
    done = machine.down("--purge", expect=2)
    assert "--yes" in done.err and "no terminal" in done.err, str(done)
    assert (machine.data / "run/up.lock").exists()
    machine.down("--purge", "--yes")
    assert not machine.data.exists()


@needs_root
@pytest.mark.parametrize("words", [["down"], ["down", "--purge", "--yes"], ["up"], ["up", "--detach"]])
def test_a_data_folder_of_another_user_is_told_and_not_an_abort(machine, words):
    machine.data.mkdir(mode=0o700)
    done = by_nobody(machine, *words, "--data", str(machine.data))
    assert done.returncode == 3 and "ermission denied" in done.stderr and "sudo" in done.stderr, done


class OnlyPings(http.server.BaseHTTPRequestHandler):
    """An engine as far as `loco up` asks one before it starts the other parts."""

    def do_GET(self):
        body = b"OK" if self.path.endswith("_ping") else b"[]"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self):
        return "unix"

    def log_message(self, *words):
        pass


@pytest.fixture
def pinged(machine):
    """A machine whose engine answers and runs nothing."""
    place = machine.folder / "engine.sock"
    with socketserver.ThreadingUnixStreamServer(str(place), OnlyPings) as engine:
        engine.daemon_threads = True
        threading.Thread(target=engine.serve_forever, daemon=True).start()
        machine.environment["DOCKER_HOST"] = f"unix://{place}"
        machine.engine_options = ["--docker-host", f"unix://{place}"]
        yield machine
        machine.down(expect=None)
        engine.shutdown()


needs_parts = pytest.mark.skipif(not (shutil.which("docker-registry") and Path("/usr/sbin/haproxy").exists()),
                                 reason="docker-registry and haproxy are not installed")


@needs_parts
@pytest.mark.parametrize("part, flag", [("registry", "--registry-listen"), ("gateway", "--gateway-listen"), ("api", "--listen"), ("ops", "--ops-listen")])
def test_another_program_on_a_port_is_told_and_not_taken_for_the_part(pinged, part, flag):
    with socket.create_server(("127.0.0.1", getattr(pinged, part))):
        done = pinged.up(expect=8)
    assert f":{getattr(pinged, part)}" in done.err and flag in done.err and "another program" in done.err, str(done)
    assert pinged.processes() == {}, "what was started is stopped again"


@needs_parts
def test_what_the_caller_has_in_the_environment_does_not_get_to_the_parts(pinged):
    pinged.environment |= {"REGISTRY_HTTP_ADDR": "127.0.0.1:1", "LOCO_TOKEN": "not-for-parts"}
    coming = pinged.start("up", *pinged.up_options())
    try:
        pid = until(lambda: pinged.pid("registry"), 20)
        words = Path(f"/proc/{pid}/environ").read_bytes()
    finally:
        coming.kill()
        coming.communicate()
    assert b"REGISTRY_" not in words and b"LOCO_TOKEN" not in words and b"PATH=" in words
