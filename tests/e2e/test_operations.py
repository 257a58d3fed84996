"""Living with an app: environment, scale, logs, events, and the rest of the command line."""
import json
import re
import signal
import threading
import time

import pytest

from support import web
from support.wait import until

CANARY = "canary-5f1d-never-to-be-seen"


@pytest.mark.one_machine("searches the data folder and the container; of a cluster, tests/kubernetes does")
def test_setting_a_variable_makes_a_release_and_its_value_is_nowhere_to_be_read(loco, app):
    loco.deploy(app("vault"))
    loco.run("env", "set", "SECRET", "-a", "vault", stdin=CANARY + "\n")
    assert loco.release("vault") == "v2"
    assert loco.fetch("vault", "/env/SECRET").text == CANARY
    shown = [loco.run(*words, "-a", "vault") for words in
             (["env", "list"], ["env", "list", "--json"], ["events"], ["events", "--json"], ["status", "--json"], ["releases", "--json"], ["logs"])]
    assert "SECRET" in shown[0].out
    for done in shown:
        assert CANARY not in done.out + done.err, str(done)
    # Neither in what Loco keeps or logs, nor in labels, nor in any process's arguments.
    for path in loco.data.rglob("*"):
        if path.is_file() and "docker" not in path.parts:
            assert CANARY.encode() not in path.read_bytes(), path
    assert CANARY not in json.dumps(loco.engine.inspect(loco.engine.of_app("vault")[0])["Config"]["Labels"])
    assert not [words for words in loco.processes() if CANARY in words]
    loco.run("env", "unset", "SECRET", "-a", "vault")
    assert loco.fetch("vault", "/env/SECRET").status == 404


def test_variables_are_set_from_files_arguments_and_imports_and_staged(loco, app, tmp_path):
    folder = app("varied")
    loco.deploy(folder)
    (tmp_path / "value").write_text("from a file")
    (tmp_path / "more.env").write_text("# comment\nTHREE=3\nFOUR='four'\n")
    loco.run("env", "set", f"ONE=@{tmp_path}/value", "-a", "varied")
    assert "history" in loco.run("env", "set", "TWO=2", "-a", "varied").err
    loco.run("env", "import", tmp_path / "more.env", "-a", "varied")
    assert [loco.fetch("varied", f"/env/{name}").text for name in ("ONE", "TWO", "THREE", "FOUR")] == ["from a file", "2", "3", "four"]
    before = loco.release("varied")
    loco.run("env", "set", "FIVE=5", "--stage", "-a", "varied")
    assert loco.release("varied") == before and loco.fetch("varied", "/env/FIVE").status == 404
    loco.deploy(folder.image("2"))
    assert loco.fetch("varied", "/env/FIVE").text == "5"


def test_an_app_is_created_before_its_first_release(loco, app):
    folder = app("early")
    loco.run("create", "early")
    loco.run("env", "set", "READY=yes", "-a", "early")
    assert loco.fetch("early").status in (404, 503)
    loco.deploy(folder)
    assert loco.fetch("early", "/env/READY").text == "yes"
    loco.run("create", "early", expect=9)


def test_scaling_up_and_down_outlives_deploys_until_it_is_reset(loco, app):
    folder = app("wide")
    loco.deploy(folder)
    loco.run("scale", "--replicas", "3", "-a", "wide")
    loco.settled("wide", 3)
    assert len({loco.fetch("wide").json()["instance"] for _ in range(30)}) == 3
    loco.deploy(folder.image("2"))
    loco.settled("wide", 3)
    assert loco.release("wide") == "v2"
    loco.run("scale", "--replicas", "1", "-a", "wide")
    loco.settled("wide", 1)
    loco.run("scale", "--replicas", "2", "--memory", "64Mi", "-a", "wide")
    loco.settled("wide", 2)
    assert loco.memory_limits("wide") == {64 << 20}
    loco.run("scale", "--reset", "-a", "wide")
    loco.settled("wide", 1)
    assert [one["release"] for one in loco.releases("wide")] == ["v2", "v1"]


def test_logs_are_kept_by_release_after_their_container_is_gone(loco, app):
    folder = app("scribe")
    loco.deploy(folder)
    for text in ("one", "two", "three"):
        loco.fetch("scribe", f"/log?text=line-{text}")
    loco.fetch("scribe", "/err?text=line-of-stderr")
    until(lambda: "line-of-stderr" in loco.run("logs", "-a", "scribe").out, 10)
    text = loco.run("logs", "-a", "scribe").out
    assert text.index("line-one") < text.index("line-two") < text.index("line-three") < text.index("line-of-stderr")
    loco.deploy(folder.image("2"))
    loco.settled("scribe", 1)
    assert "line-two" in loco.run("logs", "-a", "scribe", "--release", "v1").out
    assert "line-two" not in loco.run("logs", "-a", "scribe", "--release", "v2").out
    assert len(loco.run("logs", "-a", "scribe", "-n", "2").out.splitlines()) == 2
    only = loco.run("logs", "-a", "scribe", "--grep", "line-(one|three)").out
    assert "line-one" in only and "line-three" in only and "line-two" not in only
    assert "COPY" in loco.run("logs", "-a", "scribe", "--build").out
    assert all(isinstance(line, dict) for line in loco.run("logs", "-a", "scribe", "--json").lines())


def test_a_line_reaches_a_follower_at_once(loco, app):
    loco.deploy(app("live"))
    process = loco.start("logs", "-f", "-a", "live")
    seen: dict[str, float] = {}

    def read() -> None:
        for line in process.stdout:
            for word in re.findall(r"mark-\d+", line):
                seen.setdefault(word, time.monotonic())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        # Until the follower is there, a line says nothing of how fast it comes.
        until(lambda: loco.fetch("live", "/log?text=mark-0") and "mark-0" in seen, 15)
        for number in range(1, 6):
            sent = time.monotonic()
            loco.fetch("live", f"/log?text=mark-{number}")
            until(lambda: f"mark-{number}" in seen, 5, every=0.005)
            assert seen[f"mark-{number}"] - sent < 1.0
    finally:
        process.send_signal(signal.SIGINT)
        assert loco.finish(process, timeout=10).status in (0, 130)
        reader.join(10)


def test_events_tell_the_history_in_order(loco, app):
    folder = app("history")
    loco.deploy(folder)
    loco.deploy(folder.image("2").toml('[env]\nHEALTH = "503"', timeout="4s"), expect=7)
    loco.deploy(folder.image("3").toml())
    loco.run("scale", "--replicas", "2", "-a", "history")
    events = loco.events("history")
    kinds = " ".join(event["kind"] for event in events)
    for state in ("building", "rolling", "live", "failed"):
        assert state in kinds, kinds
    sequence = [event["seq"] for event in events]
    assert sequence in (sorted(sequence), sorted(sequence, reverse=True)) and len(set(sequence)) == len(sequence)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", event["at"]) for event in events)
    text = loco.run("events", "-a", "history").out
    assert "v1" in text and "v3" in text


def test_a_deployments_events_resume_where_they_were_left(loco, app):
    loco.deploy(app("stream"))
    deployments = loco.call("GET", f"{loco.path('stream')}/deployments").json()["items"]
    path = f"/api/v1{loco.path('stream')}/deployments/{deployments[0]['id']}/events"
    headers = {"Authorization": f"Bearer {loco.token()}"}
    events = list(web.server_sent_events(loco.api, "127.0.0.1", path, headers))
    assert len(events) >= 3
    rest = list(web.server_sent_events(loco.api, "127.0.0.1", path, headers | {"Last-Event-ID": events[1].id}))
    assert [event.id for event in rest] == [event.id for event in events[2:]]


def test_status_apps_and_whoami_speak_json_whose_top_is_an_object(loco, app):
    loco.deploy(app("spoken"))
    for words in (["status", "-a", "spoken"], ["apps"], ["whoami"], ["releases", "-a", "spoken"], ["events", "-a", "spoken"], ["env", "list", "-a", "spoken"]):
        loco.run(*words, "--json").json()
    assert "spoken" in loco.run("apps").out
    assert "v1" in loco.run("status", "-a", "spoken").out


def test_the_app_is_the_one_of_the_folder_unless_named(loco, app):
    folder = app("here")
    loco.run("deploy", cwd=folder.path)
    assert "here" in loco.run("status", cwd=folder.path).out
    assert "no-such" in loco.run("status", "-a", "no-such", cwd=folder.path, expect=4).err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(loco, shell):
    assert "deploy" in loco.run("completion", shell).out or "loco" in loco.run("completion", shell).out


def test_init_writes_a_file_that_validates_and_deploys(loco, app):
    folder = app("fresh")
    (folder.path / "loco.toml").unlink()
    loco.run("init", cwd=folder.path)
    text = (folder.path / "loco.toml").read_text()
    assert "port = 8080" in text and "#" in text
    loco.run("validate", cwd=folder.path)
    loco.run("deploy", cwd=folder.path)
    assert loco.release("fresh") == "v1"
    # What is there is not overwritten.
    loco.run("init", cwd=folder.path, expect=None)
    assert (folder.path / "loco.toml").read_text() == text


def test_a_post_with_the_same_idempotency_key_is_done_once(loco, app):
    loco.deploy(app("once"))
    path, headers = f"{loco.path('once')}/deployments", {"Idempotency-Key": "the-same-one"}
    answers = [loco.call("POST", path, {"kind": "restart"}, headers) for _ in range(2)]
    assert answers[0].status in (201, 202) and answers[0].body == answers[1].body
    until(lambda: loco.call("GET", f"{path}/{answers[0].json()['id']}").json()["state"] == "live", 30)
    assert len([one for one in loco.call("GET", path).json()["items"] if one["kind"] == "restart"]) == 1
