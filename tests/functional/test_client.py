"""The command line against a server without an engine: usage, exit statuses, output, settings."""
import json
import os
import pty
import re
import select
import signal
import stat
import subprocess
import time

import pytest

from support.platform import BINARIES, free_ports
from support.server import OWNER_TOKEN
from support.wait import until

TOML = 'version = 1\nname = "{name}"\n'
DOCKERFILE = 'FROM scratch\nCOPY app /app\nUSER 1000\nEXPOSE 3000\nCMD ["/app"]\n'


def commands(server) -> list[str]:
    """The names of all commands, from the help itself."""
    return re.findall(r"^  ([a-z]+(?: [a-z]+)?)  ", server.loco("--help").out, re.MULTILINE)


@pytest.fixture
def name(server):
    return server.app().rpartition("/")[2]


@pytest.fixture
def folder(server, tmp_path):
    """A folder with a Dockerfile and a loco.toml for an app that is not there yet."""
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "app").write_text("binary")
    (tmp_path / "loco.toml").write_text(TOML.format(name=f"folder-{os.urandom(4).hex()}"))
    return tmp_path


# Help and usage.

def test_every_command_has_help_with_usage_and_an_example(server):
    listed = commands(server)
    assert len(listed) >= 24 and {"up", "down", "deploy", "env set", "completion"} <= set(listed), listed
    for command in listed:
        for flag in ("--help", "-h"):
            done = server.loco(*command.split(), flag)
            assert f"Usage: loco {command}" in done.out and not done.err, str(done)
            assert re.search(rf"^    .*loco {command}", done.out, re.MULTILINE), f"no example in the help of {command}"
        assert all(len(line) <= 120 for line in done.out.splitlines()), command


def test_help_is_given_without_a_server_a_configuration_or_a_home(server, tmp_path):
    done = subprocess.run([BINARIES / "loco", "deploy", "--help"], env={"PATH": "/nowhere"}, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "Usage" in done.stdout
    assert subprocess.run([BINARIES / "loco"], env={}, cwd=tmp_path, capture_output=True, text=True).stdout.startswith("loco takes a folder")


@pytest.mark.parametrize("words, hint", [
    (["deplyo"], "deploy"), (["staus"], "status"), (["enviroment", "list"], "env"), (["acount"], "account"), (["env", "lst"], "list"),
    (["env"], "list"), (["deploy", "--dryrun"], "--dry-run"), (["logs", "--folow"], "--follow"), (["scale", "--replica", "2"], "--replicas"),
    (["qqqqqqqq"], "loco --help"), (["apps", "--teem", "x"], "--team"),
])
def test_a_mistyped_word_is_a_usage_error_that_names_what_was_meant(server, words, hint):
    done = server.loco(*words, expect=2)
    assert hint in done.err and done.err.startswith("error: ") and not done.out, str(done)
    document = server.loco(*words, "--json", expect=2).json()
    assert document["error"]["exit_status"] == 2 and hint in json.dumps(document)


# Error codes.

def test_a_code_is_explained_without_a_server_a_configuration_or_a_home(tmp_path):
    def explain(*words):
        return subprocess.run([BINARIES / "loco", "explain", *words], env={"PATH": "/nowhere"}, cwd=tmp_path, capture_output=True, text=True)
    done = explain("secret_unset")
    assert done.returncode == 0 and not done.stderr and done.stdout.startswith("secret_unset\n") and "loco env set NAME --stage" in done.stdout
    listed = json.loads(explain("--json").stdout)["codes"]
    assert len(listed) > 150 and len({one["code"] for one in listed}) == len(listed)
    for one in listed:
        known = json.loads(explain(one["code"], "--json").stdout)
        assert known == known | one and known["title"] and isinstance(known["next_steps"], list)
    everything = explain().stdout
    assert all(re.search(rf"^  {one['code']} +\S", everything, re.MULTILINE) for one in listed)
    assert all(len(line) <= 140 for line in everything.splitlines())


@pytest.mark.parametrize("word, meant", [("image_run_as_root", "image_runs_as_root"), ("No-Dockerfile", "no_dockerfile"), ("137", None), ("", None), ("\x1b[2J", None)])
def test_a_code_that_is_not_there_names_the_one_meant(server, word, meant):
    done = server.loco("explain", word, expect=4)
    assert done.err.startswith("error: there is no error code") and "\x1b" not in done.err and not done.out
    assert f"did you mean {meant}?" in done.err if meant else "loco explain" in done.err


def test_an_error_names_its_code_in_one_quiet_line(server):
    done = server.loco("status", "-a", "nowhere", expect=4)
    assert done.err.splitlines()[-1] == " more: loco explain no_such_app"
    assert "loco apps" in server.loco(*done.err.splitlines()[-1].split()[2:]).out
    assert "explain" not in server.loco("deplyo", expect=2).err, "usage says it all"
    document = server.loco("status", "-a", "nowhere", "--json", expect=4).json()
    assert set(document["error"]) == {"code", "message", "hint", "next_steps", "context", "exit_status"}


@pytest.mark.parametrize("words", [
    ["env", "set"], ["env", "import"], ["completion"], ["completion", "tcsh"], ["scale", "--replicas", "many", "-a", "x"], ["scale", "-a", "x"],
    ["logs", "-a", "x", "-n", "-5"], ["logs", "-a", "x", "--grep", "("], ["logs", "-a", "x", "--since", "soon"], ["logs", "-a", "x", "--previous", "-f"], ["status", "too", "many", "words"],
    ["scale", "--memory", "100m", "-a", "x"], ["scale", "--cpu", "4000", "-a", "x", "--replicas", "x"], ["deploy", "--builder", "kaniko"],
    ["events", "-n", "0", "-a", "x"], ["status"], ["destroy"], ["apps", "--host"], ["--jsn"],
])
def test_wrong_usage_is_2_and_tells_on_stderr_what_is_wrong(server, words):
    done = server.loco(*words, expect=2)
    assert done.err.startswith("error: ") and not done.out and len(done.err.splitlines()) < 12, str(done)


# Exit statuses, --json, output.

def test_exit_statuses_are_those_of_the_contract(server, name, folder, tmp_path):
    statuses = {
        0: ["apps"],
        2: ["scale", "-a", name],
        3: ["apps", "--team", "main"],
        4: ["status", "-a", "nowhere"],
        6: ["rollback", "v2", "-a", "veteran-cli"],
        8: ["apps", "--host", f"http://127.0.0.1:{free_ports(1)[0]}"],
        9: ["create", name],
    }
    server.app("veteran-cli")
    server.make_live("/teams/main/apps/veteran-cli")
    for status, words in statuses.items():
        env = {"LOCO_TOKEN": "wrong"} if status == 3 else {}
        plain = server.loco(*words, expect=status, env=env)
        assert status == 0 or plain.err.startswith("error: ") and not plain.out, str(plain)
        told = server.loco(*words, "--json", expect=status, env=env).json()
        assert status == 0 or told["error"]["exit_status"] == status and told["error"]["code"] and told["error"]["message"], told


def test_json_is_one_document_whose_top_is_an_object(server, name, folder):
    for words in (["apps"], ["status", "-a", name], ["releases", "-a", name], ["events", "-a", name], ["env", "list", "-a", name], ["open", "-a", name],
                  ["whoami"], ["account"], ["docs"], ["docs", "loco.toml"], ["validate", folder], ["deploy", folder, "--dry-run"], ["--version"],
                  ["create", f"{name}-too"], ["env", "set", "A=1", "-a", name], ["env", "unset", "A", "-a", name], ["destroy", f"{name}-too", "--yes", "--detach"],
                  ["init", folder, "--force"], ["down", "--data", folder / "nothing"]):
        done = server.loco(*words, "--json")
        assert isinstance(json.loads(done.out), dict) and done.out.count("\n") == 1, str(done)
        before = server.loco("--json", "apps")
        assert isinstance(before.json()["items"], list), "global options may stand before the command"


def test_logs_of_what_ended_say_so_when_nothing_has(server, name):
    done = server.loco("logs", "--previous", "-a", name, expect=4)
    assert "crashed" in done.err, str(done)


def test_domains_are_listed_and_checked(server, name):
    done = server.loco("domains", "list", "-a", name)
    assert f"{name}.localhost" in done.out and "given by Loco" in done.out
    checked = server.loco("domains", "check", "-a", name, "--json").json()
    assert checked["items"] == [{"host": f"{name}.localhost", "addresses": ["127.0.0.1"], "good": True}]
    spec = {"version": 1, "name": name, "http": {"domains": [f"{name}.invalid"]}}
    server.post(f"/teams/main/apps/{name}/deployments", {"kind": "deploy", "spec": spec})
    items = server.get(f"/teams/main/apps/{name}/domains")["items"]
    assert [(one["host"], one["primary"], one["live"]) for one in items] == [(f"{name}.localhost", True, False), (f"{name}.invalid", False, False)]
    done = server.loco("domains", "check", "-a", name, expect=4)
    assert "has no address" in done.out and f"CNAME of {name}.localhost" in done.err, str(done)


def test_logs_as_json_are_one_object_a_line(server, name):
    path = f"/teams/main/apps/{name}"
    build = server.deployment(path)["id"]
    server.call("POST", f"{path}/deployments/{build}/build-log", raw="one\ntwo \x1b[31mred\x1b[0m\x1b]0;title\x07\nthree\n".encode())
    until(lambda: len(server.loco("logs", "--build", "-a", name, "--json").lines()) == 3, 5)
    assert [line["text"] for line in server.loco("logs", "--build", "-a", name, "--json").lines()][0] == "one"
    plain = server.loco("logs", "--build", "-a", name).out
    assert plain == "one\ntwo red\nthree\n", repr(plain)
    assert server.loco("logs", "--build", "-a", name, "--grep", "^t").out == "two red\nthree\n"
    assert server.loco("logs", "--build", "-a", name, "-n", "1").out == "three\n"
    assert server.loco("logs", "-a", name).out == ""
    assert server.loco("logs", "-a", name, "--since", "10m", "--process", "web", "--release", "v1").out == ""
    server.post(f"{path}/deployments/{build}/result", {"failure": {"message": "x"}}, expect=200)
    follower = subprocess.Popen([BINARIES / "loco", "logs", "--build", "-f", "-a", name], env=server.client, cwd=server.work, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)
    assert follower.stdout.readline() == "one\n"
    follower.send_signal(signal.SIGINT)
    out, err = follower.communicate(timeout=10)
    assert follower.returncode == 0 and not err, f"Ctrl-C is how following ends: {err}"


def test_results_go_to_stdout_and_progress_to_stderr(server):
    done = server.loco("create", f"split-{os.urandom(3).hex()}")
    assert re.fullmatch(r"http://split-\w+\.localhost:\d+\n", done.out) and "created" in done.err
    quiet = server.loco("--quiet", "create", f"split-{os.urandom(3).hex()}")
    assert quiet.out.startswith("http://") and not quiet.err


def on_a_terminal(server, *words: str, env: dict | None = None, columns: int = 80) -> str:
    """What a person sees: the command on a pseudo-terminal of its own."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(server.work)
        os.execve(BINARIES / "loco", ["loco", *words], server.client | {"COLUMNS": str(columns)} | (env or {}))
    text = b""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                part = os.read(terminal, 65536)
            except OSError:
                break
            if not part:
                break
            text += part
    os.close(terminal)
    os.waitpid(pid, 0)
    return text.decode()


def test_colour_is_for_terminals_only_and_may_be_refused(server, name):
    assert "\x1b[" in on_a_terminal(server, "status", "-a", name)
    assert "\x1b[" in on_a_terminal(server, "status", "-a", "nowhere")
    for words, env in ((["--no-color", "status", "-a", name], {}), (["status", "-a", name], {"NO_COLOR": "1"}), (["status", "-a", name], {"TERM": "dumb"}),
                       (["--no-color", "status", "-a", "nowhere"], {}), (["--help"], {"NO_COLOR": "1"}), (["--help"], {"TERM": "dumb"})):
        assert "\x1b" not in on_a_terminal(server, *words, env=env), words
    for words in (["status", "-a", name], ["apps"], ["--help"], ["status", "-a", "nowhere"], ["deplyo"], ["validate", "/nowhere"], ["events", "-a", name]):
        done = server.loco(*words, expect=None)
        assert "\x1b" not in done.out + done.err, str(done)


def test_on_a_terminal_destroy_asks_and_without_one_names_the_flag(server, name):
    refused = server.loco("destroy", name, expect=2)
    assert "--yes" in refused.err
    assert "[y/N]" in on_a_terminal_answering(server, "n\n", "destroy", name)
    assert server.get(f"/teams/main/apps/{name}")["state"] == "empty"
    on_a_terminal_answering(server, "y\n", "destroy", name, "--detach")
    assert server.get(f"/teams/main/apps/{name}")["state"] == "destroying"


def on_a_terminal_answering(server, answer: str, *words: str) -> str:
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(server.work)
        os.execve(BINARIES / "loco", ["loco", *words], server.client)
    text = b""
    answered = False
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                part = os.read(terminal, 65536)
            except OSError:
                break
            if not part:
                break
            text += part
        if not answered and (b"[y/N]" in text or b"not shown" in text):
            os.write(terminal, answer.encode())
            answered = True
    os.close(terminal)
    os.waitpid(pid, 0)
    return text.decode()


def test_a_prompt_for_a_secret_does_not_show_it(server, name):
    shown = on_a_terminal_answering(server, "hidden-value\n", "env", "set", "TYPED", "-a", name)
    assert "not shown" in shown and "hidden-value" not in shown
    assert server.loco("env", "list", "-a", name).out == "TYPED\n"


# Who and where.

def test_host_token_and_team_come_from_options_environment_and_file_in_that_order(server, name):
    wrong = {"LOCO_HOST": "http://127.0.0.1:1"}
    server.loco("apps", env=wrong, expect=8)
    server.loco("apps", "--host", f"http://127.0.0.1:{server.api}/", env=wrong)
    viewer = server.people["viewer"].authorization.removeprefix("Bearer ")
    assert server.loco("whoami", env={"LOCO_TOKEN": viewer}).out.startswith("viewer at ")
    denied = server.loco("create", "not-mine", env={"LOCO_TOKEN": viewer}, expect=3)
    assert "developer" in denied.err
    server.loco("apps", env={"LOCO_TEAM": "other"}, expect=4)
    server.loco("apps", "--team", "main", env={"LOCO_TEAM": "other"})
    server.loco("apps", "--team", "other", expect=4)
    assert server.loco("status", "-a", name, env={"LOCO_TEAM": ""}).out.startswith(name)


def test_the_file_of_settings_must_be_private_and_readable(server):
    config = server.client_config
    good = config.read_text()
    try:
        config.chmod(0o644)
        done = server.loco("apps", expect=3)
        assert f"chmod 600 {config}" in done.err
        assert server.loco("--help").status == 0
        config.chmod(0o600)
        config.write_text("host = [")
        done = server.loco("apps", expect=2)
        assert "config.toml:1" in done.err
        config.unlink()
        done = server.loco("apps", expect=3, env={"LOCO_HOST": f"http://127.0.0.1:{server.api}"})
        assert "loco up" in done.err or "LOCO_TOKEN" in done.err
        server.loco("apps", env={"LOCO_HOST": f"http://127.0.0.1:{server.api}", "LOCO_TOKEN": OWNER_TOKEN})
        assert not config.exists()
    finally:
        config.touch(0o600)
        config.chmod(0o600)
        config.write_text(good)


def test_a_server_that_is_down_is_8_with_what_to_do(server):
    port = free_ports(1)[0]
    done = server.loco("apps", "--host", f"http://127.0.0.1:{port}", expect=8)
    assert f"127.0.0.1:{port}" in done.err and "loco up" in done.err
    for words in (["status", "-a", "x"], ["logs", "-a", "x"], ["create", "x"], ["env", "set", "A=1", "-a", "x"], ["restart", "-a", "x"]):
        server.loco(*words, "--host", f"http://127.0.0.1:{port}", expect=8)


def test_something_else_than_a_loco_server_is_told(server):
    done = server.loco("apps", "--host", f"http://127.0.0.1:{server.ops}", expect=None)
    assert done.status not in (0, 101) and "Loco server" in done.err, str(done)
    for host in ("nonsense", "ftp://x", "http://", "127.0.0.1:1"):
        done = server.loco("apps", "--host", host, expect=None)
        assert done.status in (2, 8) and done.err.startswith("error: "), str(done)


def test_the_token_is_in_no_output_and_no_debug_log(server, name):
    for words in (["-v", "apps"], ["status", "-a", name, "--json"], ["whoami", "--json"], ["apps", "--host", "http://127.0.0.1:1"]):
        done = server.loco(*words, expect=None)
        assert OWNER_TOKEN not in done.out + done.err
    log = server.folder / "state/loco/loco.log"
    assert log.exists() and OWNER_TOKEN not in log.read_text() and stat.S_IMODE(log.parent.stat().st_mode) == 0o700


# Apps.

def test_the_app_is_the_one_of_the_folder_unless_named(server, name, folder):
    (folder / "loco.toml").write_text(TOML.format(name=name) + f'[profile.staging]\nname = "{name}-staging"\n')
    assert server.loco("status", cwd=folder).out.startswith(name)
    server.loco("create", "--profile", "staging", cwd=folder)
    assert server.loco("status", "--profile", "staging", cwd=folder).out.startswith(f"{name}-staging")
    server.loco("status", "-a", "nowhere", cwd=folder, expect=4)
    missing = server.loco("status", "--profile", "nope", cwd=folder, expect=2)
    assert "staging" in missing.err


def test_apps_status_open_releases_and_events_are_told_for_people(server, name):
    table = server.loco("apps").out.splitlines()
    assert table[0].split() == ["NAME", "STATE", "RELEASE", "URL"] and any(line.startswith(f"{name} ") for line in table)
    assert server.loco("open", "-a", name).out.startswith(f"http://{name}.localhost:")
    assert "app.created" in server.loco("events", "-a", name).out
    none = server.loco("releases", "-a", name)
    assert not none.out and "loco deploy" in none.err


def test_commands_that_change_a_live_app_begin_and_are_told_about(server):
    server.app("changing")
    server.make_live("/teams/main/apps/changing")
    assert server.loco("releases", "-a", "changing").out.splitlines()[1].startswith("v2")
    for words in (["redeploy"], ["restart"], ["rollback"], ["rollback", "v1"], ["scale", "--replicas", "2"]):
        begun = server.loco(*words, "-a", "changing", "--detach")
        identifier = begun.out.strip()
        assert identifier.startswith("dep_") and "loco status" in begun.err, str(begun)
        held = server.loco("restart", "-a", "changing", "--detach", expect=9)
        assert "under way" in held.err and "loco status -a changing" in held.err
        assert words[0] in server.loco("status", "-a", "changing").out
        server.post(f"/teams/main/apps/changing/deployments/{identifier}/cancel", expect=202)
        until(lambda: server.get("/teams/main/apps/changing")["deployment"] is None, 30, "the app is free again")
    assert "already" in server.loco("scale", "--reset", "-a", "changing").err
    env = server.loco("env", "set", "A=1", "-a", "changing", "--stage")
    assert "next deploy" in env.err
    assert "not live yet" in server.loco("env", "list", "-a", "changing").err


def test_a_change_of_the_environment_that_does_not_go_live_says_that_it_is_kept(server):
    server.app("kept")
    path = "/teams/main/apps/kept"
    server.make_live(path)
    client = subprocess.Popen([BINARIES / "loco", "env", "set", "A=1", "-a", "kept"], env=server.client, cwd=server.work, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    held = until(lambda: server.get(path)["deployment"], 10, "the change is under way")
    server.post(f"{path}/deployments/{held['id']}/cancel", expect=202)
    out, err = client.communicate(timeout=40)
    assert client.returncode == 130 and not out, f"{client.returncode}: {err}"
    assert "the change is kept" in err and "loco env unset" in err
    assert "not live yet" in server.loco("env", "list", "-a", "kept").err


def test_following_a_deployment_that_is_cancelled_elsewhere_ends_and_says_so(server):
    server.app("followed")
    server.make_live("/teams/main/apps/followed")
    follower = subprocess.Popen([BINARIES / "loco", "restart", "-a", "followed"], env=server.client, cwd=server.work, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    path = "/teams/main/apps/followed"
    held = until(lambda: server.get(path)["deployment"], 10, "the restart is under way")
    server.post(f"{path}/deployments/{held['id']}/cancel", expect=202)
    out, err = follower.communicate(timeout=40)
    assert follower.returncode == 130 and "cancelled" in err and not out, f"{follower.returncode}: {err}"


def test_an_interrupted_client_cancels_and_says_how_to_follow_on(server):
    server.app("interrupted")
    server.make_live("/teams/main/apps/interrupted")
    path = "/teams/main/apps/interrupted"
    follower = subprocess.Popen([BINARIES / "loco", "restart", "-a", "interrupted"], env=server.client, cwd=server.work, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until(lambda: server.get(path)["deployment"], 10, "the restart is under way")
    assert follower.stderr.readline()
    follower.send_signal(signal.SIGINT)
    out, err = follower.communicate(timeout=20)
    assert follower.returncode == 130 and "loco status -a interrupted" in err and "loco events -a interrupted" in err, err
    until(lambda: server.get(path)["deployment"] is None, 30, "the app is free again")


# Variables.

def test_a_value_comes_from_stdin_a_file_or_the_command_line_which_warns(server, name, tmp_path):
    quiet = server.loco("env", "set", "PIPED", "-a", name, stdin="from stdin\n")
    assert "history" not in quiet.err
    (tmp_path / "key.pem").write_text("line 1\nline 2\n")
    assert "history" not in server.loco("env", "set", f"FILED=@{tmp_path}/key.pem", "-a", name).err
    warned = server.loco("env", "set", "GIVEN=plain-value", "-a", name)
    assert "history" in warned.err and "loco env set GIVEN" in warned.err and "plain-value" not in warned.err + warned.out
    (tmp_path / "more.env").write_text("# comment\n\nexport ONE=1\nTWO='two 2'\nTHREE=\"a\\nb\"\n")
    server.loco("env", "import", tmp_path / "more.env", "-a", name)
    server.loco("variables", "import", "-", "-a", name, stdin="FOUR=4\n")
    assert server.loco("env", "list", "-a", name).out.split() == ["FILED", "FOUR", "GIVEN", "ONE", "PIPED", "THREE", "TWO"]
    assert server.loco("variables", "list", "-a", name).out == server.loco("env", "list", "-a", name).out
    server.loco("env", "unset", "ONE", "TWO", "-a", name)
    assert "ONE" not in server.loco("env", "list", "-a", name).out


def test_what_can_not_be_set_is_refused_before_anything_is_sent(server, name, tmp_path):
    missing = server.loco("env", "set", f"A=@{tmp_path}/none", "-a", name, expect=4)
    assert "none" in missing.err
    server.loco("env", "set", "A", "B", "-a", name, stdin="x", expect=2)
    server.loco("env", "set", "1A=x", "-a", name, expect=2)
    (tmp_path / "bad.env").write_text("GOOD=1\nno equals sign\n")
    bad = server.loco("env", "import", tmp_path / "bad.env", "-a", name, expect=2)
    assert "bad.env:2" in bad.err
    (tmp_path / "big").write_text("x" * 70_000)
    server.loco("env", "set", f"A=@{tmp_path}/big", "-a", name, expect=2)
    assert server.get(f"/teams/main/apps/{name}/env")["version"] == 0


# loco.toml.

def test_init_writes_what_validates_and_does_not_overwrite(server, tmp_path):
    project = tmp_path / "my-project"
    project.mkdir()
    (project / "Dockerfile").write_text(DOCKERFILE)
    (project / "app").write_text("x")
    done = server.loco("init", cwd=project)
    assert "my-project" in done.err and "3000" in done.err
    assert 'name = "my-project"' in (project / "loco.toml").read_text()
    assert "is valid" in server.loco("validate", cwd=project).err
    assert server.loco("validate", cwd=project, env={"LOCO_HOST": "http://127.0.0.1:1"}).status == 0, "needs no server"
    kept = server.loco("init", cwd=project, expect=9)
    assert "--force" in kept.err
    server.loco("init", project, "--force")


def test_every_mistake_is_told_with_its_place_and_its_fix(server, tmp_path):
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "loco.toml").write_text('version = 1\nNmae = "x"\n[resources]\nmemory = "100m"\n[deploy]\ntimeout = "30"\n')
    done = server.loco("validate", tmp_path, expect=2)
    for word in ("loco.toml:2", "name", "loco.toml:4", "100Mi", "loco.toml:6", "30s", "^"):
        assert word in done.err, str(done)
    document = server.loco("validate", tmp_path, "--json", expect=2).json()
    assert document["valid"] is False and document["spec"] is None
    assert [one["line"] for one in document["diagnostics"]] == [2, 4, 6]
    assert {"file", "line", "column", "message", "fix"} <= set(document["diagnostics"][0])
    for words in (["deploy", tmp_path], ["deploy", tmp_path, "--dry-run"]):
        assert server.loco(*words, expect=2).err.count("loco.toml:") >= 3
    (tmp_path / "other.toml").write_text(TOML.format(name="other"))
    server.loco("validate", "-c", tmp_path / "other.toml")
    assert server.loco("validate", tmp_path / "nowhere", expect=4).err


def test_a_dry_run_tells_what_would_be_built_and_does_nothing(server, folder):
    (folder / ".env").write_text("SECRET=1")
    (folder / ".dockerignore").write_text("notes\n")
    (folder / "notes").write_text("x")
    before = server.get("/teams/main/apps?limit=1000")
    done = server.loco("deploy", folder, "--dry-run")
    assert "creates the app" in done.out and "  app\n" in done.out and ".env" not in done.out and "notes" not in done.out
    assert server.get("/teams/main/apps?limit=1000") == before
    assert "takes the image some:ref" in server.loco("deploy", folder, "--dry-run", "--image", "some:ref").out


def test_a_deploy_without_an_engine_fails_as_such_and_holds_nothing(server, folder):
    done = server.loco("deploy", folder, expect=8)
    assert "engine" in done.err.lower()
    app = re.search(r'name = "(.+)"', (folder / "loco.toml").read_text())[1]
    last = server.get(f"/teams/main/apps/{app}")["last_deployment"]
    assert last["state"] == "failed" and last["diagnosis"]["message"]
    other = server.loco("deploy", folder, "-a", "another", expect=2)
    assert app in other.err


# The rest.

def test_completion_knows_commands_options_and_apps(server, name):
    def words(*typed: str) -> list[str]:
        return server.loco("completion", "words", "--", *typed).out.split()

    assert {"deploy", "env", "status", "up"} <= set(words("")) and "env set" not in server.loco("completion", "words", "--", "").out
    assert set(words("env", "")) == {"list", "set", "unset", "import"}
    assert {"--follow", "--app", "--json"} <= set(words("logs", "--"))
    assert name in words("status", "-a", "") and name in words("destroy", "")
    assert server.loco("completion", "words", "--", "status", "-a", "", env={"LOCO_HOST": "http://127.0.0.1:1"}).out == "", "quiet without a server"


@pytest.mark.parametrize("shell, check", [("bash", ["bash", "-n"]), ("zsh", None), ("fish", None)])
def test_the_completion_of_each_shell_is_printed(server, tmp_path, shell, check):
    script = server.loco("completion", shell).out
    assert "loco completion words" in script
    if check:
        assert subprocess.run(check, input=script, text=True, capture_output=True).returncode == 0


def test_bash_completes_commands_and_apps(server, name):
    script = server.loco("completion", "bash").out

    def complete(*typed: str) -> list[str]:
        words = " ".join(f"'{word}'" for word in typed)
        ask = f"{script}\nCOMP_WORDS=(loco {words}); COMP_CWORD={len(typed)}; _loco; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        done = subprocess.run(["bash", "-c", ask], env=server.client | {"PATH": f"{BINARIES}:{os.environ['PATH']}"}, cwd=server.work, capture_output=True,
                              text=True, timeout=20)
        return done.stdout.split()

    assert complete("dep") == ["deploy"]
    assert complete("env", "un") == ["unset"]
    assert complete("status", "-a", name[:-1]) == [name]


def test_docs_and_whoami(server):
    assert "[resources]" in server.loco("docs", "loco.toml").out and "openapi.json" in server.loco("docs").out
    server.loco("docs", "nothing", expect=4)
    assert "owner of team main" in server.loco("whoami").out
    assert server.loco("account").out == server.loco("whoami").out


def test_down_where_nothing_runs_changes_nothing(server, tmp_path):
    server.loco("down", "--data", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_the_clients_debug_log_tells_of_commands_and_is_kept_small(server):
    server.loco("apps")
    log = server.folder / "state/loco/loco.log"
    assert "apps" in log.read_text()
    unwritable = server.loco("apps", env={"XDG_STATE_HOME": "/proc/nowhere"})
    assert unwritable.status == 0, "that the log can't be written is no reason to fail"


def test_the_version_is_printed_at_once(server):
    began = time.monotonic()
    for _ in range(10):
        server.loco("--version", env={"LOCO_HOST": "http://127.0.0.1:1"})
    assert (time.monotonic() - began) / 10 < 0.5
