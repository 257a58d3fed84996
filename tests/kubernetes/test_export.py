"""What `loco export` prints runs with nothing but kubectl."""
import re

import pytest

from support import web
from support.server import Server
from support.wait import until
from test_manifests import gateway, image  # noqa: F401  fixtures


@pytest.fixture(scope="module")
def server():
    one = Server().start()
    yield one
    one.end()
    one.remove()


def test_an_exported_app_runs_without_loco(cluster, gateway, image, server):  # noqa: F811
    path = server.app("moved")
    server.patch(f"{path}/env", {"set": {"TOKEN": "s3cret"}, "stage": True})
    server.make_live(path, more='[env]\nGREETING = "hello, $(PORT) \\"you\\""\n[resources]\ncpu = "20m"\nmemory = "32Mi"\n')
    server.change("UPDATE releases SET env_version = 1")
    where = f"moved-{server.api}"
    yaml = server.loco("export", "-a", "moved", "--namespace", where).out
    # What a person does: another image's place, and the values that are missing.
    yaml = re.sub(r"image: .*", f"image: {image}", yaml).replace("TOKEN: FILL-IN", "TOKEN: by hand")
    try:
        cluster.kubectl("apply", "--warnings-as-errors", "--validate=strict", "-f", "-", stdin=yaml)
        cluster.kubectl("rollout", "status", "deployment/web", "-n", where, "--timeout=90s")
        until(lambda: web.fetch(gateway, "moved.localhost", "/").status == 200, 60, "it answers at the Gateway")
        assert web.fetch(gateway, "moved.localhost", "/env/GREETING").text == 'hello, $(PORT) "you"'
        assert web.fetch(gateway, "moved.localhost", "/env/TOKEN").text == "by hand"
        # Again: no pod is started anew. (kubectl always writes a Secret with stringData.)
        before = cluster.json("get", "deployment", "web", "-n", where)["metadata"]["generation"]
        cluster.kubectl("apply", "-f", "-", stdin=yaml)
        assert cluster.json("get", "deployment", "web", "-n", where)["metadata"]["generation"] == before
    finally:
        cluster.remove_namespace(where)
