"""What Loco refuses, and how it says so: exit status, what was wrong, and what to do."""
import json

import pytest

PASSWD = 'FROM scratch\nCOPY probe /probe\nCOPY passwd /etc/passwd\nUSER {user}\nCMD ["/probe"]\n'


@pytest.mark.parametrize("user", ["", "root", "00", "0:10001", "app", "10001:0x0"])
def test_an_image_that_would_run_as_root_is_refused_before_anything_starts(loco, app, user):
    folder = app("mighty")
    (folder.path / "passwd").write_text("root:x:0:0::/:/\napp:x:0:0::/:/\n")
    dockerfile = PASSWD.format(user=user) if user else PASSWD.replace("USER {user}\n", "")
    done = loco.deploy(folder.image("1", dockerfile=dockerfile), expect=None)
    if user == "10001:0x0":   # no number and no group of the image: refused, as root or as unknown
        assert done.status in (6, 7), str(done)
    else:
        assert done.status == 6, str(done)
        assert "root" in done.err and "USER" in done.err, str(done)
    assert loco.instances("mighty") == []
    assert loco.fetch("mighty").status in (404, 503)


@pytest.mark.one_machine("looks at the container; of a pod, tests/kubernetes does")
def test_a_name_that_is_an_ordinary_user_is_resolved_in_the_image_and_passed_as_a_number(loco, app):
    folder = app("humble")
    (folder.path / "passwd").write_text("root:x:0:0::/:/\napp:x:4321:4321::/:/\n")
    loco.deploy(folder.image("1", dockerfile=PASSWD.format(user="app")))
    assert loco.fetch("humble", "/uid").text == "4321"
    assert loco.engine.inspect(loco.engine.of_app("humble")[0])["Config"]["User"] == "4321:4321"


def test_a_user_in_loco_toml_replaces_the_images(loco, app):
    loco.deploy(app("lowered").image("1", user="0").toml(deploy='user = "1234"'))
    assert loco.fetch("lowered", "/uid").text == "1234"


@pytest.mark.parametrize("toml, words", [
    ('version = 1\nname = "x"\n[resources]\nmemory = "100m"\n', ["100Mi", "loco.toml:4"]),
    ('version = 1\nName = "x"\n', ["name", "loco.toml:2"]),
    ('version = 1\nname = "x"\n[http]\nport = 70000\npth = "/"\n', ["70000", "path", "loco.toml:4", "loco.toml:5"]),
    ('version = 1\nname = "loco"\n', ["loco"]),
    ('version = 1\nname = "x"\n[deploy]\ntimeout = "30"\n', ["30s"]),
])
def test_mistakes_in_loco_toml_are_shown_where_they_are_with_what_was_meant(loco, app, toml, words):
    folder = app("typo")
    (folder.path / "loco.toml").write_text(toml)
    for command in (["validate", "-c", folder.path / "loco.toml"], ["deploy", folder.path]):
        done = loco.run(*command, expect=2)
        for word in words:
            assert word in done.err + done.out, str(done)


def test_what_is_not_there_is_4_and_a_mistyped_command_names_the_one_meant(loco):
    loco.run("status", "-a", "nowhere", expect=4)
    loco.run("logs", "-a", "nowhere", expect=4)
    assert "deploy" in loco.run("deplyo", expect=2).err


def test_without_a_token_the_server_tells_nothing(loco):
    for path in ("/me", "/teams/main/apps"):
        answer = loco.call("GET", path, token="wrong")
        assert answer.status == 401 and answer.headers["content-type"].startswith("application/problem+json")
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
    loco.run("apps", expect=3, env={"LOCO_TOKEN": "wrong"})


def test_a_server_that_is_not_there_is_8(loco):
    done = loco.run("apps", expect=8, env={"LOCO_HOST": "http://127.0.0.1:9"})
    assert "127.0.0.1:9" in done.err


def test_required_secrets_must_be_set_before_a_deploy(loco, app):
    folder = app("locked").toml('[secrets]\nrequired = ["API_KEY"]')
    done = loco.deploy(folder, expect=6)
    assert "API_KEY" in done.err and "loco env set" in done.err
    loco.run("create", "locked", expect=None)
    loco.run("env", "set", "API_KEY", "-a", "locked", stdin="sesame\n")
    loco.deploy(folder)
    assert loco.fetch("locked", "/env/API_KEY").text == "sesame"


@pytest.mark.one_machine("a cluster honours autoscaling")
def test_a_key_that_this_runtime_cannot_honour_is_refused_not_ignored(loco, app):
    for more in ("[scale]\nmin = 1\nmax = 3\ncpu_target = 70\n", "[[volumes]]\nname = \"data\"\n"):
        loco.deploy(app("eager" if "scale" in more else "hoarder").toml(more), expect=2)


def test_errors_as_json_are_one_object_on_stdout_or_stderr(loco):
    done = loco.run("status", "-a", "nowhere", "--json", expect=4)
    text = done.out.strip() or done.err.strip()
    assert isinstance(json.loads(text), dict), str(done)
