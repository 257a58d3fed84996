"""The container engine of the tests: the one at DOCKER_HOST or on the usual socket, else a daemon of our own."""
import contextlib
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent
USUAL = "/var/run/docker.sock"


class Engine:
    def __init__(self, host: str, own: Path | None, ends_with_us: bool = False):
        self.host, self.own = host, own   # own: the folder of a daemon that the tests may also kill
        self.ends_with_us = ends_with_us

    def docker(self, *words: str, check: bool = True, stdin: bytes | None = None) -> str:
        done = subprocess.run(["/usr/bin/docker", *words], env=dict(os.environ, DOCKER_HOST=self.host, DOCKER_BUILDKIT="1"),
                              capture_output=True, input=stdin, timeout=300)
        assert not check or done.returncode == 0, f"docker {' '.join(words)}: {done.stderr.decode(errors='replace')}"
        return done.stdout.decode(errors="replace").strip()

    def containers(self, *filters: str, running_only: bool = False) -> list[str]:
        words = ["ps", "-q", "--no-trunc"] + ([] if running_only else ["-a"])
        return self.docker(*words, *(part for one in filters for part in ("--filter", one))).split()

    def of_app(self, app: str, running_only: bool = False) -> list[str]:
        return self.containers(f"label=loco.dev/app={app}", running_only=running_only)

    def inspect(self, container: str) -> dict:
        return json.loads(self.docker("inspect", container))[0]

    def files(self, container: str) -> set[str]:
        """The paths of its root file system."""
        with subprocess.Popen(["/usr/bin/docker", "export", container], env=dict(os.environ, DOCKER_HOST=self.host), stdout=subprocess.PIPE) as export:
            with tarfile.open(fileobj=export.stdout, mode="r|") as archive:
                return {member.name.removeprefix("./") for member in archive}

    def everything(self) -> dict[str, set[str]]:
        """What there is, to compare before and after. Networks and containers by id; images by tag."""
        return {"containers": set(self.containers()), "networks": set(self.docker("network", "ls", "-q", "--no-trunc").split()),
                "images": set(self.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split())}

    def base_images(self, *names: str) -> None:
        subprocess.run([REPO / "tests/testbed/base-images", *names], env=dict(os.environ, DOCKER_HOST=self.host), check=True)


def find_base_images(engine: Engine) -> None:
    """All of them, while there is a network; they are kept for every engine. What cannot be had, the test that needs it tells."""
    with contextlib.suppress(subprocess.SubprocessError, OSError):
        engine.base_images("python:3.11-slim", "golang:1-bookworm")


def answers(host: str) -> bool:
    return subprocess.run(["/usr/bin/docker", "version"], env=dict(os.environ, DOCKER_HOST=host), capture_output=True, timeout=20).returncode == 0


def bring_up() -> Engine:
    given = os.environ.get("DOCKER_HOST")
    if given:
        assert answers(given), f"no engine answers at DOCKER_HOST={given}"
        own = os.environ.get("LOCO_TEST_OWN_ENGINE")   # tests/run.py brought it up for all parts
        return Engine(given, Path(own) if own else None)
    if os.path.exists(USUAL) and answers(f"unix://{USUAL}"):
        return Engine(f"unix://{USUAL}", None)
    folder = Path(tempfile.mkdtemp(prefix="loco-dockerd-"))
    done = subprocess.run([REPO / "tests/testbed/dockerd", "up", folder], capture_output=True, text=True, timeout=90)
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise AssertionError(f"no Docker daemon: {done.stderr}")
    return Engine(re.search(r"DOCKER_HOST=(\S+)", done.stdout)[1], folder, ends_with_us=True)


def take_down(engine: Engine) -> None:
    if engine.ends_with_us:
        subprocess.run([REPO / "tests/testbed/dockerd", "down", engine.own], check=True, timeout=120)
