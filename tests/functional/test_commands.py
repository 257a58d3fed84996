"""The command line where it needs all of Loco. What needs no engine is in test_client.py."""
import json
import re


def test_the_whole_life_of_an_app_by_commands(loco, app):
    folder = app("lifely")
    loco.run("validate", "-c", folder.path / "loco.toml")
    loco.run("create", "lifely")
    loco.run("env", "set", "KEY=one", "-a", "lifely")
    loco.run("deploy", folder.path)
    for words in (["redeploy"], ["restart"], ["scale", "--replicas", "2"], ["rollback"], ["env", "unset", "KEY"]):
        loco.run(*words, "-a", "lifely")
    (folder.path / "vars").write_text("A=1\n")
    loco.run("env", "import", folder.path / "vars", "-a", "lifely")
    for words in (["status"], ["releases"], ["events"], ["env", "list"], ["open"]):
        assert loco.run(*words, "-a", "lifely").out.strip(), words
        assert isinstance(loco.run(*words, "-a", "lifely", "--json").json(), dict)
    loco.run("logs", "-a", "lifely")
    assert "lifely" in loco.run("apps").out
    loco.run("destroy", "lifely", "--yes")


def test_quiet_keeps_results_and_drops_progress(loco, app):
    folder = app("hush")
    done = loco.run("--quiet", "deploy", folder.path)
    assert done.out.strip() == f"http://hush.localhost:{loco.gateway}" and not done.err.strip()


def test_version_is_one_line(loco):
    assert re.fullmatch(r"loco \d+\.\d+\.\d+\S*\n", loco.run("--version").out)
    assert json.loads(loco.run("--version", "--json").out)["version"]
