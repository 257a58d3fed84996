"""`loco-api backup` and `restore`: one file, taken while the server serves; from it an instance, whole or not at all."""
import contextlib
import hashlib
import json
import os
import random
import re
import signal
import sqlite3
import stat
import subprocess
import tarfile
import threading
import time
from pathlib import Path

import pytest

from support.platform import BINARIES
from support.server import Server, new_id
from support.wait import until

TABLES = ("users", "teams", "memberships", "tokens", "apps", "env_versions", "deployments", "releases", "hosts", "idempotency_keys", "events")
KILLS = int(os.environ.get("LOCO_TEST_KILLS", "5"))
SECRET = "sealed-5e1f-in-no-backup"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system: needs root")


def store_blob(server: Server, content: bytes) -> str:
    """As the registry keeps it; gives its digest."""
    digest = hashlib.sha256(content).hexdigest()
    path = server.data / f"registry/storage/docker/registry/v2/blobs/sha256/{digest[:2]}/{digest}/data"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return f"sha256:{digest}"


def store_image(server: Server, seed: int, size: int) -> tuple[str, list[str]]:
    """An image of one layer in the server's registry: its digest, and all that it is made of."""
    rng = random.Random(seed)
    parts = [json.dumps({"architecture": "amd64", "os": "linux", "seed": seed}).encode(), rng.randbytes(size)]
    digests = [store_blob(server, part) for part in parts]
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                           "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digests[0], "size": len(parts[0])},
                           "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digests[1], "size": size}]}).encode()
    digest = store_blob(server, manifest)
    return digest, [*digests, digest]


@pytest.fixture
def filled(own_server):
    """A server with an app of two releases whose images are in the registry, a sealed value, a domain, and many events. It serves."""
    server = own_server()
    server.people = server.populate()
    server.start()
    app = server.app("shop")
    server.patch(f"{app}/env", {"set": {"SECRET": SECRET}, "stage": True})
    server.make_live(app, more='[env]\nPLAIN = "in-no-backup-either-77"\n')
    with server.offline() as database:
        server.images = [store_image(server, seed, 3_000_000) for seed in (1, 2)]
        for number, (digest, _) in enumerate(server.images, 1):
            database.execute("UPDATE releases SET digest = ? WHERE number = ?", (digest, number))
        database.execute("INSERT INTO events (team, actor, kind, message, data, at) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
                         " SELECT (SELECT min(id) FROM teams), 'loco', 'made.up', 'number ' || i, '', i FROM n")
    return server


def back_up(server: Server, file: Path, *words: str, expect: int | None = 0):
    done = server.command("backup", str(file), "--config", str(server.config_file), *words)
    assert expect is None or done.status == expect, str(done)
    return done


def restore(server: Server, file: Path, data: Path, *words: str, expect: int | None = 0):
    done = server.command("restore", str(file), "--config", str(data / "loco-api.toml"), *words)
    assert expect is None or done.status == expect, str(done)
    return done


def rows(database: Path, table: str, where: str = "") -> list[tuple]:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as opened:
        return sorted(opened.execute(f"SELECT * FROM {table} {where}").fetchall(), key=repr)


def assert_same(server: Server, data: Path) -> None:
    """All rows are there again; each app has one more event, which says so; what ran has no place yet."""
    original, again = server.database, data / "db/loco.db"
    for table in TABLES:
        if table != "events":
            assert rows(again, table) == rows(original, table), table
    last = server.rows("SELECT max(seq) FROM events")[0][0]
    assert rows(again, "events", f"WHERE seq <= {last}") == rows(original, "events")
    assert [one[5] for one in rows(again, "events", f"WHERE seq > {last}")] == ["app.restored"], "one app, one event"
    assert rows(again, "instances") == []


def blob_in(data: Path, digest: str) -> Path:
    return data / f"registry/storage/docker/registry/v2/blobs/sha256/{digest[7:9]}/{digest[7:]}/data"


def test_an_instance_is_there_again_with_rows_images_and_configuration(filled, tmp_path):
    file, data = tmp_path / "loco.tar", tmp_path / "data"
    told = back_up(filled, file).out
    assert "1 app with 2 releases and 2 images" in told and f"{filled.data}/keys/seal.key" in told and "apart" in told
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and list(tmp_path.iterdir()) == [file]
    # Any tar lists it, and no key is in it.
    with tarfile.open(file) as tar:
        names = tar.getnames()
    assert names[0] == "loco-backup.json" and not [name for name in names if "key" in name], names
    content = file.read_bytes()
    key = (filled.data / "keys/seal.key").read_bytes()
    for secret in (SECRET.encode(), b"in-no-backup-either-77", key.strip(), bytes.fromhex(key.decode().strip()),
                   (filled.data / "registry/keys/token-key.pem").read_bytes()[30:90]):
        assert secret not in content
    filled.end()
    told = restore(filled, file, data).out
    assert "1 app with 2 images" in told and f"{data}/keys/seal.key" in told and f"loco up --detach --data {data}" in told
    assert_same(filled, data)
    for digest, parts in filled.images:
        for part in parts:
            assert "sha256:" + hashlib.sha256(blob_in(data, part).read_bytes()).hexdigest() == part
    repository = filled.rows("SELECT repository FROM releases")[0][0]
    links = {path.read_text() for path in (data / "registry/storage/docker/registry/v2/repositories" / repository).rglob("link")}
    assert links == {part for _, parts in filled.images for part in parts}
    # Without the key it does not start; with it, it serves to the same people with the same tokens.
    refused = filled.command("serve", "--config", str(data / "loco-api.toml"))
    assert refused.status == 6 and "key" in refused.err and str(data / "keys/seal.key") in refused.err, str(refused)
    (data / "keys/seal.key").write_bytes(key)
    (data / "keys/seal.key").chmod(0o600)
    filled.config_file, filled.data = data / "loco-api.toml", data
    filled.start()
    app = "/teams/main/apps/shop"
    assert filled.get(app)["name"] == "shop" and [one["release"] for one in filled.get(f"{app}/releases")["items"]] == ["v2", "v1"]
    # What was sealed can be opened: a rollout that takes the spec with its [env] from the release begins.
    assert filled.post(f"{app}/deployments", {"kind": "redeploy"})["kind"] == "redeploy"
    assert "app.restored" in [event["kind"] for event in filled.get(f"{app}/events")["items"]]


def test_the_key_is_checked_before_anything_is_restored(filled, tmp_path):
    file, key = tmp_path / "loco.tar", tmp_path / "seal.key"
    back_up(filled, file)
    key.write_text("00" * 32 + "\n")
    key.chmod(0o600)
    wrong = restore(filled, file, tmp_path / "wrong", "--seal-key", str(key), expect=6)
    assert "not the key" in wrong.err and not (tmp_path / "wrong/db/loco.db").exists() and not (tmp_path / "wrong/restore.json").exists()
    key.write_bytes((filled.data / "keys/seal.key").read_bytes())
    told = restore(filled, file, tmp_path / "data", "--seal-key", str(key)).out
    assert "still missing" not in told and (tmp_path / "data/keys/seal.key").read_bytes() == key.read_bytes()
    assert stat.S_IMODE((tmp_path / "data/keys/seal.key").stat().st_mode) == 0o600
    assert filled.command("restore", str(file), "--config", str(tmp_path / "other/loco-api.toml"), "--seal-key", str(tmp_path / "none")).status == 4


def test_without_images_it_is_small_and_says_what_that_means(filled, tmp_path):
    told = back_up(filled, tmp_path / "loco.tar", "--no-images").out
    assert "no images" in told and (tmp_path / "loco.tar").stat().st_size < 6_000_000
    assert "without images" in restore(filled, tmp_path / "loco.tar", tmp_path / "data").out


def test_an_image_that_the_registry_lost_or_that_is_damaged_is_named_and_the_rest_is_backed_up(filled, tmp_path):
    file, data = tmp_path / "loco.tar", tmp_path / "data"
    damaged = blob_in(filled.data, filled.images[0][1][1])
    damaged.write_bytes(b"x" + damaged.read_bytes()[1:])
    told = back_up(filled, file)
    assert "shop v1" in told.err and "damaged" in told.err and "v2" not in told.err and "and 1 image" in told.out, str(told)
    assert "shop v1" in restore(filled, file, data).err
    assert blob_in(data, filled.images[1][0]).exists() and not blob_in(data, filled.images[0][1][1]).exists()
    blob_in(filled.data, filled.images[1][1][1]).unlink()
    told = back_up(filled, file, "--force")
    assert "shop v2, which is live" in told.err and "does not have all of it" in told.err, str(told)


class Writers:
    """Set variables of apps as fast as the server acknowledges it: the n-th change of an app sets N=n and makes its version n."""

    def __init__(self, server: Server, apps: int):
        self.server = server
        self.apps = [server.app(f"busy-{number}") for number in range(apps)]
        self.begun, self.acknowledged = [0] * apps, [0] * apps
        self.stopped = threading.Event()
        self.threads = [threading.Thread(target=self.write, args=(number,)) for number in range(apps)]

    def write(self, number: int) -> None:
        while not self.stopped.is_set():
            self.begun[number] += 1
            answer = self.server.call("PATCH", f"{self.apps[number]}/env", {"set": {f"N{self.begun[number]}": "v"}, "stage": True})
            if answer.status == 422:   # an app has at most so many variables
                self.begun[number] -= 1
                return
            assert answer.status == 200 and answer.json()["version"] == self.begun[number], answer.text
            self.acknowledged[number] = self.begun[number]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        for thread in self.threads:
            thread.join(30)


def test_a_backup_under_writes_has_all_that_was_acknowledged_before_it_and_nothing_torn(filled, tmp_path):
    taken = []
    with Writers(filled, 4) as writers:
        until(lambda: min(writers.acknowledged) > 3, 20)
        for number in range(5):
            file, before = tmp_path / f"{number}.tar", list(writers.acknowledged)
            back_up(filled, file, "--no-images")
            taken.append((file, before, list(writers.begun)))
    assert taken[-1][1] != taken[0][1], "it was written meanwhile"
    for number, (file, before, after) in enumerate(taken):
        data = tmp_path / f"data-{number}"
        restore(filled, file, data)
        with contextlib.closing(sqlite3.connect(data / "db/loco.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)] and database.execute("PRAGMA foreign_key_check").fetchall() == []
            sequence = [one[0] for one in database.execute("SELECT seq FROM events WHERE kind <> 'app.restored' ORDER BY seq")]
            for index in range(4):
                app, version = database.execute("SELECT id, env_version FROM apps WHERE name = ?", (f"busy-{index}",)).fetchone()
                kept = dict(database.execute("SELECT version, sealed_json FROM env_versions WHERE app = ?", (app,)).fetchall())
                assert before[index] <= version <= after[index], (index, before, version, after)
                assert sorted(kept)[-1] == version and len(json.loads(kept[version])) == version, "its newest version, with all that the ones before set"
        # A prefix: what is in it is what the server has up to there, without a hole.
        assert sequence == [one[0] for one in filled.rows("SELECT seq FROM events WHERE seq <= ? ORDER BY seq", sequence[-1])]
        assert rows(data / "db/loco.db", "events", f"WHERE seq <= {sequence[-1]}") == rows(filled.database, "events", f"WHERE seq <= {sequence[-1]}")


def kill_after(seconds: float, *words: str) -> bool:
    """Runs loco-api and kills it then; whether it still ran."""
    process = subprocess.Popen([BINARIES / "loco-api", *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    if process.poll() is not None:
        return False
    process.send_signal(signal.SIGKILL)
    process.wait()
    return True


def timed(action) -> float:
    begun = time.monotonic()
    action()
    return time.monotonic() - begun


def test_a_backup_that_is_killed_leaves_no_file_that_looks_whole(filled, tmp_path):
    file = tmp_path / "loco.tar"
    took = timed(lambda: back_up(filled, tmp_path / "first.tar"))
    killed = 0
    for number in range(KILLS):
        killed += kill_after(took * random.random(), "backup", file, "--config", filled.config_file)
        if file.exists():
            restore(filled, file, tmp_path / f"whole-{number}")   # it was through
            file.unlink()
        # The one that is there stays as it is, as long as the next is not whole.
        kill_after(took * random.random(), "backup", tmp_path / "first.tar", "--force", "--config", filled.config_file)
        restore(filled, tmp_path / "first.tar", tmp_path / f"kept-{number}")
    assert killed > 0
    back_up(filled, file)
    assert sorted(path.name for path in tmp_path.glob("loco.tar*")) == ["loco.tar"], "what the killed ones left is gone with the next"


def test_one_that_is_interrupted_leaves_nothing(filled, tmp_path):
    for seed in range(3, 30):
        digest, _ = store_image(filled, seed, 8_000_000)
        filled.change("INSERT INTO releases SELECT ?, app, ?, repository, ?, image_id, spec_json, env_version, uid, gid, deployment, actor, created_at, live_at, 1"
                      " FROM releases WHERE number = 1", new_id("rel_"), seed, digest)
    process = subprocess.Popen([BINARIES / "loco-api", "backup", tmp_path / "loco.tar", "--config", filled.config_file], stderr=subprocess.PIPE, text=True)
    until(lambda: (tmp_path / "loco.tar.partial").stat().st_size > 8_000_000, 20, every=0.001)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130 and list(tmp_path.iterdir()) == []


def test_a_restore_that_is_killed_serves_nothing_and_is_begun_anew(filled, tmp_path):
    file = tmp_path / "loco.tar"
    back_up(filled, file)
    filled.end()
    took = timed(lambda: restore(filled, file, tmp_path / "first"))
    seen = set()
    for number in range(KILLS):
        data = tmp_path / f"data-{number}"
        for _ in range(2):   # the one that takes up what was left is killed, too
            kill_after(took * random.random(), "restore", file, "--config", data / "loco-api.toml")
            if (data / "restore.json").exists():
                seen.add("begun")
                for words in (["serve"], ["migrate"], ["backup", tmp_path / "no.tar"], ["new-owner", "--login", "eve"]):
                    config = data / "loco-api.toml"
                    refused = filled.command(*map(str, words), "--config", str(config if config.exists() else filled_config(filled, data)))
                    assert refused.status == 6 and "restore" in refused.err and "not finished" in refused.err, str(refused)
            elif (data / "db/loco.db").exists():
                seen.add("through")
                assert_same(filled, data)
            else:
                seen.add("not begun")
        if not (data / "restore.json").exists() and (data / "db/loco.db").exists():
            continue
        restore(filled, file, data)
        assert_same(filled, data)
        assert not (data / "restore.json").exists() and not (data / "restore").exists()
    assert seen - {"through"}, "none was killed in the middle"


def filled_config(server: Server, data: Path) -> Path:
    """The server's configuration for another data folder."""
    file = server.folder / "other.toml"
    file.write_text(re.sub(r'^data_dir = .*$', f'data_dir = "{data}"', server.config_file.read_text(), flags=re.M))
    return file


def test_a_restore_killed_before_its_marker_had_its_name_is_begun_anew_and_leaves_none(filled, tmp_path):
    file, data = tmp_path / "loco.tar", tmp_path / "data"
    back_up(filled, file)
    filled.end()
    data.mkdir()
    (data / "restore.json.rRo0fw").write_text('{"put_')
    restore(filled, file, data)
    assert_same(filled, data)
    assert list(data.glob("restore.json*")) == []


def test_a_restore_that_is_killed_right_after_it_began_is_never_served(filled, tmp_path):
    """Whatever the moment: as long as the marker is there."""
    file, data = tmp_path / "loco.tar", tmp_path / "data"
    back_up(filled, file)
    filled.end()
    restore(filled, file, data)
    (data / "restore.json").write_text('{"put_aside": true, "makes_config": true}')
    (data / "db/loco.db").write_bytes(b"half of it")
    for words in (["serve"], ["migrate"]):
        assert filled.command(*words, "--config", str(data / "loco-api.toml")).status == 6
    refused = filled.loco("up", "--data", data, expect=6)
    assert "restore" in refused.err and "not finished" in refused.err
    restore(filled, file, data)
    assert_same(filled, data)


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0x40]) + content[at + 1:]


def hostile_tar(tmp_path: Path) -> bytes:
    """What tar itself would follow out of the folder."""
    file = tmp_path / "hostile.tar"
    with tarfile.open(file, "w", format=tarfile.USTAR_FORMAT) as tar:
        head = tarfile.TarInfo("loco-backup.json")
        text = b'{"format":1}\n'
        head.size = len(text)
        import io
        tar.addfile(head, io.BytesIO(text))
        link = tarfile.TarInfo("db")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
        escape = tarfile.TarInfo("../../../../tmp/loco-was-here")
        escape.size = 3
        tar.addfile(escape, io.BytesIO(b"abc"))
    return file.read_bytes()


def test_what_is_no_whole_backup_is_refused_and_makes_nothing(filled, tmp_path):
    whole = tmp_path / "whole.tar"
    back_up(filled, whole)
    content = whole.read_bytes()
    cases = {
        "empty": (b"", 2, "no backup"),
        "text": (b"hello\n" * 1000, 2, "no backup"),
        "gzip": (b"\x1f\x8b" + os.urandom(4000), 2, "no backup"),
        "cut at the half": (content[:len(content) // 2], 2, "damaged"),
        "cut at the end": (content[:-1], 2, "damaged"),
        "longer": (content + b"\0" * 512, 2, "damaged"),
        "newer": (content.replace(b'{"format":1,', b'{"format":2,', 1), 6, "newer Loco"),
        "hostile": (hostile_tar(tmp_path), 2, "damaged"),
        **{f"flipped at {at}": (flipped(content, at), 2, "") for at in random.sample(range(512, len(content)), 12)},
    }
    for name, (bytes_, status, words) in cases.items():
        file = tmp_path / "case.tar"
        file.write_bytes(bytes_)
        done = restore(filled, file, tmp_path / "data", expect=status)
        assert words in done.err and "hint" in done.err, f"{name}: {done}"
        assert not (tmp_path / "data").exists(), name
    assert not Path("/tmp/loco-was-here").exists()
    assert restore(filled, tmp_path / "none.tar", tmp_path / "data", expect=4).err
    assert restore(filled, tmp_path, tmp_path / "data", expect=2).err


def remade(tmp_path: Path, content: dict[str, bytes]) -> Path:
    """A backup in form whole, with these parts: what somebody could write who knows the form."""
    def entry(name: str, data: bytes) -> bytes:
        header = bytearray(512)
        for at, text in ((0, name), (100, "0000600"), (108, "0000000"), (116, "0000000"), (124, f"{len(data):011o}"), (136, "0" * 11), (148, " " * 8), (156, "0"),
                         (257, "ustar\x0000")):
            header[at:at + len(text)] = text.encode()
        header[148:156] = f"{sum(header):06o}\0 ".encode()
        return bytes(header) + data + b"\0" * (-len(data) % 512)

    manifest = json.dumps({"parts": [{"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in content.items()]}).encode()
    file = tmp_path / "remade.tar"
    file.write_bytes(b"".join(entry(name, data) for name, data in content.items()) + entry("manifest.json", manifest)
                     + entry("loco-backup.sha256", (hashlib.sha256(manifest).hexdigest() + "\n").encode()) + b"\0" * 1024)
    return file


def test_a_backup_that_was_made_by_somebody_else_puts_nothing_where_it_does_not_belong(filled, tmp_path):
    back_up(filled, tmp_path / "whole.tar")
    with tarfile.open(tmp_path / "whole.tar") as tar:
        parts = {name: tar.extractfile(name).read() for name in tar.getnames() if name not in ("manifest.json", "loco-backup.sha256")}
    restore(filled, remade(tmp_path, parts), tmp_path / "as-it-is")
    images = json.loads(parts["images.json"])

    def with_trigger(script: str) -> bytes:
        (tmp_path / "rows.db").write_bytes(parts["rows.db"])
        with contextlib.closing(sqlite3.connect(tmp_path / "rows.db")) as database:
            database.executescript(script)
        return (tmp_path / "rows.db").read_bytes()

    cases = {
        "a repository that leads out": (parts | {"images.json": json.dumps({"images": [images["images"][0] | {"repository": "../../../../out"}]}).encode()}, 2),
        "a digest that is none": (parts | {"images.json": json.dumps({"images": [images["images"][0] | {"digest": "sha256:../../x"}]}).encode()}, 2),
        "an image that is not in it": (parts | {"images.json": json.dumps({"images": [images["images"][0] | {"digest": "sha256:" + "ab" * 32}]}).encode()}, 2),
        "no rows": ({name: data for name, data in parts.items() if name != "rows.db"}, 2),
        "rows that are no database": (parts | {"rows.db": os.urandom(8192)}, None),
        "rows of another program": (parts | {"rows.db": with_trigger("PRAGMA application_id = 7")}, 6),
        "rows with a trigger": (parts | {"rows.db": with_trigger("CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM events; END")}, 6),
        "rows of a newer Loco": (parts | {"rows.db": with_trigger("INSERT INTO schema_migrations VALUES (99, 'later', 'x', 0)")}, 6),
        "rows that belong to nothing": (parts | {"rows.db": with_trigger("PRAGMA foreign_keys = OFF; DELETE FROM teams")}, 2),
        "no configuration": ({name: data for name, data in parts.items() if name != "loco-api.toml"}, 2),
        "a configuration that is none": (parts | {"loco-api.toml": b"listen = 7\n"}, 2),
    }
    for number, (name, (content, status)) in enumerate(cases.items()):
        data = tmp_path / f"data-{number}"
        done = restore(filled, remade(tmp_path, content), data, expect=status)
        assert done.status != 0 and done.err.startswith("loco-api: "), f"{name}: {done}"
        assert not (data / "db/loco.db").exists() and not (data / "restore.json").exists() and not (data / "restore").exists(), name


def test_a_folder_in_use_is_refused_and_with_force_put_aside(filled, own_server, tmp_path):
    file = tmp_path / "loco.tar"
    back_up(filled, file)
    # While a server serves on it, also with --force.
    other = own_server()
    other.start()
    config = ["--config", str(other.config_file)]
    running = other.command("restore", str(file), *config, "--force")
    assert running.status == 9 and "stop it first" in running.err, str(running)
    other.app("of-its-own")
    other.end()
    refused = other.command("restore", str(file), *config)
    assert refused.status == 6 and "not empty" in refused.err and "--force" in refused.err, str(refused)
    assert other.rows("SELECT name FROM apps") == [("of-its-own",)]
    # The other's key is not the one that sealed this backup.
    wrong = other.command("restore", str(file), *config, "--force")
    assert wrong.status == 6 and "not the key" in wrong.err and other.rows("SELECT name FROM apps") == [("of-its-own",)], str(wrong)
    (other.data / "keys/seal.key").rename(tmp_path / "others.key")
    filled.end()
    done = other.command("restore", str(file), *config, "--force", "--seal-key", str(filled.data / "keys/seal.key"))
    assert done.status == 0 and "before-restore" in done.out, str(done)
    assert_same(filled, other.data)
    with contextlib.closing(sqlite3.connect(other.data / "before-restore/db/loco.db")) as database:
        assert database.execute("SELECT name FROM apps").fetchall() == [("of-its-own",)]
    # The configuration that was there stays.
    assert other.config["instance"] in other.config_file.read_text()
    again = other.command("restore", str(file), *config, "--force")
    assert again.status == 6 and "before-restore" in again.err, str(again)


def test_an_existing_file_is_not_overwritten_unless_it_is_asked_for(filled, tmp_path):
    file = tmp_path / "loco.tar"
    file.write_text("precious")
    refused = back_up(filled, file, expect=9)
    assert "--force" in refused.err and file.read_text() == "precious"
    back_up(filled, file, "--force")
    restore(filled, file, tmp_path / "data")
    assert back_up(filled, tmp_path, expect=2).err
    assert "o such file" in back_up(filled, tmp_path / "no/loco.tar", expect=4).err
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert back_up(filled, tmp_path / "link", "--force", expect=2).err and not (tmp_path / "elsewhere").exists()


@contextlib.contextmanager
def small_disk(place: Path, size: str):
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@needs_root
def test_a_full_disk_is_told_and_nothing_is_left_there(filled, tmp_path):
    for number, size in enumerate(("1m", "4m", "8m")):   # in the rows, behind them, in the images
        with small_disk(tmp_path / f"disk-{number}", size) as disk:
            full = back_up(filled, disk / "loco.tar", expect=8)
            assert "no space left" in full.err and "hint" in full.err, str(full)
            assert list(disk.iterdir()) == []
    back_up(filled, tmp_path / "loco.tar")
    with small_disk(tmp_path / "disk", "32m") as disk:
        full = restore(filled, tmp_path / "loco.tar", disk / "data", expect=8)
        assert "no space" in full.err and "MiB" in full.err, str(full)
        assert not (disk / "data/db/loco.db").exists() and not (disk / "data/restore.json").exists()


def test_a_backup_of_postgresql_is_taken_under_writes_and_goes_to_either_store(postgres, own_server, tmp_path):
    store = postgres.store(postgres.new_database())
    server = own_server(store=store)
    server.start()
    taken = []
    with Writers(server, 3) as writers:
        until(lambda: min(writers.acknowledged) > 3, 30)
        for number in range(3):
            before = list(writers.acknowledged)
            back_up(server, tmp_path / f"{number}.tar")
            taken.append((before, list(writers.begun)))
    server.end()
    for number, (before, after) in enumerate(taken):
        data = tmp_path / f"data-{number}"
        data.mkdir(mode=0o700)
        config = re.sub(r'^(data_dir|store) = .*\n', "", server.config_file.read_text(), flags=re.M)
        (data / "loco-api.toml").write_text(f'data_dir = "{data}"\n{config}')
        restore(server, tmp_path / f"{number}.tar", data)
        for index, version in rows(data / "db/loco.db", "(SELECT name, env_version FROM apps)"):
            at = int(index.rpartition("-")[2])
            assert before[at] <= version <= after[at]
        sequence = [one[0] for one in rows(data / "db/loco.db", "(SELECT seq FROM events WHERE kind <> 'app.restored')")]
        assert sorted(sequence) == list(range(1, len(sequence) + 1))
    # Into an empty database of PostgreSQL; once more changes nothing there; one with other rows is refused.
    target = postgres.new_database()
    data = tmp_path / "pg"
    data.mkdir(mode=0o700)
    config = re.sub(r'^(data_dir|store) = .*\n', "", server.config_file.read_text(), flags=re.M)
    (data / "loco-api.toml").write_text(f'data_dir = "{data}"\nstore = "{postgres.store(target)}"\n{config}')
    restore(server, tmp_path / "0.tar", data)
    assert postgres.sql(target, "SELECT count(*) FROM apps") == [["3"]]
    assert "has rows" in restore(server, tmp_path / "2.tar", data, expect=6).err
