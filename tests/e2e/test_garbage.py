"""The registry's disk: what no release needs leaves it, while deploys go on and whoever does it may be killed."""
import contextlib
import hashlib
import json
import os
import random
import re
import signal
import threading

import pytest

from support import web
from support.platform import running
from support.wait import until

pytestmark = pytest.mark.one_machine("the registry of `loco up`; in a cluster it is not loco-api that runs it")

LAYER = 3 << 20   # of each version, and of no other: nothing that compresses
KILLS = int(os.environ.get("LOCO_TEST_COLLECTION_KILLS", "1"))   # of each part


def disk(loco) -> int:
    storage = loco.data / "registry/storage"
    return sum(path.stat().st_size for path in storage.rglob("data") if path.is_file())


def garbage(loco) -> int:
    return int((loco.data / "registry/garbage").read_text().split()[0])


def collected_at(loco) -> int:
    return int((loco.data / "registry/garbage").read_text().split()[1])


def set_every(loco, every: str) -> None:
    """How often the garbage is collected, as an operator sets it."""
    config = loco.data / "loco-api.toml"
    config.write_text(re.sub(r"^collect_every = .*$", f"collect_every = '{every}'", config.read_text(), flags=re.M))
    old = loco.kill("loco-api", signal.SIGTERM)
    until(lambda: loco.pid("loco-api") != old, 20)
    answers(loco)


def answers(loco) -> None:
    until(lambda: web.fetch(loco.api, "127.0.0.1", "/api/v1/version").status == 200, 20, "loco-api answers")


@pytest.fixture(scope="module")
def loco(engine):
    for platform in running(engine):
        yield platform


@pytest.fixture
def fat(app):
    """fat("name"): a folder whose every image has a layer of its own."""

    def make(name: str):
        folder = app(name)
        image = folder.image

        def another(version: str, **options):
            image(version, **options)
            (folder.path / "version").write_bytes(os.urandom(LAYER))
            return folder

        folder.image = another
        return another("1")

    return make


def deploy_and_clean(loco, folder, name: str, first: int, count: int) -> None:
    """So many versions; afterwards the images of all but the last three are off the registry's list."""
    for number in range(first, first + count):
        loco.deploy(folder.image(str(number)))
    until(lambda: sum(one["image_kept"] for one in loco.releases(name)) == 3, 30, "only the last three images are kept")


def test_the_registry_shrinks_and_what_is_live_or_may_be_rolled_back_to_can_still_be_pulled(loco, fat):
    set_every(loco, "100h")
    folder = fat("tidy")
    deploy_and_clean(loco, folder, "tidy", 1, 9)
    full = disk(loco)
    assert full > 9 * LAYER and garbage(loco) == 6
    set_every(loco, "1s")
    until(lambda: garbage(loco) == 0, 60, "the garbage is collected")
    assert 3 * LAYER < disk(loco) < 4 * LAYER
    # The engine loses what it has of the app: all of it must be pulled.
    until(lambda: forget_images(loco, "tidy"), 20, "the engine has no image of the app")
    until(lambda: loco.release("tidy") == "v9", 60, "the live image was pulled again")
    loco.run("rollback", "-a", "tidy")
    assert loco.fetch("tidy").json() == loco.fetch("tidy").json() | {"version": "8", "release": "v10"}


def forget_images(loco, name: str) -> bool:
    """Takes the app's containers and images from the engine, faster than Loco brings them back."""
    repository = loco.engine.inspect(loco.engine.of_app(name)[0])["Config"]["Image"].split("@")[0]
    loco.engine.docker("rm", "-f", *loco.engine.of_app(name), check=False)
    loco.engine.docker("rmi", "-f", *set(loco.engine.docker("images", "-q", "--no-trunc", repository).split()), check=False)
    return not loco.engine.docker("images", "-q", repository)


def test_deploys_while_garbage_is_collected_again_and_again_all_succeed(loco, fat):
    set_every(loco, "1s")
    first, second = fat("busy-a"), fat("busy-b")
    before = collected_at(loco)
    failed = []

    def deploy_many(folder) -> None:
        for number in range(2, 8):
            done = loco.deploy(folder.image(str(number)), expect=None)
            if done.status:
                failed.append(str(done))

    threads = [threading.Thread(target=deploy_many, args=(folder,)) for folder in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert not failed, "\n".join(failed) + loco.logs()
    until(lambda: collected_at(loco) > before and garbage(loco) < 5, 60)
    for name in ("busy-a", "busy-b"):
        assert loco.fetch(name).json()["version"] == "7"


@pytest.mark.parametrize("part", ["registry", "loco-api", "supervisor", "registry-gc"])
def test_a_part_killed_in_the_middle_of_a_collection_heals(loco, fat, part):
    chance = random.Random(part)
    name = f"torn-{part}"
    folder = fat(name)
    for number in range(KILLS):
        set_every(loco, "100h")
        deploy_and_clean(loco, folder, name, 10 * number, 8 if number == 0 else 5)
        assert garbage(loco) >= 5
        set_every(loco, "1s")
        until(lambda: (loco.data / "run/collect.running").exists(), 30, "a collection runs", every=0.001)
        threading.Event().wait(chance.uniform(0, 0.3))   # anywhere within
        with contextlib.suppress(AssertionError, ProcessLookupError):   # it may be over, or not run at that moment
            loco.kill(part)
        if part == "supervisor":
            loco.up()
        answers(loco)
        # A deploy at that moment waits, and succeeds.
        loco.deploy(folder.image(f"{number}-after"))
        until(lambda: not (loco.data / "run/collect.running").exists(), 30, "it is over")
        assert loco.fetch(name).json()["version"] == f"{number}-after"
    set_every(loco, "1s")   # what was torn is put off for 10 minutes; a start of loco-api knows nothing of that
    until(lambda: garbage(loco) < 5, 60, "what was torn is made up for")
    loco.run("rollback", "-a", name)
    assert loco.fetch(name).status == 200


def test_a_push_under_way_is_never_broken(loco, fat):
    set_every(loco, "100h")
    folder = fat("steady-push")
    deploy_and_clean(loco, folder, "steady-push", 1, 8)
    assert garbage(loco) >= 5
    # A deployment that has its token: pushing, as far as anybody can know.
    path = f"{loco.path('steady-push')}/deployments"
    body = {"kind": "deploy", "spec": loco.run("deploy", folder.path, "--dry-run", "--json").json()["spec"]}
    pushing = loco.call("POST", path, body).json()["id"]
    assert loco.call("POST", f"{path}/{pushing}/push-token", {}).status == 201
    set_every(loco, "1s")
    registry = loco.pid("registry")
    ended = threading.Event()
    for _ in range(5):
        loco.call("POST", f"{path}/{pushing}/build-log", {})
        ended.wait(1)
        assert loco.pid("registry") == registry and garbage(loco) >= 5
    assert loco.call("POST", f"{path}/{pushing}/cancel", {}).status in (200, 202)
    until(lambda: garbage(loco) < 5, 30)
    assert loco.pid("registry") != registry


def push_by_hand(loco, path: str, deployment: str, tag: str):
    """What a client pushes: a config and a manifest under the deployment's tag. Gives what asks whether it is there."""
    given = loco.call("POST", f"{path}/{deployment}/push-token", {}).json()
    headers = {"Authorization": f"Bearer {given['token']}"}
    base = f"/v2/{given['repository']}"

    def ask(method: str, where: str, body: bytes | None = None, **more):
        return web.fetch(loco.registry, "127.0.0.1", where, method, body, headers | more)

    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}, "tag": tag}).encode()
    digest = "sha256:" + hashlib.sha256(config).hexdigest()
    begun = ask("POST", f"{base}/blobs/uploads/")
    assert begun.status == 202, begun.text
    where = begun.headers["location"]
    assert ask("PUT", f"{where}{'&' if '?' in where else '?'}digest={digest}", config, **{"Content-Type": "application/octet-stream"}).status == 201
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "layers": [],
                           "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": len(config)}}).encode()
    assert ask("PUT", f"{base}/manifests/{tag}", manifest, **{"Content-Type": kind}).status == 201
    return lambda: ask("GET", f"{base}/manifests/{tag}", Accept=kind).status


@pytest.mark.parametrize("end", ["cancelled", "killed"])
def test_an_image_whose_client_is_gone_before_it_said_what_it_pushed_is_removed(loco, app, end):
    folder = app(f"lost-{end}")
    loco.deploy(folder)
    path = f"{loco.path(folder.name)}/deployments"
    spec = loco.run("deploy", folder.path, "--dry-run", "--json").json()["spec"]
    begun = loco.call("POST", path, {"kind": "deploy", "spec": spec}).json()
    there = push_by_hand(loco, path, begun["id"], begun["tag"])
    assert there() == 200
    if end == "cancelled":
        assert loco.call("POST", f"{path}/{begun['id']}/cancel", {}).status in (200, 202)
    # One that was killed is missed when its lease of a minute has run out.
    until(lambda: there() == 404, 90, "the image is off the registry's list")
    assert loco.call("GET", f"{path}/{begun['id']}").json()["state"] == ("cancelled" if end == "cancelled" else "failed")
    assert loco.release(folder.name) == "v1"
    assert all(one["image_kept"] for one in loco.releases(folder.name))
