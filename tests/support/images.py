"""Images made on this machine without an engine and without a registry, for a cluster to load: loco-api's own, by the script that its
Dockerfile uses, and stand-ins of PostgreSQL and the registry out of Debian's programs, which take what the real ones take."""
import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent.parent
LOCO_API = "loco.test/loco-api:test"
POSTGRES = "loco.test/postgres:test"
REGISTRY = "loco.test/registry:test"

# As docker-library/postgres: initialises an empty PGDATA, makes the database, serves.
POSTGRES_ENTRYPOINT = """#!/bin/sh
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  mkdir -p "$PGDATA"
  chmod 700 "$PGDATA"
  initdb -D "$PGDATA" -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" $POSTGRES_INITDB_ARGS
  echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
  echo "CREATE DATABASE \\"$POSTGRES_DB\\" TEMPLATE template0" | postgres --single -D "$PGDATA" postgres
fi
exec postgres -D "$PGDATA" -c 'listen_addresses=*' -k /var/run/postgresql
"""


def libraries_of(*programs: Path) -> set[Path]:
    found = set()
    for program in programs:
        said = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
        for line in said.splitlines():
            words = line.split()
            path = words[2] if len(words) > 2 and words[1] == "=>" else words[0]
            if path.startswith("/"):
                found.add(Path(path))
    return found


def new_root(folder: Path, users: str = "") -> Path:
    for name in ("usr/bin", "usr/lib", "usr/lib64", "etc", "tmp", "var"):
        (folder / name).mkdir(parents=True)
    for name in ("bin", "lib", "lib64"):
        (folder / name).symlink_to(f"usr/{name}")
    (folder / "etc/passwd").write_text("root:x:0:0:root:/:/\n" + users)
    (folder / "etc/group").write_text("root:x:0:\n")
    (folder / "etc/nsswitch.conf").write_text("hosts: files dns\n")
    (folder / "tmp").chmod(0o1777)
    return folder


def put(root: Path, source: Path, at: str | None = None) -> None:
    target = root / (at or str(source)).lstrip("/")
    if str(target.relative_to(root)).startswith(("lib/", "lib64/", "bin/")):
        target = root / "usr" / target.relative_to(root)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)   # what a link leads to


def pack(root: Path, archive: Path, name: str, config: dict) -> Path:
    """`root` as an image of one layer, as `docker save` writes it."""
    layer = archive.with_suffix(".layer")
    with tarfile.open(layer, "w") as file:
        file.add(root, arcname=".")
    digest = hashlib.sha256(layer.read_bytes()).hexdigest()
    (archive.parent / "config.json").write_text(json.dumps({"architecture": subprocess.run(
        ["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip(), "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]}}))
    (archive.parent / "manifest.json").write_text(json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]))
    with tarfile.open(archive, "w") as file:
        file.add(archive.parent / "manifest.json", "manifest.json")
        file.add(archive.parent / "config.json", "config.json")
        file.add(layer, "layer.tar")
    layer.unlink()
    return archive


def loco_api(folder: Path, program: Path, name: str = LOCO_API) -> Path:
    root = folder / "loco-api"
    subprocess.run([REPO / "deploy/image/rootfs", root, program], check=True, capture_output=True, timeout=60)
    return pack(root, folder / "loco-api.tar", name, {
        "Entrypoint": ["loco-api"], "Cmd": ["serve"], "User": "65532:65532", "Env": ["PATH=/usr/bin"]})


def registry(folder: Path) -> Path:
    root = new_root(folder / "registry")
    program = Path("/usr/bin/docker-registry")
    put(root, program, "/usr/bin/registry")
    for library in libraries_of(program):
        put(root, library)
    return pack(root, folder / "registry.tar", REGISTRY, {
        "Entrypoint": ["registry"], "Cmd": ["serve", "/etc/docker/registry/config.yml"], "Env": ["PATH=/usr/bin"]})


def postgres(folder: Path) -> Path:
    root = new_root(folder / "postgres", "postgres:x:70:70:PostgreSQL:/var/lib/postgresql:/bin/sh\n")
    newest = max((path for path in Path("/usr/lib/postgresql").iterdir() if path.name.isdigit()), key=lambda path: int(path.name))
    programs = [newest / "bin" / name for name in ("postgres", "initdb", "pg_isready", "pg_dump", "pg_restore")]
    modules = [path for path in (newest / "lib").glob("*.so") if "llvm" not in path.name]
    for path in programs + modules:
        put(root, path)
    for library in libraries_of(*programs, *modules):
        put(root, library)
    for tree in (f"/usr/share/postgresql/{newest.name}", "/usr/lib/locale/C.utf8", "/usr/share/zoneinfo/Etc"):
        shutil.copytree(tree, root / tree.lstrip("/"), ignore=shutil.ignore_patterns("man", "locale"))
    put(root, Path("/bin/busybox"), "/usr/bin/busybox")
    for name in ("sh", "mkdir", "chmod", "cat", "echo"):
        (root / "usr/bin" / name).symlink_to("busybox")
    entrypoint = root / "usr/bin/entrypoint"
    entrypoint.write_text(POSTGRES_ENTRYPOINT)
    entrypoint.chmod(0o755)
    return pack(root, folder / "postgres.tar", POSTGRES, {
        "Entrypoint": ["entrypoint"], "StopSignal": "SIGINT", "Env": [f"PATH={newest}/bin:/usr/bin"]})
