"""Folders of apps to deploy: the static program of app/probe.cpp in an image of its own, or another Dockerfile."""
import fcntl
import shutil
import subprocess
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent
SOURCE = REPO / "tests/support/app/probe.cpp"
DOCKERFILE = """FROM scratch
COPY probe /probe
COPY version /version
USER {user}
ENV VERSION={version}
EXPOSE 8080
CMD ["/probe"]
"""


def program() -> Path:
    """The compiled app; compiled once, and again when its source is newer."""
    binary = REPO / "build/test-app/probe"
    binary.parent.mkdir(parents=True, exist_ok=True)
    with (binary.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists() or binary.stat().st_mtime < SOURCE.stat().st_mtime:
            part = binary.with_suffix(".part")
            subprocess.run(["clang++-19", "-std=c++20", "-O1", "-static", "-s", "-o", part, SOURCE], check=True)
            part.rename(binary)
    return binary


class Folder:
    """An app's folder. Its loco.toml is written from `toml`, with what a test adds below it."""

    def __init__(self, path: Path, name: str):
        self.path, self.name = path, name
        path.mkdir(parents=True)
        shutil.copy(program(), path / "probe")
        self.image("1")
        self.toml()

    def image(self, version: str, user: str = "10001", dockerfile: str | None = None) -> "Folder":
        """What the next build makes: another version is another image."""
        (self.path / "version").write_text(version + "\n")
        (self.path / "Dockerfile").write_text(dockerfile or DOCKERFILE.format(user=user, version=version))
        return self

    def toml(self, more: str = "", head: str = "", health: str = 'path = "/healthz"', http: str = "port = 8080", deploy: str = "",
             resources: str = 'cpu = "50m"\nmemory = "48Mi"', type: str = "service", timeout: str = "30s") -> "Folder":
        text = f'version = 1\nname = "{self.name}"\ntype = "{type}"\n{head}\n'
        text += f'[deploy]\ntimeout = "{timeout}"\nstop_timeout = "5s"\n{deploy}\n'
        if type == "service":
            text += f'[http]\n{http}\n[health]\ninterval = "500ms"\ngrace = "5s"\n{health}\n'
        text += f"[resources]\n{resources}\n{more}\n"
        (self.path / "loco.toml").write_text(text)
        return self
