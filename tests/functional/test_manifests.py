"""`loco export`: a release as plain manifests, from a server on one machine; `loco deploy --dry-run`: what would change."""
import pytest

MORE = """
[http]
domains = ["exported.example.com"]
[env]
LOG_LEVEL = "info"
[secrets]
required = ["DATABASE_URL"]
"""


@pytest.fixture(scope="module")
def shop(server):
    path = server.app("exported")
    server.patch(f"{path}/env", {"set": {"DATABASE_URL": "postgres://ada:s3cret@db/shop", "API_KEY": "also-s3cret"}, "stage": True})
    server.make_live(path, more=MORE)
    server.change("UPDATE releases SET env_version = 1 WHERE app = (SELECT id FROM apps WHERE name = 'exported')")
    return path


def test_a_release_is_printed_as_manifests_without_any_secret(server, shop):
    done = server.loco("export", "-a", "exported")
    kinds = [line.removeprefix("kind: ") for line in done.out.splitlines() if line.startswith("kind: ")]
    assert kinds == ["Namespace", "ServiceAccount", "ResourceQuota", "LimitRange", "NetworkPolicy", "Secret", "Service", "Deployment", "HTTPRoute"]
    assert "s3cret" not in done.out + done.err
    assert "  LOG_LEVEL: info\n" in done.out
    assert "  DATABASE_URL: FILL-IN\n" in done.out and "  API_KEY: FILL-IN\n" in done.out
    assert "# Write each value" in done.out
    assert "API_KEY, DATABASE_URL" in done.err and "FILL-IN" in done.err
    assert "namespace: exported\n" in done.out
    # No Loco would take these for its own.
    assert "loco.dev/instance-of" not in done.out and "managed-by: loco\n" not in done.out


def test_where_it_is_to_run_can_be_said(server, shop):
    done = server.loco("export", "v1", "-a", "exported", "--namespace", "staging", "--gateway", "infra/public", "--registry", "r.example.com:5000")
    assert "# exported v1" in done.out and "namespace: staging\n" in done.out
    assert "image: r.example.com:5000/" in done.out
    assert "  - name: public\n    namespace: infra\n" in done.out
    document = server.loco("export", "v1", "-a", "exported", "--json").json()
    assert document["release"] == "v1" and document["fill_in"] == ["API_KEY", "DATABASE_URL"]
    assert server.get(f"{shop}/manifests?release=v1&namespace=staging")["fill_in"] == document["fill_in"]


def test_what_cannot_be_exported_is_told(server, shop):
    server.app("unborn")
    assert "nothing of unborn is live" in server.loco("export", "-a", "unborn", expect=4).err
    assert server.loco("export", "v99", "-a", "exported", expect=4).err
    assert server.loco("export", "latest", "-a", "exported", expect=2).err
    for query in ("namespace=Not_A_Label", "gateway=loco", "gateway=a/b/c", "gateway=/", "registry=a%20b", "registry=%0akind:", "release=v0",
                  f"namespace={'a' * 64}", f"registry={'a' * 300}"):
        assert server.get(f"{shop}/manifests?{query}", 422)["detail"], query


def test_a_dry_run_tells_what_changes_in_what_is_live(server, shop, tmp_path):
    (tmp_path / "Dockerfile").write_text('FROM scratch\nUSER 1000\nCMD ["/app"]\n')
    file = tmp_path / "loco.toml"
    same = f'version = 1\nname = "exported"\n{MORE}'
    file.write_text(same)
    assert "loco.toml says what it said in v2" in server.loco("deploy", tmp_path, "--dry-run").out
    file.write_text(same.replace('"info"', '"debug"').replace("[env]", "[resources]\nmemory = \"512Mi\"\n[env]\nNEW = \"1\""))
    before = server.get(f"{shop}/deployments?limit=100")
    done = server.loco("deploy", tmp_path, "--dry-run")
    assert '  resources.memory: "256Mi" → "512Mi"\n' in done.out
    assert '  env.LOG_LEVEL: "info" → "debug"\n' in done.out and '  env.NEW: nothing → "1"\n' in done.out
    assert {"key": "env.NEW", "from": None, "to": "1"} in server.loco("deploy", tmp_path, "--dry-run", "--json").json()["changes"]
    assert server.get(f"{shop}/deployments?limit=100") == before


def test_a_dry_run_is_refused_as_the_deploy_would_be(server, shop, tmp_path):
    (tmp_path / "Dockerfile").write_text('FROM scratch\nUSER 1000\nCMD ["/app"]\n')
    file = tmp_path / "loco.toml"
    file.write_text(f'version = 1\nname = "exported"\n{MORE}[scale]\nmax = 3\ncpu_target = 70\n')
    for words in (["--dry-run"], []):
        done = server.loco("deploy", tmp_path, *words, expect=2)
        assert "autoscaling needs a server on Kubernetes" in done.err
    assert "on one machine refused, scale.cpu_target" in server.loco("validate", tmp_path).err
    notes = server.loco("validate", tmp_path, "--json").json()["notes"]
    assert [(note["runtime"], note["key"], note["refused"]) for note in notes] == [("machine", "scale.cpu_target", True)]
    file.write_text(f'version = 1\nname = "exported"\n{MORE.replace("DATABASE_URL", "MISSING")}')
    assert "MISSING" in server.loco("deploy", tmp_path, "--dry-run", expect=6).err
